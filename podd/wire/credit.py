"""The operator's API: credit of accounts. Amounts are dollars as text, exact to the nano-dollar."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Amount = Annotated[str, StringConstraints(pattern=r"^-?\d{1,10}(\.\d{1,9})?$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DepositWish(_Body):
    """`account` is an id or an e-mail address. A `key` can be posted once: whoever says it again, because
    no answer came, deposits nothing twice."""

    account: str
    amount: Amount
    text: str = ""
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class CorrectionWish(_Body):
    """As a deposit, of an amount that may be below zero, with its reason."""

    account: str
    amount: Amount
    reason: str
    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Balance(BaseModel):
    balance: str


class Line(BaseModel):
    """One posting. `amount` is below zero when it was taken; `at` in epoch milliseconds."""

    at: int
    amount: str
    text: str
    resource: str
    item: str


class Statement(BaseModel):
    """An account's balance, what it is charged per hour now, and its last postings, newest first."""

    account: str
    email: str
    balance: str
    hourly: str
    halted: bool
    lines: list[Line]

"""Credit of accounts, for the operator and for their owners. Amounts are dollars as text, exact to the
nano-dollar; times are epoch milliseconds."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Amount = Annotated[str, StringConstraints(pattern=r"^-?\d{1,10}(\.\d{1,9})?$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(max_length=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DepositWish(_Body):
    """`account` is an id or an e-mail address. A `key` can be posted once: whoever says it again, because
    no answer came, deposits nothing twice."""

    account: str
    amount: Amount
    text: Text = ""
    key: Key


class CorrectionWish(_Body):
    """As a deposit, of an amount that may be below zero, with its reason."""

    account: str
    amount: Amount
    reason: Text
    key: Key


class Balance(BaseModel):
    balance: str


class VoucherWish(_Body):
    """`count` vouchers of this amount, good up to the end of the day `expires`."""

    amount: Amount
    count: int = 1
    expires: date | None = None
    text: Text = ""


class NewVoucher(BaseModel):
    """The code is only ever shown here."""

    id: str
    code: str


class NewVouchers(BaseModel):
    vouchers: list[NewVoucher]


class Voucher(BaseModel):
    """`account` has redeemed it."""

    id: str
    amount: str
    text: str
    created_at: int
    expires_at: int | None
    account: str | None
    redeemed_at: int | None


class Vouchers(BaseModel):
    vouchers: list[Voucher]


class VoucherCode(_Body):
    code: Annotated[str, StringConstraints(max_length=100)]


class AllowanceWish(_Body):
    account: str
    amount: Amount
    every: Literal["week", "month"]
    text: Text = ""


class Allowance(BaseModel):
    """`last_day` is the first day of the last week or month it was given for."""

    id: str
    amount: str
    every: str
    text: str
    last_day: date


class RefillWish(_Body):
    """Add `amount` when the balance is below `threshold`, in a month no more than `monthly_cap`."""

    account: str
    threshold: Amount
    amount: Amount
    monthly_cap: Amount


class Refill(BaseModel):
    """`added` of the cap in `month`, as in 2026-10; empty before the first time."""

    threshold: str
    amount: str
    monthly_cap: str
    month: str
    added: str


class PlanWish(_Body):
    """`count` GPUs of a type, for 1, 3 or 6 months. A `key` buys once."""

    gpu_type: str
    count: int
    months: int
    key: Key


class PlanWishFor(PlanWish):
    account: str


class Plan(BaseModel):
    """`price` was paid in advance."""

    id: str
    gpu_type: str
    count: int
    months: int
    price: str
    begins_at: int
    ends_at: int


class AccountName(_Body):
    account: str


class Done(BaseModel):
    """It was done; there is nothing to tell."""


class Line(BaseModel):
    """One posting. `amount` is below zero when it was taken."""

    at: int
    amount: str
    text: str
    resource: str
    item: str


class Credit(BaseModel):
    """An account's balance, what it is charged per hour now, where credit comes from by itself, its savings
    plans, and the last postings, newest first."""

    account: str
    email: str
    balance: str
    hourly: str
    halted: bool
    allowances: list[Allowance] = Field(default_factory=list)
    refill: Refill | None = None
    plans: list[Plan] = Field(default_factory=list)
    lines: list[Line]

"""The operator's API: notices to people."""

from pydantic import BaseModel, ConfigDict


class TestWish(BaseModel):
    """`account` is an id or an e-mail address; "" sends it to the operator."""

    model_config = ConfigDict(extra="forbid")

    account: str = ""


class NoticeStatus(BaseModel):
    """One notice, and one letter it is in. `state`: waiting, sent, given up, or nowhere (nothing is set up
    that could reach them). `account` is "" for the operator; `reason` why the last try failed; `at` in epoch
    milliseconds."""

    number: int
    at: int
    account: str
    subject: str
    kind: str
    text: str
    state: str
    route: str
    address: str
    tries: int
    reason: str


class NoticeList(BaseModel):
    """Newest first."""

    notices: list[NoticeStatus]

"""The audit log, as the operator's API tells it."""

from pydantic import BaseModel


class AuditEntry(BaseModel):
    """Who (`actor` is the kind of caller; the ids are those it showed, or empty) did what (`operation` to
    `thing`), from where and when (milliseconds since 1970). `outcome` is done, or refused for want of
    permission."""

    number: int
    at: int
    account_id: str
    actor: str
    user_id: str
    key_id: str
    session_id: str
    workload_id: str
    address: str
    surface: str
    agent: str
    operation: str
    thing: str
    outcome: str


class AuditPage(BaseModel):
    """Newest first. `before` asks for the next page; there is none when it is left out."""

    entries: list[AuditEntry]
    before: int | None = None

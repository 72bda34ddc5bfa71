"""The audit log, as the operator's API tells it."""

from pydantic import BaseModel

from podd.domain.audit import Entry


class AuditPage(BaseModel):
    """Newest first. `before` asks for the next page; there is none when it is left out."""

    entries: list[Entry]
    before: int | None = None

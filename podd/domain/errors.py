"""What can go wrong, as podd's users meet it.

Every error carries one sentence a user can act on. Each surface (GraphQL, REST, jobs, CLI) translates
these in one place; nothing else decides about status codes.
"""

from collections.abc import Sequence
from typing import ClassVar


class PoddError(Exception):
    """Something the caller can understand and act on."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(PoddError):
    """The request makes no sense as sent; the message names the field."""

    code = "invalid"


class Malformed(PoddError):
    """A body or query that is not of the documented shape; `problems` says where, one line for each."""

    code = "malformed"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class Unauthenticated(PoddError):
    """No key, or a key podd does not know."""

    code = "unauthenticated"


class Forbidden(PoddError):
    """A good key that may not do this."""

    code = "forbidden"


class NotFound(PoddError):
    """No such thing, or somebody else's: the two are told apart nowhere."""

    code = "not_found"


class Conflict(PoddError):
    """The thing is not in a state that allows the move."""

    code = "conflict"


class NoCapacity(PoddError):
    """The machine has no room for this now. `message` is in words that clients compare; `short` says what
    is short, and who holds it in counts, never whose."""

    code = "no_capacity"

    def __init__(self, message: str, short: str = "") -> None:
        super().__init__(message)
        self.short = short


class NoFunds(PoddError):
    """The account cannot afford this."""

    code = "no_funds"


class OverQuota(PoddError):
    """More than the account, or its member, may have at once; the message says which quota, how much of it is
    used and how much there is."""

    code = "over_quota"


class TooLarge(PoddError):
    """A body or result over its limit."""

    code = "too_large"


class TooMany(PoddError):
    """More at once than podd serves; it may work after `retry_after` seconds."""

    code = "too_many"

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotAvailable(PoddError):
    """A known operation that this version of podd does not offer yet."""

    code = "not_available"


class StorageFailed(PoddError):
    """The database could not store the change (disk full, I/O error); nothing was changed."""

    code = "storage_failed"


OUT_OF_STOCK = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
NOT_ENOUGH_FREE_GPUS = "There are not enough free GPUs on the host machine to start this pod."

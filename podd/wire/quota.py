"""The operator's API: quotas of accounts, and which pods may stand idle."""

from pydantic import BaseModel, ConfigDict


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class QuotaWish(_Body):
    """Amounts by name, 0 being no limit; those in `default` are the machine's settings again. Names are those
    of a `QuotaList`."""

    amounts: dict[str, int] = {}
    default: list[str] = []


class QuotaStatus(BaseModel):
    """`used` is null where nothing is counted; `allowed` 0 is no limit; `own`: set for this account."""

    name: str
    used: int | None
    allowed: int
    own: bool


class QuotaList(BaseModel):
    quotas: list[QuotaStatus]


class ExemptionWish(_Body):
    """Whether the pod may stand idle as long as it likes."""

    exempt: bool = True


class Exemption(BaseModel):
    pod: str
    exempt: bool

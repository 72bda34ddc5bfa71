"""The operator's API: accounts and keys, and how the machine is doing."""

from pydantic import BaseModel, ConfigDict


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountWish(_Body):
    """`name` defaults to the part of the address before the @. A `team` can have members."""

    email: str
    name: str | None = None
    team: bool = False


class NewAccount(BaseModel):
    """`api_key` is shown here and never again."""

    account_id: str
    email: str
    api_key: str


class AccountFacts(BaseModel):
    """`kind` is personal or team; `balance` in dollars, exact; `created_at` in ISO 8601. Pods that should run
    and workers are counted, and the endpoints there are."""

    account_id: str
    email: str
    name: str
    kind: str
    created_at: str
    balance: str
    pods: int
    endpoints: int
    workers: int


class AccountList(BaseModel):
    accounts: list[AccountFacts]


class Owner(BaseModel):
    """Whose a thing is. `kind` is pod, worker, endpoint, template, volume, registry or secret."""

    id: str
    kind: str
    account_id: str
    email: str


class MachineStatus(BaseModel):
    """`engine` as it answered last; numbers of GPUs, pods and endpoints."""

    version: str
    engine: str
    gpus: int
    gpus_free: int
    pods: int
    endpoints: int


class RotatedKey(BaseModel):
    """`key` names the key that now seals what is kept; `count` is how many texts it seals."""

    key: str
    count: int


class GpuHolder(BaseModel):
    """Who holds a GPU. `kind` is pod or worker; `bid` in dollars per hour where a spot pod holds it."""

    workload: str
    account: str
    kind: str
    bid: float | None


class GpuStatus(BaseModel):
    """One GPU or MIG instance. `state` is healthy, unhealthy or unknown, `reason` why it is not healthy;
    `duty` is serving, cordoned or draining. Memory in MiB, use in percent, null where nobody can tell."""

    index: int
    uuid: str
    type: str
    memory: int
    card: str | None
    simulated: bool
    state: str
    reason: str
    duty: str
    held_by: GpuHolder | None
    gpu_percent: int | None = None
    memory_percent: int | None = None
    watts: float | None = None
    celsius: int | None = None


class GpuList(BaseModel):
    gpus: list[GpuStatus]


class Minute(BaseModel):
    """Means of one minute, which began at `at` (epoch milliseconds); what nobody could tell is left out. Of
    a workload cpu_percent (of one core), memory_mb and deaf_ports (how many of its declared ports nothing
    listens at), of a GPU gpu_percent, memory_percent, watts and celsius."""

    at: int
    means: dict[str, float]


class UseHistory(BaseModel):
    """At most a day, oldest first; empty after a start of podd."""

    id: str
    minutes: list[Minute]


class DrainWish(_Body):
    """`force` stops on-demand pods too, and takes their jobs from busy workers."""

    force: bool = False


class Nothing(_Body):
    """The body of a request that says all in its path."""


class Explanation(BaseModel):
    """Why something runs or does not, the most important sentence first."""

    id: str
    sentences: list[str]

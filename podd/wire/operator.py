"""The operator's API: accounts and keys, and how the machine is doing."""

from pydantic import BaseModel, ConfigDict


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountWish(_Body):
    """`name` defaults to the part of the address before the @."""

    email: str
    name: str | None = None


class NewAccount(BaseModel):
    """`api_key` is shown here and never again."""

    account_id: str
    email: str
    api_key: str


class KeyWish(_Body):
    """`account` is an account's id or e-mail address."""

    account: str
    name: str | None = None


class NewKey(BaseModel):
    """`api_key` is shown here and never again."""

    key_id: str
    api_key: str


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


class Nothing(_Body):
    """A request without anything to say."""


class Explanation(BaseModel):
    """Why something runs or does not, the most important sentence first."""

    id: str
    sentences: list[str]

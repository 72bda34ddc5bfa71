"""The operator's API: keys of accounts. An account is named by its id or its e-mail address."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ScopeName = Literal["all", "read_only", "endpoints", "pod"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyWish(_Body):
    """`user` is the member it is for, if not the account's own person; `ids` the endpoints, or the pod, of
    its scope; `expires_at` ISO 8601, never when it is left out."""

    account: str = ""
    user: str = ""
    name: str | None = None
    scope: ScopeName = "all"
    ids: list[str] = []
    expires_at: str | None = None


class KeyChange(_Body):
    """What is left out stays as it is."""

    name: str | None = None
    scope: ScopeName | None = None
    ids: list[str] = []
    expires_at: str | None = None


class Key(BaseModel):
    """A key, without the key itself."""

    key_id: str
    account_id: str
    user_id: str
    name: str
    scope: ScopeName
    ids: list[str]
    created_at: str
    expires_at: str | None


class NewKey(Key):
    """`api_key` is shown here and never again."""

    api_key: str


class KeyList(BaseModel):
    keys: list[Key]

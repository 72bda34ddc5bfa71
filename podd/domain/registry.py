"""Registry credentials: what private images are pulled with. The password is kept sealed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCredential:
    id: str
    account_id: str
    name: str
    username: str
    created_at: int

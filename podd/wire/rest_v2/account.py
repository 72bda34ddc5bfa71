"""The account's SSH keys and secrets."""

from typing import Annotated

from pydantic import Field

from podd.wire.rest_v2.words import Body, Name, PageQuery, Pagination, View

SshKey = Annotated[str, Field(pattern=r"^(ssh|ecdsa|sk)-[^\s]+ [^\s]+([ \t][^\n\r]*)?$")]


class UpdateSshKeysRequest(Body):
    keys: list[SshKey]


class SshKeys(View):
    keys: list[str]


class CreateSecretRequest(Body):
    name: Name
    value: Name
    description: str | None = None


class UpdateSecretRequest(Body):
    value: Name | None = None
    description: str | None = None


class SecretsQuery(PageQuery):
    name: str | None = None


class Secret(View):
    id: str
    name: str
    description: str
    created_at: str
    value_last_updated_at: str


class ListSecretsResponse(View):
    secrets: list[Secret]
    pagination: Pagination

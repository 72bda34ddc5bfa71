"""Registry credentials, and delegations of ECR repositories."""

from podd.wire.rest_v2.words import Body, Name, Pagination, View


class CreateRegistryRequest(Body):
    name: Name
    username: Name
    password: Name


class CreateDelegationRequest(Body):
    resource: str
    name: str | None = None


class Registry(View):
    """`username` is not documented; the Terraform provider expects it."""

    id: str
    name: str
    username: str


class ListRegistriesResponse(View):
    registries: list[Registry]
    pagination: Pagination


class EcrDelegation(View):
    id: str
    name: str | None
    delegator_user_id: str
    aws_user: str
    repository: str
    tag: str
    aws_region: str
    created_at: str


class ListDelegationsResponse(View):
    delegations: list[EcrDelegation]

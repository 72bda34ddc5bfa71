"""Which permission each operation of each surface needs, and the guard that asks for it first.

Every route and every root field of GraphQL stands here; what does not is refused. Where several permissions
are named, one of them is enough to be let in, and the verb decides about the rest.
"""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from podd.api.context import (
    AnyConnection,
    api_of,
    caller_within,
    known_caller_of,
    note_caller,
    shows_key,
    watch_keys,
)
from podd.api.visits import Visit, visit_of
from podd.domain.account import ANONYMOUS, PERMISSIONS, Caller, CallerKind, may, require
from podd.domain.errors import Forbidden
from podd.services.platform import Platform
from podd.store.db import Reader, Tx

P = ParamSpec("P")
T = TypeVar("T")
Operations = tuple[str, ...]


def _table(text: str) -> dict[str, Operations]:
    """Lines of `operation: permission or permission`, paths without their common beginning after a line
    that ends in `*`."""
    table: dict[str, Operations] = {}
    below = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.endswith("*"):
            below = line[:-1]
            continue
        names, _, needed = line.partition(": ")
        method, _, path = names.rpartition(" ")
        for each in method.split("|") if method else [""]:
            table[f"{each} {below}{path}".strip()] = tuple(needed.split(" or "))
    return table


ROUTES = _table(
    """
    POST /graphql: catalogue.read
    GET /sign-in: session.open
    GET /livez: health.read
    GET /readyz: health.read
    GET /health: health.read
    GET /metrics: metrics.ask
    GET /docs: documentation.read
    GET /docs/openapi.json: documentation.read
    GET /docs/{path}: documentation.read

    /v1*
    GET /openapi.json: documentation.read
    GET /docs: documentation.read
    GET /pods: pod.list
    POST /pods: pod.create
    GET /pods/{pod_id}: pod.read
    PATCH|PUT /pods/{pod_id}: pod.change
    POST /pods/{pod_id}/update: pod.change
    DELETE /pods/{pod_id}: pod.terminate
    POST /pods/{pod_id}/start: pod.start
    POST /pods/{pod_id}/stop: pod.stop
    POST /pods/{pod_id}/reset: pod.change
    POST /pods/{pod_id}/restart: pod.change
    GET /endpoints: endpoint.list
    POST /endpoints: endpoint.save
    GET /endpoints/{endpoint_id}: endpoint.read
    PATCH /endpoints/{endpoint_id}: endpoint.save
    POST /endpoints/{endpoint_id}/update: endpoint.save
    DELETE /endpoints/{endpoint_id}: endpoint.delete
    GET /templates: template.read
    POST /templates: template.save
    GET /templates/{template_id}: catalogue.ask
    PATCH /templates/{template_id}: template.save
    POST /templates/{template_id}/update: template.save
    DELETE /templates/{template_id}: template.delete
    GET /networkvolumes: volume.read
    POST /networkvolumes: volume.save
    GET /networkvolumes/{network_volume_id}: volume.read
    PATCH|DELETE /networkvolumes/{network_volume_id}: volume.save
    POST /networkvolumes/{network_volume_id}/update: volume.save
    GET /containerregistryauth: registry.read
    POST /containerregistryauth: registry.save
    GET /containerregistryauth/{container_registry_auth_id}: registry.read
    DELETE /containerregistryauth/{container_registry_auth_id}: registry.save
    GET /billing/pods: billing.read
    GET /billing/endpoints: billing.read
    GET /billing/networkvolumes: billing.read

    /v2*
    GET /openapi.json: documentation.read
    GET /account/ssh-keys: account.read
    PUT /account/ssh-keys: account.change
    GET /account/secrets: secret.read
    POST /account/secrets: secret.save
    GET /account/secrets/{id}: secret.read
    PATCH|DELETE /account/secrets/{id}: secret.save
    GET /pods: pod.list
    POST /pods: pod.create
    GET /pods/{id}: pod.read
    PATCH /pods/{id}: pod.change
    DELETE /pods/{id}: pod.terminate
    POST /pods/{id}/action: pod.start or pod.stop or pod.change or pod.terminate
    GET /pods/{id}/logs: pod.read
    GET /serverless: endpoint.list
    POST /serverless: endpoint.save
    GET /serverless/{id}: endpoint.read
    PATCH /serverless/{id}: endpoint.save
    DELETE /serverless/{id}: endpoint.delete
    GET /serverless/{id}/workers: endpoint.read
    GET /serverless/{id}/releases: endpoint.read
    GET /serverless/{id}/workers/{workerId}/logs: endpoint.read
    GET /serverless/{id}/builds: endpoint.read
    GET /serverless/{id}/jobs: endpoint.read
    GET /templates: template.read
    POST /templates: template.save
    GET /templates/{id}: catalogue.ask
    PATCH /templates/{id}: template.save
    DELETE /templates/{id}: template.delete
    GET /networkvolumes: volume.read
    POST /networkvolumes: volume.save
    GET /networkvolumes/{id}: volume.read
    PATCH|DELETE /networkvolumes/{id}: volume.save
    GET /network-volumes: volume.read
    POST /network-volumes: volume.save
    GET /network-volumes/{id}: volume.read
    PATCH|DELETE /network-volumes/{id}: volume.save
    GET /registries: registry.read
    POST /registries: registry.save
    GET /registries/{id}: registry.read
    DELETE /registries/{id}: registry.save
    GET /registries/delegations: registry.read
    POST /registries/delegations: registry.save
    DELETE /registries/delegations/{id}: registry.save
    GET /catalog/gpus: catalogue.ask
    GET /catalog/gpus/{id}: catalogue.ask
    GET /catalog/cpus: catalogue.ask
    GET /catalog/cpus/{id}: catalogue.ask
    GET /catalog/datacenters: catalogue.ask
    GET /catalog/datacenters/{id}: catalogue.ask
    GET /catalog/templates: catalogue.ask
    GET /billing: billing.read
    GET /billing/pods: billing.read
    GET /billing/serverless: billing.read
    GET /billing/endpoints: billing.read
    GET /billing/network-volumes: billing.read
    GET /billing/networkvolumes: billing.read
    GET /billing/clusters: billing.read
    GET /clusters: pod.list
    POST /clusters: pod.create
    GET /clusters/{id}: pod.list
    PATCH /clusters/{id}: pod.change
    DELETE /clusters/{id}: pod.terminate
    GET /clusters/{id}/pods: pod.list
    GET|POST|PATCH|PUT|DELETE /sandboxes: unavailable.ask
    GET|POST|PATCH|PUT|DELETE /sandboxes/{rest}: unavailable.ask
    GET|POST|PATCH|PUT|DELETE /secrets: unavailable.ask
    GET|POST|PATCH|PUT|DELETE /secrets/{rest}: unavailable.ask
    GET|POST|PATCH|PUT|DELETE /tags: unavailable.ask
    GET|POST|PATCH|PUT|DELETE /tags/{rest}: unavailable.ask

    /v2/{endpoint_id}*
    POST /run: job.submit
    POST /runsync: job.submit
    GET|POST /status/{job_id}: job.read
    GET|POST /status-sync/{job_id}: job.read
    GET|POST /stream/{job_id}: job.read
    POST /cancel/{job_id}: job.cancel
    POST /retry/{job_id}: job.submit
    POST /purge: job.cancel
    POST /purge-queue: job.cancel
    GET /health: job.read
    GET /metrics: job.read
    GET /requests: job.read
    GET|POST|DELETE /openai/v1/{rest}: job.submit
    GET /batch: job.read
    POST /batch: job.submit
    GET /batch/{batch_id}: job.read
    PUT /batch/{batch_id}: job.submit
    GET /batch/{batch_id}/requests: job.read
    POST /batch/{batch_id}/requests: job.submit
    DELETE /batch/{batch_id}/requests/{request_id}: job.submit
    POST /batch/{batch_id}/finalize: job.submit
    POST /batch/{batch_id}/cancel: job.cancel
    GET /job-take/{worker_id}: job.work
    GET /job-take-batch/{worker_id}: job.work
    GET /job-stop/{worker_id}: job.work
    POST /job-done/{worker_id}/{job_id}: job.work
    POST /job-stream/{worker_id}/{job_id}: job.work
    GET /ping/{worker_id}: job.work

    /operator/v1*
    GET /accounts: account.list
    POST /accounts: account.create
    GET /owners/{id}: account.list
    GET /keys: key.read
    POST /keys: key.save
    POST /keys/{key_id}/change: key.save
    POST /keys/{key_id}/revoke: key.save
    POST /teams/{team}/convert: team.change
    POST /teams/{team}/convert-back: team.change
    GET /teams/{team}/members: team.read
    POST /teams/{team}/members: team.add
    POST /teams/{team}/members/{user}/change: team.change
    POST /teams/{team}/members/{user}/remove: team.change
    GET /teams/{team}/invitations: team.change
    POST /teams/{team}/invitations: team.change
    POST /teams/{team}/invitations/{invitation_id}/withdraw: team.change
    POST /invitations/accept: team.join
    POST /links: account.link
    GET /audit: audit.read
    POST /secrets/rotate: secret.rotate
    GET /explanations/{id}: pod.explain or endpoint.explain
    POST /terminals: pod.connect
    POST /ports/login: pod.guard
    POST /ports/visit: pod.connect
    GET /machine: machine.read
    GET /use/{id}: machine.read
    GET /gpus: gpu.read
    POST /gpus/{uuid}/cordon: gpu.change
    POST /gpus/{uuid}/drain: gpu.change
    POST /gpus/{uuid}/return: gpu.change
    GET /notices: notice.read
    POST /notices/test: notice.test
    GET|POST /quotas/{account}: quota.change
    POST /pods/{pod_id}/idle: pod.exempt
    POST /credit/deposits: credit.post
    POST /credit/corrections: credit.post
    GET /credit/{account}: credit.read
    GET /credit/{account}/statements/{month}: credit.read
    GET /credit/vouchers: credit.read
    POST /credit/vouchers: credit.post
    POST /credit/allowances: credit.post
    POST /credit/allowances/{id}/end: credit.post
    POST /credit/refills: credit.post
    POST /credit/refills/end: credit.post
    POST /credit/plans: plan.buy

    /account/v1*
    GET /credit: billing.read
    GET /statements/{month}: billing.read
    POST /vouchers: voucher.redeem
    POST /plans: plan.buy

    /auth*
    POST /sign-in: session.open
    POST /link: session.open
    POST /sign-up: account.sign_up
    POST /sign-out: session.end
    POST /password: password.change
    GET /session: session.read
    GET /sessions: session.read
    DELETE /sessions/{id}: session.end
    """
)

SOCKETS = frozenset({"/operator/v1/terminals/socket"})
"""WebSockets, which are opened with a token that one of the operations gave."""

FIELDS = _table(
    """
    myself: account.read or account.none
    pod: pod.read
    gpuTypes: catalogue.read
    cpuTypes: catalogue.read
    cpuFlavors: catalogue.read
    dataCenters: catalogue.read
    countryCodes: catalogue.read
    serverlessGpuPools: catalogue.read
    podTemplates: catalogue.read
    podTemplate: catalogue.read
    listings: catalogue.read
    listing: catalogue.read
    listingFromRepo: catalogue.read
    allAiApiPublicConfigs: catalogue.read
    myModels: catalogue.read
    models: catalogue.read
    myModel: catalogue.read
    flashApp: catalogue.read
    flashAppByName: catalogue.read
    flashEnvironment: catalogue.read
    flashEnvironmentByName: catalogue.read
    flashBuild: catalogue.read
    flashAuthRequestStatus: catalogue.read

    podFindAndDeployOnDemand: pod.create
    podRentInterruptable: pod.create
    deployCpuPod: pod.create
    podResume: pod.start
    podBidResume: pod.start
    podStop: pod.stop
    podTerminate: pod.terminate
    podEditJob: pod.change
    saveTemplate: template.save
    deleteTemplate: template.delete
    saveEndpoint: endpoint.save
    deleteEndpoint: endpoint.delete
    updateEndpointTemplate: endpoint.save
    saveRegistryAuth: registry.save
    updateRegistryAuth: registry.save
    deleteRegistryAuth: registry.save
    updateUserSettings: account.change
    redeemVoucher: voucher.redeem
    secretCreate: secret.save
    secretDelete: secret.save
    createNetworkVolume: volume.save
    updateNetworkVolume: volume.save
    deleteNetworkVolume: volume.save
    createApiKey: key.save
    updateApiKey: key.save
    deleteApiKey: key.save
    convertToTeam: team.change
    convertToPersonal: team.change
    inviteTeamMember: team.change
    deleteTeamInvitation: team.change
    updateTeamMember: team.change
    removeTeamMember: team.change
    joinTeam: team.join
    leaveTeam: team.leave
    createCluster: pod.create
    deleteCluster: pod.terminate
    addModelToRepo: unavailable.ask
    removeModelFromRepo: unavailable.ask
    createModelRepoUpload: unavailable.ask
    completeModelRepoUpload: unavailable.ask
    updateModelVersionStatus: unavailable.ask
    createFlashApp: unavailable.ask
    deleteFlashApp: unavailable.ask
    createFlashEnvironment: unavailable.ask
    deleteFlashEnvironment: unavailable.ask
    prepareFlashArtifactUpload: unavailable.ask
    finalizeFlashArtifactUpload: unavailable.ask
    updateFlashBuildManifest: unavailable.ask
    deployBuildToEnvironment: unavailable.ask
    addEndpointToFlashEnvironment: unavailable.ask
    addNetworkVolumeToFlashEnvironment: unavailable.ask
    updateFlashEnvironment: unavailable.ask
    createFlashAuthRequest: catalogue.read
    """
)


_OF_KEYS = frozenset({"key.save", "team.change", "team.leave"})

WITHIN = frozenset(
    {
        "POST /v2/{endpoint_id}/run",
        "POST /v2/{endpoint_id}/runsync",
        "GET /v2/{endpoint_id}/status/{job_id}",
        "POST /v2/{endpoint_id}/status/{job_id}",
        "GET /v2/{endpoint_id}/status-sync/{job_id}",
        "POST /v2/{endpoint_id}/status-sync/{job_id}",
    }
)
"""Asked so often that a question of its own about the key would cost too much: their handlers ask by
`read_as_caller` or `write_as_caller`, and by `check` before they refuse a request for anything else."""


async def guard(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Before anything else of a request is looked at: may this caller do that at all? Raises Unauthenticated,
    Forbidden."""
    if connection.scope["type"] == ScopeType.WEBSOCKET and connection.scope["path_template"] in SOCKETS:
        return
    if connection.scope.get("method") == "OPTIONS":  # tells the methods of a path
        return
    needed = _needed(connection)
    if any(may(ANONYMOUS, operation) for operation in needed):
        return
    if any(CallerKind.WORKER in PERMISSIONS[operation].kinds for operation in needed):
        return  # a worker's key is looked at together with what it asks for
    if _route(connection) in WITHIN and shows_key(connection):
        watch_keys(connection)
        return
    await check(connection)
    if may_end_keys(needed):
        visit_of(connection.scope).stay()


async def check(connection: AnyConnection) -> None:
    """What the guard asks, for the routes that it leaves to their handlers."""
    _check(await known_caller_of(connection), _needed(connection))


async def read_as_caller(
    request: AnyConnection,
    question: Callable[Concatenate[Reader, Caller, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`question(db, caller, ...)`, with what the guard asks in the same look. Raises as it."""

    def look(db: Reader) -> T:
        return question(db, _allowed(db, request), *args, **kwargs)

    try:
        return await api_of(request).podd.store.read(look)
    finally:
        note_caller(request)


async def write_as_caller(
    request: AnyConnection,
    verb: Callable[Concatenate[Tx, Platform, Caller, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """`verb(tx, podd, caller, ...)`, with what the guard asks in the same transaction. Raises as it."""
    podd = api_of(request).podd

    def do(tx: Tx) -> T:
        return verb(tx, podd, _allowed(tx, request), *args, **kwargs)

    try:
        return await podd.store.write(do)
    finally:
        note_caller(request)


def check_field(caller: Caller, visit: Visit, name: str) -> None:
    """The same for a root field of GraphQL."""
    needed = FIELDS.get(name, ())
    _check(caller, needed)
    if may_end_keys(needed):
        visit.stay()


def may_end_keys(needed: Operations) -> bool:
    """Whether it can take away the very key that it is asked with, and is to be answered all the same."""
    return not _OF_KEYS.isdisjoint(needed)


# Private


def _route(connection: AnyConnection) -> str:
    return f"{connection.scope.get('method', 'GET')} {connection.scope['path_template']}"


def _needed(connection: AnyConnection) -> Operations:
    return ROUTES.get(_route(connection), ())


def _allowed(db: Reader, request: AnyConnection) -> Caller:
    caller = caller_within(db, request)
    _check(caller, _needed(request))
    return caller


def _check(caller: Caller, needed: Operations) -> None:
    if not needed:
        raise Forbidden("Unauthorized")
    require(caller, *needed)

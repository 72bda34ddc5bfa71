"""The operator's API under /operator/v1: without a key through the local socket, else with the operator's."""

from dataclasses import asdict

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd import __version__
from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.api.shown import dollars, instant
from podd.domain import ledger as books
from podd.domain.account import AccountKind, Caller, require
from podd.domain.money import exact
from podd.services import accounts, explain_endpoint, gpus, rotation
from podd.services.gpus import Held
from podd.services.telemetry import Telemetry
from podd.store import census, ledger
from podd.store.db import Reader
from podd.wire.operator import (
    AccountFacts,
    AccountList,
    AccountWish,
    DrainWish,
    Explanation,
    GpuHolder,
    GpuList,
    GpuStatus,
    MachineStatus,
    Minute,
    NewAccount,
    Owner,
    RotatedKey,
    UseHistory,
)


@post("/operator/v1/accounts", status_code=201)
async def create_account(request: AnyRequest, data: JSONBody[AccountWish]) -> NewAccount:
    """Make an account with its first API key."""
    caller, api = await known_caller_of(request), api_of(request)
    kind = AccountKind.TEAM if data.team else AccountKind.PERSONAL
    account, _, key = await api.podd.store.write(
        accounts.create, caller, data.email, data.name, api.now, kind
    )
    return NewAccount(account_id=account.id, email=account.email, api_key=key)


@get("/operator/v1/accounts")
async def list_accounts(request: AnyRequest) -> AccountList:
    """All accounts, the oldest first, and what they have."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_accounts, caller)


@get("/operator/v1/owners/{id:str}")
async def owner(request: AnyRequest, id: FromPath[str]) -> Owner:
    """Whose a pod, worker, endpoint, template, volume, credential or secret is."""
    caller, api = await known_caller_of(request), api_of(request)
    kind, account = await api.podd.store.read(accounts.owner_of, caller, id)
    return Owner(id=id, kind=kind, account_id=account.id, email=account.email)


@post("/operator/v1/secrets/rotate", status_code=200)
async def rotate_key(request: AnyRequest) -> RotatedKey:
    """Seal all secrets and passwords of registries with a new key."""
    caller, api = await known_caller_of(request), api_of(request)
    done = await rotation.rotate(api.podd, caller)
    return RotatedKey(key=done.key, count=done.count)


@get("/operator/v1/explanations/{id:str}")
async def explain(request: AnyRequest, id: FromPath[str]) -> Explanation:
    """Why a pod runs or does not, or why an endpoint's jobs wait. Its owner may ask as well."""
    caller, api = await known_caller_of(request), api_of(request)
    sentences = await api.podd.store.read(
        explain_endpoint.pod_or_endpoint,
        api.podd,
        caller,
        id,
        api.now,
        api.telemetry,
        api.engine_answers(),
    )
    return Explanation(id=id, sentences=sentences)


@get("/operator/v1/machine")
async def machine(request: AnyRequest) -> MachineStatus:
    """How the machine is doing."""
    caller, api = await known_caller_of(request), api_of(request)
    require(caller, "machine.read")
    return await api.podd.store.read(_status, api.engine_name)


@get("/operator/v1/gpus")
async def list_gpus(request: AnyRequest) -> GpuList:
    """All GPUs: how they are, who holds them, how busy they are."""
    caller, api = await known_caller_of(request), api_of(request)
    return _gpu_list(await api.podd.store.read(gpus.listed, caller), api.telemetry)


@get("/operator/v1/use/{id:str}")
async def use_history(request: AnyRequest, id: FromPath[str]) -> UseHistory:
    """How busy a GPU (by UUID), pod or worker was in each minute of the last day."""
    caller, api = await known_caller_of(request), api_of(request)
    require(caller, "machine.read")
    minutes = [Minute(at=minute.at, means=dict(minute.means)) for minute in api.telemetry.history.of(id)]
    return UseHistory(id=id, minutes=minutes)


@post("/operator/v1/gpus/{uuid:str}/cordon", status_code=200)
async def cordon_gpu(request: AnyRequest, uuid: FromPath[str]) -> GpuList:
    """Give it to nobody new; who holds it keeps it. A card's UUID means all its MIG instances."""
    caller, api = await known_caller_of(request), api_of(request)
    return _gpu_list(await api.podd.store.write(gpus.cordon, caller, uuid, api.now), api.telemetry)


@post("/operator/v1/gpus/{uuid:str}/drain", status_code=200)
async def drain_gpu(
    request: AnyRequest, uuid: FromPath[str], data: JSONBody[DrainWish | None] = None
) -> GpuList:
    """Cordon it, and move away who can be moved: spot pods and workers; with `force` everybody."""
    caller, api = await known_caller_of(request), api_of(request)
    force = data is not None and data.force
    drained = await api.podd.store.write(gpus.drain, api.podd, caller, uuid, force, api.now)
    return _gpu_list(drained, api.telemetry)


@post("/operator/v1/gpus/{uuid:str}/return", status_code=200)
async def return_gpu(request: AnyRequest, uuid: FromPath[str]) -> GpuList:
    """Put it back into service, and forget what has happened to it."""
    caller, api = await known_caller_of(request), api_of(request)
    return _gpu_list(await api.podd.store.write(gpus.give_back, caller, uuid, api.now), api.telemetry)


def _gpu_list(found: list[Held], telemetry: Telemetry) -> GpuList:
    return GpuList(gpus=[_gpu_status(held, telemetry) for held in found])


def _gpu_status(held: Held, telemetry: Telemetry) -> GpuStatus:
    gpu, holder, use = held.gpu, held.holder, telemetry.gpus.get(held.gpu.uuid)
    status = GpuStatus(
        index=gpu.index,
        uuid=gpu.uuid,
        type=gpu.type_id,
        memory=gpu.memory,
        card=gpu.parent or None,
        simulated=gpu.simulated,
        state=gpu.state.value,
        reason=gpu.reason,
        duty=gpu.duty.value,
        held_by=GpuHolder(
            workload=holder.id,
            account=holder.account_id,
            kind=holder.kind.value,
            bid=None if held.bid is None else dollars(held.bid),
        )
        if holder
        else None,
    )
    if use is None:
        return status
    seen = {"gpu_percent": use.gpu_percent, "memory_percent": use.memory_percent}
    return status.model_copy(update={**seen, "watts": use.watts, "celsius": use.celsius})


def _accounts(db: Reader, caller: Caller) -> AccountList:
    people, holdings, balances = accounts.listed(db, caller), census.by_account(db), ledger.balances(db)
    nothing = census.Holding()
    return AccountList(
        accounts=[
            AccountFacts(
                account_id=one.id,
                email=one.email,
                name=one.name,
                kind=one.kind.value,
                created_at=instant(one.created_at) or "",
                balance=exact(balances.get(books.credit(one.id), 0)),
                **asdict(holdings.get(one.id, nothing)),
            )
            for one in people
        ]
    )


def _status(db: Reader, engine: str) -> MachineStatus:
    size = census.take(db)
    return MachineStatus(
        version=__version__,
        engine=engine,
        gpus=size.gpus,
        gpus_free=size.gpus_free,
        pods=size.pods,
        endpoints=size.endpoints,
    )


HANDLERS = [
    list_accounts,
    create_account,
    owner,
    rotate_key,
    explain,
    machine,
    list_gpus,
    use_history,
    cordon_gpu,
    drain_gpu,
    return_gpu,
]

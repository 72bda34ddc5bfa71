"""The operator's API under /operator/v1: without a key through the local socket, else with the operator's."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd import __version__
from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.domain.account import require
from podd.services import accounts, explain, explain_endpoint, rotation
from podd.store import census
from podd.store.db import Reader
from podd.wire.operator import (
    AccountWish,
    Explanation,
    KeyWish,
    MachineStatus,
    NewAccount,
    NewKey,
    RotatedKey,
)


@post("/operator/v1/accounts", status_code=201)
async def create_account(request: AnyRequest, data: JSONBody[AccountWish]) -> NewAccount:
    """Make an account with its first API key."""
    caller, api = await known_caller_of(request), api_of(request)
    account, _, key = await api.podd.store.write(accounts.create, caller, data.email, data.name, api.now)
    return NewAccount(account_id=account.id, email=account.email, api_key=key)


@post("/operator/v1/keys", status_code=201)
async def create_key(request: AnyRequest, data: JSONBody[KeyWish]) -> NewKey:
    """Make one more API key for an account."""
    caller, api = await known_caller_of(request), api_of(request)
    key, secret = await api.podd.store.write(accounts.create_key, caller, data.account, data.name, api.now)
    return NewKey(key_id=key.id, api_key=secret)


@post("/operator/v1/secrets/rotate", status_code=200)
async def rotate_key(request: AnyRequest) -> RotatedKey:
    """Seal all secrets and passwords of registries with a new key."""
    caller, api = await known_caller_of(request), api_of(request)
    done = await rotation.rotate(api.podd, caller)
    return RotatedKey(key=done.key, count=done.count)


@get("/operator/v1/pods/{pod_id:str}/explanation")
async def explain_pod(request: AnyRequest, pod_id: FromPath[str]) -> Explanation:
    """Why a pod runs or does not. Its owner may ask as well."""
    caller, api = await known_caller_of(request), api_of(request)
    sentences = await api.podd.store.read(explain.pod, api.podd, caller, pod_id, api.now)
    return Explanation(id=pod_id, sentences=sentences)


@get("/operator/v1/explanations/{id:str}")
async def explain_anything(request: AnyRequest, id: FromPath[str]) -> Explanation:
    """Why a pod runs or does not, or why an endpoint's jobs wait. Its owner may ask as well."""
    caller, api = await known_caller_of(request), api_of(request)
    sentences = await api.podd.store.read(explain_endpoint.pod_or_endpoint, api.podd, caller, id, api.now)
    return Explanation(id=id, sentences=sentences)


@get("/operator/v1/machine")
async def machine(request: AnyRequest) -> MachineStatus:
    """How the machine is doing."""
    caller, api = await known_caller_of(request), api_of(request)
    require(caller, "machine.read")
    return await api.podd.store.read(_status, api.engine_name)


def _status(db: Reader, engine: str) -> MachineStatus:
    size = census.take(db)
    return MachineStatus(
        version=__version__,
        engine=engine,
        gpus=size.gpus,
        gpus_free=size.gpus - size.gpus_claimed,
        pods=size.pods,
        endpoints=size.endpoints,
    )


HANDLERS = [create_account, create_key, rotate_key, explain_pod, explain_anything, machine]

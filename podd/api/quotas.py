"""The operator's API: quotas of accounts under /operator/v1/quotas, and pods that may stand idle."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.services import idle, quotas
from podd.services.quotas import Quota
from podd.wire.quota import Exemption, ExemptionWish, QuotaList, QuotaStatus, QuotaWish


@get("/operator/v1/quotas/{account:str}")
async def list_quotas(request: AnyRequest, account: FromPath[str]) -> QuotaList:
    """What an account may have, and has."""
    caller, api = await known_caller_of(request), api_of(request)
    return _list(await api.podd.store.read(quotas.of_account, api.podd, caller, account))


@post("/operator/v1/quotas/{account:str}", status_code=200)
async def change_quotas(request: AnyRequest, account: FromPath[str], data: JSONBody[QuotaWish]) -> QuotaList:
    """Set some for one account, or have the machine's settings count again."""
    caller, api = await known_caller_of(request), api_of(request)
    amounts: dict[str, int | None] = {**data.amounts, **dict.fromkeys(data.default)}
    return _list(await api.podd.store.write(quotas.change, api.podd, caller, account, amounts))


@post("/operator/v1/pods/{pod_id:str}/idle", status_code=200)
async def exempt_pod(request: AnyRequest, pod_id: FromPath[str], data: JSONBody[ExemptionWish]) -> Exemption:
    """Whether a pod may stand idle as long as it likes."""
    caller, api = await known_caller_of(request), api_of(request)
    pod = await api.podd.store.write(idle.exempt, caller, pod_id, data.exempt, api.now)
    return Exemption(pod=pod.id, exempt=pod.idle_exempt)


HANDLERS = [list_quotas, change_quotas, exempt_pod]


# Private


def _list(found: list[Quota]) -> QuotaList:
    return QuotaList(
        quotas=[QuotaStatus(name=q.name, used=q.used, allowed=q.allowed, own=q.own) for q in found]
    )

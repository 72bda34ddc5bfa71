"""The first to see a request: passes it on to a container, or to podd's own application."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.domain.workload import Desired, Kind, Phase, Workload, offers_http
from podd.proxy import routes
from podd.proxy.balance import Ahead, Balancer, ClientLeft
from podd.proxy.forward import Forwarder, Upstream, header
from podd.proxy.health import Checks
from podd.proxy.kept import Kept
from podd.proxy.logins import Logins
from podd.proxy.refusal import Refusal
from podd.proxy.routes import EndpointCall, PodPort, Slash
from podd.services.platform import Platform
from podd.store import workloads

KEPT = 10_000

MISSING = (
    "There is no such pod, or it does not offer this port. Ports are offered as, for example, 8888/http."
)


class Front:
    """Everything that is not for a container goes to `app`."""

    def __init__(self, app: ASGIApp, podd: Platform, checks: Checks) -> None:
        self._app = app
        settings = podd.settings.proxy
        self._names = routes.Names(settings.domain, settings.paths)
        self._forwarder = Forwarder(
            connect=settings.connect_seconds,
            idle=settings.idle_seconds or None,
            message=settings.message_bytes,
        )
        self._pods = Pods(podd)
        self._balancer = Balancer(podd, checks)

    async def close(self) -> None:
        await self._forwarder.close()

    def under_way(self, pod_id: str) -> int:
        """Requests and WebSockets that a pod has."""
        return self._pods.under_way(pod_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["raw_path"].decode("latin-1")
        route = self._names.find(header(scope, b"host"), path)
        if route is None:
            await self._app(scope, receive, send)
            return
        try:
            match route:
                case PodPort():
                    with await self._pods.admit(scope, route) as upstream:
                        await self._pass_on(scope, receive, send, upstream)
                case EndpointCall():
                    receive = ahead = Ahead(receive)
                    async with self._balancer.admit(scope, ahead, route) as upstream:
                        await self._pass_on(scope, receive, send, upstream)
                case Slash(path=there):
                    query = scope["query_string"].decode("latin-1")
                    location = f"{there}?{query}" if query else there
                    raise Refusal(307, f"See {there}", headers=[(b"location", location.encode("latin-1"))])
                case _:
                    raise Refusal(404, MISSING)
        except Refusal as refusal:
            await refusal.answer(scope, send)
        except ClientLeft:
            pass

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send, upstream: Upstream) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:
            await self._forwarder.websocket(scope, receive, send, upstream)
        else:
            await self._forwarder.http(scope, receive, send, upstream)


class Pods:
    """The http ports of pods: whether a request may go there now, and where that is."""

    def __init__(self, podd: Platform) -> None:
        self._most = podd.settings.proxy.pod_requests
        self._under_way: Counter[str] = Counter()

        async def ask(pod_id: str) -> Workload | None:
            return await podd.store.read(workloads.get, pod_id)

        self._logins = Logins(podd)
        self._known = Kept(podd.bells, workloads.bell, ask, KEPT)

    async def admit(self, scope: Scope, route: PodPort) -> AbstractContextManager[Upstream]:
        """Raises Refusal. One text for what is missing, another's, or not offered."""
        pod = await self._known.get(route.pod_id)
        if pod is None or not _offers(pod, route.port):
            raise Refusal(404, MISSING)
        without = await self._logins.let_in(scope, route) if route.port in pod.guarded else frozenset[bytes]()
        if pod.desired is not Desired.RUNNING:
            raise Refusal(503, "The pod is stopped.")
        if pod.phase is not Phase.RUNNING or not pod.address:
            raise Refusal(503, "The pod is starting.", retry=3)
        if self._under_way[pod.id] >= self._most:
            raise Refusal(503, f"The pod has {self._most} requests under way, which is the most.", retry=1)
        return self._place(
            pod.id, Upstream(pod.address, route.port, route.path or "/", route.prefix, without)
        )

    def under_way(self, pod_id: str) -> int:
        return self._under_way[pod_id]

    @contextmanager
    def _place(self, pod_id: str, upstream: Upstream) -> Iterator[Upstream]:
        self._under_way[pod_id] += 1
        try:
            yield upstream
        finally:
            self._under_way[pod_id] -= 1
            if not self._under_way[pod_id]:
                del self._under_way[pod_id]


def _offers(pod: Workload, port: int) -> bool:
    if pod.kind is not Kind.POD or pod.desired is Desired.TERMINATED:
        return False
    return offers_http(pod, port)

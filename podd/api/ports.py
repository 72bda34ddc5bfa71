"""The operator's API: logins before http ports of pods, under /operator/v1/ports."""

from litestar import post
from litestar.params import JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.proxy.routes import Names
from podd.services import port_logins
from podd.services.port_logins import Door
from podd.wire.ports import PortLogins, PortLoginWish, PortVisit, PortVisitWish


@post("/operator/v1/ports/login", status_code=200)
async def set_login(request: AnyRequest, data: JSONBody[PortLoginWish]) -> PortLogins:
    """Let a port ask for a login, or be open to everybody."""
    caller, api = await known_caller_of(request), api_of(request)
    door = Door(data.pod, data.port)
    pod = await api.podd.store.write(port_logins.guard, api.podd, caller, door, data.required)
    return PortLogins(pod=pod.id, ports=sorted(pod.guarded))


@post("/operator/v1/ports/visit", status_code=201)
async def open_port(request: AnyRequest, data: JSONBody[PortVisitWish]) -> PortVisit:
    """An address that lets a browser in."""
    caller, api = await known_caller_of(request), api_of(request)
    shown = await api.podd.store.write(port_logins.link, api.podd, caller, Door(data.pod, data.port))
    settings = api.podd.settings
    names = Names(settings.proxy.domain, settings.proxy.paths)
    url = names.pod_url(data.pod, data.port, settings.public_url)
    return PortVisit(url=f"{url}/?podd_login={shown}", seconds=settings.proxy.login_link_seconds)


HANDLERS = [set_login, open_port]

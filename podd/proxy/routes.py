"""Whom a request is for, by its host name or its path: pure.

`{pod}-{port}.proxy.{domain}` and `/proxy/{pod}/{port}/...` are a port of a pod, `{endpoint}.api.{domain}`
and `/lb/{endpoint}/...` a load-balancing endpoint. RunPod's own domains are understood beside podd's.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from podd.domain.words import whole_number

RUNPOD_PODS = "proxy.runpod.net"
RUNPOD_ENDPOINTS = "api.runpod.ai"

_ID = re.compile(r"[a-z0-9]{1,40}\Z")


@dataclass(frozen=True, slots=True)
class PodPort:
    """A port of a pod. `path` is what its program gets to see, as it was sent; `prefix` is what was taken off
    in front of it."""

    pod_id: str
    port: int
    path: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class EndpointCall:
    """A request for some worker of a load-balancing endpoint. `path` and `prefix` as for PodPort."""

    endpoint_id: str
    path: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Slash:
    """The path of an application without its last slash: relative links of its pages would go astray."""

    path: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A name or path of the proxy that cannot be anybody's."""


Route = PodPort | EndpointCall | Slash | Nowhere


@dataclass(frozen=True, slots=True)
class Names:
    """How the proxy is called here: host names below `domain` if there is one, and paths unless `paths` is
    off."""

    domain: str = ""
    paths: bool = True

    def find(self, host: str, path: str) -> Route | None:
        """Whom this is for; None: podd itself. `host` as in the header, `path` raw and without a query."""
        name = host_name(host)
        for suffix in self._below(RUNPOD_PODS, "proxy"):
            if name.endswith(suffix):
                return _pod_port(*name[: -len(suffix)].rpartition("-")[::2], path)
        for suffix in self._below(RUNPOD_ENDPOINTS, "api"):
            if name.endswith(suffix):
                return _endpoint(name[: -len(suffix)], path)
        return self._by_path(path) if self.paths else None

    def endpoint_url(self, endpoint_id: str, public_url: str) -> str:
        """Where clients reach a load-balancing endpoint, without a slash at the end."""
        if not self.domain:
            return f"{public_url}/lb/{endpoint_id}"
        url = urlsplit(public_url)
        port = f":{url.port}" if url.port else ""
        return f"{url.scheme}://{endpoint_id}.api.{self.domain}{port}"

    def pod_url(self, pod_id: str, port: int, public_url: str) -> str:
        """Where clients reach a port of a pod, without a slash at the end."""
        if not self.domain:
            return f"{public_url}/proxy/{pod_id}/{port}"
        url = urlsplit(public_url)
        at = f":{url.port}" if url.port else ""
        return f"{url.scheme}://{pod_id}-{port}.proxy.{self.domain}{at}"

    def _below(self, runpods: str, word: str) -> tuple[str, ...]:
        own = (f".{word}.{self.domain}",) if self.domain else ()
        return (*own, f".{runpods}")

    def _by_path(self, path: str) -> Route | None:
        if not path.startswith("/"):
            return None
        _, first, *rest = path.split("/", 4)
        if first == "proxy" and rest:
            if len(rest) < 2:
                return Nowhere()
            prefix = "/".join(path.split("/", 4)[:4])
            return _prefixed(_pod_port(rest[0], rest[1], path[len(prefix) :], prefix), prefix)
        if first == "lb" and rest:
            prefix = "/".join(path.split("/", 3)[:3])
            return _prefixed(_endpoint(rest[0], path[len(prefix) :], prefix), prefix)
        return None


def _prefixed(route: Route, prefix: str) -> Route:
    return Slash(f"{prefix}/") if isinstance(route, PodPort | EndpointCall) and not route.path else route


def _pod_port(pod_id: str, port: str, path: str, prefix: str = "") -> Route:
    number = whole_number(port)
    if not _ID.match(pod_id) or number is None or not 1 <= number <= 65535 or str(number) != port:
        return Nowhere()
    return PodPort(pod_id, number, path, prefix)


def _endpoint(endpoint_id: str, path: str, prefix: str = "") -> Route:
    return EndpointCall(endpoint_id, path, prefix) if _ID.match(endpoint_id) else Nowhere()


def host_name(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).rstrip(".").lower()

"""The bridge networks of one podd instance: one on which the host is reached, and one for each account.

Containers reach podd at the host's address on the first, from wherever they are. An account's network is
made when its first container is, and goes with its last: containers on it reach each other by name, and
nobody else's.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from podd.config import Containers
from podd.containers import spec as asks
from podd.containers import subnets
from podd.containers.connection import Connection
from podd.ports import EngineError

Json = dict[str, Any]


class Networks:
    """Each made when first needed, and again when somebody has removed it. `key` names an account's; "" is
    the instance's own."""

    def __init__(self, connection: Connection, instance: str, settings: Containers) -> None:
        self._instance = instance
        self._settings = settings
        self._connection = connection
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._made: set[str] = set()

    @contextmanager
    def joining(self, key: str) -> Iterator[None]:
        """The network is there, and is not removed while a container is made on it."""
        with self._lock(key):
            if key not in self._made:
                self._ensure(key)
            yield

    def ensure(self, key: str = "") -> Json:
        """The network as it is now, made if it is missing."""
        with self._lock(key):
            return self._ensure(key)

    def attach_again(self, inspected: Json) -> None:
        """For a container that ran on a network of this name that is gone: it remembers that one's id."""
        key = asks.network_key(inspected)
        name = asks.network_name(self._instance, key)
        attached = (inspected["NetworkSettings"].get("Networks") or {}).get(name) or {}
        self.ensure(key)
        with self._connection.api() as api:
            api.disconnect_container_from_network(inspected["Id"], name, force=True)
            api.connect_container_to_network(inspected["Id"], name, aliases=attached.get("Aliases") or [])

    def release(self, key: str) -> None:
        """Remove an account's network if no container is on it, running or not."""
        if not key:
            return
        labels = [f"{asks.INSTANCE}={self._instance}", f"{asks.NETWORK}={key}"]
        with self._lock(key), self._connection.api() as api:
            if not api.containers(all=True, filters={"label": labels}):
                with suppress(APIError):  # somebody else has put a container on it
                    self._remove(api, key)

    def sweep(self) -> None:
        """Remove the networks of accounts that a daemon left when it died."""
        for network in self._all():
            self.release((network.get("Labels") or {}).get(asks.NETWORK, ""))

    def remove(self) -> None:
        """Remove them all. EngineError while containers are on one."""
        for network in self._all():
            key = (network.get("Labels") or {}).get(asks.NETWORK, "")
            with self._lock(key), self._connection.api() as api:
                self._remove(api, key)

    # Private

    def _lock(self, key: str) -> threading.Lock:
        return self._locks[key]

    def _ensure(self, key: str) -> Json:
        with self._connection.api() as api:
            networks = self._named(api, key)
            if not networks:
                self._make(api, key)
                networks = self._named(api, key)
            if not networks:
                name = asks.network_name(self._instance, key)
                raise EngineError(f"The network {name} was removed as soon as it was made.")
            # Names are not unique to older engines: where two daemons were as fast, both keep the first.
            for spare in networks[1:]:
                with suppress(APIError):
                    api.remove_network(spare["Id"])
            self._made.add(key)
            return networks[0]

    def _make(self, api: APIClient, key: str) -> None:
        """In the first free subnet that the engine agrees to."""
        default_bridge = api.inspect_network("bridge")
        taken = [*subnets.of_networks(api.networks()), *subnets.of_routes(_routes())]
        within, prefix = self._settings.network_range, self._settings.network_prefix
        for number, subnet in subnets.free(within, prefix, taken):
            pool = IPAMPool(subnet=str(subnet), gateway=str(subnet[1]))
            try:
                api.create_network(
                    asks.network_name(self._instance, key),
                    "bridge",
                    asks.network_options(default_bridge, asks.bridge_name(self._instance, number), key),
                    ipam=IPAMConfig(pool_configs=[pool]),
                    labels={asks.INSTANCE: self._instance, asks.NETWORK: key},
                )
            except APIError as error:
                # Somebody was faster: either the network is there now, or another subnet is free.
                if self._named(api, key):
                    return
                if not _is_taken(str(error.explanation)):
                    raise
            else:
                return
        raise EngineError(
            f"All of {within} is in use by networks; set containers.network_range to a larger range."
        )

    def _remove(self, api: APIClient, key: str) -> None:
        self._made.discard(key)
        for network in self._named(api, key):
            with suppress(NotFound):
                api.remove_network(network["Id"])

    def _named(self, api: APIClient, key: str) -> list[Json]:
        """The oldest first. The engine's own filter also finds names that only contain this one."""
        name = asks.network_name(self._instance, key)
        found = api.networks(names=[name], filters={"label": f"{asks.INSTANCE}={self._instance}"})
        return sorted((n for n in found if n["Name"] == name), key=lambda n: str(n["Created"]))

    def _all(self) -> list[Json]:
        with self._connection.api() as api:
            found: list[Json] = api.networks(filters={"label": f"{asks.INSTANCE}={self._instance}"})
            return found


def _is_taken(message: str) -> bool:
    return "overlaps" in message or "conflict" in message or "already exists" in message


def _routes() -> str:
    with suppress(OSError):
        return Path("/proc/net/route").read_text()
    return ""

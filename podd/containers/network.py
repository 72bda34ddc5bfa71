"""The bridge network that the containers of one podd instance share, and this host's address on it."""

import threading
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from podd.containers import spec as asks
from podd.containers.connection import Connection

Json = dict[str, Any]


class Network:
    """Made when first needed, and again when somebody has removed it."""

    def __init__(self, connection: Connection, instance: str) -> None:
        self.name = asks.network_name(instance)
        self._labels = {asks.INSTANCE: instance}
        self._filter = {"label": f"{asks.INSTANCE}={instance}"}
        self._connection = connection
        self._lock = threading.Lock()
        self._made = False

    def ready(self) -> None:
        """See that it is there. Costs nothing once it was."""
        if not self._made:
            self.ensure()

    def ensure(self) -> Json:
        """The network as it is now, made if it is missing."""
        with self._lock, self._connection.api() as api:
            network = self._oldest(api) or self._make(api)
            self._made = True
            return network

    def attach_again(self, container_id: str) -> None:
        """For a container that ran on a network of this name that is gone: it remembers that one's id."""
        self.ensure()
        with self._connection.api() as api:
            api.disconnect_container_from_network(container_id, self.name, force=True)
            api.connect_container_to_network(container_id, self.name)

    def remove(self) -> None:
        """Remove it. EngineError while containers are on it."""
        with self._lock, self._connection.api() as api:
            self._made = False
            for network in self._all(api):
                with suppress(NotFound):
                    api.remove_network(network["Id"])

    def _make(self, api: APIClient) -> Json:
        made = api.create_network(
            self.name,
            driver="bridge",
            options=asks.network_options(api.inspect_network("bridge")),
            labels=self._labels,
        )["Id"]
        # Names are not unique to the engine: when two daemons were as fast, the older network stays.
        oldest = self._oldest(api)
        if oldest is not None and oldest["Id"] != made:
            with suppress(APIError):
                api.remove_network(made)
            return oldest
        network: Json = api.inspect_network(made)
        return network

    def _oldest(self, api: APIClient) -> Json | None:
        return min(self._all(api), key=lambda network: str(network["Created"]), default=None)

    def _all(self, api: APIClient) -> list[Json]:
        # The engine's filter also finds names that only contain this one.
        found = api.networks(names=[self.name], filters=dict(self._filter))
        return [network for network in found if network["Name"] == self.name]

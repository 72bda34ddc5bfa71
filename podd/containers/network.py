"""The bridge network that the containers of one podd instance share, and this host's address on it."""

import threading
from contextlib import suppress
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from podd.containers import spec as asks
from podd.containers.connection import Connection
from podd.ports import EngineError

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
            if not self._all(api):
                self._make(api)
            networks = self._all(api)
            if not networks:
                raise EngineError(f"The network {self.name} was removed as soon as it was made.")
            # Names are not unique to older engines: where two daemons were as fast, both keep the first.
            for spare in networks[1:]:
                with suppress(APIError):
                    api.remove_network(spare["Id"])
            self._made = True
            return networks[0]

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

    def _make(self, api: APIClient) -> None:
        options = asks.network_options(api.inspect_network("bridge"))
        try:
            api.create_network(self.name, "bridge", options, labels=self._labels)
        except APIError as error:
            if error.status_code != 409:  # 409: another daemon was faster
                raise

    def _all(self, api: APIClient) -> list[Json]:
        """The oldest first. The engine's own filter also finds names that only contain this one."""
        found = api.networks(names=[self.name], filters=dict(self._filter))
        return sorted((n for n in found if n["Name"] == self.name), key=lambda n: str(n["Created"]))

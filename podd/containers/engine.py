"""The Docker Engine behind podd's Engine port.

The calls and their order are here; what they say and what the answers mean is in `spec` and `answers`.
"""

import json
import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docker import APIClient
from docker.errors import APIError

from podd.config import Containers
from podd.containers import answers, firewall, listening
from podd.containers import spec as asks
from podd.containers.answers import CpuSample, PullProgress
from podd.containers.connection import Connection, Silent
from podd.containers.exec import DockerExec, introduced, kill_command
from podd.containers.logs import Log, payloads
from podd.containers.network import Networks
from podd.containers.sightings import Sightings
from podd.domain.container import Container, ContainerSpec, RegistryAuth
from podd.ports import (
    ContainerEvent,
    Engine,
    EngineError,
    EngineInfo,
    Exec,
    ExecResult,
    LogStream,
    NoSuchContainer,
    PortTaken,
    StartRefused,
    Stats,
    Window,
)

Json = dict[str, Any]

_UP = ("running", "paused")
_EVENTS = {"start": "start", "die": "die", "destroy": "remove"}
_INIT = "/sbin/docker-init"
_BECOMES_INIT = re.compile(r"^\S*(runc|/proc/self/exe) init\b")  # for a moment after its start

_LOCKS = 64
_CREATE_WAIT = 5.0
_LAST_WORDS_WAIT = 1.0
_COMMAND_WAIT = 2.0
_EXEC_SILENCE = 600.0
_SAMPLE_AGE = 60_000_000_000  # nanoseconds after which an earlier CPU sample says nothing about now


class DockerEngine(Engine):
    """The containers of one podd instance on one Docker Engine (20.10 or later). Connects when first used;
    without `base_url`, to where DOCKER_HOST and its kin point."""

    def __init__(
        self,
        instance: str,
        *,
        base_url: str | None = None,
        timeout: float = 30,
        pull_silence: float = 300,
        settings: Containers = asks.DEFAULTS,
        heard: Callable[[str, float], None] | None = None,
    ) -> None:
        self._instance = instance
        self._filter = f"{asks.INSTANCE}={instance}"
        self._timeout = timeout
        self._pull_silence = pull_silence
        self._connection = Connection(base_url, timeout)
        if heard is not None:
            self._connection.heard = heard
        self._settings = settings
        self._networks = Networks(self._connection, instance, settings)
        self._features: asks.Features | None = None
        self._start_locks = [threading.Lock() for _ in range(_LOCKS)]
        self._seen = Sightings()
        self._cpu: dict[str, CpuSample] = {}

    def info(self) -> EngineInfo:
        """Also looks again at what the engine can do, which start() goes by."""
        info = self._ask_info()
        known = self._features = answers.features(info, _mounts())
        if self._settings.userns_remap and not answers.remaps_users(info):
            raise EngineError("containers.userns_remap is set, but Docker runs without userns-remap.")
        network = self._networks.ensure()
        self._networks.sweep()
        # dockerd does not announce the hook that serves GPU requests; on this host it stands on the PATH.
        hook = shutil.which("nvidia-container-runtime-hook") is not None
        return EngineInfo(
            kind="docker",
            version=info["ServerVersion"],
            host_address=answers.gateway(network),
            gpus=hook or answers.offers_gpus(known),
            disk_limits=known.disk_limits,
            data_root=info.get("DockerRootDir") or "",
        )

    def list(self) -> list[Container]:
        """One call, plus a look at each container that has changed since the last time."""
        epoch = self._seen.epoch
        with self._connection.api() as api:
            entries = api.containers(all=True, filters={"label": self._filter})
        self._forget_all_but({entry["Id"] for entry in entries})
        found = (self._look(entry, epoch) for entry in entries)
        return [container for container in found if container is not None]

    def start(self, spec: ContainerSpec) -> Container:
        with self._start_locks[hash(spec.name) % _LOCKS]:
            there = self._create(spec)
            if there["State"]["Status"] == "running":
                return self._container(there)
            try:
                return self._run(there)
            except (StartRefused, PortTaken):
                # Nothing half-made stays. One that has run before keeps its disk: somebody may want it.
                if not answers.has_run(there):
                    self._discard(there)
                raise
            finally:
                self._seen.forget(there["Id"])

    def stop(self, name: str, grace: float) -> None:
        with suppress(NoSuchContainer):
            there = self._own(name)
            if there["State"]["Status"] in _UP:
                with self._connection.api() as api:
                    if there["State"]["Status"] == "paused":
                        api.unpause(there["Id"])
                    api.stop(there["Id"], timeout=math.ceil(grace))
                self._seen.forget(there["Id"])

    def pause(self, name: str) -> None:
        self._switch(name, "running", "paused", lambda api, container_id: api.pause(container_id))

    def unpause(self, name: str) -> None:
        self._switch(name, "paused", "running", lambda api, container_id: api.unpause(container_id))

    def remove(self, name: str) -> None:
        with suppress(NoSuchContainer):
            there = self._own(name)
            container_id = there["Id"]
            with self._connection.api() as api:
                try:
                    api.remove_container(container_id, v=True, force=True)
                except APIError as error:
                    if error.status_code != 409:
                        raise
                    # Somebody is removing it already.
                    with suppress(NoSuchContainer):
                        self._await_gone(container_id)
            self._networks.release(asks.network_key(there))

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> LogStream:
        container_id = self._own(name)["Id"]
        return Log(
            self._connection,
            container_id,
            lambda: self._inspect(container_id)["State"]["Status"] in _UP,
            tail=tail,
            follow=follow,
            silence=self._timeout,
        )

    def exec(self, name: str, argv: Sequence[str]) -> ExecResult:
        """A command that says nothing for ten minutes is given up, though it may go on inside."""
        return self._exec(self._own(name)["Id"], argv)

    def open_exec(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], window: Window | None
    ) -> Exec:
        container_id, terminal = self._own(name)["Id"], window is not None
        with self._connection.api() as api:
            exec_id = api.exec_create(
                container_id,
                introduced(argv, terminal=terminal),
                stdin=True,
                tty=terminal,
                environment=dict(env),
            )["Id"]

        def size(now: Window) -> None:
            with self._connection.api() as api:
                api.exec_resize(exec_id, height=now.rows, width=now.columns)

        def kill(signal: str, group: int) -> None:
            self._exec(container_id, kill_command(signal, group))

        return DockerExec(
            self._connection.duplex(f"/exec/{exec_id}/start", {"Detach": False, "Tty": terminal}),
            window,
            size=size,
            kill=kill,
            exit_code=lambda: self._exec_exit_code(exec_id),
        )

    def _exec(self, container_id: str, argv: Sequence[str]) -> ExecResult:
        with self._connection.api() as api:
            exec_id = api.exec_create(container_id, list(argv))["Id"]
        # We do not ask to upgrade the connection: the SDK loses what comes with the engine's consent.
        body = {"Detach": False, "Tty": False}
        path = f"/exec/{exec_id}/start"
        with self._connection.stream("POST", path, body=body, silence=_EXEC_SILENCE) as stream:
            output = b"".join(content for _, content in payloads(stream.chunks()))
        return ExecResult(self._exec_exit_code(exec_id), output.decode(errors="replace"))

    def stats(self, name: str) -> Stats:
        """The engine measures once a second: the first call for a container takes about that long."""
        there = self._own(name)
        if there["State"]["Status"] not in _UP:
            raise EngineError(f"The container {name} is not running.")
        before = self._cpu.get(there["Id"])
        sample = self._sample(there["Id"])
        if before is None or answers.cpu_sample(sample).at - before.at > _SAMPLE_AGE:
            before = answers.cpu_sample(sample)
            sample = self._sample(there["Id"])
        self._cpu[there["Id"]] = answers.cpu_sample(sample)
        ports = listening.inside(there["State"]["Pid"], there["Id"])
        return replace(answers.stats(sample, before), listening=ports)

    def disk_use(self) -> dict[str, int]:
        with self._connection.api() as api:
            entries = api.containers(filters={"label": self._filter}, size=True)
        return {entry["Names"][0].removeprefix("/"): entry.get("SizeRw") or 0 for entry in entries}

    def has_image(self, image: str) -> bool:
        return self.image_id(image) != ""

    def image_id(self, image: str) -> str:
        with self._connection.api() as api:
            inspect: Callable[[str], Json] = api.inspect_image
            try:
                return str(inspect(image)["Id"])
            except APIError as error:
                if error.status_code in (400, 404):
                    return ""
                raise

    def other_names(self, image: str) -> frozenset[str]:
        with self._connection.api() as api:
            inspect: Callable[[str], Json] = api.inspect_image
            return frozenset(inspect(image).get("RepoTags") or ()) - {asks.tag_of(image)}

    def check_access(self, image: str, auth: RegistryAuth | None) -> None:
        """Asks with `auth` alone, as `pull` does."""

        def judge(status: int | None, message: str) -> EngineError:
            return answers.pull_failure(status, message, image, auth.name if auth else "")

        with self._connection.stream(
            "GET",
            f"/distribution/{quote(image, safe='/:@')}/json",
            headers=asks.registry_header(auth),
            silence=self._timeout,
            judge=judge,
        ) as stream:
            for _ in stream.messages():
                pass

    def pull(
        self, image: str, auth: RegistryAuth | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        """Asks with `auth` alone: what the operator has logged in to is not lent to anyone's image."""
        said = PullProgress()
        try:
            for message in self._pull_messages(image, auth):
                line = said.line(message, time.monotonic())
                if line and progress:
                    progress(line)
        except Silent as error:
            silence = f"nothing has come for {self._pull_silence:.0f} seconds"
            raise EngineError(f"The image {image} could not be pulled: {silence}.") from error

    def events(self) -> Iterator[ContainerEvent]:
        return self._events(time.time_ns())

    def close(self) -> None:
        self._connection.close()

    def guard_host(self, port: int) -> str:
        if not self._settings.firewall:
            return ""
        network = self._networks.ensure()
        bridges = self._bridges(network)
        if not firewall.here(answers.bridge(network)):
            return "the networks of the Docker Engine are not on this host (it is rootless or remote)"
        blocked = self._settings.blocked_networks
        text = firewall.rules(self._instance, bridges, answers.gateway(network), port, blocked)
        try:
            firewall.apply(self._instance, bridges, text)
        except firewall.FirewallProblem as problem:
            return str(problem)
        return ""

    def remove_network(self) -> None:
        """Remove this instance's networks and its firewall rules; they come back with the next container.
        EngineError while one is in use."""
        with self._connection.api() as api:
            mine = api.networks(filters={"label": self._filter})
        bridges = {bridge for network in mine for bridge in self._bridges(network)}
        self._networks.remove()
        firewall.remove(self._instance, sorted(bridges))

    def _switch(self, name: str, before: str, after: str, act: Callable[[APIClient, str], None]) -> None:
        """From one of the two states of a container that is up to the other."""
        there = self._own(name)
        if there["State"]["Status"] == after:
            return
        if there["State"]["Status"] != before:
            raise EngineError(f"The container {name} is not running.")
        with self._connection.api() as api:
            act(api, there["Id"])
        self._seen.forget(there["Id"])

    # Looking

    def _bridges(self, network: Json) -> Sequence[str]:
        """This instance's bridges, as iptables names many. One that an older podd made has its own name."""
        ours, its = asks.bridge_prefix(self._instance), answers.bridge(network)
        return [f"{ours}+"] + ([] if its.startswith(ours) else [its])

    def _ask_info(self) -> Json:
        with self._connection.api() as api:
            info: Json = api.info()
            return info

    def _known_features(self) -> asks.Features:
        if self._features is None:
            self._features = answers.features(self._ask_info(), _mounts())
        return self._features

    def _look(self, entry: Json, epoch: int) -> Container | None:
        """The container of a list entry; None when it has gone meanwhile."""
        container_id, mark = entry["Id"], answers.mark(entry)
        known = self._seen.get(container_id, mark)
        if known is not None:
            return known
        try:
            inspected = self._inspect(container_id)
        except NoSuchContainer:
            return None
        container = self._container(inspected)
        if inspected["State"]["Status"] == entry["State"]:
            self._seen.put(container_id, mark, container, epoch)
        return container

    def _forget_all_but(self, container_ids: set[str]) -> None:
        self._seen.keep(container_ids)
        for gone in set(self._cpu) - container_ids:
            self._cpu.pop(gone, None)

    def _container(self, inspected: Json) -> Container:
        return answers.container(inspected)

    def _inspect(self, name_or_id: str) -> Json:
        with self._connection.api() as api:
            inspected: Json = api.inspect_container(name_or_id)
            return inspected

    def _own(self, name: str) -> Json:
        """The container of this name, if it is one of this instance: nobody else's is to be touched."""
        there = self._inspect(name)
        if not self._is_ours(there):
            raise NoSuchContainer(f"There is no container {name} of this podd.")
        return there

    def _is_ours(self, inspected: Json) -> bool:
        return (inspected["Config"].get("Labels") or {}).get(asks.INSTANCE) == self._instance

    def _sample(self, container_id: str) -> Json:
        with self._connection.api() as api:
            sample: Json = api.stats(container_id, stream=False, one_shot=True)
        if answers.milliseconds(sample["read"]) is None:
            raise EngineError("The container has just exited.")
        return sample

    # Starting

    def _create(self, spec: ContainerSpec) -> Json:
        """The container of this name as it is now: a new one, or the one that an earlier start has left."""
        image_env = self._image_env(spec.image) if spec.search_paths else []
        body = asks.create_body(spec, self._instance, self._known_features(), self._settings, image_env)
        with self._networks.joining(spec.network), self._connection.api(answers.create_failure) as api:
            create: Callable[[Json, str], Json] = api.create_container_from_config
            try:
                return self._inspect(create(body, spec.name)["Id"])
            except APIError as error:
                if error.status_code != 409:
                    raise
        return self._adopt(spec.name)

    def _image_env(self, image: str) -> Sequence[str]:
        with self._connection.api() as api:
            try:
                inspect: Callable[[str], Json] = api.inspect_image
                inspected = inspect(image)
            except APIError as error:
                if error.status_code != 404:
                    raise
                return []  # creating the container says what is missing
        return (inspected.get("Config") or {}).get("Env") or []

    def _adopt(self, name: str) -> Json:
        """The container that has this name already. The engine takes the name first: while somebody else's
        create call is under way, the container does not show yet."""
        deadline = time.monotonic() + _CREATE_WAIT
        while True:
            try:
                there = self._inspect(name)
                break
            except NoSuchContainer as error:
                if time.monotonic() > deadline:
                    raise EngineError(f"The name {name} is taken, but there is no such container.") from error
                time.sleep(0.05)
        if not self._is_ours(there):
            raise EngineError(f"The name {name} is taken by a container of somebody else.")
        return there

    def _run(self, there: Json) -> Container:
        container_id = there["Id"]
        with self._connection.api(answers.start_failure) as api:
            if there["State"]["Status"] == "paused":
                api.unpause(container_id)
            else:
                self._start_on_network(container_id)
        self._await_command(container_id)
        return self._container(self._inspect(container_id))

    def _start_on_network(self, container_id: str) -> None:
        with self._connection.api(answers.start_failure) as api:
            try:
                api.start(container_id)
            except APIError as error:
                if not answers.lacks_network(str(error.explanation)):
                    raise
                self._networks.attach_again(self._inspect(container_id))
                api.start(container_id)

    def _await_command(self, container_id: str) -> None:
        """A container's first process is an init, which starts even where the command does not exist. So wait
        the few milliseconds until the command runs or the init has given up, and raise its reason."""
        deadline = time.monotonic() + _COMMAND_WAIT
        while not self._command_runs(container_id) and time.monotonic() < deadline:
            state = self._inspect(container_id)["State"]
            if state["Status"] not in _UP:
                self._check_init(container_id, state)
                return
            time.sleep(0.01)

    def _command_runs(self, container_id: str) -> bool:
        with self._connection.api() as api:
            try:
                processes = api.top(container_id, "-eo pid,args")["Processes"] or []
            except APIError as error:
                return error.status_code != 409  # 409: it has just exited; else the engine cannot tell
        return any(
            not process[-1].startswith(_INIT) and not _BECOMES_INIT.search(process[-1])
            for process in processes
        )

    def _check_init(self, container_id: str, state: Json) -> None:
        """Raise the init's reason, if it was the init that ended. Its last words may reach the log a moment
        after its end is known."""
        deadline = time.monotonic() + _LAST_WORDS_WAIT
        while state["ExitCode"] in (126, 127):
            line = self._last_line(container_id)
            refusal = answers.init_failure(line) if line else None
            if refusal is not None:
                raise refusal
            if line or time.monotonic() > deadline:
                return
            time.sleep(0.02)

    def _last_line(self, container_id: str) -> str:
        log = Log(self._connection, container_id, lambda: False, tail=1, follow=False, silence=self._timeout)
        return "".join(line.line for line in log)

    def _discard(self, there: Json) -> None:
        # The reason it is discarded for matters more than a failure here: the next start would adopt it.
        with suppress(EngineError):
            with self._connection.api() as api:
                api.remove_container(there["Id"], v=True, force=True)
            self._networks.release(asks.network_key(there))

    def _await_gone(self, container_id: str) -> None:
        """Raises NoSuchContainer as soon as that is so."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            self._inspect(container_id)
            time.sleep(0.05)
        raise EngineError("The Docker Engine has been removing the container for too long.")

    # Streams

    def _exec_exit_code(self, exec_id: str) -> int:
        """The output ends a moment before the engine knows how the command did."""
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            with self._connection.api() as api:
                exit_code = api.exec_inspect(exec_id)["ExitCode"]
            if exit_code is not None:
                return int(exit_code)
            time.sleep(0.01)
        raise EngineError("The command has closed its output but goes on.")

    def _pull_messages(self, image: str, auth: RegistryAuth | None) -> Iterator[Json]:
        def judge(status: int | None, message: str) -> EngineError:
            return answers.pull_failure(status, message, image, auth.name if auth else "")

        with self._connection.stream(
            "POST",
            "/images/create",
            params=asks.pull_params(image),
            headers=asks.registry_header(auth),
            silence=self._pull_silence,
            judge=judge,
        ) as stream:
            for message in stream.messages():
                if "error" in message:
                    raise judge(None, str(message["error"]))
                yield message

    def _events(self, since: int) -> Iterator[ContainerEvent]:
        """`since` in nanoseconds. After a silence it connects anew, so that a dead engine is noticed, and
        asks for what has happened since the last event."""
        filters = json.dumps({"type": ["container"], "label": [self._filter], "event": list(_EVENTS)})
        silent = True
        while silent and not self._connection.closed:
            silent = False
            params = {"filters": filters, "since": asks.seconds(since)}
            try:
                with self._connection.stream(
                    "GET", "/events", params=params, silence=self._timeout
                ) as stream:
                    for message in stream.messages():
                        if message["timeNano"] > since:
                            since = message["timeNano"]
                            yield self._event(message)
            except Silent:
                silent = True
            except EngineError:
                return

    def _event(self, message: Json) -> ContainerEvent:
        actor = message["Actor"]
        self._seen.forget(actor["ID"])
        return ContainerEvent(actor["Attributes"]["name"], _EVENTS[message["Action"]])


def _mounts() -> str:
    with suppress(OSError):
        return Path("/proc/mounts").read_text()
    return ""

"""Stand-ins for the outside world, in memory: they behave, and tests tell them how."""

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Queue
from typing import Any

from podd.domain.container import Container, ContainerSpec, ContainerState, PortBinding, RegistryAuth
from podd.domain.gpu import Gpu, GpuFault
from podd.ports import (
    STDERR,
    STDOUT,
    Clock,
    ContainerEvent,
    Engine,
    EngineAway,
    EngineError,
    EngineInfo,
    Exec,
    ExecResult,
    GpuProbe,
    GpuUse,
    ImageMissing,
    LogLine,
    LogStream,
    NoSuchContainer,
    PortTaken,
    StartRefused,
    Stats,
    VolumeError,
    VolumeStorage,
    VolumeUse,
    Window,
)


class ManualClock(Clock):
    """Time stands still until a test moves it."""

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self._now = now
        self._jumped = 0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> int:
        return self._now - self._jumped

    def jump(self, *, hours: float) -> None:
        """Somebody sets the clock (back, if negative), or the machine sleeps: no time passes for podd."""
        jump = round(hours * 3_600_000)
        self.set(self._now + jump)

    def set(self, now: int) -> None:
        """As `jump`, to a time."""
        self._jumped += now - self._now
        self._now = now

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> int:
        self._now += round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
        return self._now


class FakeGpuProbe(GpuProbe):
    """Says what it was given; tests change the attributes."""

    def __init__(
        self, gpus: Iterable[Gpu] = (), use: dict[str, GpuUse] | None = None, cuda: str | None = "12.4"
    ) -> None:
        self.present = list(gpus)
        self.use = dict(use or {})
        self.cuda = cuda
        self.problem: str | None = None
        self._faults: Queue[GpuFault | None] = Queue()

    def happens(self, fault: GpuFault) -> None:
        self._faults.put(fault)

    def gpus(self) -> list[Gpu]:
        return list(self.present)

    def trouble(self) -> str | None:
        return self.problem

    def faults(self) -> Iterator[GpuFault]:
        return iter(self._faults.get, None)

    def close(self) -> None:
        self._faults.put(None)

    def utilisation(self) -> dict[str, GpuUse]:
        return dict(self.use)

    def cuda_version(self) -> str | None:
        return self.cuda


class FakeVolumes(VolumeStorage):
    """Directories with a size that only this object knows. A test has the next calls fail with `fails`."""

    mechanism = "fake"

    def __init__(self) -> None:
        self.sizes: dict[Path, int] = {}
        self.fails = ""

    def ensure(self, path: Path, size: int) -> None:
        self._check()
        path.mkdir(parents=True, exist_ok=True)
        self.sizes[path] = max(size, self.sizes.get(path, 0))

    def remove(self, path: Path) -> None:
        self._check()
        shutil.rmtree(path, ignore_errors=True)
        self.sizes.pop(path, None)

    def usage(self, path: Path) -> VolumeUse:
        self._check()
        if path not in self.sizes:
            raise VolumeError(f"There is no volume at {path}.")
        used = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return VolumeUse(used, self.sizes[path] * 2**30)

    def _check(self) -> None:
        if self.fails:
            raise VolumeError(self.fails)


Program = Callable[["Running"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a container with a certain command does.

    `program` runs as soon as it starts. `exit_code` ends it right then; None lets it run on. `on_term` is its
    exit code for SIGTERM; None ignores that. `commands` are what exec finds inside, `talks` what open_exec.
    """

    program: Program = lambda _: None
    exit_code: int | None = None
    on_term: int | None = 143
    commands: dict[tuple[str, ...], Callable[["Running"], ExecResult]] = field(default_factory=dict)
    talks: dict[tuple[str, ...], Callable[["FakeExec"], int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A running container as its program sees it."""

    engine: "FakeEngine"
    spec: ContainerSpec

    def say(self, line: str, stream: str = "stdout") -> None:
        self.engine.say(self.spec.name, line, stream)

    def exit(self, code: int) -> None:
        self.engine.crash(self.spec.name, code)


@dataclass(slots=True)
class _Box:
    """One container: the spec it was made from, its present state and what it wrote."""

    instance: str
    spec: ContainerSpec
    now: Container
    log: list[LogLine] = field(default_factory=list)
    execs: "list[FakeExec]" = field(default_factory=list)

    @property
    def runs(self) -> bool:
        """Whether it is up, frozen or not."""
        return self.now.state in (ContainerState.RUNNING, ContainerState.PAUSED)


@dataclass(slots=True)
class _Machine:
    """What several engines of different instances share."""

    boxes: dict[str, _Box] = field(default_factory=dict)
    events: list[tuple[str, ContainerEvent]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    made: int = 0


class FakeExec(Exec):
    """What a command is talked through, seen from both sides: the port's, and that of the command, which is a
    function of this and gives its exit code. It says what it has to say with `say`, `listen` gives the next
    thing it is told (None: no more), and a signal is heard as its name."""

    def __init__(self, env: Mapping[str, str], window: Window | None) -> None:
        self.env = env
        self.window = window
        self._changed = threading.Condition()
        self._said: deque[tuple[int, bytes]] = deque()
        self._told: deque[bytes | str | None] = deque()
        self._code: int | None = None
        self._closed = False

    # The command's side

    def run(self, name: str, talks: "Callable[[FakeExec], int] | None") -> None:
        if talks is None:
            self.say(f"{name}: not found\n".encode(), STDERR)
        self.end(127 if talks is None else talks(self))

    def say(self, data: bytes, stream: int = STDOUT) -> None:
        with self._changed:
            self._said.append((stream, data))
            self._changed.notify_all()

    def listen(self) -> bytes | str | None:
        with self._changed:
            self._changed.wait_for(lambda: self._told or self._code is not None)
            return self._told.popleft() if self._told else None

    def end(self, code: int) -> None:
        with self._changed:
            self._code = code if self._code is None else self._code
            self._changed.notify_all()

    # The port

    def read(self) -> tuple[int, bytes] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._said or self._closed or self._code is not None)
            return self._said.popleft() if self._said and not self._closed else None

    def write(self, data: bytes) -> None:
        self._tell(data)

    def end_input(self) -> None:
        self._tell(None)

    def resize(self, window: Window) -> None:
        if self.window is not None:
            self.window = window
            self._tell("WINCH")

    def signal(self, name: str) -> None:
        self._tell(name)

    def wait(self) -> int:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._code is not None)
            if self._closed or self._code is None:
                raise EngineError("The command was hung up on.")
            return self._code

    def close(self) -> None:
        with self._changed:
            self._closed = True
        self._tell("HUP")

    def _tell(self, what: bytes | str | None) -> None:
        with self._changed:
            self._told.append(what)
            self._changed.notify_all()


class FakeEngine(Engine):
    """Containers that "run" until told otherwise. Safe to use from many threads.

    `images` are on the machine and `pullable` can be fetched, where `logins` names one with that user and
    password alone. Commands do what `behaviours` say, any other
    just runs. `calls` is what was asked, as tuples of the operation and its main argument.
    """

    def __init__(
        self,
        instance: str = "test",
        *,
        images: Iterable[str] = (),
        pullable: Iterable[str] = (),
        clock: Clock | None = None,
    ) -> None:
        self.instance = instance
        self.images = set(images)
        self.pullable = set(pullable)
        self.behaviours: dict[tuple[str, ...], Behaviour] = {}
        self.refusals: dict[tuple[str, ...], str] = {}
        self.gpu_uuids: set[str] | None = None
        self.taken_ports: set[int] = set()
        self.written: dict[str, int] = {}
        self.use = Stats(cpu_percent=12.5, memory_used=16 * 1024 * 1024, memory_limit=0)
        self.reported = EngineInfo(
            kind="fake", version="1", host_address="10.0.0.1", gpus=True, disk_limits=True
        )
        self.calls: list[tuple[str, ...]] = []
        self.away = False
        self.unguarded = ""
        self.logins: dict[str, tuple[str, str]] = {}
        self.subnet = "10.0.0"
        self._clock = clock
        self._machine = _Machine()
        self._closed = False
        self._failures: dict[str, deque[Exception]] = {}
        self._thawed = threading.Event()
        self._thawed.set()

    # What tests do to it

    def neighbour(self, instance: str) -> "FakeEngine":
        """The engine of another podd instance on the same machine."""
        other = FakeEngine(instance, clock=self._clock)
        other.images, other.pullable, other._machine = self.images, self.pullable, self._machine
        other.behaviours, other.refusals = self.behaviours, self.refusals
        return other

    def fail_next(self, operation: str, error: Exception) -> None:
        """The next call of `operation` raises `error`, the one after that the next error, and so on."""
        self._failures.setdefault(operation, deque()).append(error)

    def freeze(self) -> None:
        """Calls hang until `thaw`."""
        self._thawed.clear()

    def thaw(self) -> None:
        self._thawed.set()

    def crash(self, name: str, exit_code: int = 1, log: str = "") -> None:
        """The main process ends by itself, with `log` as its last words."""
        with self._machine.changed:
            for line in log.splitlines():
                self.say(name, line, "stderr")
            self._end(self._box(name), exit_code)

    def say(self, name: str, line: str, stream: str = "stdout") -> None:
        """The container writes a line."""
        with self._machine.changed:
            self._box(name).log.append(LogLine(self._now(), stream, line))
            self._machine.changed.notify_all()

    def lose(self, name: str) -> None:
        """Somebody removes the container behind podd's back."""
        with self._machine.changed:
            box = self._box(name)
            self._end(box, 137)
            del self._machine.boxes[name]
            self._happened(box, "remove")

    def spec(self, name: str) -> ContainerSpec:
        """What the container was made from."""
        with self._machine.changed:
            return self._box(name).spec

    def running(self) -> list[str]:
        """Names of the containers that run, sorted; those that are paused do not."""
        return self._in_state(ContainerState.RUNNING)

    def paused(self) -> list[str]:
        """Names of the containers that are paused, sorted."""
        return self._in_state(ContainerState.PAUSED)

    def _in_state(self, state: ContainerState) -> list[str]:
        with self._machine.changed:
            return sorted(name for name, box in self._mine().items() if box.now.state is state)

    # The port

    def info(self) -> EngineInfo:
        self._called("info")
        return self.reported

    def list(self) -> list[Container]:
        self._called("list")
        with self._machine.changed:
            return [box.now for _, box in sorted(self._mine().items())]

    def start(self, spec: ContainerSpec) -> Container:
        self._called("start", spec.name)
        with self._machine.changed:
            there = self._machine.boxes.get(spec.name)
            if there is not None and there.instance != self.instance:
                raise EngineError(f"The name {spec.name} is taken by a container of another podd.")
            if there is not None and there.runs:
                return there.now
            self._check(spec)
            box = there or self._make(spec)
            self._run(box)
            return box.now

    def stop(self, name: str, grace: float) -> None:
        self._called("stop", name, str(grace))
        with self._machine.changed:
            box = self._mine().get(name)
            if box is not None and box.runs:
                on_term = self._behaviour(box.spec).on_term
                self._end(box, 137 if on_term is None else on_term)

    def pause(self, name: str) -> None:
        self._switch("pause", name, ContainerState.PAUSED)

    def unpause(self, name: str) -> None:
        self._switch("unpause", name, ContainerState.RUNNING)

    def remove(self, name: str) -> None:
        self._called("remove", name)
        with self._machine.changed:
            if name in self._mine():
                self.lose(name)

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> LogStream:
        self._called("logs", name)
        with self._machine.changed:
            box = self._box(name)
            start = 0 if tail is None else max(0, len(box.log) - tail)
        return _FakeLog(self._machine, box, start, follow, lambda: self._closed)

    def exec(self, name: str, argv: Sequence[str]) -> ExecResult:
        self._called("exec", name, *argv)
        with self._machine.changed:
            box = self._box(name)
            if not box.runs:
                raise EngineError(f"The container {name} is not running.")
            command = self._behaviour(box.spec).commands.get(tuple(argv))
            if command is None:
                return ExecResult(127, f"{argv[0]}: not found\n")
            return command(Running(self, box.spec))

    def open_exec(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], window: Window | None
    ) -> Exec:
        self._called("open_exec", name, *argv)
        with self._machine.changed:
            box = self._box(name)
            if not box.runs:
                raise EngineError(f"The container {name} is not running.")
            talks = self._behaviour(box.spec).talks.get(tuple(argv))
            opened = FakeExec(dict(box.spec.env) | dict(env), window)
            box.execs.append(opened)
        threading.Thread(target=opened.run, args=(argv[0], talks), daemon=True).start()
        return opened

    def stats(self, name: str) -> Stats:
        self._called("stats", name)
        with self._machine.changed:
            box = self._box(name)
            if not box.runs:
                raise EngineError(f"The container {name} is not running.")
            return replace(self.use, memory_limit=box.spec.memory * 1024 * 1024)

    def disk_use(self) -> dict[str, int]:
        self._called("disk_use")
        return {name: self.written.get(name, 0) for name in self.running()}

    def has_image(self, image: str) -> bool:
        self._called("has_image", image)
        return image in self.images

    def image_id(self, image: str) -> str:
        self._called("image_id", image)
        return f"sha256:{image.partition(':')[0]}" if image in self.images else ""

    def other_names(self, image: str) -> frozenset[str]:
        self._called("other_names", image)
        there = self.image_id(image)
        return frozenset(name for name in self.images if name != image and self.image_id(name) == there)

    def check_access(self, image: str, auth: RegistryAuth | None) -> None:
        self._called("check_access", image)
        self._check_login(image, auth)

    def _check_login(self, image: str, auth: RegistryAuth | None) -> None:
        login = self.logins.get(image)
        if image not in self.pullable or (
            login and (auth is None or login != (auth.username, auth.password))
        ):
            shown = f" with the registry credential {auth.name!r}" if auth and auth.name else ""
            raise ImageMissing(f"The image {image} cannot be had{shown}: manifest unknown.")

    def pull(
        self, image: str, auth: RegistryAuth | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        self._called("pull", image)
        self._check_login(image, auth)
        if progress:
            progress(f"Pulling {image}")
        self.images.add(image)

    def guard_host(self, port: int) -> str:
        self._called("guard_host", str(port))
        return self.unguarded

    def events(self) -> Iterator[ContainerEvent]:
        self._called("events")
        return self._events(len(self._machine.events))

    def close(self) -> None:
        with self._machine.changed:
            self._closed = True
            self._machine.changed.notify_all()

    # Private

    def _called(self, operation: str, *what: str) -> None:
        self.calls.append((operation, *what))
        self._thawed.wait()
        if self.away:
            raise EngineAway("The engine is away.")
        failures = self._failures.get(operation)
        if failures:
            raise failures.popleft()

    def _switch(self, operation: str, name: str, state: ContainerState) -> None:
        self._called(operation, name)
        with self._machine.changed:
            box = self._box(name)
            if not box.runs:
                raise EngineError(f"The container {name} is not running.")
            self._change(box, state=state)

    def _mine(self) -> dict[str, _Box]:
        return {n: box for n, box in self._machine.boxes.items() if box.instance == self.instance}

    def _box(self, name: str) -> _Box:
        box = self._mine().get(name)
        if box is None:
            raise NoSuchContainer(f"There is no container {name}.")
        return box

    def _behaviour(self, spec: ContainerSpec) -> Behaviour:
        return self.behaviours.get(spec.command, Behaviour())

    def _now(self) -> int:
        return self._clock.now() if self._clock else time.time_ns() // 1_000_000

    def _check(self, spec: ContainerSpec) -> None:
        if spec.image not in self.images:
            raise ImageMissing(f"The image {spec.image} is not on this machine.")
        if spec.command in self.refusals:
            raise StartRefused(self.refusals[spec.command])
        unknown = {g.uuid for g in spec.gpus if not g.simulated} - (self.gpu_uuids or set())
        if self.gpu_uuids is not None and unknown:
            raise StartRefused(f"Unknown GPU: {', '.join(sorted(unknown))}.")
        for port in spec.ports:
            if port.host in self.taken_ports or port.host in self._published():
                raise PortTaken(f"The host port {port.address}:{port.host} is already in use.")

    def _published(self) -> set[int]:
        ports: list[PortBinding] = [p for b in self._machine.boxes.values() if b.runs for p in b.spec.ports]
        return {port.host for port in ports}

    def _make(self, spec: ContainerSpec) -> _Box:
        self._machine.made += 1
        made = Container(
            name=spec.name,
            workload_id=spec.workload_id,
            generation=spec.generation,
            state=ContainerState.CREATED,
            id=f"fake-{self._machine.made}",
            gpus=tuple(gpu.uuid for gpu in spec.gpus),
        )
        box = self._machine.boxes[spec.name] = _Box(self.instance, spec, made)
        return box

    def _run(self, box: _Box) -> None:
        behaviour = self._behaviour(box.spec)
        address = f"{self.subnet}.{1 + self._machine.made % 250}"
        self._change(
            box,
            state=ContainerState.RUNNING,
            exit_code=None,
            started_at=self._now(),
            finished_at=None,
            address=address,
        )
        self._happened(box, "start")
        behaviour.program(Running(self, box.spec))
        if behaviour.exit_code is not None:
            self._end(box, behaviour.exit_code)

    def _end(self, box: _Box, exit_code: int) -> None:
        if box.runs:
            for opened in box.execs:
                opened.end(137)
            ended = self._now()
            self._change(box, state=ContainerState.EXITED, exit_code=exit_code, finished_at=ended, address="")
            self._happened(box, "die")

    def _change(self, box: _Box, **changes: Any) -> None:
        box.now = replace(box.now, **changes)

    def _happened(self, box: _Box, action: str) -> None:
        self._machine.events.append((box.instance, ContainerEvent(box.spec.name, action)))
        self._machine.changed.notify_all()

    def _events(self, seen: int) -> Iterator[ContainerEvent]:
        while (entry := self._event_at(seen)) is not None:
            seen += 1
            instance, event = entry
            if instance == self.instance:
                yield event

    def _event_at(self, number: int) -> tuple[str, ContainerEvent] | None:
        """Waits for it; None when the engine is closed."""
        machine = self._machine
        with machine.changed:
            machine.changed.wait_for(lambda: self._closed or len(machine.events) > number)
            return None if self._closed else machine.events[number]


class _FakeLog(LogStream):
    def __init__(
        self, machine: _Machine, box: _Box, start: int, follow: bool, ended: Callable[[], bool]
    ) -> None:
        self._machine = machine
        self._box = box
        self._next = start
        self._follow = follow
        self._ended = ended
        self._stopped = False

    def __iter__(self) -> "_FakeLog":
        return self

    def __next__(self) -> LogLine:
        with self._machine.changed:
            self._machine.changed.wait_for(lambda: self._has_more() or not self._may_come())
            if not self._has_more():
                raise StopIteration
            self._next += 1
            return self._box.log[self._next - 1]

    def close(self) -> None:
        with self._machine.changed:
            self._stopped = True
            self._machine.changed.notify_all()

    def _has_more(self) -> bool:
        return not self._stopped and self._next < len(self._box.log)

    def _may_come(self) -> bool:
        return self._follow and self._box.runs and not self._stopped and not self._ended()

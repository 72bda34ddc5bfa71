"""What podd's Docker engine does on a real one, beyond what the contract asks of every engine."""

import os
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import pytest

from podd.containers.engine import DockerEngine
from podd.domain.container import ContainerSpec, ContainerState, GpuRef, Mount, PortBinding, RegistryAuth
from podd.ports import EngineError, ImageMissing, PortTaken, StartRefused
from tests.contract.bench import a_spec, clean
from tests.contract.programs import EXIT_7, WAIT_FOR_GO, sh
from tests.contract.registry import Registry
from tests.local_ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.docker

API = docker.APIClient
MIB = 1024 * 1024


def output(engine: DockerEngine, spec: ContainerSpec) -> list[str]:
    engine.start(spec)
    return [line.line for line in engine.logs(spec.name, follow=True)]


def inspect(api: API, spec: ContainerSpec) -> dict[str, Any]:
    found: dict[str, Any] = api.inspect_container(spec.name)
    return found


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# Limits


def test_limits_hold_inside(engine: DockerEngine, api: API) -> None:
    spec = a_spec(sh("grep -h NoNewPrivs /proc/self/status; df -m /dev/shm | tail -1; cat /proc/1/comm"))
    flags, shm, init = output(engine, spec)
    assert flags.split() == ["NoNewPrivs:", "1"]
    assert shm.split()[1] == "32"
    assert init == "docker-init"
    config = inspect(api, spec)["HostConfig"]
    assert (config["Memory"], config["MemorySwap"]) == (64 * MIB, 64 * MIB)
    assert config["NanoCpus"] == 500_000_000
    assert config["PidsLimit"] == 4096
    assert config["RestartPolicy"]["Name"] == "no"
    assert config["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_memory_is_enforced(engine: DockerEngine) -> None:
    engine.start(a_spec(("tail", "/dev/zero")))  # looks for a line end in what never ends
    eventually(lambda: engine.list()[0].exit_code == 137)


def test_a_container_is_called_after_its_workload(engine: DockerEngine) -> None:
    spec = a_spec(sh("hostname"))
    assert output(engine, spec) == [spec.workload_id]


# Ports


def test_ports_are_published_and_survive_a_restart(engine: DockerEngine) -> None:
    port = free_port()
    serve = sh("mkdir -p www; echo hello >www/index.html; exec httpd -f -p 80 -h www")
    spec = a_spec(serve, ports=(PortBinding(80, port),))

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                with connection.makefile("rb") as reply:
                    return b"hello" in reply.read()
        except OSError:
            return False

    engine.start(spec)
    eventually(answers)
    engine.stop(spec.name, 0)
    engine.start(spec)
    eventually(answers)


def test_a_port_in_use_is_told_and_leaves_nothing(engine: DockerEngine, taken_port: int) -> None:
    with pytest.raises(PortTaken, match=f"127.0.0.1:{taken_port} is already in use"):
        engine.start(a_spec(ports=(PortBinding(80, taken_port),)))
    assert engine.list() == []


def test_a_port_of_another_container_is_told_too(engine: DockerEngine) -> None:
    port = free_port()
    holder = engine.start(a_spec(ports=(PortBinding(80, port),)))
    with pytest.raises(PortTaken):
        engine.start(a_spec(ports=(PortBinding(80, port),)))
    assert engine.list() == [holder]


def test_an_exited_container_keeps_its_disk_when_its_port_is_taken(engine: DockerEngine) -> None:
    port = free_port()
    spec = a_spec(ports=(PortBinding(80, port),))
    engine.start(spec)
    engine.exec(spec.name, ["touch", "work-of-hours"])
    engine.stop(spec.name, 0)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(PortTaken):
        engine.start(spec)
    engine.start(spec)
    assert engine.exec(spec.name, ["ls", "work-of-hours"]).exit_code == 0


# What can never start


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"command": ("/etc/passwd",)}, "Permission denied"),
        ({"mounts": (Mount("/no/such/place", "/workspace"),)}, "bind source path does not exist"),
        ({"mounts": (Mount("/etc/passwd", "/tmp"),)}, "not a directory"),
        ({"mounts": (Mount("/tmp", "relative"),)}, "mount path must be absolute"),
        ({"workload_id": "x" * 70}, "invalid argument"),
    ],
)
def test_what_cannot_start_is_refused_and_leaves_nothing(
    engine: DockerEngine, fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(StartRefused, match=reason):
        engine.start(replace(a_spec(), **fields))
    assert engine.list() == []


def test_a_command_that_fails_by_itself_is_no_refusal(engine: DockerEngine) -> None:
    spec = a_spec(sh("no-such-command"))
    engine.start(spec)
    eventually(lambda: engine.list()[0].exit_code == 127)


def test_what_somebody_else_has_named_so_is_left_alone(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    api.create_container(spec.image, ["sleep", "60"], name=spec.name)
    try:
        with pytest.raises(EngineError, match="somebody else"):
            engine.start(spec)
        engine.remove(spec.name)
        assert inspect(api, spec)["State"]["Status"] == "created"
    finally:
        api.remove_container(spec.name, force=True)


# Adopting


def test_a_container_that_was_only_created_is_started(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    engine.start(spec)
    engine.remove(spec.name)
    labels = {"podd.instance": engine._instance, "podd.workload": spec.workload_id, "podd.generation": "1"}
    api.create_container(spec.image, list(spec.command), name=spec.name, labels=labels)
    assert [c.state for c in engine.list()] == [ContainerState.CREATED]
    assert engine.start(spec).state is ContainerState.RUNNING


def test_a_paused_container_is_listed_and_goes_on(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    started = engine.start(spec)
    api.pause(spec.name)
    assert [c.state for c in engine.list()] == [ContainerState.PAUSED]
    assert engine.start(spec) == started


def test_a_paused_container_can_be_stopped(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    engine.start(spec)
    api.pause(spec.name)
    engine.stop(spec.name, 0)
    assert [c.state for c in engine.list()] == [ContainerState.EXITED]


def test_an_exit_behind_our_back_shows_in_the_next_list(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    engine.start(spec)
    assert [c.state for c in engine.list()] == [ContainerState.RUNNING]
    api.kill(spec.name)
    eventually(lambda: [c.exit_code for c in engine.list()] == [137])


def test_removing_from_many_threads_is_fine(engine: DockerEngine) -> None:
    spec = a_spec()
    engine.start(spec)
    removers = [threading.Thread(target=engine.remove, args=(spec.name,)) for _ in range(4)]
    for remover in removers:
        remover.start()
    for remover in removers:
        remover.join()
    assert engine.list() == []


# The network


def test_the_host_is_reached_at_the_address_that_info_gives(engine: DockerEngine) -> None:
    host = engine.info().host_address
    with socket.create_server((host, 0)) as server:
        port = server.getsockname()[1]
        engine.start(a_spec(sh(f"exec nc {host} {port} </dev/null")))
        server.settimeout(10)
        connection, _ = server.accept()
        connection.close()


def test_neighbours_do_not_reach_each_other(engine: DockerEngine) -> None:
    first = engine.start(a_spec(sh("while :; do echo hello | nc -l -p 80; done")))
    second = a_spec()
    engine.start(second)
    eventually(lambda: engine.exec(first.name, ["sh", "-c", "netstat -ltn | grep -q :80"]).exit_code == 0)
    assert engine.exec(second.name, ["timeout", "1", "nc", first.address, "80"]).output == ""


def test_many_engines_at_once_make_one_network(engine: DockerEngine, api: API) -> None:
    engines = [DockerEngine(engine._instance) for _ in range(4)]
    threads = [threading.Thread(target=each.info) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(api.networks(names=[f"podd-{engine._instance}"])) == 1
    for each in engines:
        each.close()


def test_a_network_that_was_pruned_comes_back(engine: DockerEngine, api: API) -> None:
    spec = a_spec(EXIT_7)
    output(engine, spec)
    eventually(lambda: engine.list()[0].state is ContainerState.EXITED)
    api.remove_network(f"podd-{engine._instance}")
    engine.start(spec)
    assert engine.start(a_spec()).address


def test_the_network_is_removed_on_request(engine: DockerEngine, api: API) -> None:
    spec = a_spec()
    engine.start(spec)
    with pytest.raises(EngineError, match="active endpoints"):
        engine.remove_network()
    clean(engine)
    assert api.networks(names=[f"podd-{engine._instance}"]) == []
    engine.remove_network()


# GPUs: the engine under test has a stand-in for NVIDIA's hook, which writes down what was attached


@pytest.fixture
def gpus() -> list[str]:
    inventory = os.environ.get("PODD_FAKE_GPUS")
    if inventory is None:
        pytest.skip("PODD_FAKE_GPUS does not name an inventory of GPUs")
    return Path(inventory).read_text().split()


def attached(*uuids: str) -> ContainerSpec:
    show = sh("cat /.fake-gpus; echo visible: $NVIDIA_VISIBLE_DEVICES")
    return a_spec(show, gpus=tuple(map(GpuRef, uuids)), env=(("NVIDIA_VISIBLE_DEVICES", "all"),))


def test_a_container_gets_exactly_its_gpus(engine: DockerEngine, gpus: list[str]) -> None:
    assert output(engine, attached(gpus[1])) == [gpus[1], f"visible: {gpus[1]}"]
    assert output(engine, attached(*gpus)) == [*gpus, f"visible: {','.join(gpus)}"]


def test_a_container_without_gpus_gets_none_whatever_it_says(engine: DockerEngine, gpus: list[str]) -> None:
    lines = output(engine, attached())
    assert not set(gpus) & set(lines)


def test_simulated_gpus_are_in_the_books_only(engine: DockerEngine, gpus: list[str]) -> None:
    spec = replace(attached(), gpus=(GpuRef(gpus[0], simulated=True), GpuRef("GPU-made-up", simulated=True)))
    assert gpus[0] not in output(engine, spec)
    assert engine.list()[0].gpus == (gpus[0], "GPU-made-up")


def test_an_unknown_gpu_is_refused_and_leaves_nothing(engine: DockerEngine, gpus: list[str]) -> None:
    with pytest.raises(StartRefused, match="GPU-dead: unknown device"):
        engine.start(attached(gpus[0], "GPU-dead"))
    assert engine.list() == []


# Pulling


LOGIN = RegistryAuth("me", "secret")


@pytest.fixture
def registry(api: API) -> Iterator[Registry]:
    """Has one image, for those who know the login."""
    registry = Registry(f"test/{uuid.uuid4().hex[:8]}", "me:secret")
    yield registry
    registry.stop()
    with suppress(docker.errors.ImageNotFound):
        api.remove_image(registry.image)


def test_an_image_behind_a_login_is_pulled(engine: DockerEngine, registry: Registry) -> None:
    said: list[str] = []
    assert not engine.has_image(registry.image)
    engine.pull(registry.image, LOGIN, said.append)
    assert engine.has_image(registry.image)
    assert any("Downloaded newer image" in line for line in said)
    engine.pull(registry.image, LOGIN)


def test_the_registry_says_who_may_use_an_image_that_is_here(
    engine: DockerEngine, registry: Registry
) -> None:
    engine.pull(registry.image, LOGIN)
    engine.check_access(registry.image, LOGIN)
    for auth in (None, RegistryAuth("me", "wrong", "mine")):
        with pytest.raises(ImageMissing, match=registry.image) as refused:
            engine.check_access(registry.image, auth)
        assert "wrong" not in str(refused.value)
        assert ("'mine'" in str(refused.value)) is (auth is not None)


def test_a_registry_that_is_away_can_not_be_asked(engine: DockerEngine) -> None:
    with pytest.raises(EngineError) as caught:
        engine.check_access(f"127.0.0.1:{free_port()}/app:1", LOGIN)
    assert type(caught.value) is EngineError


def test_an_image_can_be_named_by_its_digest(engine: DockerEngine, registry: Registry) -> None:
    by_tag = registry.image
    digest = next(path.rsplit("/", 1)[1] for path in registry.content if "/manifests/sha256:" in path)
    pinned = f"{by_tag.rpartition(':')[0]}@{digest}"
    assert not engine.has_image(pinned)
    engine.pull(pinned, LOGIN)
    assert engine.has_image(pinned)
    assert not engine.has_image(by_tag)
    engine.pull(by_tag, LOGIN)
    assert engine.image_id(by_tag) == engine.image_id(pinned) != ""
    assert engine.other_names(pinned) == {by_tag}
    assert engine.other_names(by_tag) == frozenset()
    engine.pull(f"{by_tag}@{digest}", LOGIN)
    assert engine.image_id(f"{by_tag}@{digest}") == engine.image_id(pinned)


@pytest.mark.parametrize("auth", [None, RegistryAuth("me", "wrong")])
def test_an_image_without_the_right_login_is_missing(
    engine: DockerEngine, registry: Registry, auth: RegistryAuth | None
) -> None:
    with pytest.raises(ImageMissing, match=registry.image):
        engine.pull(registry.image, auth)


def test_a_login_is_not_remembered(engine: DockerEngine, registry: Registry) -> None:
    engine.pull(registry.image, LOGIN)
    with pytest.raises(ImageMissing):
        engine.pull(registry.image)


def test_a_registry_that_is_not_there_may_come_back(engine: DockerEngine) -> None:
    with pytest.raises(EngineError, match="connection refused") as caught:
        engine.pull(f"127.0.0.1:{free_port()}/app:1")
    assert type(caught.value) is EngineError


def test_a_silent_registry_is_given_up(engine: DockerEngine, registry: Registry) -> None:
    registry.answering.clear()
    impatient = DockerEngine(engine._instance, pull_silence=0.5)
    with pytest.raises(EngineError, match="nothing has come"):
        impatient.pull(registry.image, LOGIN)
    impatient.close()


# Long output


def test_a_long_line_stays_one_line(engine: DockerEngine) -> None:
    spec = a_spec(sh("head -c 100000 /dev/zero | tr '\\0' x; echo; echo next"))
    long, following = output(engine, spec)
    assert long == "x" * 100_000
    assert following == "next"


def test_followers_and_readers_get_the_same(engine: DockerEngine) -> None:
    spec = a_spec(WAIT_FOR_GO)
    engine.start(spec)
    seen: list[list[str]] = [[] for _ in range(5)]

    def follow(lines: list[str]) -> None:
        lines.extend(line.line for line in engine.logs(spec.name, follow=True))

    followers = [threading.Thread(target=follow, args=(lines,)) for lines in seen]
    for follower in followers:
        follower.start()
    engine.exec(spec.name, ["touch", "go"])
    for follower in followers:
        follower.join(10)
    assert seen == [["one", "two", "three"]] * 5

"""Who reaches whom, tried from inside real containers."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv4Network

import docker
import psutil
import pytest

from podd.config import Containers
from podd.containers import firewall
from podd.containers.engine import DockerEngine
from podd.containers.spec import network_name
from podd.domain.container import ContainerSpec
from tests.contract.bench import a_spec, clean
from tests.contract.programs import sh
from tests.waiting import eventually

pytestmark = pytest.mark.docker

SERVE = sh("while :; do echo hello | nc -l -p 80; done")


def of(account: str, command: tuple[str, ...] = SERVE) -> ContainerSpec:
    spec = a_spec(command)
    return replace(spec, network=account, names=(f"{spec.workload_id}.runpod.internal",))


def greeted(engine: DockerEngine, spec: ContainerSpec, host: str, port: int = 80) -> bool:
    """Whether a container gets to the service at this address, and hears it."""
    asked = engine.exec(spec.name, ["timeout", "3", "nc", "-w", "2", host, str(port)])
    return "hello" in asked.output


def serves(engine: DockerEngine, spec: ContainerSpec) -> None:
    eventually(lambda: engine.exec(spec.name, ["sh", "-c", "netstat -ltn | grep -q :80"]).exit_code == 0)


def networks(api: docker.APIClient, engine: DockerEngine) -> list[str]:
    found = api.networks(filters={"label": f"podd.instance={engine._instance}"})
    return sorted(network["Name"] for network in found)


class Greeter:
    """A service of this host: says hello to whoever connects."""

    def __init__(self, address: str, port: int = 0) -> None:
        self._server = socket.create_server((address, port))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._greet, daemon=True).start()

    def _greet(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"hello\n")

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def greeter() -> Iterator[Callable[[str], Greeter]]:
    made: list[Greeter] = []

    def make(address: str) -> Greeter:
        made.append(Greeter(address))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_containers_of_an_account_reach_each_other_by_name_and_nobody_elses(engine: DockerEngine) -> None:
    first, second, foreign = of("user_a"), of("user_a"), of("user_b")
    addresses = {spec.name: engine.start(spec).address for spec in (first, second, foreign)}
    for spec in (first, second, foreign):
        serves(engine, spec)
    assert all(addresses.values())
    assert greeted(engine, second, f"{first.workload_id}.runpod.internal")
    assert not greeted(engine, foreign, addresses[first.name])
    assert not greeted(engine, foreign, f"{first.workload_id}.runpod.internal")


def test_a_guarded_host_is_reached_at_podds_port_alone(
    engine: DockerEngine, greeter: Callable[[str], Greeter]
) -> None:
    address = engine.info().host_address
    podd, other = greeter(address), greeter("0.0.0.0")
    outside = next(
        found.address
        for name, found_here in psutil.net_if_addrs().items()
        for found in found_here
        if name == "eth0" and found.family == socket.AF_INET
    )
    spec, peer = of("user_a"), of("user_a")
    own = a_spec(SERVE)
    for each in (spec, peer, own):
        engine.start(each)
        serves(engine, each)
        assert greeted(engine, each, address, other.port)
        assert greeted(engine, each, outside, other.port)

    assert engine.guard_host(podd.port) == ""
    assert engine.guard_host(podd.port) == ""
    for each in (spec, own):
        assert greeted(engine, each, address, podd.port)
        assert not greeted(engine, each, address, other.port)
        assert not greeted(engine, each, outside, other.port)
        assert not greeted(engine, each, "10.200.0.1", other.port)
    assert greeted(engine, spec, f"{peer.workload_id}.runpod.internal")


def test_networks_that_are_blocked_cannot_be_reached(engine: DockerEngine) -> None:
    gateway = next(line.split()[2] for line in _ip("route", "show", "default").splitlines())
    spec = of("user_a")
    engine.start(spec)
    assert engine.guard_host(8484) == ""
    chain = firewall.chains(engine._instance)[1]
    assert _rejected(chain) == 0
    engine.exec(spec.name, ["timeout", "3", "nc", "-w", "2", gateway, "1"])
    engine.exec(spec.name, ["timeout", "3", "nc", "-w", "2", "169.254.169.254", "80"])
    assert _rejected(chain) >= 2


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def _rejected(chain: str) -> int:
    """How many packets the chain has turned away."""
    listed = subprocess.run(["iptables", "-w", "-nvxL", chain], check=True, capture_output=True, text=True)
    return sum(int(line.split()[0]) for line in listed.stdout.splitlines() if "REJECT" in line)


def test_rules_that_somebody_took_away_are_put_back(
    engine: DockerEngine, greeter: Callable[[str], Greeter]
) -> None:
    address = engine.info().host_address
    podd, other = greeter(address), greeter("0.0.0.0")
    spec = of("user_a")
    engine.start(spec)
    assert engine.guard_host(podd.port) == ""
    subprocess.run(["iptables", "-w", "-F", "INPUT"], check=True)
    assert greeted(engine, spec, address, other.port)
    assert engine.guard_host(podd.port) == ""
    assert not greeted(engine, spec, address, other.port)


def test_removing_the_networks_takes_the_rules_along(engine: DockerEngine) -> None:
    engine.info()
    engine.guard_host(8484)
    chain = firewall.chains(engine._instance)[0]

    def rules() -> str:
        return subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout

    assert rules().count(chain) > 2
    engine.remove_network()
    assert chain not in rules()


def test_an_accounts_network_goes_with_its_last_container(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    engine.info()
    own = network_name(engine._instance)
    first, second = of("user_a"), of("user_a")
    engine.start(first)
    engine.start(second)
    assert networks(api, engine) == [own, f"{own}-user_a"]
    engine.remove(first.name)
    assert networks(api, engine) == [own, f"{own}-user_a"]
    engine.remove(second.name)
    assert networks(api, engine) == [own]
    assert engine.start(second).address


def test_containers_that_come_and_go_at_once_never_lose_their_network(engine: DockerEngine) -> None:
    problems: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(3):
                spec = of("user_a")
                assert engine.start(spec).address
                engine.remove(spec.name)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_network_left_by_a_daemon_that_died_is_removed_by_the_next(
    engine: DockerEngine, api: docker.APIClient
) -> None:
    spec = of("user_a")
    engine.start(spec)
    api.remove_container(spec.name, force=True)
    with closing(DockerEngine(engine._instance)) as later:
        later.info()
    assert networks(api, engine) == [network_name(engine._instance)]


def test_a_container_of_an_older_podd_stays_on_the_network_of_all(
    engine: DockerEngine, api: docker.APIClient, greeter: Callable[[str], Greeter]
) -> None:
    other = greeter("0.0.0.0")
    old = network_name(engine._instance)
    network = api.create_network(old, "bridge", labels={"podd.instance": engine._instance})
    spec = a_spec()
    started = engine.start(spec)
    assert engine.info().host_address
    assert engine.list()[0].address == started.address != ""
    assert api.inspect_network(old)["Id"] == network["Id"]
    assert greeted(engine, spec, engine.info().host_address, other.port)
    assert engine.guard_host(8484) == ""
    assert not greeted(engine, spec, engine.info().host_address, other.port)


def test_more_networks_than_the_engines_own_pools_have_can_be_made() -> None:
    instance = f"many-{threading.get_native_id()}"
    small = Containers(network_range=IPv4Network("10.214.0.0/24"), network_prefix=29)
    with closing(DockerEngine(instance, settings=small)) as engine:
        try:
            for number in range(6):
                assert engine.start(of(f"user_{number}")).address.startswith("10.214.0.")
        finally:
            clean(engine)

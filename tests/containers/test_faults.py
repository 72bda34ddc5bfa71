"""What becomes of an engine that is away, hangs, breaks off, refuses, or has changed."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podd.containers.engine import DockerEngine
from podd.domain.container import RegistryAuth
from podd.ports import ContainerEvent, EngineAway, EngineError, ImageMissing
from tests.containers.stub import Request, StubEngine
from tests.contract.bench import Listener, a_spec
from tests.waiting import eventually

CALLS: list[Callable[[DockerEngine], Any]] = [
    lambda engine: engine.info(),
    lambda engine: engine.list(),
    lambda engine: engine.start(a_spec()),
    lambda engine: engine.stop("x", 1),
    lambda engine: engine.remove("x"),
    lambda engine: engine.logs("x"),
    lambda engine: engine.exec("x", ["true"]),
    lambda engine: engine.stats("x"),
    lambda engine: engine.has_image("x"),
    lambda engine: engine.pull("x"),
    lambda engine: engine.remove_network(),
]


def truncated(request: Request) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "2")
    request.end_headers()
    request.wfile.write(b"[{")


@pytest.mark.parametrize("call", CALLS)
def test_without_an_engine_every_call_says_that_it_is_away(
    call: Callable[[DockerEngine], Any], tmp_path: Path
) -> None:
    engine = DockerEngine("test", base_url=f"unix://{tmp_path}/nothing.sock", timeout=0.3)
    with pytest.raises(EngineAway, match=r"nothing\.sock: No such file"):
        call(engine)
    engine.close()


def test_an_engine_that_comes_back_is_used_again(tmp_path: Path) -> None:
    engine = DockerEngine("test", base_url=f"unix://{tmp_path}/engine.sock", timeout=0.3)
    with pytest.raises(EngineAway):
        engine.list()
    stub = StubEngine(tmp_path / "engine.sock")
    stub.on("/containers/json", lambda request: request.reply([]))
    assert engine.list() == []
    engine.close()
    stub.stop()


@pytest.mark.parametrize("fault", [Request.hang, Request.drop, truncated])
def test_no_answer_or_half_of_one_is_an_engine_away(
    stub: StubEngine, stubbed: DockerEngine, fault: Callable[[Request], None]
) -> None:
    stub.on("/containers/json", fault)
    with pytest.raises(EngineAway):
        stubbed.list()


def test_a_refusal_is_no_absence(stub: StubEngine, stubbed: DockerEngine) -> None:
    stub.on("/containers/json", lambda request: request.refuse(500, "database is locked"))
    with pytest.raises(EngineError, match="database is locked") as caught:
        stubbed.list()
    assert not isinstance(caught.value, EngineAway)


def test_after_an_upgrade_of_the_engine_the_version_is_agreed_anew(
    stub: StubEngine, stubbed: DockerEngine
) -> None:
    stub.on("/containers/json", lambda request: request.reply([]))
    stubbed.list()
    too_old = "client version 1.41 is too old. Minimum supported API version is 1.44"
    stub.on("/version", lambda request: request.reply({"ApiVersion": "1.44"}))
    stub.on(
        "/containers/json", lambda request: request.refuse(400, too_old), lambda request: request.reply([])
    )
    with pytest.raises(EngineAway):
        stubbed.list()
    assert stubbed.list() == []


def test_a_closed_engine_makes_no_more_calls(stub: StubEngine, stubbed: DockerEngine) -> None:
    stubbed.close()
    with pytest.raises(EngineAway, match="closed"):
        stubbed.list()
    assert stub.asked == []


# Listing


def entry(state: str, status: str) -> dict[str, Any]:
    return {"Id": "1234", "State": state, "Status": status}


def inspected(state: str, code: int = 0) -> dict[str, Any]:
    began, ended = "2026-11-23T15:19:09Z", "2026-11-23T15:19:10Z"
    labels = {"podd.instance": "test", "podd.workload": "a", "podd.generation": "1"}
    return {
        "Id": "1234",
        "Name": "/podd-a-1",
        "State": {"Status": state, "StartedAt": began, "FinishedAt": ended, "ExitCode": code},
        "Config": {"Labels": labels},
        "NetworkSettings": {},
    }


def show(stub: StubEngine, state: str, status: str, code: int = 0) -> None:
    stub.on("/containers/json", lambda request: request.reply([entry(state, status)]))
    stub.on("/containers/1234/json", lambda request: request.reply(inspected(state, code)))


def test_a_list_of_known_containers_is_one_call(stub: StubEngine, stubbed: DockerEngine) -> None:
    show(stub, "running", "Up 1 second")
    first = stubbed.list()
    stub.asked.clear()
    show(stub, "running", "Up 2 seconds")
    assert stubbed.list() == first
    assert stub.paths() == ["/containers/json"]


def test_a_list_looks_again_at_what_has_changed(stub: StubEngine, stubbed: DockerEngine) -> None:
    show(stub, "running", "Up 1 second")
    stubbed.list()
    show(stub, "exited", "Exited (3) 1 second ago", 3)
    assert [c.exit_code for c in stubbed.list()] == [3]
    show(stub, "exited", "Exited (4) 1 second ago", 4)
    assert [c.exit_code for c in stubbed.list()] == [4]


def test_a_list_looks_again_after_an_event(stub: StubEngine, stubbed: DockerEngine) -> None:
    def dies(request: Request) -> None:
        request.begin()
        request.send(event("die", 2**62))
        request.hang()

    show(stub, "exited", "Exited (1) 1 second ago", 1)
    stubbed.list()
    stub.asked.clear()
    stub.on("/events", dies)
    assert next(stubbed.events()) == ContainerEvent("podd-a-1", "die")
    stubbed.list()
    assert "/containers/1234/json" in stub.paths()


def test_a_container_that_goes_while_listing_is_left_out(stub: StubEngine, stubbed: DockerEngine) -> None:
    show(stub, "running", "Up 1 second")
    stub.on("/containers/1234/json", lambda request: request.refuse(404, "No such container: 1234"))
    assert stubbed.list() == []


# Events


def event(action: str, at: int) -> dict[str, Any]:
    return {"Action": action, "timeNano": at, "Actor": {"ID": "1234", "Attributes": {"name": "podd-a-1"}}}


def test_a_silence_of_events_is_bridged_without_repeating_any(
    stub: StubEngine, stubbed: DockerEngine
) -> None:
    def is_silent(request: Request) -> None:
        request.begin()
        request.send(event("start", 2**62))
        request.hang()

    def goes_on(request: Request) -> None:
        request.begin()
        request.send(event("start", 2**62))
        request.send(event("destroy", 2**62 + 1))
        request.finish_stream()

    stub.on("/events", is_silent, goes_on)
    assert [e.action for e in stubbed.events()] == ["start", "remove"]
    since = [params["since"] for path, params in stub.asked if path == "/events"]
    assert since[1] == "4611686018.427387904"
    assert json.loads(stub.asked[0][1]["filters"])["label"] == ["podd.instance=test"]


def test_events_end_when_the_connection_does(stub: StubEngine, stubbed: DockerEngine) -> None:
    def breaks(request: Request) -> None:
        request.begin()
        request.send(event("die", 2**62))
        request.drop()

    stub.on("/events", breaks)
    assert [e.action for e in stubbed.events()] == ["die"]


def test_events_of_an_engine_that_is_away_end_at_once(tmp_path: Path) -> None:
    engine = DockerEngine("test", base_url=f"unix://{tmp_path}/nothing.sock", timeout=0.3)
    assert list(engine.events()) == []
    engine.close()


def test_close_ends_events_that_are_waited_for(stub: StubEngine) -> None:
    waiting = threading.Event()

    def says_nothing(request: Request) -> None:
        request.begin()
        waiting.set()
        request.hang()

    stub.on("/events", says_nothing)
    engine = DockerEngine("test", base_url=stub.url, timeout=30)
    listener = Listener(engine)
    assert waiting.wait(10)
    engine.close()
    eventually(listener.has_ended)


# Pulling


def pulls(stub: StubEngine, *messages: dict[str, Any]) -> None:
    def reply(request: Request) -> None:
        request.begin()
        for message in messages:
            request.send(message)
        request.finish_stream()

    stub.on("/images/create", reply)


def test_a_pull_tells_how_it_goes(stub: StubEngine, stubbed: DockerEngine) -> None:
    pulls(stub, {"status": "Pulling from app", "id": "1"}, {"status": "Status: Downloaded"})
    said: list[str] = []
    stubbed.pull("app:1", progress=said.append)
    assert said == ["1: Pulling from app", "Status: Downloaded"]
    assert stub.asked == [("/images/create", {"fromImage": "app", "tag": "1"})]


def test_a_pull_uses_only_the_credentials_it_is_given(stub: StubEngine, stubbed: DockerEngine) -> None:
    pulls(stub)
    stubbed.pull("app:1")
    stubbed.pull("app:1", RegistryAuth("me", "secret"))
    anonymous, mine = stub.headers
    assert "X-Registry-Auth" not in anonymous
    assert "X-Registry-Auth" in mine


@pytest.mark.parametrize(
    ("message", "kind"),
    [("unauthorized: authentication required", ImageMissing), ("unexpected EOF", EngineError)],
)
def test_an_error_in_the_middle_of_a_pull_counts(
    stub: StubEngine, stubbed: DockerEngine, message: str, kind: type[EngineError]
) -> None:
    pulls(stub, {"status": "Pulling from app"}, {"error": message, "errorDetail": {"message": message}})
    with pytest.raises(EngineError, match="app:1") as caught:
        stubbed.pull("app:1")
    assert type(caught.value) is kind


@pytest.mark.parametrize("begins", [True, False])
def test_a_registry_that_says_nothing_is_given_up(
    stub: StubEngine, stubbed: DockerEngine, begins: bool
) -> None:
    def is_silent(request: Request) -> None:
        if begins:
            request.begin()
            request.send({"status": "Pulling from app"})
        request.hang()

    stub.on("/images/create", is_silent)
    with pytest.raises(EngineError, match="app:1 could not be pulled: nothing has come") as caught:
        stubbed.pull("app:1")
    assert type(caught.value) is EngineError

import pytest

from podd.containers.engine import DockerEngine
from podd.containers.logs import Frame, Lines, frames, payloads
from podd.ports import EngineAway, LogLine
from tests.containers.stub import Request, StubEngine, frame

T1, T2, T3 = (f"1970-01-01T00:00:01.00000000{n}Z" for n in (1, 2, 3))
N1, N2, N3 = 1_000_000_001, 1_000_000_002, 1_000_000_003

LABELS = {"podd.instance": "test", "podd.workload": "a", "podd.generation": "1"}


def inspected(status: str) -> dict[str, object]:
    state = {"Status": status, "StartedAt": T1, "FinishedAt": T1, "ExitCode": 0}
    return {
        "Id": "1234",
        "Name": "/podd-a-1",
        "State": state,
        "Config": {"Labels": LABELS},
        "NetworkSettings": {},
    }


def runs(request: Request) -> None:
    request.reply(inspected("running"))


def has_exited(request: Request) -> None:
    request.reply(inspected("exited"))


@pytest.fixture
def container(stub: StubEngine) -> StubEngine:
    """A stub with one container that runs."""
    stub.on("/containers/podd-a-1/json", runs)
    stub.on("/containers/1234/json", runs)
    return stub


# Frames and lines


@pytest.mark.parametrize("size", [1, 7, 8, 9, 1000])
def test_frames_are_found_wherever_the_stream_is_cut(size: int) -> None:
    whole = frame(1, T1, "one\n") + frame(2, T2, "two\n") + frame(1, T3, "")
    chunks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert list(frames(chunks)) == [
        Frame("stdout", N1, b"one\n"),
        Frame("stderr", N2, b"two\n"),
        Frame("stdout", N3, b""),
    ]


def test_a_frame_that_is_cut_off_is_dropped() -> None:
    assert list(payloads([frame(1, T1, "one\n")[:-1]])) == []


def test_pieces_of_a_long_line_are_put_together() -> None:
    lines = Lines()
    assert lines.take(Frame("stdout", N1, b"a" * 10)) is None
    assert lines.take(Frame("stderr", N1, b"other\n")) == LogLine(1000, "stderr", "other")
    assert lines.take(Frame("stdout", N1, b"b\n")) == LogLine(1000, "stdout", "a" * 10 + "b")


def test_a_line_without_end_is_given_out_in_parts() -> None:
    lines = Lines()
    assert lines.take(Frame("stdout", N1, b"a" * 1024 * 1024)) is not None
    assert list(lines.rest()) == []


def test_after_a_reconnect_nothing_comes_twice() -> None:
    lines = Lines()
    seen = [Frame("stdout", N1, b"one\n"), Frame("stdout", N2, b"pie"), Frame("stdout", N2, b"ces\n")]
    new = [Frame("stdout", N2, b"same moment\n"), Frame("stdout", N3, b"three\n")]
    assert [line.line for f in seen if (line := lines.take(f))] == ["one", "pieces"]
    lines.reconnect()
    again = [f for f in seen if f.at >= lines.last_at] + new
    assert [line.line for f in again if (line := lines.take(f))] == ["same moment", "three"]


def test_a_dropped_stream_in_the_middle_of_a_line_loses_none_of_it() -> None:
    lines = Lines()
    lines.take(Frame("stdout", N1, b"be"))
    lines.reconnect()
    again = [Frame("stdout", N1, b"be"), Frame("stdout", N1, b"gun\n")]
    assert [line.line for f in again if (line := lines.take(f))] == ["begun"]


# Following


def test_a_stream_that_breaks_is_taken_up_again(container: StubEngine, stubbed: DockerEngine) -> None:
    def breaks(request: Request) -> None:
        request.begin()
        request.send(frame(1, T1, "one\n"))
        request.send(frame(1, T2, "two\n"))
        request.drop()

    def goes_on(request: Request) -> None:
        container.on("/containers/1234/json", has_exited)
        request.begin()
        request.send(frame(1, T2, "two\n"))
        request.finish_stream()

    def catches_up(request: Request) -> None:
        request.begin()
        request.send(frame(1, T2, "two\n") + frame(1, T3, "three\n"))
        request.finish_stream()

    container.on("/containers/1234/logs", breaks, goes_on, catches_up)
    log = stubbed.logs("podd-a-1", tail=5, follow=True)
    assert [line.line for line in log] == ["one", "two", "three"]
    asked = [params for path, params in container.asked if path.endswith("logs")]
    assert [(p["follow"], p.get("tail"), p.get("since")) for p in asked] == [
        ("1", "5", None),
        ("1", None, "1.000000002"),
        ("0", None, "1.000000002"),
    ]


def test_a_silent_stream_is_no_end(container: StubEngine, stubbed: DockerEngine) -> None:
    def is_silent(request: Request) -> None:
        request.begin()
        request.send(frame(1, T1, "one\n"))
        request.hang()

    def ends(request: Request) -> None:
        container.on("/containers/1234/json", has_exited)
        request.begin()
        request.send(frame(1, T1, "one\n") + frame(1, T2, "two\n"))
        request.finish_stream()

    container.on("/containers/1234/logs", is_silent, ends)
    assert [line.line for line in stubbed.logs("podd-a-1", follow=True)] == ["one", "two"]


def test_a_container_that_is_removed_ends_the_log(container: StubEngine, stubbed: DockerEngine) -> None:
    def is_removed(request: Request) -> None:
        container.on("/containers/1234/json", lambda r: r.refuse(404, "No such container: 1234"))
        request.begin()
        request.send(frame(1, T1, "one\n"))
        request.finish_stream()

    container.on("/containers/1234/logs", is_removed)
    assert [line.line for line in stubbed.logs("podd-a-1", follow=True)] == ["one"]


def test_an_engine_that_stays_away_ends_the_patience(container: StubEngine, stubbed: DockerEngine) -> None:
    def breaks(request: Request) -> None:
        container.on("/containers/1234/json", Request.hang)
        request.begin()
        request.drop()

    container.on("/containers/1234/logs", breaks)
    with pytest.raises(EngineAway):
        list(stubbed.logs("podd-a-1", follow=True))


def test_without_follow_a_broken_stream_is_an_error(container: StubEngine, stubbed: DockerEngine) -> None:
    def breaks(request: Request) -> None:
        request.begin()
        request.send(frame(1, T1, "one\n"))
        request.drop()

    container.on("/containers/1234/logs", breaks)
    log = stubbed.logs("podd-a-1")
    assert next(log).line == "one"
    with pytest.raises(EngineAway):
        next(log)

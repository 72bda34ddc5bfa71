"""Logs as server-sent events: where a stream begins, that it goes on, and that it holds up nobody."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from podd.api.rest_v2 import log_stream
from podd.services import log_pump, logs
from tests.api.rest_v2.client import RestV2
from tests.api.served import QUICKLY, Served
from tests.fakes import Behaviour
from tests.waiting import eventually


@dataclass(frozen=True)
class Event:
    id: str
    source: str
    line: str
    ts: str


class Reader:
    """Reads one stream, an event at a time."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def event(self) -> Event:
        id = ""
        for line in self._lines:
            if line.startswith("id: "):
                id = line.removeprefix("id: ")
            elif line.startswith("data: "):
                return Event(id=id, **json.loads(line.removeprefix("data: ")))
        raise AssertionError("the stream ended")

    def events(self, count: int) -> list[Event]:
        return [self.event() for _ in range(count)]

    def lines(self, count: int) -> list[str]:
        return [event.line for event in self.events(count)]

    def comment(self) -> str:
        return next(line for line in self._lines if line.startswith(":"))

    def rest(self) -> list[str]:
        return [line for line in self._lines if line.startswith("data: ")]


@contextmanager
def reading(podd: Served, path: str, last_id: str = "", **query: Any) -> Iterator[Reader]:
    headers = {"Authorization": f"Bearer {podd.key}", "Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    with (
        httpx.Client(base_url=podd.url, headers=headers, timeout=10, **QUICKLY) as http,
        http.stream("GET", f"/v2{path}", params=query) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Reader(answer)


@pytest.fixture
def pod_id(podd: Served, api: RestV2) -> str:
    made = api.pod()
    podd.settle()
    return str(made["id"])


def says(podd: Served, *lines: str) -> None:
    (name,) = podd.engine.running()
    for line in lines:
        podd.clock.advance(seconds=1)
        podd.engine.say(name, line)


def log_reads(podd: Served) -> int:
    return sum(call[0] == "logs" for call in podd.engine.calls)


def container(podd: Served, pod_id: str, last_id: str = "", **query: Any) -> Any:
    return reading(podd, f"/pods/{pod_id}/logs", last_id, source="container", **query)


def test_the_past_comes_first_and_the_stream_goes_on(podd: Served, pod_id: str) -> None:
    says(podd, "one", "two")
    with container(podd, pod_id) as reader:
        first, second = reader.events(2)
        assert (first.line, second.line) == ("one", "two")
        assert first.source == "container"
        assert first.ts == "2023-11-14T22:13:21.000Z"
        assert first.id.startswith("2023-11-14T22:13:21.000Z/")
        assert len(first.id.partition("/")[2]) == 12
        says(podd, "three")
        assert reader.event().line == "three"


def test_the_headers_and_a_comment_come_before_anything_is_written(podd: Served, pod_id: str) -> None:
    with container(podd, pod_id) as reader:
        assert reader.comment().startswith(":")


def test_what_happened_and_what_was_written_come_in_the_order_of_time(
    podd: Served, api: RestV2, pod_id: str
) -> None:
    says(podd, "working")
    podd.clock.advance(seconds=1)
    api.act(pod_id, "restart")
    with reading(podd, f"/pods/{pod_id}/logs") as reader:
        events = [reader.event()]
        while events[-1].line != "restarted by its owner":
            events.append(reader.event())
    assert events[0].line.startswith("created with")
    assert (events[-2].source, events[-2].line) == ("container", "working")
    assert [event.id for event in events] == sorted(event.id for event in events)


def test_one_source_can_be_chosen(podd: Served, api: RestV2, pod_id: str) -> None:
    says(podd, "working")
    with reading(podd, f"/pods/{pod_id}/logs", source="system") as reader:
        assert reader.event().line.startswith("created with")


@pytest.mark.parametrize(("tail", "seen"), [(2, "de"), (0, ""), (5000, "abcde")])
def test_the_tail_is_the_end_of_the_past(podd: Served, pod_id: str, tail: int, seen: str) -> None:
    says(podd, *"abcde")
    with container(podd, pod_id, tail=tail) as reader:
        eventually(lambda: log_reads(podd) == 2)  # the past, and what comes
        assert reader.lines(len(seen)) == list(seen)
        says(podd, "new")
        assert reader.event().line == "new"


def test_without_a_tail_a_hundred_lines_are_shown(podd: Served, pod_id: str) -> None:
    says(podd, *(str(number) for number in range(150)))
    with container(podd, pod_id) as reader:
        assert reader.event().line == "50"


def test_coming_back_goes_on_exactly_where_the_last_event_was(podd: Served, pod_id: str) -> None:
    (name,) = podd.engine.running()
    for line in "abc":  # all in the same millisecond
        podd.engine.say(name, line)
    with container(podd, pod_id) as reader:
        events = reader.events(2)
    says(podd, "d")
    with container(podd, pod_id, events[1].id, tail=0, since="2030-01-01T00:00:00Z") as reader:
        assert reader.lines(2) == ["c", "d"]
    with container(podd, pod_id, events[1].ts) as reader:
        assert reader.lines(1) == ["d"]


def test_everything_can_be_read_again_in_pieces(podd: Served, api: RestV2, pod_id: str) -> None:
    says(podd, "a", "b")
    api.act(pod_id, "restart")
    says(podd, "c")
    path = f"/pods/{pod_id}/logs"
    with reading(podd, path) as reader:
        whole = reader.events(6)
    seen, last_id = [whole[0]], whole[0].id
    while len(seen) < len(whole):
        with reading(podd, path, last_id) as reader:
            seen.append(reader.event())
            last_id = seen[-1].id
    assert seen == whole


@pytest.mark.parametrize("since", ["2023-11-14T22:13:22Z", "2023-11-14T23:13:22+01:00"])
def test_since_begins_at_a_time(podd: Served, pod_id: str, since: str) -> None:
    says(podd, "a", "b", "c")
    with container(podd, pod_id, since=since, tail=1) as reader:
        assert reader.lines(2) == ["b", "c"]


@pytest.mark.parametrize(
    ("query", "last_id"),
    [
        ("tail=5001", ""),
        ("tail=-1", ""),
        ("tail=x", ""),
        ("source=both", ""),
        ("since=yesterday", ""),
        ("", "yesterday"),
        ("", "2023-11-14T22:13:22Z/12"),
    ],
)
def test_a_beginning_that_makes_no_sense_is_refused(
    podd: Served, pod_id: str, query: str, last_id: str
) -> None:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    answer = podd.http.get(f"/v2/pods/{pod_id}/logs?{query}", headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]


def test_a_pod_that_is_not_there_yet_is_followed_into_its_container(podd: Served, api: RestV2) -> None:
    made = api.pod()
    with container(podd, made["id"]) as reader:
        reader.comment()
        podd.settle()
        says(podd, "hello")
        assert reader.event().line == "hello"


def test_a_fresh_container_is_followed_after_the_old_one(podd: Served, api: RestV2, pod_id: str) -> None:
    says(podd, "old")
    with container(podd, pod_id) as reader:
        assert reader.event().line == "old"
        podd.clock.advance(seconds=1)
        api.patch(f"/pods/{pod_id}", {"env": {"A": "1"}})
        podd.settle()
        says(podd, "new")
        assert reader.event().line == "new"


def test_a_restarted_container_repeats_nothing(podd: Served, api: RestV2, pod_id: str) -> None:
    says(podd, "before")
    with container(podd, pod_id) as reader:
        assert reader.event().line == "before"
        podd.clock.advance(seconds=1)
        api.act(pod_id, "restart")
        says(podd, "after")
        assert reader.event().line == "after"


def test_the_stream_ends_with_the_pod(podd: Served, api: RestV2, pod_id: str) -> None:
    with reading(podd, f"/pods/{pod_id}/logs", tail=0) as reader:
        reader.comment()
        api.delete(f"/pods/{pod_id}")
        podd.settle()
        assert reader.rest() == []


def test_the_stream_ends_when_podd_leaves(podd: Served, pod_id: str) -> None:
    with container(podd, pod_id) as reader:
        reader.comment()
        eventually(lambda: podd.logs.followers == 1)
        podd.podd.bells.ring([""])
        podd.podd.bells.closed = True
        assert reader.rest() == []


def test_a_reader_that_leaves_is_forgotten(podd: Served, pod_id: str) -> None:
    with container(podd, pod_id) as reader:
        reader.comment()
        eventually(lambda: podd.logs.followers == 1)
    eventually(lambda: podd.logs.followers == 0)
    says(podd, "nobody hears this")


def test_a_reader_that_does_not_read_holds_up_nobody(
    podd: Served, api: RestV2, pod_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pump, "MOST_WAITING", 10)
    with container(podd, pod_id, tail=0) as slow, container(podd, pod_id, tail=0) as quick:
        slow.comment()
        quick.comment()
        eventually(lambda: log_reads(podd) == 4)
        (name,) = podd.engine.running()
        long = "x" * 100_000  # more than any buffer on the way takes
        for number in range(200):
            podd.engine.say(name, f"{number} {long}")
        for reader in (quick, slow):
            for number in range(200):
                assert reader.event().line == f"{number} {long}"
            assert api.get(f"/pods/{pod_id}")["status"] == "RUNNING"


def test_an_engine_that_is_away_leaves_the_system_lines(podd: Served, pod_id: str) -> None:
    podd.engine.away = True
    with reading(podd, f"/pods/{pod_id}/logs") as reader:
        assert reader.event().line.startswith("created with")
    podd.engine.away = False


def test_a_quiet_stream_says_that_it_is_still_there(
    podd: Served, pod_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_stream, "KEEP_ALIVE", 0.1)
    monkeypatch.setattr(logs, "_LOOK_AGAIN", 0.1)
    with container(podd, pod_id) as reader:
        assert reader.comment() == ": following"
        assert reader.comment() == ": still here"


def test_only_so_many_can_be_followed_at_once(
    podd: Served, pod_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_FOLLOWERS", 1)
    with container(podd, pod_id) as reader:
        reader.comment()
        eventually(lambda: podd.logs.followers == 1)
        answer = podd.http.get(f"/v2/pods/{pod_id}/logs")
        assert answer.status_code == 429
        assert answer.json()["title"] == "Too Many Requests"


def test_a_workers_log_is_followed_as_a_pods(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 1, "max": 1})
    podd.settle()
    (worker,) = api.get(f"/serverless/{made['id']}/workers")["workers"]
    says(podd, "loading")
    path = f"/serverless/{made['id']}/workers/{worker['id']}/logs"
    with reading(podd, path, source="container") as reader:
        assert reader.event().line == "loading"
    other = api.endpoint(name="another")
    api.get(f"/serverless/{other['id']}/workers/{worker['id']}/logs", expect=404)
    api.get(f"/serverless/{made['id']}/workers/{quote('no such')}/logs", expect=404)


def test_lines_are_told_as_they_are(podd: Served, pod_id: str) -> None:
    strange = ["", 'quotes " and \\', "tab\tand bell \a", "naïve ☃", "data: not an event"]
    says(podd, *strange)
    with container(podd, pod_id) as reader:
        assert reader.lines(len(strange)) == strange


@pytest.mark.parametrize(
    ("wish", "why"),
    [({"image": "test/missing"}, "test/missing"), ({"args": "fails"}, "podd gave up after")],
    ids=["no image", "ends at once"],
)
def test_why_a_pod_is_in_error_is_in_its_system_log(
    podd: Served, api: RestV2, wish: dict[str, Any], why: str
) -> None:
    podd.engine.behaviours[("fails",)] = Behaviour(exit_code=3)
    pod_id = str(api.pod(**wish)["id"])
    podd.settle()
    for _ in range(podd.settings.limits.pod_start_failures):
        podd.pass_time(minutes=1)
    assert api.get(f"/pods/{pod_id}")["status"] == "ERROR"
    with reading(podd, f"/pods/{pod_id}/logs", source="system") as reader:
        while why not in (event := reader.event()).line:
            assert event.source == "system"

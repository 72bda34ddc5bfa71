"""Terminals over WebSockets: tokens, streams, coming back, and who may not."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from podd.domain import shell as rules
from podd.ports import STDERR
from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.fakes import Behaviour, FakeExec
from tests.waiting import eventually

COMMAND = "work"
Talks = dict[tuple[str, ...], Callable[[FakeExec], int]]
SET_KEY = "mutation ($key: String!) { updateUserSettings(input: {pubKey: $key}) { id } }"
STOP = "mutation ($id: String!) { podStop(input: {podId: $id}) { id } }"


def repeat(talk: FakeExec) -> int:
    """Says what it is told, shows its size when that changes, and ends with its input."""
    while (heard := talk.listen()) not in (None, "HUP"):
        if isinstance(heard, bytes):
            talk.say(heard)
            if heard == b"fail":
                talk.say(b"oh no", STDERR)
                return 9
        elif talk.window is not None:
            talk.say(f"{talk.window.columns}x{talk.window.rows}".encode())
    return 0


@pytest.fixture
def pod_id(podd: Served) -> str:
    return new_pod(podd)


def new_pod(podd: Served) -> str:
    """One that runs, and in which everything repeats what it is told."""
    talks: Talks = {tuple(rules.shell(command)): repeat for command in (None, COMMAND)}
    podd.engine.behaviours[("run",)] = Behaviour(talks=talks)
    pod_id = podd.create_pod()
    podd.settle()
    return pod_id


def token(podd: Served, pod_id: str, **how: Any) -> str:
    answer = podd.http.post("/operator/v1/terminals", json={"id": pod_id}, **how)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


@contextmanager
def socket(podd: Served, hello: Any, **how: Any) -> Iterator[ClientConnection]:
    url = f"{podd.url.replace('http', 'ws')}/operator/v1/terminals/socket"
    with connect(url, proxy=None, **how) as connection:
        connection.send(json.dumps(hello))
        yield connection


def heard(connection: ClientConnection) -> Any:
    message = connection.recv(20)
    return message if isinstance(message, bytes) else json.loads(message)


def test_what_is_typed_comes_back_and_the_exit_code_at_the_end(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id), "size": {"columns": 90, "rows": 30}}) as there:
        assert heard(there)["session"]
        there.send(b"hello")
        assert heard(there) == b"\x01hello"
        there.send(json.dumps({"size": {"columns": 120, "rows": 40}}))
        assert heard(there) == b"\x01120x40"
        there.send(b"fail")
        said = [heard(there), heard(there), heard(there)]
        assert said == [b"\x01fail", b"\x02oh no", {"exit": 9}]


def test_a_command_ends_with_its_input(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id), "command": COMMAND}) as there:
        assert heard(there)["session"]
        there.send(json.dumps({"eof": True}))
        assert heard(there) == {"exit": 0}
    eventually(lambda: not podd.shells.count(_account(podd)))


def test_a_token_is_good_once_and_for_a_while(podd: Served, pod_id: str) -> None:
    used, late = token(podd, pod_id), token(podd, pod_id)
    with socket(podd, {"token": used}) as there:
        assert heard(there)["session"]
    podd.clock.advance(seconds=61)
    for bad in (used, late, "made up", ""):
        with socket(podd, {"token": bad}) as there:
            assert "ask for another" in heard(there)["error"]


def test_whoever_comes_back_goes_on_where_the_connection_was_lost(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id)}) as there:
        session = heard(there)["session"]
        there.send(b"seen")
        assert heard(there) == b"\x01seen"
        there.send(b"lost on the way")
        assert heard(there) == b"\x01lost on the way"
    with socket(podd, {"session": session, "received": 4}) as there:
        assert heard(there) == {"session": session}
        assert heard(there) == b"\x01lost on the way"
        there.send(b"and on")
        assert heard(there) == b"\x01and on"
    with socket(podd, {"session": "not " + session}) as there:
        assert heard(there) == {"error": "The session is over."}


def test_a_second_look_takes_over_from_the_first(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id)}) as first:
        session = heard(first)["session"]
        with socket(podd, {"session": session}) as second:
            assert heard(second) == {"session": session}
            assert "somewhere else" in heard(first)["error"]
            second.send(b"mine")
            assert heard(second) == b"\x01mine"


def test_a_shell_nobody_comes_back_to_is_hung_up_on(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"terminal": {"reconnect_seconds": 0}})
    pod_id = new_pod(podd)
    with socket(podd, {"token": token(podd, pod_id)}) as there:
        session = heard(there)["session"]
        assert podd.shells.count(_account(podd)) == 1
    eventually(lambda: podd.shells.count(_account(podd)) == 0)
    with socket(podd, {"session": session}) as there:
        assert heard(there) == {"error": "The session is over."}


def test_a_terminal_ends_with_its_pod(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id)}) as there:
        assert heard(there)["session"]
        podd.data(STOP, {"id": pod_id})
        assert heard(there) == {"error": "It has been stopped."}


def test_only_the_owner_and_the_operator_get_a_token(podd: Served, pod_id: str) -> None:
    with podd.client(podd.account()) as stranger, podd.client("") as nobody:
        foreign = stranger.post("/operator/v1/terminals", json={"id": pod_id})
        missing = stranger.post("/operator/v1/terminals", json={"id": "nosuchpod"})
        assert (foreign.status_code, foreign.json()) == (404, missing.json())
        assert nobody.post("/operator/v1/terminals", json={"id": pod_id}).status_code == 401
    assert podd.local.post("/operator/v1/terminals", json={"id": pod_id}).status_code == 201


def test_a_page_from_elsewhere_opens_nothing(podd: Served, pod_id: str) -> None:
    hello = {"token": token(podd, pod_id)}
    with pytest.raises(InvalidStatus), socket(podd, hello, origin="http://evil.example"):
        pass
    with socket(podd, hello, origin=podd.url) as there:
        assert heard(there)["session"]


def test_nonsense_is_answered_and_hung_up_on(podd: Served) -> None:
    nonsense: list[Any] = [{"received": -1}, [], "x", {"token": "x", "size": {"columns": 0, "rows": 1}}]
    for hello in nonsense:
        with socket(podd, hello) as there:
            assert "error" in heard(there)
            with pytest.raises(ConnectionClosed):
                heard(there)


def test_an_account_has_so_many_sessions_and_no_more(podd: Served, pod_id: str) -> None:
    most = podd.settings.gateway.sessions_per_account
    account = _account(podd)
    podd.shells._of[account] = most
    try:
        with socket(podd, {"token": token(podd, pod_id)}) as there:
            assert f"There are {most} sessions" in heard(there)["error"]
    finally:
        del podd.shells._of[account]


def _account(podd: Served) -> str:
    return str(podd.data("query { myself { id } }")["myself"]["id"])


def test_tokens_and_sessions_are_in_the_audit_log_of_the_account(podd: Served, pod_id: str) -> None:
    with socket(podd, {"token": token(podd, pod_id)}) as connection:
        heard(connection)
    with socket(podd, {"token": token(podd, pod_id), "command": COMMAND}) as connection:
        heard(connection)
    told = podd.http.get("/operator/v1/audit", params={"operation": "connect."}).json()["entries"]
    assert sorted(entry["operation"] for entry in told) == [
        "connect.command",
        "connect.shell",
        "connect.token",
        "connect.token",
    ]
    assert {entry["thing"] for entry in told} == {pod_id}
    assert {entry["address"] for entry in told} == {"127.0.0.1"}
    assert len({entry["key_id"] for entry in told} - {""}) == 1

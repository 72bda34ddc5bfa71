"""Ports of pods that ask for a login."""

import json
from urllib.parse import urlsplit

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.served import Served
from tests.proxy.conftest import NewProgram
from tests.proxy.programs import Program
from tests.proxy.test_pods import ask, mirror, pod_for, ws_echo


def guard(podd: Served, pod_id: str, port: int, required: bool = True) -> httpx.Response:
    wish = {"pod": pod_id, "port": port, "required": required}
    return podd.http.post("/operator/v1/ports/login", json=wish)


def visited(
    podd: Served, pod_id: str, program: Program, client: httpx.Client | None = None
) -> httpx.Response:
    """The answer to a browser that opens a link; by path."""
    told = (client or podd.http).post("/operator/v1/ports/visit", json={"pod": pod_id, "port": program.port})
    assert told.status_code == 201, told.text
    url = urlsplit(told.json()["url"])
    assert url.path == f"/proxy/{pod_id}/{program.port}/"
    return ask(podd, pod_id, program, f"/a/b?x=1&{url.query}")


@pytest.fixture
def program(new_program: NewProgram) -> Program:
    return new_program(mirror)


@pytest.fixture
def guarded(podd: Served, program: Program) -> str:
    pod_id = pod_for(podd, program)
    answer = guard(podd, pod_id, program.port)
    assert answer.json() == {"pod": pod_id, "ports": [program.port]}
    return pod_id


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_a_port_is_open_until_its_owner_says_otherwise(podd: Served, program: Program) -> None:
    pod_id = pod_for(podd, program)
    assert ask(podd, pod_id, program).status_code == 200
    guard(podd, pod_id, program.port)
    refused = ask(podd, pod_id, program)
    assert refused.status_code == 401
    assert "podd proxy link" in refused.json()["error"]
    guard(podd, pod_id, program.port, required=False)
    assert ask(podd, pod_id, program).status_code == 200


def test_a_key_of_the_account_opens_it_and_is_not_passed_on(
    podd: Served, program: Program, guarded: str
) -> None:
    answer = ask(podd, guarded, program, headers=bearer(podd.key))
    assert answer.status_code == 200
    assert podd.key not in answer.text
    other = podd.account()
    for key in (other, "nonsense"):
        assert ask(podd, guarded, program, headers=bearer(key)).status_code == 401


def test_a_link_lets_a_browser_stay_in_and_the_program_sees_neither_link_nor_cookie(
    podd: Served, program: Program, guarded: str
) -> None:
    redirected = visited(podd, guarded, program)
    assert redirected.status_code == 303
    assert redirected.headers["location"] == "/a/b?x=1"
    cookie = redirected.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    shown = {"Cookie": cookie.partition(";")[0] + "; own=1", **bearer("the-programs-own")}
    seen = ask(podd, guarded, program, headers=shown)
    assert seen.status_code == 200
    headers = dict(json.loads(seen.text)["headers"])
    assert headers["cookie"] == "own=1"
    assert headers["authorization"] == "Bearer the-programs-own"
    podd.clock.advance(seconds=86_401)
    assert ask(podd, guarded, program, headers=shown).status_code == 401


def test_a_link_leads_nowhere_else_and_is_good_for_a_minute(
    podd: Served, program: Program, guarded: str
) -> None:
    url = podd.http.post("/operator/v1/ports/visit", json={"pod": guarded, "port": program.port}).json()[
        "url"
    ]
    query = urlsplit(url).query
    assert ask(podd, guarded, program, f"//evil.example/?{query}").headers["location"] == "/evil.example/"
    assert ask(podd, guarded, program, f"/?{query[:-1]}").status_code == 401
    pod_id = pod_for(podd, program)
    guard(podd, pod_id, program.port)
    assert ask(podd, pod_id, program, f"/?{query}").status_code == 401
    as_cookie = {"Cookie": query.replace("podd_login", "podd_port")}
    assert ask(podd, guarded, program, headers=as_cookie).status_code == 401
    podd.clock.advance(seconds=61)
    assert ask(podd, guarded, program, f"/?{query}").status_code == 401


def test_who_may_not_connect_gets_no_link_and_learns_nothing(
    podd: Served, program: Program, guarded: str
) -> None:
    with podd.client(podd.account()) as stranger, podd.client("") as nobody:
        wish = {"port": program.port, "required": True}
        for path in ("login", "visit"):
            body = wish if path == "login" else {"port": program.port}
            answers = [
                stranger.post(f"/operator/v1/ports/{path}", json={**body, "pod": pod})
                for pod in (guarded, "nosuchpod")
            ]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].text == answers[1].text
            assert nobody.post(f"/operator/v1/ports/{path}", json={**body, "pod": guarded}).status_code == 401
    assert guard(podd, guarded, 22).status_code == 400
    assert visited(podd, guarded, program, podd.local).status_code == 303


def test_a_websocket_needs_the_login_and_ends_at_once_with_the_key(
    podd: Served, new_program: NewProgram
) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    guard(podd, pod_id, program.port)
    key = podd.http.post("/operator/v1/keys", json={"name": "second"})
    url = f"{podd.url.replace('http', 'ws')}/proxy/{pod_id}/{program.port}/"
    with pytest.raises(InvalidStatus) as refused:
        websockets.sync.client.connect(url, proxy=None)
    assert refused.value.response.status_code == 401
    assert key.status_code < 300, key.text
    made = key.json()
    with websockets.sync.client.connect(
        url, proxy=None, additional_headers=bearer(made["api_key"])
    ) as socket:
        socket.send("hello")
        assert socket.recv(20) == "hello"
        podd.http.post(f"/operator/v1/keys/{made['key_id']}/revoke", json={})
        with pytest.raises(ConnectionClosed):
            socket.recv(20)

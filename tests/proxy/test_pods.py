"""The http ports of pods, with real servers behind them and real sockets in front."""

import asyncio
import contextlib
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.proxy.conftest import NewProgram
from tests.proxy.programs import Program, answer, read_all
from tests.waiting import eventually


async def mirror(scope: Any, receive: Any, send: Any) -> None:
    """Tells what reached it."""
    body = await read_all(receive)
    seen = {
        "method": scope["method"],
        "path": scope["raw_path"].decode(),
        "query": scope["query_string"].decode(),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "body": body.decode("latin-1"),
    }
    await answer(send, json.dumps(seen).encode(), headers=[(b"content-type", b"application/json")])


def pod_for(podd: Served, program: Program, **wish: Any) -> str:
    """A running pod that offers the program's port."""
    pod_id = podd.create_pod(ports=f"{program.port}/http,22/tcp", **wish)
    podd.settle()
    return pod_id


def host_of(pod_id: str, program: Program) -> dict[str, str]:
    return {"Host": f"{pod_id}-{program.port}.proxy.runpod.net"}


def ask(podd: Served, pod_id: str, program: Program, path: str = "/", **how: Any) -> httpx.Response:
    how.setdefault("method", "GET")
    headers = {**how.pop("headers", {}), **host_of(pod_id, program)}
    with podd.client("") as client:
        return client.request(url=f"{podd.url}{path}", headers=headers, **how)


def raw(podd: Served, request: bytes) -> bytes:
    """All that comes back for these bytes, until podd closes."""
    with socket.create_connection(podd.address, timeout=20) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


# What passes


def test_a_request_reaches_the_program_as_it_was_sent(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    response = ask(
        podd,
        pod_id,
        program,
        "/a%2Fb//c/../%C3%A9?q=%20x&q=2",
        method="PATCH",
        content=b"\x00\xff body",
        headers={"Authorization": "Bearer the program's own", "X-Odd": "1", "Cookie": "a=b"},
    )
    seen = response.json()
    assert (seen["method"], seen["query"]) == ("PATCH", "q=%20x&q=2")
    assert seen["path"].startswith("/a%2Fb//")
    assert seen["body"] == "\x00\xff body"
    headers = dict(seen["headers"])
    assert headers["authorization"] == "Bearer the program's own"
    assert headers["x-odd"] == "1"
    assert headers["cookie"] == "a=b"
    assert headers["host"] == host_of(pod_id, program)["Host"]
    assert headers["x-forwarded-host"] == headers["host"]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"


def test_no_program_sees_who_has_signed_in_to_podd(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    seen = ask(podd, pod_id, program, headers={"Cookie": "a=1; podd_session=secret; b=2"}).json()
    assert ["cookie", "a=1; b=2"] in seen["headers"]
    alone = ask(podd, pod_id, program, headers={"Cookie": "__Host-podd_session=secret"}).json()
    assert "cookie" not in dict(alone["headers"])


def test_by_path_the_prefix_is_taken_off_and_told(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    prefix = f"/proxy/{pod_id}/{program.port}"
    with podd.client("") as client:
        seen = client.get(f"{prefix}/a%2Fb?q=1").json()
        assert (seen["path"], seen["query"]) == ("/a%2Fb", "q=1")
        assert dict(seen["headers"])["x-forwarded-prefix"] == prefix
        moved = client.get(f"{prefix}?q=1")
        assert (moved.status_code, moved.headers["location"]) == (307, f"{prefix}/?q=1")


@pytest.mark.parametrize(
    ("location", "shown"),
    [("/lab", "{prefix}/lab"), ("//elsewhere/x", "//elsewhere/x"), ("https://x/", "https://x/"), ("a", "a")],
)
def test_by_path_a_redirect_stays_below_the_prefix(
    location: str, shown: str, podd: Served, new_program: NewProgram
) -> None:
    async def redirect(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, status=302, headers=[(b"location", location.encode())])

    program = new_program(redirect)
    pod_id = pod_for(podd, program)
    prefix = f"/proxy/{pod_id}/{program.port}"
    with podd.client("") as client:
        assert client.get(f"{prefix}/").headers["location"] == shown.format(prefix=prefix)
    assert ask(podd, pod_id, program).headers["location"] == location


def test_the_answer_comes_as_the_program_gave_it(podd: Served, new_program: NewProgram) -> None:
    packed = b"\x1f\x8b not really gzip"

    async def odd(scope: Any, receive: Any, send: Any) -> None:
        headers = [
            (b"set-cookie", b"a=1"),
            (b"set-cookie", b"b=2"),
            (b"content-encoding", b"gzip"),
            (b"x-hop", b"1"),
            (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            (b"connection", b"x-hop"),
            (b"content-length", str(len(packed)).encode()),
        ]
        await answer(send, packed, status=418, headers=headers)

    program = new_program(odd)
    pod_id = pod_for(podd, program)
    with podd.client("") as client:
        request = client.build_request("GET", f"{podd.url}/", headers=host_of(pod_id, program))
        response = client.send(request, stream=True)
        assert b"".join(response.iter_raw()) == packed
    assert response.status_code == 418
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "x-hop" not in response.headers
    assert "1970" not in str(response.headers.get_list("date"))  # the server in front writes its own


def test_headers_about_the_clients_own_connection_end_at_podd(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    host = host_of(pod_id, program)["Host"]
    text = raw(
        podd,
        f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\n"
        "Keep-Alive: timeout=5\r\nProxy-Authorization: x\r\nX-Forwarded-For: 203.0.113.9\r\n"
        "X-Forwarded-Host: liar\r\n\r\n".encode(),
    )
    headers = dict(json.loads(text[text.index(b"{") : text.rindex(b"}") + 1])["headers"])
    assert not headers.keys() & {"x-mine", "te", "keep-alive", "proxy-authorization"}
    assert headers["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert headers["x-forwarded-host"] == host


@pytest.mark.parametrize(
    ("status", "method", "length"),
    [(200, "HEAD", b"12345"), (304, "GET", b"12345"), (204, "GET", None)],
)
def test_answers_without_a_body_do_not_wait_for_one(
    status: int, method: str, length: bytes | None, podd: Served, new_program: NewProgram
) -> None:
    listener = socket.create_server(("127.0.0.2", 0))
    done = threading.Event()
    lines = [f"HTTP/1.1 {status} x".encode()] + ([b"Content-Length: " + length] if length else [])

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while b"\r\n\r\n" not in connection.recv(65536):
                pass
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            done.wait(10)  # stays open

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    pod_id = podd.create_pod(ports=f"{listener.getsockname()[1]}/http")
    podd.settle()
    with podd.client("") as client:
        url = f"/proxy/{pod_id}/{listener.getsockname()[1]}/"
        response = client.request(method, url)
        assert (response.status_code, response.content) == (status, b"")
    if method == "HEAD":
        assert response.headers["content-length"] == "12345"
    done.set()
    thread.join(10)
    listener.close()


def test_pieces_are_passed_on_as_they_come(podd: Served, new_program: NewProgram) -> None:
    """Server-sent events: the next is only written once the client has read the one before."""
    seen = threading.Semaphore(0)

    async def events(scope: Any, receive: Any, send: Any) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        for number in range(5):
            await send(
                {"type": "http.response.body", "body": f"data: {number}\n\n".encode(), "more_body": True}
            )
            await asyncio.to_thread(seen.acquire, timeout=10)
        await send({"type": "http.response.body", "body": b""})

    program = new_program(events)
    pod_id = pod_for(podd, program)
    lines = []
    with (
        podd.client("") as client,
        client.stream("GET", f"{podd.url}/", headers=host_of(pod_id, program)) as response,
    ):
        for line in response.iter_lines():
            if line:
                lines.append(line)
                seen.release()
    assert lines == [f"data: {number}" for number in range(5)]


def test_an_upload_is_passed_on_while_it_is_being_sent(podd: Served, new_program: NewProgram) -> None:
    """Both directions at once: each piece is echoed before the next one is sent."""

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            if message["body"]:
                await send({"type": "http.response.body", "body": message["body"], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    program = new_program(echo)
    pod_id = pod_for(podd, program)
    host = host_of(pod_id, program)["Host"]
    with socket.create_connection(podd.address, timeout=20) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        got = b""
        for word in (b"one", b"two", b"six"):
            connection.sendall(b"3\r\n" + word + b"\r\n")
            while word not in got:
                part = connection.recv(65536)
                assert part, got
                got += part
        connection.sendall(b"0\r\n\r\n")
        while not got.endswith(b"0\r\n\r\n"):
            got += connection.recv(65536)


def test_a_client_that_asks_whether_to_go_on_is_told_to(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    host = host_of(pod_id, program)["Host"]
    with socket.create_connection(podd.address, timeout=20) as connection:
        connection.sendall(
            f"PUT / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 100")
        connection.sendall(b"body")
        answer = b""
        while b'"body": "body"' not in answer:
            part = connection.recv(65536)
            assert part, answer
            answer += part


def test_connections_to_a_program_are_used_again(podd: Served, new_program: NewProgram) -> None:
    ports = set()

    async def whence(scope: Any, receive: Any, send: Any) -> None:
        ports.add(scope["client"][1])
        await answer(send, b"x")

    program = new_program(whence)
    pod_id = pod_for(podd, program)
    for _ in range(5):
        assert ask(podd, pod_id, program).content == b"x"
    assert len(ports) == 1


def test_a_large_file_passes_both_ways_without_being_held(podd: Served, new_program: NewProgram) -> None:
    """What podd holds of it is bounded: the program can send no more than that ahead of the client."""
    piece, count = b"0123456789abcdef" * 4096, 2048  # 128 MiB
    sent = 0

    async def big(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        if scope["method"] == "PUT":
            digest, more = hashlib.sha256(), True
            while more:
                message = await receive()
                digest.update(message["body"])
                more = message.get("more_body", False)
            await answer(send, digest.hexdigest().encode())
            return
        length = str(len(piece) * count).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for _ in range(count):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            sent += len(piece)
        await send({"type": "http.response.body", "body": b""})

    program = new_program(big)
    pod_id = pod_for(podd, program)
    expected = hashlib.sha256(piece * count).hexdigest()
    url, headers = f"{podd.url}/", host_of(pod_id, program)
    with podd.client("") as client:
        assert client.put(url, headers=headers, content=(piece for _ in range(count))).text == expected
        digest, read = hashlib.sha256(), 0
        with client.stream("GET", url, headers=headers) as response:
            for part in response.iter_raw():
                digest.update(part)
                read += len(part)
                assert sent - read < 24 * 2**20  # buffers of three sockets and of podd
        assert digest.hexdigest() == expected


def test_a_client_that_leaves_ends_the_request_to_the_program(podd: Served, new_program: NewProgram) -> None:
    left = threading.Event()
    asked = threading.Event()

    async def patient(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        asked.set()
        message = await receive()
        assert message["type"] == "http.disconnect"
        left.set()

    program = new_program(patient)
    pod_id = pod_for(podd, program)
    with socket.create_connection(podd.address, timeout=20) as connection:
        host = host_of(pod_id, program)["Host"]
        connection.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert asked.wait(10)
    assert left.wait(10)


def test_an_answer_that_breaks_off_does_not_look_complete(podd: Served, new_program: NewProgram) -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"part", "more_body": True})
        raise SystemError("as programs do")

    program = new_program(breaks)
    pod_id = pod_for(podd, program)
    with pytest.raises(httpx.RemoteProtocolError):
        ask(podd, pod_id, program)


# WebSockets


@contextlib.contextmanager
def websocket(
    podd: Served, pod_id: str, program: Program, path: str = "/", **how: Any
) -> Iterator[websockets.sync.client.ClientConnection]:
    url = f"ws://{host_of(pod_id, program)['Host']}{path}"
    with websockets.sync.client.connect(
        url, sock=socket.create_connection(podd.address), proxy=None, max_size=2**27, **how
    ) as connection:
        yield connection


async def ws_echo(scope: Any, receive: Any, send: Any) -> None:
    """Echoes; `close 4001 why` closes so. Takes the last subprotocol offered."""
    if scope["type"] == "http":
        await answer(send, b"no websocket", status=200)
        return
    await receive()
    if scope["path"] == "/refused":
        await send({"type": "websocket.close"})
        return
    chosen = scope["subprotocols"][-1] if scope["subprotocols"] else None
    origin = dict(scope["headers"]).get(b"origin", b"")
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-origin", origin)]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            closes.append((message["code"], message.get("reason")))
            return
        text = message.get("text")
        if text and text.startswith("close "):
            _, code, reason = text.split(" ")
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
            return
        await send({"type": "websocket.send", "text": text, "bytes": message.get("bytes")})


closes: list[tuple[int, str | None]] = []


def test_a_websocket_passes_text_bytes_and_large_messages(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    with websocket(podd, pod_id, program, origin="https://here.example") as connection:
        assert connection.response is not None
        assert connection.response.headers["x-origin"] == "https://here.example"
        for message in ("grüße", b"\x00\xff", "", b"x" * (8 * 2**20)):
            connection.send(message)
            assert connection.recv(20) == message
        assert connection.ping().wait(10)


def test_the_program_chooses_the_subprotocol(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    with websocket(podd, pod_id, program, subprotocols=["a.v1", "b.v2"]) as connection:
        assert connection.subprotocol == "b.v2"


def test_close_codes_pass_both_ways(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    with websocket(podd, pod_id, program) as connection:
        connection.send("close 4001 enough")
        with pytest.raises(ConnectionClosed):
            connection.recv(10)
        assert (connection.close_code, connection.close_reason) == (4001, "enough")
    closes.clear()
    with websocket(podd, pod_id, program) as connection:
        connection.close(4002, "bye")
    eventually(lambda: closes == [(4002, "bye")])


def test_a_client_that_vanishes_closes_the_programs_websocket(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    closes.clear()
    with websocket(podd, pod_id, program) as connection:
        connection.send("x")
        assert connection.recv(10) == "x"
        connection.socket.shutdown(socket.SHUT_RDWR)
        eventually(lambda: len(closes) == 1)


def test_a_refused_websocket_is_refused(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    with pytest.raises(InvalidStatus) as refused, websocket(podd, pod_id, program, "/refused"):
        pass
    assert refused.value.response.status_code == 403


def test_a_websocket_to_a_stopped_pod_is_told_why(podd: Served, new_program: NewProgram) -> None:
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    stop(podd, pod_id)
    with pytest.raises(InvalidStatus) as refused, websocket(podd, pod_id, program):
        pass
    assert refused.value.response.status_code == 503
    assert b"stopped" in refused.value.response.body


# What does not


def stop(podd: Served, pod_id: str, verb: str = "podStop") -> None:
    fields = "{ id }" if verb == "podStop" else ""
    podd.data(f"mutation ($id: String!) {{ {verb}(input: {{podId: $id}}) {fields} }}", {"id": pod_id})


def test_missing_undeclared_and_terminated_answer_the_same(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    gone = pod_for(podd, program)
    stop(podd, gone, "podTerminate")
    with podd.client("") as client:
        answers = [
            client.get(path)
            for path in (
                f"/proxy/{pod_id}/22/",  # tcp
                f"/proxy/{pod_id}/1/",
                f"/proxy/{gone}/{program.port}/",
                f"/proxy/aaaaaaaaaaaaaa/{program.port}/",
                "/proxy/aaaaaaaaaaaaaa/x/",
            )
        ]
    assert {response.status_code for response in answers} == {404}
    assert len({response.content for response in answers}) == 1


def test_a_stop_shuts_the_port_at_once_and_a_resume_opens_it(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror, "127.0.0.2")
    pod_id = pod_for(podd, program)
    assert ask(podd, pod_id, program).status_code == 200
    stop(podd, pod_id)
    response = ask(podd, pod_id, program)
    assert (response.status_code, response.json()["error"]) == (503, "The pod is stopped.")
    podd.settle()
    podd.data("mutation ($id: String!) { podResume(input: {podId: $id}) { id } }", {"id": pod_id})
    response = ask(podd, pod_id, program)
    assert (response.status_code, response.json()["error"]) == (503, "The pod is starting.")
    assert response.headers["retry-after"] == "3"
    podd.settle()
    new_program(mirror, "127.0.0.3", program.port)
    assert ask(podd, pod_id, program).status_code == 200


def test_a_port_nobody_listens_on_yet_says_so(podd: Served) -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]
    pod_id = podd.create_pod(ports=f"{port}/http")
    podd.settle()
    with podd.client("") as client:
        response = client.get(f"/proxy/{pod_id}/{port}/")
        assert response.status_code == 502
        assert f"Nothing listens on port {port}" in response.json()["error"]
        page = client.get(f"/proxy/{pod_id}/{port}/", headers={"Accept": "text/html,*/*"})
        assert page.headers["content-type"].startswith("text/html")
        assert f"Nothing listens on port {port}" in page.text


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_program_that_does_not_speak_http_is_a_bad_gateway(said: bytes, podd: Served) -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            for _ in range(2):  # a request that may be repeated is tried once more
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        pod_id = podd.create_pod(ports=f"{port}/http")
        podd.settle()
        with podd.client("") as client:
            assert client.post(f"/proxy/{pod_id}/{port}/").status_code == 502


def test_a_silent_program_ends_in_a_timeout(new_podd: NewPodd, new_program: NewProgram) -> None:
    podd = new_podd(settings={"proxy": {"idle_seconds": 0.2}})
    podd.engine.subnet = "127.0.0"

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await receive()

    program = new_program(silent)
    assert ask(podd, pod_for(podd, program), program).status_code == 504


def test_a_pod_has_only_so_many_requests_under_way(new_podd: NewPodd, new_program: NewProgram) -> None:
    podd = new_podd(settings={"proxy": {"pod_requests": 1}})
    podd.engine.subnet = "127.0.0"
    program = new_program(ws_echo)
    pod_id = pod_for(podd, program)
    with websocket(podd, pod_id, program):
        response = ask(podd, pod_id, program)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    eventually(lambda: ask(podd, pod_id, program).status_code == 200)


def test_podds_own_paths_stay_podds_own(podd: Served) -> None:
    assert podd.http.get("/livez").status_code == 200
    with pytest.raises(InvalidStatus):
        websockets.sync.client.connect(podd.url.replace("http", "ws") + "/graphql", proxy=None).close()

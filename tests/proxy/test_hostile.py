"""Clients and programs that do what they should not, byte by byte."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.proxy.conftest import NewProgram
from tests.proxy.test_pods import ask, host_of, mirror, pod_for, raw, stop, websocket, ws_echo
from tests.waiting import eventually


@contextmanager
def speaking(podd: Served, serve: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """The path to a program that does `serve(connection, number)` for each connection."""
    listener = socket.create_server(("127.0.0.2", 0))

    def accept() -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=run, args=(connection, number), daemon=True).start()

    def run(connection: socket.socket, number: int) -> None:
        with connection:
            serve(connection, number)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    pod_id = podd.create_pod(ports=f"{port}/http")
    podd.settle()
    try:
        yield f"/proxy/{pod_id}/{port}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def request_in(connection: socket.socket) -> bytes:
    """The head of the next request; nothing once the other side has closed."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return b""
        head += part
    return head


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


# Programs


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: a\x01\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 400_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-",
    ],
)
def test_an_answer_that_can_be_read_two_ways_is_a_bad_gateway(answer: bytes, podd: Served) -> None:
    def serve(connection: socket.socket, _number: int) -> None:
        request_in(connection)
        connection.sendall(answer)

    with speaking(podd, serve) as path, podd.client("") as client:
        assert client.post(path).status_code == 502


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n", b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    ],
)
def test_every_way_to_frame_an_answer_is_understood(answer: bytes, body: bytes, podd: Served) -> None:
    def serve(connection: socket.socket, _number: int) -> None:
        request_in(connection)
        connection.sendall(answer)

    with speaking(podd, serve) as path, podd.client("") as client:
        response = client.get(path)
    assert (response.status_code, response.content) == (200, body)
    assert "x-trailer" not in response.headers


def test_what_follows_an_answer_unasked_reaches_nobody(podd: Served) -> None:
    """A program cannot prepare the answer to somebody else's request."""

    def serve(connection: socket.socket, _number: int) -> None:
        while request_in(connection):
            connection.sendall(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    with speaking(podd, serve) as path, podd.client("") as client:
        assert [client.get(path).text for _ in range(3)] == ["ok"] * 3


def test_a_connection_that_was_closed_meanwhile_is_not_noticed_by_readers(podd: Served) -> None:
    """The program takes the second request on a connection, and closes it without a word."""
    asked: list[int] = []

    def serve(connection: socket.socket, number: int) -> None:
        request_in(connection)
        connection.sendall(OK)
        if request_in(connection):
            asked.append(number)

    with speaking(podd, serve) as path, podd.client("") as client:
        assert client.get(path).text == "ok"
        assert client.get(path).text == "ok"
        assert asked == [1]


def test_what_must_not_be_asked_twice_is_asked_once(podd: Served) -> None:
    asked: list[int] = []

    def serve(connection: socket.socket, number: int) -> None:
        request_in(connection)
        connection.sendall(OK)
        if request_in(connection):
            asked.append(number)

    with speaking(podd, serve) as path, podd.client("") as client:
        assert client.get(path).text == "ok"
        assert client.post(path).status_code == 502
        assert asked == [1]


def test_an_answer_may_come_before_the_body_has(podd: Served) -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig"

    def serve(connection: socket.socket, _number: int) -> None:
        request_in(connection)
        connection.sendall(refusal)
        connection.recv(65536)

    with speaking(podd, serve) as path:
        text = raw(
            podd,
            f"PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1000\r\n\r\nx".encode(),
        )
    assert text.startswith(b"HTTP/1.1 413")
    assert text.endswith(b"big")


# Clients


@pytest.mark.parametrize(
    "lines",
    [
        "POST {path} HTTP/1.1|Host: h|Content-Length: 4|Transfer-Encoding: chunked||0||GET",
        "POST {path} HTTP/1.1|Host: h|Content-Length: 4|Content-Length: 5||body",
        "POST {path} HTTP/1.1|Host: h|Content-Length: +4||body",
        "POST {path} HTTP/1.1|Host: h|Transfer-Encoding: chunked, identity||0||",
        "GET {path} HTTP/1.1|Host: h|X: a| b||",
        "GET {path} HTTP/1.1|Host : h||",
        "GET {path} HTTP/1.1|Host: h|Host: other||",
        "GET {path} HTTP/1.1||",
        "GET {path}\x01 HTTP/1.1|Host: h||",
        "GET {path} HTTP/1.1|Host: h|X: a\rb||",
        "GET {path} HTTP/1.1|Host: h|X: a\x00b||",
    ],
)
def test_a_request_that_can_be_read_two_ways_is_refused(
    lines: str, podd: Served, new_program: NewProgram
) -> None:
    program = new_program(mirror)
    path = f"/proxy/{pod_for(podd, program)}/{program.port}/"
    text = raw(podd, lines.format(path=path).replace("|", "\r\n").encode())
    assert text.startswith(b"HTTP/1.1 400")
    assert text.count(b"HTTP/1.1") == 1


def test_a_transfer_coding_nobody_knows_is_refused(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    host = host_of(pod_for(podd, program), program)["Host"]
    text = raw(
        podd,
        f"POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".encode(),
    )
    assert text.startswith(b"HTTP/1.1 501")


def test_line_breaks_in_a_path_stay_escaped(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    seen = ask(podd, pod_for(podd, program), program, "/a%0d%0aX-Evil:%201").json()
    assert seen["path"] == "/a%0d%0aX-Evil:%201"
    assert "x-evil" not in dict(seen["headers"])


def test_a_trailer_does_not_pass_for_a_header(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    host = host_of(pod_for(podd, program), program)["Host"]
    text = raw(
        podd,
        f"POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        "2\r\nhi\r\n0\r\nX-Trailer: 1\r\n\r\n".encode(),
    )
    assert b'"body": "hi"' in text
    assert b"x-trailer" not in text


def test_an_absolute_target_does_not_change_whom_it_is_for(podd: Served, new_program: NewProgram) -> None:
    program = new_program(mirror)
    host = host_of(pod_for(podd, program), program)["Host"]
    text = raw(podd, f"GET http://elsewhere/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert b'"path": "/x"' in text
    assert b"elsewhere" not in text


def test_headers_have_a_limit_to_their_size(podd: Served) -> None:
    start = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(1000))
    assert raw(podd, start + many + b"\r\n").startswith(b"HTTP/1.1 200")
    with socket.create_connection(podd.address, timeout=20) as connection:
        connection.sendall(start + b"X: " + b"x" * 70_000)
        assert connection.recv(65536).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHost: h\r\n"])
def test_headers_have_a_limit_to_their_time(sent: bytes, new_podd: NewPodd) -> None:
    podd = new_podd(settings={"limits": {"request_head_seconds": 0.1}})
    assert raw(podd, sent).startswith(b"HTTP/1.1 408")


def test_a_request_has_as_much_time_as_it_takes_once_its_headers_are_there(
    new_podd: NewPodd, new_program: NewProgram
) -> None:
    podd = new_podd(settings={"limits": {"request_head_seconds": 0.1}})
    podd.engine.subnet = "127.0.0"
    program = new_program(mirror)
    host = host_of(pod_for(podd, program), program)["Host"]
    with (
        socket.create_connection(podd.address, timeout=20) as slow,
        socket.create_connection(podd.address, timeout=20) as later,
    ):
        slow.sendall(f"PUT / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\n\r\nbo".encode())
        assert later.recv(65536).startswith(b"HTTP/1.1 408")
        slow.sendall(b"dy")
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_leaves_while_nobody_reads_its_body_is_noticed(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"limits": {"client_check_seconds": 0.05}})
    podd.engine.subnet = "127.0.0"
    left = threading.Event()

    def serve(connection: socket.socket, _number: int) -> None:
        request_in(connection)
        noticed.wait(20)
        while connection.recv(65536):  # what is on its way, then the end
            pass
        left.set()

    noticed = threading.Event()
    with speaking(podd, serve) as path:
        with socket.create_connection(podd.address, timeout=20) as connection:
            connection.sendall(
                f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n".encode()
            )
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection.send(b"x" * 65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            pod_id = path.split("/")[2]
            eventually(lambda: podd.under_way(pod_id))
        eventually(lambda: not podd.under_way(pod_id))
        noticed.set()
        assert left.wait(20)


def test_a_page_of_a_pod_cannot_use_what_the_browser_holds_for_podd(podd: Served) -> None:
    """No cookie opens podd's API, and no other origin may read its answers."""
    with podd.client("") as client:
        response = client.post(
            "/graphql",
            json={"query": "{ myself { id } }"},
            headers={"Cookie": f"api_key={podd.key}; session={podd.key}", "Origin": "https://evil.example"},
        )
        assert "access-control-allow-credentials" not in response.headers
        assert podd.data("{ myself { id } }")["myself"]["id"] not in response.text


def test_podds_own_pages_load_nothing_and_are_in_no_frame(podd: Served) -> None:
    with podd.client("") as client:
        page = client.get("/proxy/aaaaaaaaaaaaaa/80/<script>", headers={"Accept": "text/html"})
    assert "<script>" not in page.text
    assert "default-src 'none'; frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


def test_many_silent_websockets_do_not_keep_others_out(new_podd: NewPodd, new_program: NewProgram) -> None:
    podd = new_podd(settings={"proxy": {"pod_requests": 200}})
    podd.engine.subnet = "127.0.0"
    program, other = new_program(ws_echo), new_program(mirror, "127.0.0.3")
    pod_id, other_id = pod_for(podd, program), pod_for(podd, other)
    with contextlib.ExitStack() as open_ones:
        for _ in range(200):
            open_ones.enter_context(websocket(podd, pod_id, program))
        assert ask(podd, pod_id, program).status_code == 503
        assert ask(podd, other_id, other).status_code == 200
    eventually(lambda: not podd.under_way(pod_id))


def test_a_pod_that_stops_ends_what_is_under_way_without_a_proper_end(
    podd: Served, new_program: NewProgram
) -> None:
    """Its program is gone with its container; what was a part is not taken for the whole."""
    going = threading.Event()

    def serve(connection: socket.socket, _number: int) -> None:
        request_in(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\npart")
        going.wait(20)  # and the kernel closes what a process leaves behind

    with speaking(podd, serve) as path:
        pod_id = path.split("/")[2]
        with podd.client("") as client, client.stream("GET", path) as response:
            stop(podd, pod_id)
            going.set()
            with pytest.raises(httpx.RemoteProtocolError):
                response.read()
        eventually(lambda: not podd.under_way(pod_id))


@pytest.mark.parametrize("path", ["/proxy/{pod}/{port}/", "/lb/{pod}/"])
def test_paths_lead_nowhere_where_they_are_switched_off(
    path: str, new_podd: NewPodd, new_program: NewProgram
) -> None:
    podd = new_podd(settings={"proxy": {"paths": False}})
    podd.engine.subnet = "127.0.0"
    program = new_program(mirror)
    pod_id = pod_for(podd, program)
    with podd.client("") as client:
        answer: httpx.Response = client.get(path.format(pod=pod_id, port=program.port))
    assert answer.status_code == 404
    assert ask(podd, pod_id, program).status_code == 200

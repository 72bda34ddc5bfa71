"""A Docker Engine that says what a test wants it to: for faults that a real one seldom has."""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Params = dict[str, str]
Reply = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; its methods are the ways to answer."""

    protocol_version = "HTTP/1.1"
    server: "StubEngine"
    params: Params

    def reply(self, value: Any, status: int = 200) -> None:
        """A whole answer, in JSON."""
        body = json.dumps(value).encode()
        self._head(status, ("Content-Length", str(len(body))))
        self.wfile.write(body)

    def refuse(self, status: int, message: str) -> None:
        self.reply({"message": message}, status)

    def begin(self) -> None:
        """The head of a long answer, for `send` to go on with."""
        self._head(200, ("Transfer-Encoding", "chunked"))

    def send(self, data: bytes | dict[str, Any]) -> None:
        chunk = data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.flush()

    def finish_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def drop(self) -> None:
        """Break the connection, whatever was begun."""
        self.close_connection = True

    def hang(self) -> None:
        """Say nothing more until the test is over."""
        self.server.over.wait()
        self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        path = re.sub(r"^/v\d[^/]*", "", parts.path)
        self.params = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.answer(path, self)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None:
        pass

    def _head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


class StubEngine(ThreadingMixIn, UnixStreamServer):
    """Answers each path with its replies in turn, and with the last one from then on.

    `asked` is the (path, parameters) of every request but the version check at the start.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, socket: Path) -> None:
        super().__init__(str(socket), Request)
        self.url = f"unix://{socket}"
        self.over = threading.Event()
        self.asked: list[tuple[str, Params]] = []
        self.headers: list[dict[str, str]] = []
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        self.on("/version", lambda request: request.reply({"ApiVersion": "1.41"}))
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def on(self, path: str, *replies: Reply) -> None:
        with self._lock:
            self._replies[path] = list(replies)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, path: str, request: Request) -> None:
        with self._lock:
            if path != "/version":
                self.asked.append((path, request.params))
                self.headers.append(dict(request.headers))
            replies = self._replies.get(path, [])
            reply = replies.pop(0) if len(replies) > 1 else replies[0] if replies else _unknown
        reply(request)

    def stop(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


def frame(number: int, stamp: str, text: str) -> bytes:
    """One message of a log stream."""
    content = f"{stamp} {text}".encode()
    return bytes([number, 0, 0, 0]) + len(content).to_bytes(4, "big") + content


def _unknown(request: Request) -> None:
    request.refuse(404, f"page not found: {request.path}")

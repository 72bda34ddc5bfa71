"""An image registry just large enough to be pulled from: one image, behind a password if wanted."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


class Registry(ThreadingHTTPServer):
    """Has `image` and no other. `login` is `user:password`. Requests hang while `answering` is cleared."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.address = f"127.0.0.1:{self.server_port}"
        self.image = f"{self.address}/{name}:1"
        self.answering = threading.Event()
        self.answering.set()
        self.login = login
        self.content: dict[str, tuple[str, bytes]] = {}
        self._put_image(name)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self.answering.set()
        self.shutdown()
        self.server_close()

    def allows(self, authorization: str) -> bool:
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        return not self.login or given == self.login

    def _put_image(self, name: str) -> None:
        tar = _tar({"hello": name.encode()})
        diff = {"type": "layers", "diff_ids": [_digest(tar)]}
        config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}, "rootfs": diff}
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._put_blob(name, CONFIG, json.dumps(config).encode()),
            "layers": [self._put_blob(name, LAYER, gzip.compress(tar))],
        }
        body = json.dumps(manifest).encode()
        for reference in ("1", _digest(body)):
            self.content[f"/v2/{name}/manifests/{reference}"] = (MANIFEST, body)

    def _put_blob(self, name: str, kind: str, body: bytes) -> dict[str, Any]:
        self.content[f"/v2/{name}/blobs/{_digest(body)}"] = (kind, body)
        return {"mediaType": kind, "size": len(body), "digest": _digest(body)}


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        self.server.answering.wait()
        if not self.server.allows(self.headers.get("Authorization") or ""):
            self._reply(401, "application/json", _error("UNAUTHORIZED", "authentication required"))
        elif self.path == "/v2/":
            self._reply(200, "application/json", b"{}")
        elif self.path in self.server.content:
            self._reply(200, *self.server.content[self.path])
        else:
            self._reply(404, "application/json", _error("MANIFEST_UNKNOWN", "manifest unknown"))

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if kind == MANIFEST:
            self.send_header("Docker-Content-Digest", _digest(body))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="test"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()

"""Calls of REST v2 as its clients make them."""

from typing import Any

from tests.api.served import IMAGE, Served

Json = dict[str, Any]

A6000 = "NVIDIA RTX A6000"
R3090 = "NVIDIA GeForce RTX 3090"
OUT_OF_STOCK = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)


class RestV2:
    """One caller. Each call says which status it expects and gives the answer's body."""

    def __init__(self, podd: Served, key: str | None = None) -> None:
        self.podd = podd
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        content = {} if body is None else {"json": body}
        answer = self.podd.http.request(method, f"/v2{path}", headers=self._headers, **content)
        assert answer.status_code == expect, answer.text
        if not answer.is_success:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == expect
        return answer.json() if answer.content else None

    def get(self, path: str, *, expect: int = 200) -> Any:
        return self.ask("GET", path, expect=expect)

    def post(self, path: str, body: Any = None, *, expect: int = 201) -> Any:
        return self.ask("POST", path, body, expect=expect)

    def patch(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        return self.ask("PATCH", path, body, expect=expect)

    def delete(self, path: str, *, expect: int = 204) -> Any:
        return self.ask("DELETE", path, expect=expect)

    def errors(self, method: str, path: str, body: Any) -> list[str]:
        """What is wrong with the shape of a body."""
        errors: list[str] = self.ask(method, path, body, expect=422)["errors"]
        return errors

    # Things

    def pod(self, *, expect: int = 201, **wish: Any) -> Json:
        body = {"name": "a pod", "image": IMAGE, "args": "run", **wish}
        if "cpu" not in wish:
            body.setdefault("gpu", {"id": A6000})
        made: Json = self.post("/pods", body, expect=expect)
        return made

    def act(self, pod_id: str, action: str, *, expect: int = 200) -> Any:
        done = self.ask("POST", f"/pods/{pod_id}/action", {"action": action}, expect=expect)
        self.podd.settle()
        return done

    def template(self, *, expect: int = 201, **wish: Any) -> Json:
        made: Json = self.post("/templates", {"name": "a template", "image": IMAGE, **wish}, expect=expect)
        return made

    def endpoint(self, *, expect: int = 201, **wish: Any) -> Json:
        made: Json = self.post("/serverless", {**endpoint_wish(), **wish}, expect=expect)
        return made

    def volume(self, **wish: Any) -> Json:
        body = {"name": "data", "size": 10, "dataCenter": "LOCAL-1", **wish}
        made: Json = self.post("/network-volumes", body)
        return made


def endpoint_wish() -> Json:
    return {
        "name": "an endpoint",
        "type": "QUEUE",
        "image": IMAGE,
        "args": "run",
        "gpu": {"pools": ["AMPERE_48"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
    }

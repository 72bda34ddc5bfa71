"""Asks REST v1, and looks at how it answers."""

from typing import Any

from tests.api.served import IMAGE, Json, Served

A6000 = "NVIDIA RTX A6000"
RTX_3090 = "NVIDIA GeForce RTX 3090"


class V1:
    """REST v1 of a podd, with the key of its first account or another one."""

    def __init__(self, podd: Served, key: str | None = None) -> None:
        self.podd = podd
        self._headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **query: Any) -> Any:
        """What is answered with this status."""
        sent = {} if body is None else {"json": body}
        response = self.podd.http.request(
            method, f"/v1{path}", params=query or None, headers=self._headers, **sent
        )
        assert response.status_code == status, response.text
        if status == 204:
            assert response.content == b""
            return None
        assert response.headers["content-type"] == "application/json"
        return response.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **query: Any) -> str:
        """The words of a refusal, which has v1's shape. One for want of room says what is short."""
        answer = self.ask(method, path, body, status=status, **query)
        if status == 500:
            assert answer.pop("reason")
        assert answer == {"error": answer["error"], "message": answer["error"], "status": status}
        return str(answer["error"])

    def create_pod(self, **wish: Any) -> Json:
        wish = {"imageName": IMAGE, "gpuTypeIds": [A6000], **wish}
        made: Json = self.ask("POST", "/pods", wish, status=201)
        return made

    def pod(self, pod_id: str, **query: Any) -> Json:
        found: Json = self.ask("GET", f"/pods/{pod_id}", **query)
        return found

    def create_template(self, **wish: Any) -> Json:
        made: Json = self.ask("POST", "/templates", {"name": "a template", "imageName": IMAGE, **wish})
        return made

    def create_endpoint(self, **wish: Any) -> Json:
        if "templateId" not in wish:
            wish["templateId"] = self.create_template(name="of workers", isServerless=True)["id"]
        made: Json = self.ask("POST", "/endpoints", {"gpuTypeIds": [A6000], **wish})
        return made

    def create_volume(self, **wish: Any) -> Json:
        wish = {"name": "data", "size": 10, "dataCenterId": "LOCAL-1", **wish}
        made: Json = self.ask("POST", "/networkvolumes", wish)
        return made

    def create_registry(self, **wish: Any) -> Json:
        wish = {"name": "hub", "username": "ada", "password": "secret", **wish}
        made: Json = self.ask("POST", "/containerregistryauth", wish)
        return made

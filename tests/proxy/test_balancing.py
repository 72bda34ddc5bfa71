"""Load-balancing endpoints: real servers as workers, each on an address of its own, and real requests."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import ConnectionClosed

from podd.ids import key_hash
from podd.proxy import balance
from podd.services import balancing
from podd.store.db import Tx
from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.proxy.programs import Program, answer, read_all
from tests.waiting import eventually

Json = dict[str, Any]
WORKER = "x-runpod-worker-id"


class Fleet:
    """What answers on the addresses that workers get, all on one port. `health` is the status of their health
    checks; requests to /hold stay open until `release`."""

    def __init__(self, podd: Served, addresses: int = 4) -> None:
        self.podd = podd
        self.health = 200
        self.held = 0
        self._release = threading.Event()
        self._programs = [Program(self._app, "127.0.0.2")]
        self.port = self._programs[0].port
        for number in range(3, 2 + addresses):
            self._programs.append(Program(self._app, f"127.0.0.{number}", self.port))

    def close(self) -> None:
        self._release.set()
        for program in self._programs:
            program.close()

    def release(self) -> None:
        self._release.set()

    def endpoint(self, *, env: Json | None = None, **wish: Any) -> str:
        variables = {"PORT": str(self.port), **(env or {})}
        template = self.podd.create_template(
            isServerless=True, env=[{"key": k, "value": v} for k, v in variables.items()]
        )
        wish = {"type": "LB", "workersMax": 2, "scalerType": "REQUEST_COUNT", "scalerValue": 1, **wish}
        return self.podd.create_endpoint(templateId=template, **wish)

    def settle(self) -> None:
        """Let podd catch up, health checks included."""

        async def check() -> None:
            await self.podd.checks.tick(0)
            await self.podd.checks.settle()

        for _ in range(2):
            self.podd.settle()
            self.podd.do(check())

    def until(self, holds: Callable[[], object]) -> None:
        def settled() -> object:
            self.settle()
            return holds()

        eventually(settled)

    def ready(self, count: int = 1, **wish: Any) -> tuple[str, list[str]]:
        """An endpoint whose `count` active workers are ready; their ids."""
        endpoint_id = self.endpoint(**{"workersMin": count, "workersMax": max(count, 2), **wish})
        self.until(lambda: self.ready_members(endpoint_id) >= count)
        return endpoint_id, self.workers(endpoint_id)

    def ready_members(self, endpoint_id: str) -> int:
        pool = self.podd.podd.store.ask(balancing.pool, endpoint_id)
        assert pool is not None
        return sum(member.ready for member in pool.members.values())

    def workers(self, endpoint_id: str) -> list[str]:
        data = self.podd.data(
            "query ($id: String!) { myself { endpoint(id: $id) { pods { id } } } }", {"id": endpoint_id}
        )
        return [worker["id"] for worker in data["myself"]["endpoint"]["pods"]]

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (message := await receive())["type"] != "websocket.disconnect":
                await send({"type": "websocket.send", "text": message["text"]})
            return
        if scope["path"] == "/ping":
            await answer(send, status=self.health)
            return
        body = await read_all(receive)
        if scope["path"] == "/hold":
            self.held += 1
            while not self._release.is_set():
                await asyncio.sleep(0.01)
        if scope["path"] == "/big":
            await answer(send, b"x" * (2 * 2**20))
            return
        seen = {
            "method": scope["method"],
            "path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
            "body": body.decode(),
        }
        await answer(send, json.dumps(seen).encode())


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    podd = new_podd(settings={"load_balancer": {"wait_seconds": 20, "body_bytes": 2**20}})
    podd.engine.subnet = "127.0.0"
    return podd


@pytest.fixture
def fleet(podd: Served) -> Iterator[Fleet]:
    fleet = Fleet(podd)
    yield fleet
    fleet.close()


def call(podd: Served, endpoint_id: str, path: str = "/", **how: Any) -> httpx.Response:
    return podd.http.request(how.pop("method", "GET"), f"/lb/{endpoint_id}{path}", **how)


def test_108_a_request_reaches_the_port_without_the_key(podd: Served, fleet: Fleet) -> None:
    endpoint_id, (worker_id,) = fleet.ready()
    response = call(podd, endpoint_id, "/a%2Fb?q=1", method="PUT", content=b"body", headers={"X-Odd": "1"})
    seen = response.json()
    assert (seen["method"], seen["path"], seen["query"]) == ("PUT", "/a%2Fb", "q=1")
    assert (seen["body"], seen["headers"]["x-odd"]) == ("body", "1")
    assert "authorization" not in seen["headers"]
    assert response.headers[WORKER] == worker_id
    by_host = podd.http.get("/generate", headers={"Host": f"{endpoint_id}.api.runpod.ai"})
    assert by_host.json()["path"] == "/generate"


def test_108_a_websocket_reaches_the_port(podd: Served, fleet: Fleet) -> None:
    endpoint_id, (worker_id,) = fleet.ready()
    with websockets.sync.client.connect(
        f"{podd.url.replace('http', 'ws')}/lb/{endpoint_id}/ws",
        additional_headers={"Authorization": f"Bearer {podd.key}"},
        proxy=None,
    ) as connection:
        assert connection.response is not None
        assert connection.response.headers[WORKER] == worker_id
        connection.send("hello")
        assert connection.recv(10) == "hello"
        assert podd.health(endpoint_id)["jobs"]["inProgress"] == 1
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inProgress"] == 0)


def test_a_worker_is_told_where_to_listen(podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready(env={"PORT_HEALTH": str(fleet.port), "HEALTH_CHECK_PATH": "/ping"})
    env = dict(podd.engine.spec(podd.engine.running()[0]).env)
    assert env["PORT"] == env["PORT_HEALTH"] == str(fleet.port)
    assert env["HEALTH_CHECK_PATH"] == "/ping"
    assert "RUNPOD_WEBHOOK_GET_JOB" not in env
    assert env["RUNPOD_ENDPOINT_ID"] == endpoint_id


@pytest.mark.parametrize(("key", "status"), [("", 401), ("rpa_wrong", 401), ("other", 404), ("own", 200)])
def test_only_the_owner_gets_in(key: str, status: int, podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    shown = {"own": podd.key, "other": podd.account() if key == "other" else ""}.get(key, key)
    with podd.client(shown) as client:
        response = client.get(f"/lb/{endpoint_id}/")
        assert response.status_code == status
        if status == 404:
            assert response.content == client.get("/lb/aaaaaaaaaaaaaa/").content


def test_a_revoked_key_opens_nothing_at_once(podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    for _ in range(2):
        assert call(podd, endpoint_id).status_code == 200

    def revoke(tx: Tx) -> None:
        tx.run("UPDATE api_keys SET revoked_at = 1 WHERE hash = ?", (key_hash(podd.key),))

    podd.do(podd.podd.store.write(revoke))
    assert call(podd, endpoint_id).status_code == 401


def test_what_a_revoked_key_has_open_ends_at_once(podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    held: Future[httpx.Response] = podd.later("GET", f"/lb/{endpoint_id}/hold")
    with websockets.sync.client.connect(
        f"{podd.url.replace('http', 'ws')}/lb/{endpoint_id}/ws",
        additional_headers={"Authorization": f"Bearer {podd.key}"},
        proxy=None,
    ) as connection:
        eventually(lambda: fleet.held == 1)

        def revoke(tx: Tx) -> None:
            (row,) = tx.rows("SELECT id FROM api_keys WHERE hash = ?", (key_hash(podd.key),))
            tx.update("api_keys", row["id"], {"revoked_at": 1})

        podd.do(podd.podd.store.write(revoke))
        assert held.result(20).status_code == 401
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_a_deleted_endpoint_is_missing_at_once(podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    assert call(podd, endpoint_id).status_code == 200
    podd.data("mutation ($id: String!) { deleteEndpoint(id: $id) }", {"id": endpoint_id})
    assert call(podd, endpoint_id).status_code == 404


def test_whoever_was_let_in_is_not_looked_up_again(
    podd: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id, _ = fleet.ready()
    looked_up = []
    own_endpoint = balance._own_endpoint

    def counted(*of: Any) -> Any:
        looked_up.append(of)
        return own_endpoint(*of)

    monkeypatch.setattr(balance, "_own_endpoint", counted)
    for _ in range(3):
        assert call(podd, endpoint_id).status_code == 200
    assert len(looked_up) == 1


def test_109_only_a_healthy_worker_gets_requests(podd: Served, fleet: Fleet) -> None:
    fleet.health = 204
    endpoint_id = fleet.endpoint(workersMin=1, workersMax=1)
    fleet.settle()
    assert podd.health(endpoint_id)["workers"]["initializing"] == 1
    waiting = podd.later("GET", f"/lb/{endpoint_id}/")
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 1)
    fleet.settle()
    assert not waiting.done()
    fleet.health = 200
    fleet.settle()
    assert waiting.result(20).status_code == 200
    fleet.health = 500
    fleet.settle()
    waiting = podd.later("GET", f"/lb/{endpoint_id}/")
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 1)
    fleet.health = 200
    fleet.settle()
    assert waiting.result(20).status_code == 200


def test_the_first_request_brings_the_first_worker(podd: Served, fleet: Fleet) -> None:
    endpoint_id = fleet.endpoint()
    fleet.settle()
    assert fleet.workers(endpoint_id) == []
    waiting = podd.later("POST", f"/lb/{endpoint_id}/", content=b"x" * 100_000)
    fleet.until(lambda: waiting.done())
    assert len(waiting.result().json()["body"]) == 100_000


def test_111_nobody_comes_in_time(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"load_balancer": {"wait_seconds": 0.1}})
    template = podd.create_template(isServerless=True)
    endpoint_id = podd.create_endpoint(type="LB", templateId=template, workersMax=0)
    response = podd.http.get(f"/lb/{endpoint_id}/")
    assert (response.status_code, response.json()["error"]) == (400, "no workers available")
    podd.create_endpoint(id=endpoint_id, name="an endpoint", gpuIds="AMPERE_48", workersMax=1, workersMin=1)
    podd.settle()
    response = podd.http.get(f"/lb/{endpoint_id}/")
    assert (response.status_code, response.json()["error"]) == (400, "timed out waiting for worker")


@pytest.mark.parametrize("operation", ["run", "runsync", "status/x", "cancel/x", "stream/x", "purge-queue"])
def test_111_operations_of_queues_are_refused(operation: str, podd: Served, fleet: Fleet) -> None:
    endpoint_id = fleet.endpoint()
    response = podd.http.post(f"/v2/{endpoint_id}/{operation}", json={"input": 1})
    assert (response.status_code, response.json()["error"]) == (400, "not allowed for QB API")
    assert podd.http.get(f"/v2/{endpoint_id}/health").status_code == 200


def test_a_queue_endpoint_takes_no_direct_requests(podd: Served) -> None:
    endpoint_id = podd.create_endpoint()
    response = podd.http.get(f"/lb/{endpoint_id}/")
    assert (response.status_code, response.json()["error"]) == (400, "not allowed for LB API")


def test_requests_spread_to_the_worker_with_the_fewest(podd: Served, fleet: Fleet) -> None:
    endpoint_id, workers = fleet.ready(2)
    held = [podd.later("GET", f"/lb/{endpoint_id}/hold") for _ in range(4)]
    eventually(lambda: fleet.held == 4)
    assert {podd.podd.traffic.busy(worker_id) for worker_id in workers} == {2}
    fleet.release()
    answered = [one.result(20).headers[WORKER] for one in held]
    assert sorted(answered.count(worker_id) for worker_id in workers) == [2, 2]


def test_requests_in_flight_bring_workers_and_keep_them(podd: Served, fleet: Fleet) -> None:
    endpoint_id = fleet.endpoint(idleTimeout=1)
    held: list[Future[httpx.Response]] = [podd.later("GET", f"/lb/{endpoint_id}/hold")]
    fleet.until(lambda: fleet.held == 1)
    held.append(podd.later("GET", f"/lb/{endpoint_id}/hold"))
    eventually(lambda: fleet.held == 2)
    fleet.until(lambda: len(fleet.workers(endpoint_id)) == 2)
    busy = next(w for w in fleet.workers(endpoint_id) if podd.podd.traffic.busy(w))
    podd.pass_time(seconds=60)
    fleet.until(lambda: fleet.workers(endpoint_id) == [busy] or len(fleet.workers(endpoint_id)) == 2)
    assert busy in fleet.workers(endpoint_id)
    fleet.release()
    assert [one.result(20).status_code for one in held] == [200, 200]
    podd.pass_time(seconds=60)
    fleet.until(lambda: fleet.workers(endpoint_id) == [])


def test_a_worker_that_leaves_gets_no_more_requests_and_finishes_those_it_has(
    podd: Served, fleet: Fleet
) -> None:
    """A new version replaces a busy worker: its door closes, it keeps its request, then it goes."""
    endpoint_id, (old,) = fleet.ready(workersMax=2)
    held = podd.later("GET", f"/lb/{endpoint_id}/hold")
    eventually(lambda: fleet.held == 1)
    podd.create_endpoint(
        id=endpoint_id, name="an endpoint", gpuIds="AMPERE_48", gpuCount=1, workersMin=1, workersMax=2,
        templateId=podd.create_template(isServerless=True, env=[{"key": "PORT", "value": str(fleet.port)}]),
    )  # fmt: skip
    fleet.until(lambda: call(podd, endpoint_id).headers[WORKER] != old)
    assert old in fleet.workers(endpoint_id)
    fleet.release()
    assert held.result(20).headers[WORKER] == old
    fleet.until(lambda: old not in fleet.workers(endpoint_id))


def test_a_drained_gpu_keeps_its_worker_until_the_last_request_has_ended(podd: Served, fleet: Fleet) -> None:
    endpoint_id, (old,) = fleet.ready()
    held = podd.later("GET", f"/lb/{endpoint_id}/hold")
    eventually(lambda: fleet.held == 1)
    (gpu,) = [gpu for gpu in podd.local.get("/operator/v1/gpus").json()["gpus"] if gpu["held_by"]]
    assert podd.local.post(f"/operator/v1/gpus/{gpu['uuid']}/drain", json={}).status_code == 200
    fleet.until(lambda: call(podd, endpoint_id).headers[WORKER] != old)
    assert old in fleet.workers(endpoint_id)
    fleet.release()
    assert held.result(20).headers[WORKER] == old
    fleet.until(lambda: old not in fleet.workers(endpoint_id))


def test_a_client_that_leaves_while_it_waits_does_not_count_any_more(podd: Served, fleet: Fleet) -> None:
    fleet.health = 204
    endpoint_id = fleet.endpoint()
    with socket.create_connection(podd.address) as connection:
        connection.sendall(
            f"POST /lb/{endpoint_id}/ HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {podd.key}\r\n"
            "Content-Length: 4\r\n\r\nbody".encode()
        )
        eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 1)
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 0)


def test_110_affinity(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"load_balancer": {"affinity_wait_seconds": 0.1}})
    podd.engine.subnet = "127.0.0"
    fleet = Fleet(podd)
    try:
        endpoint_id, (one, two) = fleet.ready(2)
        for wanted in (one, two, one, two):
            for header in (wanted, f"strict {wanted}", f"strict-resume {wanted}"):
                response = call(podd, endpoint_id, headers={WORKER: header})
                assert response.headers[WORKER] == wanted
                assert WORKER not in response.json()["headers"]
        gone = call(podd, endpoint_id, headers={WORKER: "strict aaaaaaaaaaaaaa"})
        assert (gone.status_code, gone.json()["error"]) == (404, "affinity_worker_gone")
        assert call(podd, endpoint_id, headers={WORKER: "aaaaaaaaaaaaaa"}).status_code == 200
        fleet.health = 500
        fleet.settle()
        away = call(podd, endpoint_id, headers={WORKER: f"strict {one}"})
        assert (away.status_code, away.json()["error"]) == (400, "worker_timeout")
    finally:
        fleet.close()


def test_110_strict_resume_wakes_a_worker_that_rests(podd: Served, fleet: Fleet) -> None:
    endpoint_id, (worker_id,) = fleet.ready()
    podd.engine.crash(podd.engine.running()[0])
    podd.settle()
    assert podd.health(endpoint_id)["workers"]["unhealthy"] == 1
    waiting = podd.later("GET", f"/lb/{endpoint_id}/", headers={WORKER: f"strict-resume {worker_id}"})
    fleet.until(waiting.done)
    assert waiting.result().headers[WORKER] == worker_id


def test_a_worker_that_is_never_healthy_is_unhealthy_after_its_time(podd: Served, fleet: Fleet) -> None:
    fleet.health = 404
    endpoint_id = fleet.endpoint(workersMin=1, workersMax=1)
    fleet.settle()
    podd.pass_time(seconds=479)
    assert podd.health(endpoint_id)["workers"]["unhealthy"] == 0
    podd.pass_time(seconds=2)
    assert podd.health(endpoint_id)["workers"]["unhealthy"] == 1


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_refused(declared: bool, podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    body = b"x" * (2**20 + 1)
    content = body if declared else iter([body[: 2**19], body[2**19 :]])
    response = call(podd, endpoint_id, method="POST", content=content)
    assert (response.status_code, response.json()["error"]) == (400, "exceeded max body size of 1MiB")
    assert call(podd, endpoint_id, method="POST", content=body[: 2**19]).status_code == 200


def test_an_answer_over_the_limit_is_cut(podd: Served, fleet: Fleet) -> None:
    endpoint_id, _ = fleet.ready()
    with pytest.raises(httpx.RemoteProtocolError):
        call(podd, endpoint_id, "/big")


def test_a_request_has_a_limit_to_its_time(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"load_balancer": {"processing_seconds": 0.2}})
    podd.engine.subnet = "127.0.0"
    fleet = Fleet(podd)
    try:
        endpoint_id, _ = fleet.ready()
        assert call(podd, endpoint_id, "/hold").status_code == 504
    finally:
        fleet.close()


def test_much_sent_ahead_of_a_worker_is_not_held(
    podd: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(balance, "AHEAD", 1000)
    endpoint_id = fleet.endpoint()
    waiting = podd.later("POST", f"/lb/{endpoint_id}/", content=b"x" * 500_000)
    fleet.until(waiting.done)
    assert len(waiting.result().json()["body"]) == 500_000


# As clients see them


def test_the_type_is_chosen_once(podd: Served) -> None:
    endpoint_id = podd.create_endpoint(type="LB", scalerType="QUEUE_DELAY")
    query = "query ($id: String!) { myself { endpoint(id: $id) { type scalerType } } }"
    shown = podd.data(query, {"id": endpoint_id})["myself"]["endpoint"]
    assert shown == {"type": "LB", "scalerType": "REQUEST_COUNT"}
    save = "mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id } }"
    wish = {"id": endpoint_id, "name": "an endpoint", "gpuIds": "AMPERE_48", "type": "QB"}
    assert "cannot be changed" in podd.error(save, {"input": wish})["message"]


@pytest.mark.parametrize(
    ("count", "type", "refused"), [(10, "LB", False), (11, "LB", True), (11, "QB", False)]
)
def test_workers_that_are_balanced_offer_at_most_ten_http_ports(
    count: int, type: str, refused: bool, podd: Served
) -> None:
    ports = ",".join(f"{8000 + number}/http" for number in range(count)) + ",22/tcp"
    wish = {"name": "an endpoint", "gpuIds": "AMPERE_48", "type": type}
    wish["templateId"] = podd.create_template(ports=ports, isServerless=True)
    save = "mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id } }"
    made, errors = podd.graphql(save, {"input": wish})
    assert bool(errors) is refused, (made, errors)
    assert not refused or "offers 11 http ports" in errors[0]["message"]


def test_rest_v2_shows_where_to_send_requests(podd: Served) -> None:
    wish = {
        "name": "balanced",
        "type": "LOAD_BALANCER",
        "image": "test/worker",
        "gpu": {"pools": ["AMPERE_48"]},
        "scaling": {"type": "REQUEST_COUNT", "requestCount": 3},
        "workers": {"idleTimeout": 30},
    }
    response = podd.http.post("/v2/serverless", json=wish)
    assert response.status_code == 201, response.text
    made = response.json()
    assert made["type"] == "LOAD_BALANCER"
    assert made["workers"]["idleTimeout"] == 30
    assert made["requestUrls"] == {
        "base": f"{podd.url}/lb/{made['id']}",
        "health": f"{podd.url}/v2/{made['id']}/health",
    }
    delay = {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}
    assert podd.http.patch(f"/v2/serverless/{made['id']}", json=delay).status_code == 422

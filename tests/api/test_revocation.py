"""A key or a session that is taken away ends at once what it has open, on every surface, and nothing else."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from podd.domain.account import Caller
from podd.ids import key_hash
from podd.services import accounts, revocation
from podd.store.db import Reader, Tx
from tests.api.served import QUICKLY, Served
from tests.waiting import eventually


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


@pytest.fixture
def key(podd: Served) -> str:
    """Another key of the first account."""
    account_id = podd.data("{ myself { id } }")["myself"]["id"]
    made = podd.local.post("/operator/v1/keys", json={"account": account_id})
    return str(made.json()["api_key"])


def revoke(podd: Served, key: str) -> None:
    def take_away(tx: Tx) -> None:
        row = tx.row("SELECT id FROM api_keys WHERE hash = ?", (key_hash(key),))
        assert row is not None
        tx.update("api_keys", row["id"], {"revoked_at": podd.clock.now()})

    podd.do(podd.podd.store.write(take_away))


def waiting_for_jobs(podd: Served) -> int:
    """Requests that wait for news of a job."""
    listeners = podd.podd.bells._listeners
    return sum(len(who) for name, who in tuple(listeners.items()) if name.startswith(("job:", "end:")))


@pytest.mark.parametrize("path", ["runsync", "status-sync", "stream"])
def test_a_long_poll_ends_with_its_key_and_that_of_another_key_does_not(
    podd: Served, threads: ThreadPoolExecutor, key: str, path: str
) -> None:
    endpoint_id = podd.create_endpoint()
    job_id = podd.submit(endpoint_id)

    def poll(key: str) -> "Future[httpx.Response]":
        url = f"/v2/{endpoint_id}/{path}" + ("" if path == "runsync" else f"/{job_id}")
        body = {"input": 1} if path == "runsync" else None

        def send() -> httpx.Response:
            with podd.client(key) as client:
                return client.post(f"{url}?wait=30000", json=body)

        return threads.submit(send)

    mine, other = poll(key), poll(podd.key)
    eventually(lambda: waiting_for_jobs(podd) == 2)
    revoke(podd, key)
    refused = mine.result(20)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid api key")
    assert waiting_for_jobs(podd) == 1
    assert not other.done()
    podd.http.post(f"/v2/{endpoint_id}/purge-queue")
    assert other.result(20).status_code == 200


def test_an_event_stream_breaks_off_with_its_key(podd: Served, key: str) -> None:
    pod_id = podd.create_pod()
    podd.settle()
    with (
        podd.client(key) as client,
        client.stream("GET", f"/v2/pods/{pod_id}/logs", headers={"Accept": "text/event-stream"}) as answer,
    ):
        assert answer.status_code == 200
        eventually(lambda: podd.logs.followers == 1)
        revoke(podd, key)
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    eventually(lambda: podd.logs.followers == 0)


def test_what_a_session_has_open_ends_when_it_is_ended_elsewhere(podd: Served) -> None:
    podd.account("ada@example.org")

    def signed_in() -> httpx.Client:
        made = podd.local.post("/operator/v1/links", json={"account": "ada@example.org"})
        client = httpx.Client(base_url=podd.url, timeout=30, **QUICKLY)
        answer = client.post("/auth/link", json={"token": made.json()["token"]}).json()
        client.headers["X-CSRF-Token"] = answer["csrf_token"]
        return client

    with closing(signed_in()) as one, closing(signed_in()) as another:
        wish = {"gpuTypeId": "NVIDIA RTX A6000", "imageName": "test/worker", "dockerArgs": "run"}
        document = (
            "mutation ($input: PodFindAndDeployOnDemandInput)"
            " { podFindAndDeployOnDemand(input: $input) { id } }"
        )
        made = one.post("/graphql", json={"query": document, "variables": {"input": wish}}).json()
        pod_id = made["data"]["podFindAndDeployOnDemand"]["id"]
        podd.settle()
        with one.stream("GET", f"/v2/pods/{pod_id}/logs") as answer:
            eventually(lambda: podd.logs.followers == 1)
            found = another.get("/auth/sessions").json()["sessions"]
            (other,) = [session["id"] for session in found if not session["current"]]
            assert another.delete(f"/auth/sessions/{other}").status_code == 204
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert one.get("/auth/session").status_code == 401
        assert another.get("/auth/session").status_code == 200


def test_a_request_that_takes_its_own_key_away_is_answered(podd: Served) -> None:
    for surface in ("operator", "graphql"):
        made = podd.data("mutation { createApiKey(input: {}) { key apiKey { id } } }")["createApiKey"]
        key_id = made["apiKey"]["id"]
        with podd.client(made["key"]) as client:
            if surface == "operator":
                answer = client.post(f"/operator/v1/keys/{key_id}/revoke", json={})
                assert answer.json()["key_id"] == key_id
            else:
                query = f'mutation {{ deleteApiKey(id: "{key_id}") }}'
                assert "errors" not in client.post("/graphql", json={"query": query}).json()
            assert client.get("/v1/pods").status_code == 401


@pytest.mark.parametrize(
    "change",
    [
        'updateTeamMember(input: {{userId: "{}", role: "billing"}}) {{ userId }}',
        'removeTeamMember(userId: "{}")',
    ],
)
def test_what_a_member_has_open_ends_with_their_role(podd: Served, change: str) -> None:
    pod_id = podd.create_pod()
    podd.settle()
    podd.data("mutation { convertToTeam(input: {}) { id } }")
    team = podd.data("{ myself { id } }")["myself"]["id"]
    token = podd.data('mutation { inviteTeamMember(input: {role: "dev"}) { token } }')["inviteTeamMember"]
    person = podd.account()
    user_id = podd.data("{ myself { id } }", key=person)["myself"]["id"]
    podd.data(f'mutation {{ joinTeam(token: "{token["token"]}") {{ teamId }} }}', key=person)
    made = podd.data(f'mutation {{ createApiKey(input: {{teamId: "{team}"}}) {{ key }} }}', key=person)
    with (
        podd.client(made["createApiKey"]["key"]) as client,
        client.stream("GET", f"/v2/pods/{pod_id}/logs", headers={"Accept": "text/event-stream"}) as answer,
    ):
        assert answer.status_code == 200
        eventually(lambda: podd.logs.followers == 1)
        podd.data(f"mutation {{ {change.format(user_id)} }}")
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()


def test_a_key_revoked_while_it_is_looked_up_still_ends_its_request(
    podd: Served, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was good when the database was asked, and is not when the answer is used."""
    real = accounts.caller_of

    def slowly(db: Reader, shown: str, *more: Any) -> Caller | None:
        found = real(db, shown, *more)
        if shown == key:
            podd.podd.store.submit(take_away).result(20)
        return found

    def take_away(tx: Tx) -> None:
        row = tx.row("SELECT id FROM api_keys WHERE hash = ?", (key_hash(key),))
        assert row is not None
        tx.update("api_keys", row["id"], {"revoked_at": 1})

    endpoint_id = podd.create_endpoint()
    job_id = podd.submit(endpoint_id)
    monkeypatch.setattr(accounts, "caller_of", slowly)
    with podd.client(key) as client:
        refused = client.post(f"/v2/{endpoint_id}/status-sync/{job_id}?wait=30000")
    assert refused.status_code == 401


def test_nothing_is_kept_of_keys_that_were_shown(podd: Served, key: str) -> None:
    with podd.client(key) as client, podd.client("rpa_NOBODYS") as stranger:
        assert client.get("/v1/pods").status_code == 200
        assert stranger.get("/v1/pods").status_code == 401
    bells = {revocation.bell(key_hash(shown)) for shown in (key, "rpa_NOBODYS")}
    eventually(lambda: not bells & set(podd.podd.bells._listeners))

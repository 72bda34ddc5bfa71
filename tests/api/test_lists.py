"""Lists of pods cost what the pods cost, not a question to the books for each of them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from podd.api.graphql import pods as graphql_pods
from podd.api.graphql.views.pod import pod_view
from podd.api.kept import EACH, Kept
from podd.domain.pod import Pod
from podd.store.db import Reader
from tests.api import documented
from tests.api.served import Served

JSON = {"content-type": "application/json"}
LISTS: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "v1": lambda client: client.get("/v1/pods?includeMachine=true&includeTemplate=true"),
    "v1, plain": lambda client: client.get("/v1/pods"),
    "v2": lambda client: client.get("/v2/pods"),
    "graphql": lambda client: client.post("/graphql", content=documented.LIST_PODS, headers=JSON),
}


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent to the database to be read from."""
    asked: list[str] = []
    table = Reader.table

    def count(self: Reader, sql: str, params: Any = ()) -> Any:
        asked.append(sql)
        return table(self, sql, params)

    monkeypatch.setattr(Reader, "table", count)
    return asked


@pytest.mark.parametrize("surface", LISTS)
def test_the_number_of_questions_does_not_grow_with_the_number_of_pods(
    podd: Served, questions: list[str], surface: str
) -> None:
    def asked() -> int:
        questions.clear()
        assert LISTS[surface](podd.http).status_code == 200
        return len(questions)

    pods = [podd.create_pod(gpuCount=1)]
    podd.settle()
    with_one = asked()
    for _ in range(4):
        podd.data(f'mutation {{ podStop(input: {{podId: "{pods[-1]}"}}) {{ id }} }}')
        podd.settle()
        pods.append(podd.create_pod(gpuCount=1))
        podd.settle()
    assert asked() == with_one
    assert LISTS[surface](podd.http).text.count(f'"{pods[0]}"') == 1


@pytest.mark.parametrize("surface", LISTS)
def test_a_pod_at_rest_is_shown_as_it_was_changed_last(podd: Served, surface: str) -> None:
    pod_id = podd.create_pod(name="before")
    podd.settle()
    podd.data(f'mutation {{ podStop(input: {{podId: "{pod_id}"}}) {{ id }} }}')
    podd.settle()
    assert '"before"' in LISTS[surface](podd.http).text
    assert podd.http.patch(f"/v1/pods/{pod_id}", json={"name": "after"}).status_code == 200
    assert '"after"' in LISTS[surface](podd.http).text


SELECTED = "query ($long: Boolean!) { myself { pods { id name @include(if: $long) } again: pods { name } } }"


@pytest.fixture
def viewed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every pod that GraphQL's fields were worked out for."""
    seen: list[str] = []

    def note(pod: Pod, *besides: Any) -> dict[str, Any]:
        seen.append(pod.id)
        return pod_view(pod, *besides)

    monkeypatch.setattr(graphql_pods, "pod_view", note)
    return seen


def at_rest(podd: Served, **wish: Any) -> str:
    pod_id = podd.create_pod(**wish)
    podd.settle()
    podd.data(f'mutation {{ podStop(input: {{podId: "{pod_id}"}}) {{ id }} }}')
    podd.settle()
    return pod_id


def test_the_fields_of_a_pod_at_rest_are_worked_out_once(podd: Served, viewed: list[str]) -> None:
    pod_id = at_rest(podd)
    viewed.clear()
    first = LISTS["graphql"](podd.http).json()
    assert LISTS["graphql"](podd.http).json() == first
    assert viewed == [pod_id]
    podd.create_pod()
    assert len(LISTS["graphql"](podd.http).json()["data"]["myself"]["pods"]) == 2
    assert viewed.count(pod_id) == 1


def test_each_selection_of_a_pod_at_rest_is_its_own(podd: Served) -> None:
    pod_id = at_rest(podd, name="mine")
    for _ in range(2):
        long = podd.data(SELECTED, {"long": True})["myself"]
        assert long == {"pods": [{"id": pod_id, "name": "mine"}], "again": [{"name": "mine"}]}
        short = podd.data(SELECTED, {"long": False})["myself"]
        assert short == {"pods": [{"id": pod_id}], "again": [{"name": "mine"}]}


@pytest.mark.parametrize("surface", LISTS)
def test_each_account_is_shown_its_own_pods(podd: Served, surface: str) -> None:
    pod_id = at_rest(podd)
    assert pod_id in LISTS[surface](podd.http).text
    with podd.client(podd.account()) as other:
        assert pod_id not in LISTS[surface](other).text


def test_what_is_kept_stays_within_its_room() -> None:
    kept = Kept(room=3 * (EACH + 10))
    for number in range(5):
        kept.put(number, b"0123456789")
        kept.get(0)
    assert [number for number in range(5) if kept.get(number)] == [0, 3, 4]
    kept.put("huge", b"0" * 10_000)
    assert not any(kept.get(key) for key in (0, 1, 2, 3, 4, "huge"))

"""Lists of pods cost what the pods cost, not a question to the books for each of them."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

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

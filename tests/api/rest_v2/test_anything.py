"""Whatever podd's own description of REST v2 allows, and some of what it does not, is answered as described,
and nothing breaks."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from podd.api.rest_v2.document import operations_of
from podd.api.rest_v2.operation import Operation
from podd.api.rest_v2.routes import DOCUMENTED
from tests.api.rest_v2.client import RestV2
from tests.api.served import Json, Served

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]

EXAMPLES = 8

# The streams of logs do not end by themselves.
OPERATIONS = [o for o in operations_of(DOCUMENTED) if not isinstance(o.answer, str)]


@pytest.fixture(scope="module")
def schema(shared_podd: Served) -> Any:
    return schemathesis.openapi.from_dict(shared_podd.http.get("/v2/openapi.json").json())


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_answer_is_as_described(
    shared_podd: Served, schema: Any, operation: Operation, mode: GenerationMode
) -> None:
    cases = schema.find_operation_by_id(operation.id).as_strategy(generation_mode=mode)
    podd, api = shared_podd, RestV2(shared_podd)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(case=cases)
    def holds(case: Any) -> None:
        made = thing(api, operation.paths[0])
        if made:
            case.path_parameters["id"] = made.rsplit("/", 1)[1]
        answer = case.call(base_url=podd.url, headers={"Authorization": f"Bearer {podd.key}"})
        case.validate_response(answer, checks=CHECKS)
        # 501 is for what is not there yet.
        assert answer.status_code < 500 or answer.status_code == 501, answer.text
        if made:
            podd.http.delete(f"/v2{made}")

    holds()


def thing(api: RestV2, path: str) -> str | None:
    """Something that is there, for the id in the path."""
    if "{id}" not in path:
        return None
    make = MAKERS.get(path.partition("/{id}")[0])
    return make(api) if make else None


def _pod(api: RestV2) -> str:
    return f"/pods/{api.pod(cpu={'id': 'cpu3c', 'vcpuCount': 2})['id']}"


def _credential(api: RestV2) -> str:
    body: Json = {"name": "credential", "username": "u", "password": "p"}
    return f"/registries/{api.post('/registries', body)['id']}"


def _secret(api: RestV2) -> str:
    return f"/account/secrets/{api.post('/account/secrets', {'name': 'secret', 'value': 'v'})['id']}"


MAKERS: dict[str, Callable[[RestV2], str]] = {
    "/pods": _pod,
    "/serverless": lambda api: f"/serverless/{api.endpoint()['id']}",
    "/templates": lambda api: f"/templates/{api.template()['id']}",
    "/network-volumes": lambda api: f"/network-volumes/{api.volume()['id']}",
    "/registries": _credential,
    "/account/secrets": _secret,
}

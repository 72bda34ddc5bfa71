"""Who may do what: nobody without a key changes anything, a pod's key reaches its pod alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from ariadne import MutationType, QueryType
from graphql import GraphQLEnumType, GraphQLInputObjectType, is_leaf_type, is_required_input_field

from podd.api.graphql.endpoint import _schema as schema
from podd.api.graphql.schema import build
from tests.api.served import Served

Json = dict[str, Any]
MUTATIONS = schema.mutation_type.fields
READABLE_BY_ANYBODY = (
    "gpuTypes { id } cpuTypes { id } cpuFlavors { id } dataCenters { id } countryCodes "
    "serverlessGpuPools { id } podTemplates { id } listings { id } allAiApiPublicConfigs { id }"
)


def example(kind: Any) -> str:
    """A literal that fits the type: only what it requires."""
    kind = getattr(kind, "of_type", kind)
    if isinstance(kind, GraphQLInputObjectType):
        needed = {n: f.type for n, f in kind.fields.items() if is_required_input_field(f)}
        return "{" + ", ".join(f"{name}: {example(type)}" for name, type in needed.items()) + "}"
    if isinstance(kind, GraphQLEnumType):
        return str(next(iter(kind.values)))
    return {"Int": "1", "Float": "0.3", "Boolean": "true"}.get(kind.name, '"x"')


def document(name: str) -> str:
    field = MUTATIONS[name]
    arguments = ", ".join(f"{arg}: {example(known.type)}" for arg, known in field.args.items())
    selection = "" if is_leaf_type(field.type) else " { __typename }"
    return f"mutation {{ {name}{f'({arguments})' if arguments else ''}{selection} }}"


@pytest.fixture(scope="module")
def podd(shared_podd: Served) -> Served:
    return shared_podd


@pytest.fixture
def pod(podd: Served) -> Iterator[str]:
    pod_id = podd.create_pod()
    podd.settle()
    yield pod_id
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})
    podd.settle()


@pytest.fixture
def pod_key(podd: Served, pod: str) -> str:
    """What the pod's container finds in RUNPOD_API_KEY."""
    specs = map(podd.engine.spec, podd.engine.running())
    return next(dict(spec.env)["RUNPOD_API_KEY"] for spec in specs if spec.workload_id == pod)


def test_an_operation_without_a_resolver_is_noticed_at_the_start() -> None:
    with pytest.raises(AssertionError, match="myself"):
        build(QueryType(), MutationType())


@pytest.mark.parametrize("name", sorted(MUTATIONS.keys() - {"createFlashAuthRequest"}))
def test_nothing_is_changed_without_a_key(podd: Served, name: str) -> None:
    data, errors = podd.graphql(document(name), key="")
    assert data == {name: None}
    assert errors == [{"message": "Unauthorized", "path": [name], "extensions": {"code": "RUNPOD"}}]


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_no_mutation_fails_unexpectedly(podd: Served, name: str) -> None:
    _, errors = podd.graphql(document(name))
    for error in errors:
        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR"
        assert error["path"] == [name]


@pytest.mark.parametrize(
    "name", sorted(n for n, f in MUTATIONS.items() if "input" in f.args and not n.endswith("Cluster"))
)
def test_a_missing_input_is_told_by_name(podd: Served, name: str) -> None:
    selection = "" if is_leaf_type(MUTATIONS[name].type) else " { __typename }"
    error = podd.error(f"mutation {{ {name}{selection} }}")
    assert error["message"] == "input is required." or error["extensions"]["code"] == "RUNPOD"


def test_the_catalogue_is_readable_without_a_key(podd: Served) -> None:
    found = podd.data(f'{{ {READABLE_BY_ANYBODY} listing(id: "x") {{ id }} myself {{ id }} }}', key="")
    assert (found["myself"], found["listing"]) == (None, None)
    assert found["gpuTypes"]


def test_pods_are_not_readable_without_a_key(podd: Served, pod: str) -> None:
    error = podd.error("query ($id: String!) { pod(input: {podId: $id}) { id } }", {"id": pod}, key="")
    assert (error["message"], error["extensions"]["code"]) == ("Unauthorized", "RUNPOD")


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_pods_key_changes_nothing_else(podd: Served, pod_key: str, name: str) -> None:
    _, errors = podd.graphql(document(name), key=pod_key)
    (error,) = errors
    own = {"podStop": "pod not found to stop", "podTerminate": "pod not found to terminate"}
    if name in own:
        assert error["message"] == own[name]
    elif error["message"] != "Unauthorized":
        refused_to_all = podd.error(document(name))
        assert error == refused_to_all


def test_a_pods_key_reads_its_pod_and_not_its_account(podd: Served, pod: str, pod_key: str) -> None:
    ask = "query ($id: String!) { pod(input: {podId: $id}) { id networkVolume { id } } }"
    assert podd.data(ask, {"id": pod}, key=pod_key)["pod"]["id"] == pod
    data, errors = podd.graphql("{ myself { id } }", key=pod_key)
    assert data == {"myself": None}
    assert errors == [{"message": "Unauthorized", "path": ["myself"], "extensions": {"code": "RUNPOD"}}]


def test_a_pods_key_does_not_read_its_owners_templates(podd: Served, pod_key: str) -> None:
    template_id = podd.create_template(env=[{"key": "PASSWORD", "value": "x"}])
    ask = "query ($id: String!) { podTemplate(id: $id) { env { value } } }"
    assert podd.data(ask, {"id": template_id})["podTemplate"] is not None
    assert podd.data(ask, {"id": template_id}, key=pod_key) == {"podTemplate": None}

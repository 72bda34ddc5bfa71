"""What one machine does not have: empty lists, and refusals in the words clients look for."""

import pytest

from tests.api.served import Served


@pytest.fixture(scope="module")
def podd(shared_podd: Served) -> Served:
    return shared_podd


def test_a_cluster_is_out_of_stock(podd: Served) -> None:
    error = podd.error(
        "mutation ($input: CreateClusterInput) { createCluster(input: $input) {"
        " id name pods { id clusterIp lastStatusChange imageName machine { podHostId } } } }",
        {"input": {"clusterName": "c", "gpuTypeId": "x", "podCount": 2, "type": "TRAINING", "deployCost": 0}},
    )
    assert error["extensions"]["code"] == "SUPPLY_CONSTRAINT"
    assert error["message"].startswith("There are no longer any instances available")


def test_no_cluster_is_found_to_delete(podd: Served) -> None:
    """dstack compares the code."""
    error = podd.error('mutation { deleteCluster(input: {id: "abc"}) }')
    assert error["extensions"]["code"] == "Cluster not found"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ('listings(input: {searchQuery: "vllm", limit: 10}) { id title }', []),
        ("allAiApiPublicConfigs { id metadata }", []),
        ("myModels { id }", []),
        ("models { id }", []),
        ('listing(id: "x") { id }', None),
        ('listingFromRepo(repoOwner: "a", repoName: "b") { id }', None),
        ('myModel(owner: "a", name: "b") { id }', None),
        ("gpuTypes(input: {cluster: true}) { id }", []),
    ],
)
def test_what_is_not_there_is_empty(podd: Served, field: str, value: object) -> None:
    assert list(podd.data(f"{{ {field} }}").values()) == [value]


@pytest.mark.parametrize(
    "field",
    [
        'addModelToRepo(input: {name: "x"}) { success }',
        'removeModelFromRepo(input: {owner: "a", name: "x"}) { success }',
        'createModelRepoUpload(input: {name: "x"}) { success }',
        'completeModelRepoUpload(input: {sessionId: "x"}) { success }',
        'updateModelVersionStatus(uuid: "a", hash: "b", status: "READY") { success }',
    ],
)
def test_the_model_repository_is_not_enabled(podd: Served, field: str) -> None:
    error = podd.error(f"mutation {{ {field} }}")
    assert error["message"] == "Model Repo feature is not enabled for this user"
    assert error["extensions"]["code"] == "RUNPOD"


@pytest.mark.parametrize(
    "field",
    [
        'flashApp(flashAppId: "x")',
        'flashAppByName(flashAppName: "x")',
        'flashEnvironment(flashEnvironmentId: "x")',
        'flashEnvironmentByName(input: {flashAppId: "a", name: "x"})',
        'flashBuild(flashBuildId: "x")',
    ],
)
def test_flash_finds_nothing(podd: Served, field: str) -> None:
    """On these words flash goes on to create the app."""
    assert "not found" in podd.error(f"{{ {field} {{ id }} }}")["message"]


def test_flash_deployments_are_refused_once_and_clearly(podd: Served) -> None:
    error = podd.error('mutation { createFlashApp(input: {name: "x"}) { id } }')
    assert "not available on podd" in error["message"]
    assert error["extensions"]["code"] == "RUNPOD"
    assert podd.error('mutation { deleteFlashApp(flashAppId: "x") }')["message"] == error["message"]


@pytest.mark.parametrize(
    "document",
    [
        'mutation { createFlashAuthRequest(apiKeyName: "x") { id } }',
        '{ flashAuthRequestStatus(flashAuthRequestId: "x") { id } }',
    ],
)
def test_logging_in_by_browser_says_what_to_do_instead(podd: Served, document: str) -> None:
    for key in ("", None):
        assert "RUNPOD_API_KEY" in podd.error(document, key=key)["message"]

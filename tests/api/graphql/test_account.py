"""The account: settings, keys, registry credentials, secrets."""

from typing import Any

import pytest

from tests.api.served import Served

Json = dict[str, Any]
UPDATE = """mutation ($input: UpdateUserSettingsInput) { updateUserSettings(input: $input) {
  id pubKey notifyPodsStale notifyPodsGeneral notifyLowBalance notifyOther creditAlertThreshold } }"""
SAVE_AUTH = """mutation ($name: String!, $username: String!, $password: String!) {
  saveRegistryAuth(input: {name: $name, username: $username, password: $password}) {
    id name registryAuth } }"""
UPDATE_AUTH = """mutation ($id: String!, $username: String!, $password: String!) {
  updateRegistryAuth(input: {id: $id, username: $username, password: $password}) { id name } }"""
DELETE_AUTH = "mutation ($id: String) { deleteRegistryAuth(registryAuthId: $id) }"
CREDS = "{ myself { containerRegistryCreds { id name } } }"
CREATE_SECRET = (
    """mutation ($input: SecretCreateInput!) { secretCreate(input: $input) { id name description } }"""
)
DELETE_SECRET = "mutation ($id: ID!) { secretDelete(id: $id) }"
SECRETS = "{ myself { secrets { id name description createdAt lastUpdatedAt } } }"


def save_auth(podd: Served, name: str, key: str | None = None) -> str:
    wish = {"name": name, "username": "u", "password": "p"}
    return str(podd.data(SAVE_AUTH, wish, key=key)["saveRegistryAuth"]["id"])


# Settings


def test_myself_has_what_clients_select(podd: Served) -> None:
    me = podd.data(
        "{ myself { id authId email pubKey clientBalance currentSpendPerHr spendLimit underBalance minBalance"
        " notifyPodsStale notifyPodsGeneral notifyLowBalance serverlessDiscount { discountFactor type"
        " expirationDate } maxServerlessConcurrency isTeam flashApps { id } savingsPlans { podId }"
        " dailyCharges { amount } datacenters { id } } }"
    )["myself"]
    assert me["id"] == me["authId"]
    assert me["email"].endswith("@example.com")
    del me["id"], me["authId"], me["email"]
    assert me == {
        "pubKey": "",
        "clientBalance": 0,
        "currentSpendPerHr": 0,
        "spendLimit": 80,
        "underBalance": False,
        "minBalance": 0,
        "notifyPodsStale": True,
        "notifyPodsGeneral": True,
        "notifyLowBalance": True,
        "serverlessDiscount": None,
        "maxServerlessConcurrency": podd.settings.limits.workers_quota,
        "isTeam": False,
        "flashApps": [],
        "savingsPlans": [],
        "dailyCharges": [],
        "datacenters": [{"id": "LOCAL-1"}],
    }


def test_lists_of_a_new_account_are_empty_never_null(podd: Served) -> None:
    lists = "pods endpoints networkVolumes podTemplates containerRegistryCreds secrets flashApps".split()
    selection = " ".join(f"{name} {{ id }}" for name in lists)
    assert podd.data(f"{{ myself {{ {selection} }} }}")["myself"] == {name: [] for name in lists}


def test_billing_is_empty_and_of_the_shape_clients_read(podd: Served) -> None:
    billing = podd.data(
        "{ myself { billing(input: {granularity: DAILY}) { gpuCloud { gpuTypeId time amount } cpuCloud"
        " { cpuFlavorId } serverless(input: {groupBy: ENDPOINT}) { amount } storage { amount }"
        " runpodEndpoint { amount } summary { gpuCloudAmount } } } }"
    )["myself"]["billing"]
    assert billing == {
        name: [] for name in "gpuCloud cpuCloud serverless storage runpodEndpoint summary".split()
    }


def test_the_keys_of_an_account_are_listed_without_themselves(podd: Served) -> None:
    keys = podd.data("{ myself { apiKeys { id name permissions createdAt lastUsed } } }")["myself"]["apiKeys"]
    assert [(key["name"], key["createdAt"], key["lastUsed"]) for key in keys] == [
        ("first key", "2023-11-14T22:13:20Z", None)
    ]
    assert podd.key not in str(keys)


def test_ssh_keys_are_replaced_as_a_whole(podd: Served) -> None:
    two = "ssh-ed25519 AAAA one\n\nssh-rsa BBBB two"
    saved = podd.data(UPDATE, {"input": {"pubKey": two}})["updateUserSettings"]
    assert saved["pubKey"] == two
    assert podd.data("{ myself { id pubKey } }")["myself"] == {"id": saved["id"], "pubKey": two}
    assert "SSH public key" in podd.error(UPDATE, {"input": {"pubKey": "not a key"}})["message"]
    assert podd.data("{ myself { pubKey } }")["myself"]["pubKey"] == two
    assert podd.data(UPDATE, {"input": {"pubKey": ""}})["updateUserSettings"]["pubKey"] == ""


def test_other_settings_are_kept_and_leave_the_keys_alone(podd: Served) -> None:
    podd.data(UPDATE, {"input": {"pubKey": "ssh-ed25519 AAAA me"}})
    podd.data(UPDATE, {"input": {"notifyPodsStale": False, "creditAlertThreshold": 2.5}})
    saved = podd.data(UPDATE, {"input": {"notifyOther": False}})["updateUserSettings"]
    del saved["id"]
    assert saved == {
        "pubKey": "ssh-ed25519 AAAA me",
        "notifyPodsStale": False,
        "notifyPodsGeneral": True,
        "notifyLowBalance": True,
        "notifyOther": False,
        "creditAlertThreshold": 2.5,
    }
    stranger = podd.data("{ myself { notifyOther } }", key=podd.account())
    assert stranger == {"myself": {"notifyOther": True}}


# Registry credentials


def test_credentials_are_listed_oldest_first_and_never_shown(podd: Served) -> None:
    made = []
    for name in ("b", "a", "c"):
        made.append({"id": save_auth(podd, name), "name": name})
        podd.clock.advance(seconds=1)
    assert podd.data(CREDS)["myself"]["containerRegistryCreds"] == made
    assert podd.data(CREDS, key=podd.account())["myself"]["containerRegistryCreds"] == []
    shown = podd.data("{ myself { containerRegistryCreds { registryAuth userId } id } }")["myself"]
    assert shown["containerRegistryCreds"] == [{"registryAuth": None, "userId": shown["id"]}] * 3


def test_a_credentials_name_is_taken_once_per_account(podd: Served) -> None:
    save_auth(podd, "hub")
    error = podd.error(SAVE_AUTH, {"name": "hub", "username": "x", "password": "y"})
    assert "'hub'" in error["message"]
    assert save_auth(podd, "hub", key=podd.account())
    empty = podd.error(SAVE_AUTH, {"name": "other", "username": "", "password": ""})
    assert empty["message"] == "username and password are required."


def test_a_credential_is_changed_by_its_owner(podd: Served) -> None:
    credential = save_auth(podd, "hub")
    change = {"id": credential, "username": "new", "password": "new"}
    assert podd.data(UPDATE_AUTH, change)["updateRegistryAuth"] == {"id": credential, "name": "hub"}
    unknown = podd.error(UPDATE_AUTH, {**change, "id": "abc"})
    assert unknown["message"] == "registry credential not found"
    assert podd.error(UPDATE_AUTH, change, key=podd.account()) == unknown
    assert "required" in podd.error(UPDATE_AUTH, {**change, "password": ""})["message"]


def test_a_changed_credential_is_what_images_are_pulled_with_from_then_on(podd: Served) -> None:
    image = "private/image:1"
    podd.engine.pullable.add(image)
    podd.engine.logins[image] = ("new", "other secret")
    credential = save_auth(podd, "hub")
    change = {"id": credential, "username": "new", "password": "other secret"}
    assert "other secret" not in str(podd.data(UPDATE_AUTH, change))
    pod_id = podd.create_pod(imageName=image, containerRegistryAuthId=credential)
    podd.settle()
    assert [podd.engine.spec(name).workload_id for name in podd.engine.running()] == [pod_id]


def test_a_credential_in_use_is_not_deleted(podd: Served) -> None:
    """dstack deletes all it finds until one fails: a success too many empties the account."""
    by_pod, by_template, free = (save_auth(podd, name) for name in ("pod", "template", "free"))
    pod_id = podd.create_pod(containerRegistryAuthId=by_pod)
    podd.create_template(name="t", containerRegistryAuthId=by_template)
    for credential in (by_pod, by_template):
        error = podd.error(DELETE_AUTH, {"id": credential})
        assert "in use" in error["message"]
        assert error["extensions"]["code"] == "RUNPOD"
    assert podd.data(DELETE_AUTH, {"id": free}) == {"deleteRegistryAuth": None}
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})
    podd.data('mutation { deleteTemplate(templateName: "t") }')
    for credential in (by_pod, by_template):
        assert podd.data(DELETE_AUTH, {"id": credential}) == {"deleteRegistryAuth": None}
    assert podd.data(CREDS)["myself"]["containerRegistryCreds"] == []


@pytest.mark.parametrize("wish", ["abc", "", None])
def test_an_unknown_credential_and_a_foreign_one_are_not_found(podd: Served, wish: str | None) -> None:
    assert podd.error(DELETE_AUTH, {"id": wish})["message"] == "registry credential not found"
    foreign = podd.error(DELETE_AUTH, {"id": save_auth(podd, "hub")}, key=podd.account())
    assert foreign["message"] == "registry credential not found"


# Secrets


def test_secrets_are_made_listed_and_deleted_and_their_values_never_shown(podd: Served) -> None:
    made = podd.data(CREATE_SECRET, {"input": {"name": "hf", "value": "s3cret"}})["secretCreate"]
    assert made == {"id": made["id"], "name": "hf", "description": ""}
    (listed,) = podd.data(SECRETS)["myself"]["secrets"]
    assert listed == {
        **made,
        "createdAt": "2023-11-14T22:13:20Z",
        "lastUpdatedAt": "2023-11-14T22:13:20Z",
    }
    assert podd.data(SECRETS, key=podd.account())["myself"]["secrets"] == []
    assert podd.data(DELETE_SECRET, {"id": made["id"]}) == {"secretDelete": None}
    assert podd.data(SECRETS)["myself"]["secrets"] == []


def test_a_secret_that_makes_no_sense_is_refused(podd: Served) -> None:
    for wish in ({"name": "a b", "value": "x"}, {"name": "", "value": "x"}, {"name": "a", "value": ""}):
        assert podd.error(CREATE_SECRET, {"input": wish})["extensions"]["code"] == "BAD_USER_INPUT"
    podd.data(CREATE_SECRET, {"input": {"name": "a", "value": "x", "description": "d"}})
    assert "'a'" in podd.error(CREATE_SECRET, {"input": {"name": "a", "value": "y"}})["message"]


def test_a_foreign_secret_is_as_good_as_none(podd: Served) -> None:
    made = podd.data(CREATE_SECRET, {"input": {"name": "a", "value": "x"}})["secretCreate"]
    foreign = podd.error(DELETE_SECRET, {"id": made["id"]}, key=podd.account())
    assert foreign == podd.error(DELETE_SECRET, {"id": "abc"})
    assert foreign["message"] == "secret not found"
    unknown = podd.error(
        "mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) { id } }",
        {
            "input": {
                "gpuTypeId": "NVIDIA RTX A6000",
                "imageName": "x",
                "env": [{"key": "A", "value": "{{ RUNPOD_SECRET_a }}"}],
            }
        },
        key=podd.account(),
    )
    assert "'a'" in unknown["message"]

"""/v2/account: SSH keys and secrets."""

import pytest

from tests.api.rest_v2.client import RestV2
from tests.api.served import Served

KEYS = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey ada@example.org",
    "ecdsa-sha2-nistp256 AAAAE2Vj",
    "sk-ssh-ed25519@openssh.com AAAAGnNr a key with a comment",
]


def test_keys_are_replaced_as_a_whole(api: RestV2) -> None:
    assert api.get("/account/ssh-keys") == {"keys": []}
    assert api.ask("PUT", "/account/ssh-keys", {"keys": KEYS}) == {"keys": KEYS}
    assert api.get("/account/ssh-keys") == {"keys": KEYS}
    assert api.ask("PUT", "/account/ssh-keys", {"keys": []}) == {"keys": []}


@pytest.mark.parametrize("key", ["", "rsa AAAA", "ssh-ed25519", "ssh-ed25519 AAAA\nssh-rsa BBBB"])
def test_a_line_that_is_no_key_is_refused(api: RestV2, key: str) -> None:
    problems = api.errors("PUT", "/account/ssh-keys", {"keys": [KEYS[0], key]})
    assert problems[0].startswith("$.keys[1]: ")


def test_a_secret_is_kept_and_its_value_never_shown(podd: Served, api: RestV2) -> None:
    made = api.post("/account/secrets", {"name": "hf", "value": "hush", "description": "a token"})
    assert made == {
        "id": made["id"],
        "name": "hf",
        "description": "a token",
        "createdAt": "2023-11-14T22:13:20Z",
        "valueLastUpdatedAt": "2023-11-14T22:13:20Z",
    }
    assert api.get(f"/account/secrets/{made['id']}") == made
    podd.clock.advance(seconds=1)
    changed = api.patch(f"/account/secrets/{made['id']}", {"value": "new"})
    assert changed["valueLastUpdatedAt"] == "2023-11-14T22:13:21Z"
    assert changed["description"] == "a token"
    api.pod(env={"TOKEN": "{{ RUNPOD_SECRET_hf }}"})
    podd.settle()
    assert dict(podd.engine.spec(podd.engine.running()[0]).env)["TOKEN"] == "new"
    api.delete(f"/account/secrets/{made['id']}")
    api.delete(f"/account/secrets/{made['id']}", expect=404)


def test_secrets_are_found_by_their_name(api: RestV2) -> None:
    for name in ("one", "two"):
        api.post("/account/secrets", {"name": name, "value": "x"})
    assert len(api.get("/account/secrets")["secrets"]) == 2
    assert [secret["name"] for secret in api.get("/account/secrets?name=two")["secrets"]] == ["two"]
    assert api.get("/account/secrets?name=three")["secrets"] == []


def test_a_taken_or_odd_name_is_refused(api: RestV2) -> None:
    api.post("/account/secrets", {"name": "one", "value": "x"})
    api.post("/account/secrets", {"name": "one", "value": "x"}, expect=409)
    api.post("/account/secrets", {"name": "o n e", "value": "x"}, expect=400)
    api.post("/account/secrets", {"name": "two", "value": ""}, expect=422)


def test_somebody_elses_secret_is_missing(podd: Served, api: RestV2) -> None:
    made = api.post("/account/secrets", {"name": "hf", "value": "hush"})
    other = RestV2(podd, podd.account())
    assert other.get("/account/secrets")["secrets"] == []
    other.get(f"/account/secrets/{made['id']}", expect=404)
    other.patch(f"/account/secrets/{made['id']}", {"value": "mine"}, expect=404)
    other.delete(f"/account/secrets/{made['id']}", expect=404)

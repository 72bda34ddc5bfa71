"""Accounts, their keys, and whose a presented key is."""

import pytest

from podd.domain.account import OPERATOR, Caller, CallerKind
from podd.domain.errors import Conflict, Forbidden, Invalid, NotFound
from podd.ids import DerivedKeys, key_hash
from podd.services import accounts, keys
from tests.services.lab import OPERATOR_KEY, Lab


def caller_of(lab: Lab, key: str) -> Caller | None:
    return lab.ask(accounts.caller_of, key, lab.podd.keys, lab.podd.operator_key_hash, lab.now)


def test_an_account_comes_with_a_key_that_is_known_from_then_on(lab: Lab) -> None:
    account, key, secret = lab.do(accounts.create, OPERATOR, " Grace@Example.ORG ", None, lab.now)
    assert (account.email, account.name) == ("grace@example.org", "grace")
    assert caller_of(lab, secret) == Caller(
        CallerKind.ACCOUNT, account_id=account.id, key_id=key.id, user_id=account.id
    )


def test_a_key_itself_is_nowhere_in_the_database(lab: Lab) -> None:
    *_, secret = lab.do(accounts.create, OPERATOR, "grace@example.org", None, lab.now)
    lab.podd.store.close()
    files = lab.settings.data_dir.glob("podd.sqlite3*")
    content = b"".join(file.read_bytes() for file in files)
    assert secret.encode() not in content
    assert key_hash(secret).encode() in content


def test_there_is_one_account_for_an_address(lab: Lab) -> None:
    with pytest.raises(Conflict, match=r"already an account for ada@example.org"):
        lab.account("ADA@example.org")


def test_what_is_no_address_makes_no_account(lab: Lab) -> None:
    with pytest.raises(Invalid):
        lab.account("ada")


def test_only_the_operator_makes_accounts(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        lab.do(accounts.create, lab.caller, "grace@example.org", None, lab.now)


@pytest.mark.parametrize("named", ["ada@example.org", " Ada@Example.org ", "id"])
def test_another_key_is_made_for_an_account_named_by_id_or_address(lab: Lab, named: str) -> None:
    named = lab.caller.account_id if named == "id" else named
    key, secret = lab.do(keys.create, OPERATOR, "laptop", lab.now, account=named)
    assert key.name == "laptop"
    found = caller_of(lab, secret)
    assert found is not None
    assert found.account_id == lab.caller.account_id


def test_no_key_is_made_for_an_account_nobody_knows(lab: Lab) -> None:
    with pytest.raises(NotFound, match="podd accounts create"):
        lab.do(keys.create, OPERATOR, None, lab.now, account="grace@example.org")


@pytest.mark.parametrize(
    "key", ["", "rpa_", "rpa_x", "rpa_x_y", "nonsense", "schlüssel", "rpa_é_é", "x" * 10_000]
)
def test_an_unknown_key_is_nobodys(lab: Lab, key: str) -> None:
    assert caller_of(lab, key) is None


def test_a_revoked_key_is_nobodys(lab: Lab) -> None:
    key, secret = lab.do(keys.create, OPERATOR, None, lab.now, account="ada@example.org")
    lab.do(keys.revoke, OPERATOR, key.id, lab.now)
    assert caller_of(lab, secret) is None


def test_the_operators_key_is_the_operators(lab: Lab) -> None:
    assert caller_of(lab, OPERATOR_KEY) == OPERATOR


def test_the_key_inside_a_container_is_that_workloads(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    inside = dict(lab.engine.spec(pod.workload.container_name).env)["RUNPOD_API_KEY"]
    assert caller_of(lab, inside) == Caller(
        CallerKind.WORKLOAD, account_id=lab.caller.account_id, workload_id=pod.id
    )


def test_the_key_inside_a_container_dies_with_its_workload(lab: Lab) -> None:
    pod = lab.pod()
    inside = lab.podd.keys.pod(pod.id)
    lab.terminate(pod)
    lab.settle()
    assert caller_of(lab, inside) is None


def test_a_key_of_another_installation_is_nobodys(lab: Lab) -> None:
    pod = lab.pod()
    assert caller_of(lab, DerivedKeys(b"another secret").pod(pod.id)) is None


def test_ssh_keys_are_given_to_containers(lab: Lab) -> None:
    key = "ssh-ed25519 AAAA ada"
    lab.do(accounts.set_ssh_keys, lab.caller, f"# mine\n{key}\n\n{key}\n")
    pod = lab.pod()
    lab.settle()
    assert dict(lab.engine.spec(pod.workload.container_name).env)["PUBLIC_KEY"] == key
    with pytest.raises(Invalid, match="not an SSH public key"):
        lab.do(accounts.set_ssh_keys, lab.caller, "hello")

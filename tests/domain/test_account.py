"""Who may do what: the whole table, cell by cell."""

import pytest

from podd.domain.account import (
    ANONYMOUS,
    OPERATOR,
    PERMISSIONS,
    Caller,
    CallerKind,
    checked_email,
    require,
    require_own,
)
from podd.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated

ACCOUNT = Caller(CallerKind.ACCOUNT, account_id="a", key_id="k")
INSIDE = Caller(CallerKind.WORKLOAD, account_id="a", workload_id="w")

FOR_PODS = {"pod.read", "pod.stop", "pod.terminate"}
FOR_OPERATORS = {
    "account.create",
    "account.link",
    "credit.post",
    "credit.read",
    "gpu.change",
    "gpu.read",
    "key.create",
    "machine.read",
    "secret.rotate",
}
FOR_ANYBODY = {"account.sign_up", "catalogue.read"}


@pytest.mark.parametrize("operation", PERMISSIONS)
def test_an_account_does_everything_but_what_is_the_operators(operation: str) -> None:
    if operation in FOR_OPERATORS:
        with pytest.raises(Forbidden):
            require(ACCOUNT, operation)
    else:
        require(ACCOUNT, operation)


@pytest.mark.parametrize("operation", PERMISSIONS)
def test_the_key_inside_a_container_can_look_at_it_and_end_it_and_no_more(operation: str) -> None:
    if operation in FOR_PODS | FOR_ANYBODY:
        require(INSIDE, operation)
    else:
        with pytest.raises(Forbidden):
            require(INSIDE, operation)


@pytest.mark.parametrize("operation", PERMISSIONS)
def test_without_a_key_one_reads_the_catalogue_signs_up_and_no_more(operation: str) -> None:
    if operation in FOR_ANYBODY:
        require(ANONYMOUS, operation)
    else:
        with pytest.raises(Unauthenticated):
            require(ANONYMOUS, operation)


@pytest.mark.parametrize("operation", sorted(FOR_OPERATORS))
def test_the_operator_does_the_operators_work(operation: str) -> None:
    require(OPERATOR, operation)


@pytest.mark.parametrize(
    ("caller", "account_id", "workload_id", "theirs"),
    [
        (ACCOUNT, "a", "w", True),
        (ACCOUNT, "b", "w", False),
        (INSIDE, "a", "w", True),
        (INSIDE, "a", "other", False),
        (INSIDE, "b", "w", False),
        (ANONYMOUS, "a", "w", False),
    ],
)
def test_what_is_somebody_elses_looks_like_missing(
    caller: Caller, account_id: str, workload_id: str, theirs: bool
) -> None:
    if theirs:
        require_own(caller, account_id, workload_id, "pod not found")
    else:
        with pytest.raises(NotFound, match=r"^pod not found$"):
            require_own(caller, account_id, workload_id, "pod not found")


def test_an_address_is_kept_in_lower_case() -> None:
    assert checked_email(" Ada@Example.ORG ") == "ada@example.org"


@pytest.mark.parametrize("email", ["", "ada", "@example.org", "ada@", "a b@example.org", "a@" + "x" * 253])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid, match=r"is not an e-mail address"):
        checked_email(email)

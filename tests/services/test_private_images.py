"""An image on this machine is not everybody's only because somebody has pulled it."""

import pytest

from podd.domain.account import Caller
from podd.domain.pod import Pod
from podd.ports import EngineError
from podd.services import registries
from podd.services.timekeeping import Timekeeper
from tests.services.lab import IMAGE, Lab


def credential(lab: Lab, caller: Caller, password: str = "hunter2", name: str = "mine") -> str:
    made = lab.do(registries.create, lab.podd, caller, name, "ada", password, lab.now)
    return made.id


def ends_up(lab: Lab, pod: Pod) -> str:
    """`running`, or why it does not."""
    lab.settle()
    found = lab.workload(pod.id)
    assert found is not None
    return "running" if found.container_name in lab.engine.running() else found.reason


@pytest.fixture
def private(lab: Lab) -> Lab:
    """The image needs a login, and a pod of the lab's account has pulled it with that."""
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    lab.engine.logins[IMAGE] = ("ada", "hunter2")
    pod = lab.pod(gpu_count=0, gpu_type_ids=(), registry_auth_id=credential(lab, lab.caller))
    assert ends_up(lab, pod) == "running"
    return lab


def pod(lab: Lab, caller: Caller, registry_auth_id: str = "") -> Pod:
    return lab.pod(caller, gpu_count=0, gpu_type_ids=(), registry_auth_id=registry_auth_id)


def test_another_account_needs_a_credential_of_its_own(private: Lab) -> None:
    eve = private.account("eve@example.org")
    assert "cannot be had" in ends_up(private, pod(private, eve))
    wrong = credential(private, eve, "guessed", "bad")
    said = ends_up(private, pod(private, eve, wrong))
    assert "'bad'" in said
    assert "guessed" not in said
    assert ends_up(private, pod(private, eve, credential(private, eve, name="good"))) == "running"


def test_its_own_account_needs_the_credential_as_well(private: Lab) -> None:
    assert "cannot be had" in ends_up(private, pod(private, private.caller))


def test_another_name_of_the_image_is_no_way_around(private: Lab) -> None:
    other = f"{IMAGE.partition(':')[0]}:other"
    private.engine.images.add(other)
    eve = private.account("eve@example.org")
    made = private.pod(eve, image=other, gpu_count=0, gpu_type_ids=())
    assert "cannot be had" in ends_up(private, made)


def test_who_has_shown_the_right_once_may_use_it_while_the_registry_is_away(private: Lab) -> None:
    own = private.ask(registries.listed, private.caller)[0].id
    private.engine.fail_next("check_access", EngineError("The registry is away."))
    assert ends_up(private, pod(private, private.caller, own)) == "running"


def test_who_has_not_waits_for_the_registry(private: Lab) -> None:
    eve = private.account("eve@example.org")
    private.engine.fail_next("check_access", EngineError("The registry is away."))
    waiting = pod(private, eve, credential(private, eve))
    assert ends_up(private, waiting) == "The registry is away."
    private.pass_time(seconds=2)
    assert ends_up(private, waiting) == "running"


def test_an_image_the_operator_put_here_is_for_all(lab: Lab) -> None:
    lab.engine.logins[IMAGE] = ("ada", "hunter2")
    assert ends_up(lab, pod(lab, lab.account("eve@example.org"))) == "running"
    assert "check_access" not in [call[0] for call in lab.engine.calls]


def test_pulling_what_is_here_for_all_under_another_name_takes_it_from_nobody(lab: Lab) -> None:
    """Else anybody could lock others out of an image by pulling a copy of it."""
    copy = f"{IMAGE.partition(':')[0]}:copy"
    lab.engine.pullable.add(copy)
    lab.engine.logins[copy] = ("ada", "hunter2")
    own = credential(lab, lab.caller)
    assert ends_up(lab, lab.pod(image=copy, gpu_count=0, gpu_type_ids=(), registry_auth_id=own)) == "running"
    eve = lab.account("eve@example.org")
    assert ends_up(lab, pod(lab, eve)) == "running"
    assert "cannot be had" in ends_up(lab, lab.pod(eve, image=copy, gpu_count=0, gpu_type_ids=()))


def test_a_pull_that_fails_does_not_make_the_name_private(lab: Lab) -> None:
    lab.engine.images.clear()
    wrong = credential(lab, lab.caller)
    assert "cannot be had" in ends_up(lab, pod(lab, lab.caller, wrong))
    lab.engine.images.add(IMAGE)
    assert ends_up(lab, pod(lab, lab.account("eve@example.org"))) == "running"


def test_a_clock_that_jumps_gives_up_no_start_before_its_time(lab: Lab) -> None:
    lab.engine.images.clear()
    waiting = lab.pod()
    for _ in range(3):
        lab.engine.fail_next("pull", EngineError("The registry is away."))
    lab.settle()
    keeper = Timekeeper(lab.podd)
    lab.clock.jump(hours=2)
    lab.run(keeper.tick())
    lab.settle()
    assert lab.look(waiting).workload.desired == "RUNNING"
    assert lab.claims() != {}


def test_a_pod_whose_registry_stays_away_gives_its_gpus_back(lab: Lab) -> None:
    lab.engine.images.clear()
    waiting = lab.pod()
    for _ in range(60):
        lab.engine.fail_next("pull", EngineError("The registry is away."))
    lab.settle()
    assert lab.claims() != {}
    for _ in range(30):
        lab.pass_time(seconds=120)
        lab.settle()
    assert lab.claims() == {}
    found = lab.look(waiting).workload
    assert found.desired == "FAILED"
    assert found.reason.startswith("The registry is away. podd gave up after 3")

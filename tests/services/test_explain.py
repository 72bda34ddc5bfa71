"""A pod explained, out of the books."""

from typing import Any

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import OUT_OF_STOCK, NoCapacity, NotFound
from podd.domain.gpu import GpuFault
from podd.ports import EngineError
from podd.services import explain, gpus
from tests.services.lab import DOLLAR, RTX4090, Lab

CENT = DOLLAR // 100


def explained(lab: Lab, pod_id: str, **how: Any) -> list[str]:
    return lab.ask(lambda db: explain.pod(db, lab.podd, OPERATOR, pod_id, lab.now, **how))


def test_a_stopped_pod_is_told_what_it_would_need_and_who_holds_it_in_counts(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    lab.stop(pod)
    lab.pod(gpu_count=1)

    sentences = lab.ask(lambda db: explain.pod(db, lab.podd, OPERATOR, pod.id, lab.now))

    assert sentences[0] == "It is stopped; nothing runs for it."
    assert any("1 held by on-demand pods" in sentence for sentence in sentences)
    assert any(sentence.startswith("It wants 50 GB of container disk") for sentence in sentences)


def test_an_unknown_pod_is_not_explained(lab: Lab) -> None:
    with pytest.raises(NotFound):
        lab.ask(lambda db: explain.pod(db, lab.podd, OPERATOR, "nobodysid12345", lab.now))


def test_a_pod_on_a_faulty_gpu_is_told(lab: Lab) -> None:
    pod = lab.pod()
    lab.do(gpus.note_fault, lab.podd, GpuFault(("g0",), "Xid 79", fatal=True), lab.now)
    sentences = lab.ask(lambda db: explain.pod(db, lab.podd, OPERATOR, pod.id, lab.now))
    assert "It is affected by GPU 0 (g0), which is unhealthy: Xid 79." in sentences


@pytest.mark.parametrize(
    ("wish", "short"),
    [
        (
            {"gpu_count": 3},
            "3 x NVIDIA RTX A6000 wanted, 0 free of 2; 1 held by on-demand pods, 1 held by spot pods",
        ),
        (
            {"bid": 30 * CENT},
            "1 x NVIDIA RTX A6000 wanted, 0 free of 2; 1 held by on-demand pods, 1 held by spot pods; "
            "spot pods there bid as much or more",
        ),
        (
            {"gpu_type_ids": (RTX4090,)},
            "1 x NVIDIA GeForce RTX 4090 wanted, 0 free of 1; 1 taken out of service",
        ),
        ({"gpu_type_ids": ("NVIDIA L4",)}, "1 x NVIDIA L4 wanted, this machine has none"),
        ({"min_memory": 63}, "At least 63 GB of memory wanted"),
        ({"min_memory": 900}, "900 GB of memory wanted, this machine has 64"),
        ({"min_vcpus": 99}, "99 vCPUs wanted, this machine has 16"),
        ({"cloud_type": "COMMUNITY"}, "COMMUNITY cloud wanted, this machine is SECURE"),
        ({"cuda_versions": ("11.8",)}, "another CUDA version wanted, the driver here has 12.4"),
    ],
)
def test_a_refusal_keeps_its_words_and_says_beside_them_what_is_short(
    lab: Lab, wish: dict[str, Any], short: str
) -> None:
    lab.pod()
    lab.pod(bid=30 * CENT)
    lab.do(gpus.cordon, OPERATOR, "g2", lab.now)
    stranger = lab.account("bob@example.com")
    with pytest.raises(NoCapacity) as refused:
        lab.pod(stranger, **wish)
    assert refused.value.message == OUT_OF_STOCK
    assert refused.value.short.startswith(short)


def test_a_pod_that_waits_for_its_gpu_is_told_that_a_container_is_stopping(lab: Lab) -> None:
    first = lab.pod(bid=30 * CENT, gpu_type_ids=(RTX4090,))
    lab.settle()
    second = lab.pod(gpu_type_ids=(RTX4090,))
    told = "The GPU is still held by a container that is stopping, and then this pod's."
    assert told in explained(lab, second.id)
    assert told not in explained(lab, first.id)
    lab.settle()
    assert explained(lab, second.id)[0] == "Its container runs."
    assert told not in explained(lab, second.id)


def test_an_engine_that_is_away_is_told(lab: Lab) -> None:
    pod = lab.pod()
    told = "The container engine does not answer: what runs goes on, nothing else starts or stops meanwhile."
    assert told in explained(lab, pod.id, engine_answers=False)
    assert told not in explained(lab, pod.id)


def test_a_registry_that_is_away_is_told_with_how_long_podd_tries(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add("registry/image:1")
    lab.engine.fail_next("pull", EngineError("registry/image:1 could not be pulled: no route to host"))
    pod = lab.pod(image="registry/image:1")
    lab.reconcile()
    lab.reconcile()
    sentences = explained(lab, pod.id)
    assert sentences[0].startswith("Its last start failed; the next try is in")
    assert "Reason: registry/image:1 could not be pulled: no route to host" in sentences
    assert "podd goes on trying for 30 min, then it gives up and the GPUs are free." in sentences
    lab.pass_time(seconds=60)
    lab.settle()
    assert explained(lab, pod.id)[0] == "Its container runs."
    assert not any("goes on trying" in sentence for sentence in explained(lab, pod.id))


def test_a_pod_larger_than_the_disk_that_is_left_is_told(lab: Lab) -> None:
    pod = lab.pod(disk=7)
    lab.stop(pod)
    told = [sentence for sentence in explained(lab, pod.id) if "container disk" in sentence]
    assert told[0].startswith("It wants 7 GB of container disk; ")
    assert told[0].endswith("GB of disk are not promised to others.")

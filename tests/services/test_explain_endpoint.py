"""Why an endpoint's jobs wait, out of the books."""

from typing import Any

import pytest

from podd.domain.account import OPERATOR, Caller
from podd.domain.endpoint import Endpoint
from podd.domain.errors import NotFound
from podd.services import explain_endpoint
from tests.fakes import Behaviour
from tests.services.lab import IMAGE, Lab


def explained(lab: Lab, endpoint: Endpoint, caller: Caller = OPERATOR) -> list[str]:
    return lab.ask(explain_endpoint.endpoint, lab.podd, caller, endpoint.id, lab.now)


def says(lab: Lab, endpoint: Endpoint, words: str) -> bool:
    return any(words in sentence for sentence in explained(lab, endpoint))


def waiting(lab: Lab, **wish: Any) -> Endpoint:
    """An endpoint with a job that waits."""
    endpoint = lab.endpoint(**wish)
    lab.submit(endpoint)
    lab.settle()
    return endpoint


def test_an_endpoint_without_jobs_has_nothing_to_wait_for(lab: Lab) -> None:
    assert explained(lab, lab.endpoint())[:2] == ["No job waits.", "It has no workers."]


def test_who_holds_the_gpus_is_told_in_counts(lab: Lab) -> None:
    lab.pod(gpu_count=2)
    endpoint = waiting(lab)
    lab.pass_time(seconds=3)
    assert explained(lab, endpoint)[0] == "1 job waits, the oldest for 3 s."
    assert says(lab, endpoint, "1 more workers are wanted and find no room")
    assert says(lab, endpoint, "0 of 2 are free (2 held by on-demand pods)")


def test_a_maximum_of_none(lab: Lab) -> None:
    assert says(lab, waiting(lab, workers_max=0), "maximum of workers is 0")


def test_a_crash_with_its_last_lines(lab: Lab) -> None:
    lab.engine.behaviours[("broken",)] = Behaviour(program=lambda c: c.say("no such module"), exit_code=1)
    endpoint = waiting(lab, template_id=lab.template(args="broken").id, workers_max=1)
    assert says(lab, endpoint, "exit 1. Last lines: no such module The next try is in 3600 s")


def test_an_image_that_is_being_pulled(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    endpoint = lab.endpoint()
    lab.submit(endpoint)
    with lab.engine.holding("pull"):
        lab.scale()
        lab.begin()
        lab.until(lambda: says(lab, endpoint, f"The image {IMAGE} is being pulled"))
    lab.settle()


def test_a_worker_that_loads(lab: Lab) -> None:
    assert says(lab, waiting(lab), "did not ask for a job yet")


def test_the_scalers_delay_and_the_maximum(lab: Lab) -> None:
    endpoint = waiting(lab, workers_max=2, scaler_value=4)
    worker = lab.worker(endpoint)
    lab.take_one(worker)
    lab.submit(endpoint)
    lab.settle()
    assert says(lab, endpoint, "has waited for 4 s: in 4 s")
    lab.change(endpoint, workers_max=1)
    assert says(lab, endpoint, "maximum of 1 allows are there")


def test_jobs_of_low_priority(lab: Lab) -> None:
    endpoint = lab.endpoint()
    lab.submit(endpoint, lowPriority=True)
    lab.settle()
    assert says(lab, endpoint, "Only jobs of low priority")


def test_a_foreign_endpoint_is_not_explained(lab: Lab) -> None:
    endpoint = lab.endpoint()
    assert explained(lab, endpoint, lab.caller)
    with pytest.raises(NotFound):
        explained(lab, endpoint, lab.account("eve@example.org"))


def test_either_a_pod_or_an_endpoint_can_be_named(lab: Lab) -> None:
    def ask(id: str) -> list[str]:
        return lab.ask(explain_endpoint.pod_or_endpoint, lab.podd, OPERATOR, id, lab.now)

    assert ask(lab.pod().id)
    assert ask(lab.endpoint().id)[0] == "No job waits."
    with pytest.raises(NotFound, match="no pod and no endpoint"):
        ask("nobodysid12345")


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"data_center_ids": "EU-RO-1, US-KS-2"}, "data center EU-RO-1, US-KS-2 wanted, this is LOCAL-1"),
        ({"cuda_versions": "11.8,12.8"}, "another CUDA version wanted, the driver here has 12.4"),
        ({"min_cuda_version": "13.0"}, "another CUDA version wanted, the driver here has 12.4"),
    ],
)
def test_an_endpoint_that_this_machine_does_not_fit_is_throttled_and_pushes_nobody_out(
    lab: Lab, wish: dict[str, Any], reason: str
) -> None:
    other = lab.endpoint(workers_min=2)
    endpoint = waiting(lab, workers_min=1, **wish)
    lab.pass_time(seconds=60)
    lab.settle()
    assert (lab.workers(endpoint), lab.see(endpoint).throttled) == ([], 1)
    assert len(lab.workers(other)) == 2
    assert says(lab, endpoint, f"This machine does not fit: {reason}.")
    lab.change(other, workers_min=0, workers_max=0)
    lab.change(endpoint, data_center_ids="local-1", cuda_versions="12.4", min_cuda_version="")
    lab.settle()
    assert len(lab.workers(endpoint)) == 1


def test_a_cuda_version_means_nothing_to_a_cpu_worker(lab: Lab) -> None:
    endpoint = waiting(lab, gpu_ids="", instance_ids="cpu3c-2-4", min_cuda_version="13.0")
    assert len(lab.workers(endpoint)) == 1

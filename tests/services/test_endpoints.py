"""Endpoints and their templates: whose they are, what is refused, and what releases a new version."""

from typing import Any

import pytest

from podd.domain.account import ANONYMOUS, Caller, CallerKind
from podd.domain.endpoint import Endpoint
from podd.domain.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from podd.domain.template import Template
from podd.services import endpoints, jobs, templates
from podd.services.platform import AUTOSCALE
from tests.services.conftest import NewLab
from tests.services.lab import IMAGE, RTX4090, Lab


def save(lab: Lab, template: Template, **values: Any) -> Template:
    return lab.do(templates.save, lab.podd, lab.caller, template.id, values, lab.now)


# Endpoints


def test_a_template_for_pods_is_refused_unless_the_endpoint_has_it_already(lab: Lab) -> None:
    template = lab.template(serverless=False)
    with pytest.raises(Invalid, match="serverless template"):
        lab.endpoint(template_id=template.id)
    before = lab.template()
    endpoint = lab.endpoint(template_id=before.id)
    save(lab, before, serverless=False)
    assert lab.change(endpoint, workers_max=5).workers_max == 5
    with pytest.raises(Invalid, match="serverless template"):
        lab.change(endpoint, template_id=template.id)


def test_a_new_endpoint_has_the_operators_defaults(new_lab: NewLab) -> None:
    lab = new_lab(workers_max=7, idle_timeout_seconds=9, execution_timeout_seconds=60)
    endpoint = lab.endpoint(name="mine")
    assert (endpoint.name, endpoint.version, endpoint.workers_min) == ("mine", 0, 0)
    assert (endpoint.workers_max, endpoint.idle_timeout_s, endpoint.execution_timeout_ms) == (7, 9, 60_000)
    assert lab.see(endpoint) == endpoint
    assert AUTOSCALE in lab.rung


def test_what_is_not_said_about_an_endpoint_stays_as_it_is(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=5, extras={"a": 1})
    changed = lab.change(endpoint, idle_timeout_s=60, extras={"b": 2})
    assert (changed.workers_max, changed.idle_timeout_s, changed.extras) == (5, 60, {"a": 1, "b": 2})
    assert changed.template_id == endpoint.template_id


@pytest.mark.parametrize(
    ("change", "released"),
    [
        ({"gpu_ids": "ADA_24"}, True),
        ({"gpu_ids": RTX4090}, True),
        ({"gpu_count": 2}, True),
        ({"gpu_ids": "AMPERE_48", "gpu_count": 1}, False),
        ({"name": "new name"}, False),
        ({"workers_min": 1, "workers_max": 9, "idle_timeout_s": 60, "scaler_value": 1}, False),
        ({"scaler": "REQUEST_COUNT"}, False),
        ({"execution_timeout_ms": 0}, False),
        ({"flash_boot": "FLASHBOOT"}, False),
        ({"data_center_ids": "EU"}, False),
        ({"cuda_versions": "12.4", "min_cuda_version": "12.1"}, False),
        ({}, False),
    ],
)
def test_a_new_version_is_released_by_other_gpus_only(
    lab: Lab, change: dict[str, Any], released: bool
) -> None:
    endpoint = lab.endpoint()
    assert lab.change(endpoint, **change).version == int(released)
    assert ("released" in lab.events(endpoint.id)) == released


def test_another_template_releases_a_new_version(lab: Lab) -> None:
    endpoint = lab.endpoint()
    assert lab.change(endpoint, template_id=endpoint.template_id).version == 0
    assert lab.change(endpoint, template_id=lab.template().id).version == 1


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"gpu_ids": ""}, "gpuIds"),
        ({"gpu_ids": "NO_SUCH_POOL"}, "gpuIds"),
        ({"gpu_ids": f"{RTX4090},-{RTX4090}"}, "gpuIds"),
        ({"name": "x"}, "name"),
        ({"workers_min": 4}, "workersMin"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_made(lab: Lab, wish: dict[str, Any], word: str) -> None:
    template = lab.template()
    with pytest.raises(Invalid, match=word):
        lab.endpoint(template_id=template.id, **wish)
    assert lab.ask(endpoints.listed, lab.caller) == []


def test_a_refused_change_changes_nothing(lab: Lab) -> None:
    endpoint = lab.endpoint()
    with pytest.raises(Invalid):
        lab.change(endpoint, name="new name", gpu_ids="NO_SUCH_POOL")
    assert lab.see(endpoint) == endpoint


def test_an_endpoint_can_name_gpus_this_machine_does_not_have(lab: Lab) -> None:
    """Its workers are throttled until there are some."""
    endpoint = lab.endpoint(gpu_ids="HOPPER_141", workers_min=1)
    lab.settle()
    assert lab.see(endpoint).throttled == 1


def test_a_foreign_endpoint_looks_like_a_missing_one(lab: Lab) -> None:
    endpoint = lab.endpoint()
    owner, lab.caller = lab.caller, lab.account("eve@example.org")
    for verb in (lab.see, lab.change):
        with pytest.raises(NotFound, match=r"^endpoint not found$"):
            verb(endpoint)
    with pytest.raises(NotFound, match=r"^endpoint not found$"):
        lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    with pytest.raises(NotFound, match="template not found"):
        lab.endpoint(template_id=endpoint.template_id)
    assert lab.ask(endpoints.listed, lab.caller) == []
    assert lab.ask(endpoints.listed, owner) == [endpoint]


def test_neither_nobody_nor_a_container_has_to_do_with_endpoints(lab: Lab) -> None:
    endpoint = lab.endpoint()
    inside = Caller(CallerKind.WORKLOAD, account_id=lab.caller.account_id, workload_id="w")
    for caller, error in ((ANONYMOUS, Unauthenticated), (inside, Forbidden)):
        with pytest.raises(error):
            lab.ask(endpoints.own, caller, endpoint.id)
        with pytest.raises(error):
            lab.ask(jobs.status, caller, endpoint.id, "job")


def test_a_deleted_endpoint_is_gone_with_its_jobs(lab: Lab) -> None:
    endpoint, other = lab.endpoint(), lab.endpoint(name="other")
    job, kept = lab.submit(endpoint), lab.submit(other)
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    for look in (lambda: lab.see(endpoint), lambda: lab.job(job)):
        with pytest.raises(NotFound, match="endpoint not found"):
            look()
    assert lab.job(kept) == kept


# Templates


def test_a_template_is_kept_as_it_was_written(lab: Lab) -> None:
    template = lab.template(
        name="mine", args="run it", ports="80/http", env={"A": "1"}, disk=5, volume=6, extras={"readme": "x"}
    )
    assert lab.ask(templates.own, lab.caller, template.id) == template
    assert (template.args, template.ports, template.env) == ("run it", "80/http", {"A": "1"})


def test_what_is_left_out_of_a_change_stays_as_it_is(lab: Lab) -> None:
    template = lab.template(args="run it", env={"A": "1"})
    changed = save(lab, template, env={"B": "2"})
    assert (changed.args, changed.env, changed.image) == ("run it", {"B": "2"}, IMAGE)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"name": " "}, "name"),
        ({"image": ""}, "imageName"),
        ({"args": "'"}, "dockerArgs"),
        ({"ports": "x"}, "ports"),
        ({"disk": 0}, "containerDiskInGb"),
        ({"volume": -1}, "volumeInGb"),
        ({"volume_path": "x"}, "volumeMountPath"),
        ({"env": {"1": ""}}, "env"),
    ],
)
def test_a_wrong_template_is_refused_by_its_field(lab: Lab, values: dict[str, Any], word: str) -> None:
    template = lab.template()
    with pytest.raises(Invalid, match=word):
        lab.template(**values)
    with pytest.raises(Invalid, match=word):
        save(lab, template, **values)
    assert lab.ask(templates.listed, lab.caller) == [template]


def test_a_name_is_taken_once_in_an_account(lab: Lab) -> None:
    first, second = lab.template(name="same"), lab.template(name="other")
    with pytest.raises(Conflict, match="already a template named 'same'"):
        lab.template(name="same")
    with pytest.raises(Conflict):
        save(lab, second, name="same")
    assert save(lab, first, name="same", args="x").args == "x"
    lab.caller = lab.account("eve@example.org")
    lab.template(name="same")


def test_a_foreign_template_looks_like_a_missing_one(lab: Lab) -> None:
    template = lab.template()
    lab.caller = lab.account("eve@example.org")
    with pytest.raises(NotFound, match="template not found"):
        save(lab, template, args="x")
    with pytest.raises(NotFound, match="template not found"):
        lab.ask(templates.own, lab.caller, template.id)
    assert lab.ask(templates.listed, lab.caller) == []


def versions(lab: Lab, made: list[Endpoint]) -> list[int]:
    return [lab.see(endpoint).version for endpoint in made]


def test_a_changed_template_releases_every_endpoint_made_from_it(lab: Lab) -> None:
    template, other = lab.template(), lab.template()
    made = [lab.endpoint(template_id=t.id) for t in (template, template, other)]
    save(lab, template, env={"NEW": "1"})
    assert versions(lab, made) == [1, 1, 0]


def test_saving_a_template_as_it_is_releases_nothing(lab: Lab) -> None:
    template = lab.template(args="run it", env={"A": "1"})
    made = [lab.endpoint(template_id=template.id)]
    save(lab, template, args="run it", env={"A": "1"}, image=IMAGE)
    assert versions(lab, made) == [0]


def test_a_template_in_use_is_not_deleted(lab: Lab) -> None:
    template = lab.template()
    endpoint = lab.endpoint(template_id=template.id)
    with pytest.raises(Conflict, match="in use by the endpoint"):
        lab.do(templates.delete, lab.caller, template.id)
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    lab.do(templates.delete, lab.caller, template.id)
    with pytest.raises(NotFound):
        lab.ask(templates.own, lab.caller, template.id)

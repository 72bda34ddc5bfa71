"""Images of endpoints are fetched when the endpoint is made or released, not when the first job waits."""

import pytest

from podd.domain.container import RegistryAuth
from podd.domain.endpoint import EndpointChange
from podd.ports import EngineError, ImageMissing
from podd.services import endpoints, explain_endpoint, registries, templates
from tests.services.conftest import NewLab
from tests.services.lab import IMAGE, Lab

OTHER = "test/other"


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    return registry(new_lab())


def registry(lab: Lab) -> Lab:
    """There is another image to be had."""
    lab.engine.pullable.add(OTHER)
    return lab


def explained(lab: Lab, endpoint_id: str) -> str:
    return " ".join(lab.ask(explain_endpoint.endpoint, lab.podd, lab.caller, endpoint_id, lab.now))


def test_a_new_endpoint_has_its_image_fetched_without_a_worker(lab: Lab) -> None:
    endpoint = lab.endpoint(template_id=lab.template(image=OTHER).id)
    lab.settle()
    assert lab.engine.has_image(OTHER)
    assert lab.see(endpoint).image_ready
    assert lab.workers(endpoint) == []


def test_a_release_fetches_the_new_image_with_the_templates_credential(lab: Lab) -> None:
    login = lab.do(registries.create, lab.podd, lab.caller, "hub", "ada", "secret", lab.now)
    template = lab.template()
    endpoint = lab.endpoint(template_id=template.id)
    lab.settle()
    changed = {"image": OTHER, "registry_auth_id": login.id}
    lab.do(templates.save, lab.podd, lab.caller, template.id, changed, lab.now)
    assert not lab.see(endpoint).image_ready
    lab.settle()
    assert lab.see(endpoint).image_ready
    assert lab.engine.pulled_with == [RegistryAuth("ada", "secret", "hub")]


def test_an_image_that_does_not_exist_is_told_and_looked_for_again_after_an_hour(lab: Lab) -> None:
    lab.engine.fail_next("pull", ImageMissing("no such image: test/other"))
    endpoint = lab.endpoint(template_id=lab.template(image=OTHER).id)
    lab.settle()
    assert "Its image is not here: no such image: test/other" in explained(lab, endpoint.id)
    assert "image" in lab.events(endpoint.id)
    pulls = lab.engine.asked.count("pull")
    lab.pass_time(seconds=3500)
    lab.settle()
    assert lab.engine.asked.count("pull") == pulls
    lab.pass_time(seconds=101)
    lab.settle()
    assert lab.see(endpoint).image_ready
    assert "not here:" not in explained(lab, endpoint.id).split("Earlier")[0]


def test_a_change_of_the_image_is_looked_at_at_once_whatever_was_before(lab: Lab) -> None:
    lab.engine.fail_next("pull", ImageMissing("no such image"))
    template = lab.template(image=OTHER)
    endpoint = lab.endpoint(template_id=template.id)
    lab.settle()
    lab.do(templates.save, lab.podd, lab.caller, template.id, {"image": IMAGE}, lab.now)
    lab.settle()
    assert lab.see(endpoint).image_ready


def test_a_pull_that_broke_off_is_tried_again_soon(lab: Lab) -> None:
    lab.engine.fail_next("pull", EngineError("the registry is away"))
    endpoint = lab.endpoint(template_id=lab.template(image=OTHER).id)
    lab.settle()
    assert lab.see(endpoint).image_trouble == "the registry is away"
    lab.pass_time(seconds=2)
    lab.settle()
    after = lab.see(endpoint)
    assert (after.image_ready, after.image_trouble) == (True, "")


def test_an_endpoint_that_may_have_no_workers_fetches_nothing_until_it_may(lab: Lab) -> None:
    endpoint = lab.endpoint(template_id=lab.template(image=OTHER).id, workers_max=0)
    lab.settle()
    assert "pull" not in lab.engine.asked
    change = EndpointChange(workers_max=1)
    lab.do(endpoints.save, lab.podd, lab.caller, endpoint.id, change, lab.now)
    lab.settle()
    assert lab.see(endpoint).image_ready


def test_the_operator_can_leave_images_to_the_first_worker(new_lab: NewLab) -> None:
    lab = registry(new_lab(warm_up_images=False))
    endpoint = lab.endpoint(template_id=lab.template(image=OTHER).id)
    lab.settle()
    assert "pull" not in lab.engine.asked
    lab.submit(endpoint)
    lab.settle()
    assert lab.see(endpoint).image_ready

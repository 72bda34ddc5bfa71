"""The cache of models that an account's endpoints share: promised, mounted, counted and removed."""

from dataclasses import replace
from typing import Any

import pytest

from podd.domain.container import Mount
from podd.domain.endpoint import Endpoint
from podd.domain.errors import Conflict, NoCapacity, NotAvailable
from podd.services import capacity, endpoints, launch, model_caches
from podd.store import model_caches as rows
from tests.services.conftest import NewLab
from tests.services.lab import HOST, Lab

MODEL = "Qwen/Qwen2.5-0.5B"
AT = "/runpod-volume/huggingface-cache"


def tend(lab: Lab) -> None:
    lab.run(model_caches.tick(lab.podd, lab.volumes, lab.now))


def with_model(lab: Lab, **wish: Any) -> Endpoint:
    return lab.endpoint(**{"model": MODEL, "workers_min": 1, "workers_max": 1, **wish})


def mounts(lab: Lab, endpoint: Endpoint) -> dict[str, str]:
    workload = lab.worker(endpoint).workload
    found: tuple[Mount, ...] = lab.ask(launch.spec, lab.podd, workload).mounts
    return {mount.target: mount.source for mount in found}


def env(lab: Lab, endpoint: Endpoint) -> dict[str, str]:
    return dict(lab.ask(launch.spec, lab.podd, lab.worker(endpoint).workload).env)


def delete(lab: Lab, endpoint: Endpoint) -> None:
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    lab.settle()


def test_endpoints_of_an_account_share_one_cache_and_other_accounts_have_their_own(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    one, two, without = with_model(lab), with_model(lab, model="a/b"), with_model(lab, model="")
    mine, lab.caller = lab.caller, lab.account("bob@example.org")
    other = with_model(lab)
    lab.settle()
    theirs = mounts(lab, other)[AT]
    lab.caller = mine
    assert (
        mounts(lab, one)[AT] == mounts(lab, two)[AT] == str(model_caches.directory(lab.podd, mine.account_id))
    )
    assert theirs != mounts(lab, one)[AT]
    assert AT not in mounts(lab, without)
    assert env(lab, one)["HF_HUB_CACHE"] == f"{AT}/hub"
    assert "HF_HUB_CACHE" not in env(lab, without)
    assert lab.volumes.sizes[model_caches.directory(lab.podd, mine.account_id)] == 100


def test_what_one_worker_has_loaded_is_there_for_the_next(lab: Lab) -> None:
    endpoint = with_model(lab)
    lab.settle()
    directory = model_caches.directory(lab.podd, lab.caller.account_id)
    (directory / "loaded").touch()
    delete(lab, endpoint)
    again = with_model(lab)
    lab.settle()
    assert mounts(lab, again)[AT] == str(directory)
    assert (directory / "loaded").exists()


def test_an_endpoint_may_have_its_own_place_for_models(lab: Lab) -> None:
    endpoint = with_model(lab, template_id=lab.template(env={"HF_HUB_CACHE": "/mine"}).id)
    lab.settle()
    assert env(lab, endpoint)["HF_HUB_CACHE"] == "/mine"


def test_a_cache_counts_as_disk_once_for_each_account(new_lab: NewLab) -> None:
    lab = new_lab(host=replace(HOST, disk=250), model_cache_gb=150, container_disk_gb=5)
    before = lab.ask(capacity.disk_left, lab.podd).disk
    with_model(lab, workers_min=0)
    with_model(lab, workers_min=0)
    assert lab.ask(capacity.disk_left, lab.podd).disk == before - 150
    lab.caller = lab.account("bob@example.org")
    with pytest.raises(NoCapacity, match="150 GB more are wanted"):
        with_model(lab)
    assert lab.ask(endpoints.listed, lab.caller) == []


def test_no_cache_where_the_operator_has_none(new_lab: NewLab) -> None:
    with pytest.raises(NotAvailable, match="switched model caches off"):
        with_model(new_lab(model_cache_gb=0))


def test_a_cache_that_nothing_uses_for_long_is_removed(new_lab: NewLab) -> None:
    lab = new_lab(model_cache_unused_days=2)
    endpoint = with_model(lab)
    lab.settle()
    directory = model_caches.directory(lab.podd, lab.caller.account_id)
    lab.pass_time(days=9)
    tend(lab)
    assert directory.exists()
    delete(lab, endpoint)
    lab.pass_time(days=1.9)
    tend(lab)
    assert directory.exists()
    lab.pass_time(days=0.2)
    tend(lab)
    assert not directory.exists()
    assert lab.ask(rows.promised) == 0


def test_a_cache_that_cannot_be_removed_stays_promised_and_is_tried_again(new_lab: NewLab) -> None:
    lab = new_lab(model_cache_unused_days=1)
    endpoint = with_model(lab)
    lab.settle()
    delete(lab, endpoint)
    lab.pass_time(days=2)
    lab.volumes.fails = "busy"
    tend(lab)
    assert lab.ask(rows.promised) == 100
    assert "could not be removed: busy" in lab.ask(rows.in_trouble)[0]
    with pytest.raises(Conflict, match="try again"):
        with_model(lab)
    lab.volumes.fails = ""
    lab.pass_time(hours=1)
    tend(lab)
    assert (lab.ask(rows.promised), lab.ask(rows.in_trouble)) == (0, [])
    assert with_model(lab).model == MODEL

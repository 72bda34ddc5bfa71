"""Webhooks of a real daemon with real workers, to a real receiver; and through a kill of the daemon."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import NewDaemon
from tests.receiver import Receiver, receiving
from tests.waiting import eventually

WEBHOOKS = {"allow": ["127.0.0.0/8"], "pause_seconds": 0.2}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_60_61_62_ends_are_told_and_a_refusal_is_tried_three_times(
    new_daemon: NewDaemon, receiver: Receiver
) -> None:
    daemon = new_daemon(settings={"webhooks": WEBHOOKS}).start()
    endpoint_id = daemon.create_endpoint("ready", workersMin=1, workersMax=1)
    receiver.answers = [500, 500, 200]
    job_id = daemon.run(endpoint_id, {"return": {"a": 1}}, webhook=receiver.url)
    eventually(lambda: len(receiver.heard) == 3)
    told = receiver.heard[-1]
    assert told == receiver.heard[0]
    assert (told["id"], told["status"], told["output"]) == (job_id, "COMPLETED", {"a": 1})
    assert (told["input"], told["webhook"]) == ({"return": {"a": 1}}, receiver.url)
    assert {"delayTime", "executionTime"} <= told.keys()

    job_id = daemon.run(endpoint_id, {"raise": "no luck"}, webhook=receiver.url)
    eventually(lambda: len(receiver.heard) == 4)
    assert (receiver.heard[-1]["id"], receiver.heard[-1]["status"]) == (job_id, "FAILED")
    assert "no luck" in receiver.heard[-1]["error"]
    assert "s3cret" not in daemon.log_text(), "URLs of webhooks hold secrets"


def test_64_what_was_not_told_when_podd_was_killed_is_told_by_the_next(
    new_daemon: NewDaemon, receiver: Receiver
) -> None:
    daemon = new_daemon(settings={"webhooks": WEBHOOKS}).start()
    endpoint_id = daemon.create_endpoint("ready", workersMin=1, workersMax=1)
    receiver.answers = [None, 200]
    job_id = daemon.run(endpoint_id, {"return": 1}, webhook=receiver.url)
    eventually(lambda: receiver.heard)
    daemon.kill()
    daemon.start()
    eventually(lambda: len(receiver.heard) == 2)
    assert [told["id"] for told in receiver.heard] == [job_id, job_id]


def test_a_webhook_that_is_no_url_is_refused_with_its_job(new_daemon: NewDaemon) -> None:
    daemon = new_daemon().start()
    endpoint_id = daemon.create_endpoint("ready")
    answer = daemon.http("POST", f"/v2/{endpoint_id}/run", json={"input": 1, "webhook": "ftp://x"})
    assert answer.status_code == 400
    assert "webhook must be" in answer.json()["error"]
    assert daemon.health(endpoint_id)["jobs"]["inQueue"] == 0

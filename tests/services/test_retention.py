"""What happened is remembered for a while, and not more of it than anybody reads."""

from podd.services import endpoints, retention
from podd.store import events
from tests.services.conftest import NewLab
from tests.services.lab import Lab

DAY = 86_400


def note(lab: Lab, subject: str, number: int, kind: str = "pulling") -> None:
    for n in range(number):
        lab.do(events.add, subject, kind, f"{kind} {n}", lab.now)


def forget(lab: Lab) -> None:
    lab.run(retention.tick(lab.podd, lab.now))


def test_old_events_are_forgotten_and_later_ones_are_not(new_lab: NewLab) -> None:
    lab = new_lab(event_retention_seconds=30 * DAY)
    pod = lab.pod()
    lab.pass_time(days=29)
    note(lab, pod.id, 2, "later")
    lab.pass_time(days=2)
    forget(lab)
    assert lab.events(pod.id) == ["later", "later"]


def test_events_of_what_is_gone_are_forgotten_as_well(new_lab: NewLab) -> None:
    lab = new_lab(event_retention_seconds=DAY)
    pod = lab.pod()
    lab.settle()
    lab.terminate(pod)
    lab.settle()
    lab.pass_time(days=2)
    forget(lab)
    assert lab.events(pod.id) == []


def test_the_last_events_of_each_are_kept_where_there_are_too_many(new_lab: NewLab) -> None:
    lab = new_lab(events_per_subject=3)
    note(lab, "many", 8)
    note(lab, "few", 2)
    forget(lab)
    assert [event.text for event in lab.ask(events.of, "many")] == [f"pulling {n}" for n in (5, 6, 7)]
    assert len(lab.events("few")) == 2


def test_however_many_there_are_each_transaction_forgets_a_few(new_lab: NewLab) -> None:
    lab = new_lab(events_per_subject=1, event_retention_seconds=30 * DAY)
    note(lab, "many", retention.BATCH + 10)
    assert lab.do(retention.forget, lab.podd, lab.now) == retention.BATCH
    assert len(lab.ask(events.of, "many")) == 10
    forget(lab)
    assert len(lab.ask(events.of, "many")) == 1
    assert lab.do(retention.forget, lab.podd, lab.now) == 0


def test_an_endpoint_keeps_its_releases_until_it_is_deleted(new_lab: NewLab) -> None:
    lab = new_lab(event_retention_seconds=DAY, events_per_subject=1)
    endpoint = lab.endpoint()
    lab.change(endpoint, gpu_count=2)
    told = lab.events(endpoint.id)
    assert set(told) == {"created", "released"}
    lab.pass_time(days=2)
    forget(lab)
    assert lab.events(endpoint.id) == told
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    lab.settle()
    forget(lab)
    assert not set(lab.events(endpoint.id)) & {"created", "released"}

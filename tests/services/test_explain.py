"""A pod explained, out of the books."""

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import NotFound
from podd.services import explain
from tests.services.lab import Lab


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

"""/metrics: what it tells, whom, and that the dashboard and the alerts ask for what there is."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from podd.instruments import OTHER, EndpointNames
from tests.api.conftest import NewPodd
from tests.api.served import OPERATOR_KEY, Served

CONFIG = Path(__file__).parents[2] / "config"


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_operator_reads_it_by_the_socket_and_with_the_key(podd: Served) -> None:
    assert podd.local.get("/metrics").status_code == 200
    with podd.client(OPERATOR_KEY) as operator:
        assert operator.get("/metrics").status_code == 200


def test_users_and_strangers_do_not_read_it(podd: Served) -> None:
    assert podd.http.get("/metrics").status_code == 403
    with podd.client("") as stranger, podd.client("wrong") as guess:
        assert stranger.get("/metrics").status_code == 401
        assert guess.get("/metrics").status_code == 401


def test_a_token_of_its_own_lets_prometheus_in_and_nowhere_else(new_podd: NewPodd, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("scrape\n")
    podd = new_podd(settings={"metrics": {"token_file": str(tmp_path / "token")}})
    with podd.client("scrape") as prometheus:
        assert prometheus.get("/metrics").status_code == 200
        assert prometheus.get("/operator/v1/machine").status_code == 401


def test_networks_that_are_allowed_need_no_token(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"metrics": {"allow": ["127.0.0.0/8"]}})
    with podd.client("") as anybody:
        assert anybody.get("/metrics").status_code == 200


def test_it_counts_requests_commits_gpus_and_pods(podd: Served) -> None:
    podd.http.get("/v1/pods")
    found = samples(podd.local.get("/metrics").text)
    ok = frozenset({("surface", "rest_v1"), ("code", "2xx")})
    assert found["podd_http_request_seconds_count", ok] >= 1
    assert found["podd_writer_commit_seconds_count", frozenset()] >= 1
    assert sum(name == "podd_gpu_healthy" for name, _ in found) == len(podd.settings.gpus.simulated) + 1
    assert found["podd_engine_up", frozenset()] == 1


def test_labels_of_endpoints_are_bounded_and_stay() -> None:
    names = EndpointNames(2)
    assert [names.label(id) for id in "abcab"] == ["a", "b", OTHER, "a", "b"]


@pytest.mark.parametrize("file", ["grafana-dashboard.json", "alerts.yml"])
def test_dashboard_and_alerts_ask_only_for_what_there_is(podd: Served, file: str) -> None:
    text = (CONFIG / file).read_text()
    page = podd.local.get("/metrics").text
    families = set(re.findall(r"^# TYPE (\S+) ", page, re.MULTILINE))
    asked = set(re.findall(r"\bpodd_[a-z_]+", text))
    assert asked, "it asks for nothing"
    known = families | {f"{name}_{part}" for name in families for part in ("bucket", "sum", "count")}
    assert asked - known == set()


def test_every_panel_has_a_question() -> None:
    panels = json.loads((CONFIG / "grafana-dashboard.json").read_text())["panels"]
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({panel["id"] for panel in panels}) == len(panels)

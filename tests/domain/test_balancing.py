"""Which worker gets a request, and where workers listen."""

import pytest

from podd.domain.balancing import Affinity, Bond, Health, Service, choose


@pytest.mark.parametrize(
    ("env", "service"),
    [
        ({}, Service(80, 80, "/ping")),
        ({"PORT": "8000"}, Service(8000, 8000, "/ping")),
        ({"PORT": "8000", "PORT_HEALTH": "9000"}, Service(8000, 9000, "/ping")),
        ({"HEALTH_CHECK_PATH": "health"}, Service(80, 80, "/health")),
        ({"PORT": "x", "PORT_HEALTH": "70000", "HEALTH_CHECK_PATH": " "}, Service(80, 80, "/ping")),
    ],
)
def test_a_worker_listens_where_its_environment_says(env: dict[str, str], service: Service) -> None:
    assert Service.of(env) == service
    assert Service.of(service.env) == service


@pytest.mark.parametrize(
    ("status", "health"),
    [
        (200, Health.HEALTHY),
        (204, Health.INITIALIZING),
        (500, Health.UNHEALTHY),
        (404, Health.UNHEALTHY),
        (302, Health.UNHEALTHY),
        (None, Health.UNHEALTHY),
    ],
)
def test_only_200_is_healthy(status: int | None, health: Health) -> None:
    assert Health.told_by(status) is health


@pytest.mark.parametrize(
    ("header", "affinity"),
    [
        ("", None),
        ("abc", Affinity("abc")),
        ("strict abc", Affinity("abc", Bond.STRICT)),
        ("Strict  abc ", Affinity("abc", Bond.STRICT)),
        ("strict-resume abc", Affinity("abc", Bond.RESUME)),
        ("loose abc", None),
        ("strict abc def", None),
        ("a/b", None),
    ],
)
def test_a_header_names_a_worker(header: str, affinity: Affinity | None) -> None:
    assert Affinity.parse(header) == affinity


@pytest.mark.parametrize(
    ("affinity", "chosen"),
    [
        (None, "b"),
        (Affinity("a"), "a"),
        (Affinity("gone"), "b"),
        (Affinity("a", Bond.STRICT), "a"),
        (Affinity("gone", Bond.STRICT), None),
        (Affinity("gone", Bond.RESUME), None),
    ],
)
def test_the_wanted_worker_or_the_one_with_the_fewest_requests(
    affinity: Affinity | None, chosen: str | None
) -> None:
    busy = {"a": 3, "b": 1, "c": 1}
    assert choose(busy, busy.__getitem__, affinity) == chosen


def test_nobody_is_chosen_when_nobody_is_there() -> None:
    assert choose([], lambda _: 0, None) is None

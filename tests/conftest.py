"""For all tests: properties are about results, not about how long a busy machine takes to find them.

tests/run makes two parts of them, since those that look at a whole Docker Engine cannot run side by side.
"""

import pytest
from hypothesis import settings

settings.register_profile("podd", deadline=None)
settings.load_profile("podd")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--part",
        choices=["engine", "rest"],
        help="only tests that want a Docker Engine to themselves, or the rest",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    part = config.getoption("--part")
    if part is None:
        return
    wanted = [item for item in items if _needs_engine(item) == (part == "engine")]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    items[:] = wanted


def _needs_engine(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("docker", "install"))

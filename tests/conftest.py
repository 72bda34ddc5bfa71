"""The tests run on several cores at once (pytest-xdist): which of them have to keep together."""

import pytest

APART = ("e2e", "install")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Docker tests share an engine and a firewall, which some of them look at as a whole: one after the other.
    What starts daemons stays with its file, whose fixtures are dear. All others go where there is room."""
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.xdist_group("docker"))
        elif any(item.get_closest_marker(name) for name in APART):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))

"""REST v1 of a podd of the test's own."""

import pytest

from tests.api.rest_v1.asking import V1
from tests.api.served import Served


@pytest.fixture
def v1(podd: Served) -> V1:
    return V1(podd)


@pytest.fixture
def stranger(podd: Served) -> V1:
    """Another account on the same podd."""
    return V1(podd, podd.account())

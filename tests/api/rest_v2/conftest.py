import pytest

from tests.api.rest_v2.client import RestV2
from tests.api.served import Served


@pytest.fixture
def api(podd: Served) -> RestV2:
    """The first account's calls of REST v2."""
    return RestV2(podd)

"""What an installation is, over its starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from podd import ids
from podd.installation import DaemonError, identify, only_daemon
from podd.store.db import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "podd.sqlite3")
    yield store
    store.close()


async def test_an_installation_is_the_same_at_every_start(store: Store, tmp_path: Path) -> None:
    first = await identify(store, tmp_path)

    assert await identify(store, tmp_path) == first
    assert first.engine is None


async def test_the_operators_key_is_in_a_file_for_its_owner_alone(store: Store, tmp_path: Path) -> None:
    identity = await identify(store, tmp_path)
    key_file = tmp_path / "operator.key"

    assert ids.key_hash(key_file.read_text().strip()) == identity.operator_key_hash
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600


async def test_an_operator_who_took_the_key_away_is_not_given_another(store: Store, tmp_path: Path) -> None:
    before = await identify(store, tmp_path)
    (tmp_path / "operator.key").unlink()

    assert (await identify(store, tmp_path)).operator_key_hash == before.operator_key_hash
    assert not (tmp_path / "operator.key").exists()


async def test_a_lost_secret_is_not_replaced_in_silence(store: Store, tmp_path: Path) -> None:
    await identify(store, tmp_path)
    (tmp_path / "secret.key").unlink()

    with pytest.raises(DaemonError, match="is missing"):
        await identify(store, tmp_path)


def test_a_data_directory_has_one_daemon(tmp_path: Path) -> None:
    with only_daemon(tmp_path), pytest.raises(DaemonError, match="Another podd"), only_daemon(tmp_path):
        pass

"""Ids and keys: their forms, and that derived keys fit one thing only."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd import ids
from podd.ids import DerivedKeys

KEYS = DerivedKeys(b"secret of the installation")


@pytest.mark.parametrize("length", [10, 14, 25])
def test_an_id_is_small_letters_and_digits(length: int) -> None:
    assert re.fullmatch(f"[a-z0-9]{{{length}}}", ids.new_id(length))


def test_ids_and_keys_do_not_repeat() -> None:
    for make in (ids.new_id, ids.account_id, ids.api_key, ids.operator_key, lambda: ids.job_id(False)):
        assert len({make() for _ in range(200)}) == 200


def test_a_job_id_is_safe_in_a_url_and_tells_how_it_was_sent() -> None:
    assert re.fullmatch(r"[0-9a-f-]{36}-u1", ids.job_id(sync=False))
    assert re.fullmatch(r"sync-[0-9a-f-]{36}-u1", ids.job_id(sync=True))


def test_no_id_of_an_endpoint_can_be_a_word_of_the_control_plane() -> None:
    """New ids are compared with these; none is of the form of a job's or an account's id."""
    assert {"pods", "serverless", "flash", "templates", "openapi.json"} <= ids.RESERVED
    assert all(word == word.lower() for word in ids.RESERVED)


def test_an_api_key_has_runpods_form() -> None:
    assert re.fullmatch(r"rpa_[0-9A-F]{40}", ids.api_key())


def test_only_the_hash_of_a_key_is_kept_and_it_is_the_same_each_time() -> None:
    key = ids.api_key()
    assert ids.key_hash(key) == ids.key_hash(key) != key
    assert ids.key_hash(key) != ids.key_hash(key + "x")
    assert re.fullmatch(r"[0-9a-f]{64}", ids.key_hash("schlüssel"))


def test_a_workers_key_is_for_one_generation_of_one_worker() -> None:
    keys = {KEYS.worker(worker, generation) for worker in ("w1", "w2") for generation in (1, 2, 11)}
    assert len(keys) == 6
    assert KEYS.worker("w1", 1) == DerivedKeys(b"secret of the installation").worker("w1", 1)
    assert KEYS.worker("w1", 1) != DerivedKeys(b"another secret").worker("w1", 1)


def test_a_pods_key_leads_back_to_its_pod() -> None:
    key = KEYS.pod("abc123")
    assert key.startswith("rpa_abc123_")
    assert KEYS.pod_of(key) == "abc123"


def test_keys_of_one_purpose_do_not_serve_another() -> None:
    assert KEYS.pod_of(f"rpa_w1_{KEYS.worker('w1', 1)}") is None
    assert (
        len({KEYS.host_suffix("w1"), KEYS.jupyter_password("w1"), KEYS.pod("w1"), KEYS.worker("w1", 1)}) == 4
    )


@pytest.mark.parametrize(
    "key",
    [
        "",
        "rpa_",
        "rpa__",
        "rpa_x",
        "rpa_x_",
        "rpa_x_y_z",
        "rpa_é_ü",
        pytest.param(ids.api_key(), id="account's"),
    ],
)
def test_what_is_no_pods_key_leads_nowhere(key: str) -> None:
    assert KEYS.pod_of(key) is None


@given(st.integers(0, 60), st.characters())
def test_a_key_with_any_letter_changed_leads_nowhere(place: int, letter: str) -> None:
    key = KEYS.pod("abc123")
    place %= len(key)
    forged = key[:place] + letter + key[place + 1 :]
    assert KEYS.pod_of(forged) == ("abc123" if forged == key else None)


def test_a_host_suffix_is_short_stable_and_not_told_by_the_id() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}", KEYS.host_suffix("abc"))
    assert KEYS.host_suffix("abc") == KEYS.host_suffix("abc") != KEYS.host_suffix("abd")
    assert KEYS.host_suffix("abc") != DerivedKeys(b"other").host_suffix("abc")

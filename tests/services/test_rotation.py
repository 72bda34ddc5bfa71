"""A new key for what is sealed: nothing is lost wherever podd ends, and the old key is of no use after."""

import pytest

from podd.domain.account import OPERATOR, Caller
from podd.domain.errors import Forbidden
from podd.installation import sealing_keys, write_sealing_keys
from podd.sealing import SealBroken, Sealer
from podd.services import registries, rotation, secrets
from podd.store import sealed
from podd.store import secrets as rows
from tests.services.lab import SECRET, Lab


@pytest.fixture
def kept(lab: Lab) -> Lab:
    """A secret and a registry credential are kept."""
    lab.do(secrets.create, lab.podd, lab.caller, "token", "hunter2", "", lab.now)
    lab.do(registries.create, lab.podd, lab.caller, "hub", "ada", "hunter3", lab.now)
    return lab


def rotated(lab: Lab, caller: Caller = OPERATOR) -> rotation.Rotated:
    result: rotation.Rotated = lab.run(rotation.rotate(lab.podd, caller))
    return result


def value(lab: Lab) -> str:
    pod = lab.pod(env=(("TOKEN", "{{ RUNPOD_SECRET_token }}"),), gpu_count=0, gpu_type_ids=())
    lab.settle()
    return dict(lab.engine.spec(pod.workload.container_name).env)["TOKEN"]


def test_everything_is_sealed_with_the_new_key_and_still_opens(kept: Lab) -> None:
    assert kept.ask(sealed.key_names) == {"k1"}
    done = rotated(kept)
    assert done.count == 2
    assert kept.ask(sealed.key_names) == {done.key}
    assert value(kept) == "hunter2"
    file = kept.settings.data_dir / "sealing.keys"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_is_kept_later_is_sealed_with_the_new_key(kept: Lab) -> None:
    done = rotated(kept)
    made = kept.do(secrets.create, kept.podd, kept.caller, "more", "hunter4", "", kept.now)
    assert kept.ask(rows.sealed_value, made.id).startswith(f"{done.key}:")


def test_the_old_key_is_gone_after_the_next_rotation(kept: Lab) -> None:
    first = rotated(kept)
    old = sealing_keys(kept.settings.data_dir)
    second = rotated(kept)
    assert list(old) == [first.key]
    assert list(sealing_keys(kept.settings.data_dir)) == [second.key]
    secret = kept.ask(secrets.listed, kept.caller)[0]
    text = kept.ask(rows.sealed_value, secret.id)
    with pytest.raises(SealBroken):
        Sealer(SECRET, old).open(text, f"secret:{secret.id}")


def test_a_rotation_cut_off_before_its_rows_changed_loses_nothing(kept: Lab) -> None:
    """As after podd's end right then: the key is on disk, and all is sealed with the one before."""
    write_sealing_keys(kept.settings.data_dir, {"knew": b"k" * 32})
    later = Sealer(SECRET, sealing_keys(kept.settings.data_dir))
    secret = kept.ask(secrets.listed, kept.caller)[0]
    assert later.open(kept.ask(rows.sealed_value, secret.id), f"secret:{secret.id}") == "hunter2"
    assert later.current == "knew"
    assert rotated(kept).count == 2
    assert value(kept) == "hunter2"


def test_one_text_that_does_not_open_leaves_all_as_it_was(kept: Lab) -> None:
    secret = kept.ask(secrets.listed, kept.caller)[0]
    broken = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    kept.do(lambda tx: rows.change(tx, secret.id, sealed_value=broken))
    with pytest.raises(SealBroken):
        rotated(kept)
    assert kept.ask(sealed.key_names) == {"k1"}


def test_only_the_operator_may_rotate(kept: Lab) -> None:
    with pytest.raises(Forbidden):
        rotated(kept, kept.caller)

"""Network volumes, secrets and registry credentials: whose they are, what uses them, what is never told."""

from pathlib import Path
from typing import Any

import pytest

from podd.domain.container import RegistryAuth
from podd.domain.errors import Conflict, Invalid, NotFound
from podd.domain.registry import RegistryCredential
from podd.domain.secret import Secret
from podd.domain.volume import NetworkVolume
from podd.domain.workload import Desired
from podd.sealing import SealBroken
from podd.services import registries, secrets, volumes
from podd.services.platform import SWEEP
from tests.services.lab import IMAGE, Lab


def volume(lab: Lab, **wish: Any) -> NetworkVolume:
    said = {"name": "data", "size": 10, "data_center": None, **wish}
    return lab.do(volumes.create, lab.podd, lab.caller, now=lab.now, **said)


def secret(lab: Lab, name: str = "token", value: str = "hunter2") -> Secret:
    return lab.do(secrets.create, lab.podd, lab.caller, name, value, "what it is for", lab.now)


def credential(lab: Lab, name: str = "hub", password: str = "hunter2") -> RegistryCredential:
    return lab.do(registries.create, lab.podd, lab.caller, name, "ada", password, lab.now)


def in_the_database(lab: Lab, text: str) -> bool:
    files = lab.settings.data_dir.glob("podd.sqlite3*")
    return text.encode() in b"".join(file.read_bytes() for file in files)


# Network volumes


def test_a_network_volume_outlives_the_pods_that_use_it(lab: Lab) -> None:
    made = volume(lab)
    pod = lab.pod(network_volume_id=made.id, volume_path="/data")
    lab.settle()
    [mount] = lab.engine.spec(pod.workload.container_name).mounts
    assert mount.target == "/data"
    (Path(mount.source) / "file").write_text("kept")
    lab.terminate(pod)
    lab.settle()
    assert lab.workload(pod.id) is None
    assert (Path(mount.source) / "file").read_text() == "kept"


def test_a_volume_in_use_is_not_deleted_and_then_its_files_are(lab: Lab) -> None:
    made = volume(lab)
    pod = lab.pod(network_volume_id=made.id)
    lab.settle()
    lab.stop(pod)
    with pytest.raises(Conflict, match="in use by 1"):
        lab.do(volumes.delete, lab.caller, made.id, lab.now)
    lab.terminate(pod)
    lab.settle()
    directory = volumes.directory(lab.podd, made.id)
    assert directory.is_dir()
    lab.do(volumes.delete, lab.caller, made.id, lab.now)
    assert SWEEP in lab.rung
    assert lab.ask(volumes.listed, lab.caller) == []
    lab.tend_volumes()
    assert not directory.exists()


def test_a_volume_grows_and_does_not_shrink(lab: Lab) -> None:
    made = volume(lab, size=10)
    assert lab.do(volumes.change, lab.podd, lab.caller, made.id, "new name", 20).size == 20
    with pytest.raises(Invalid, match="must not shrink"):
        lab.do(volumes.change, lab.podd, lab.caller, made.id, "other name", 19)
    assert lab.ask(volumes.own, lab.caller, made.id).name == "new name"


@pytest.mark.parametrize("wish", [{"size": 0}, {"size": None}, {"name": ""}, {"data_center": "EU-RO-1"}])
def test_a_wrong_volume_is_refused(lab: Lab, wish: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        volume(lab, **wish)


def test_a_foreign_volume_looks_like_a_missing_one(lab: Lab) -> None:
    made = volume(lab)
    lab.caller = lab.account("eve@example.org")
    for id in (made.id, "nosuch"):
        with pytest.raises(NotFound, match=r"^network volume not found$"):
            lab.pod(network_volume_id=id)
        with pytest.raises(NotFound, match=r"^network volume not found$"):
            lab.do(volumes.delete, lab.caller, id, lab.now)


# Secrets


def test_a_secret_is_filled_in_and_never_told(lab: Lab) -> None:
    secret(lab)
    pod = lab.pod(env=(("TOKEN", "Bearer {{ RUNPOD_SECRET_token }}"),))
    lab.settle()
    assert dict(lab.engine.spec(pod.workload.container_name).env)["TOKEN"] == "Bearer hunter2"
    assert "hunter2" not in repr(lab.look(pod))
    assert "hunter2" not in repr(lab.ask(secrets.listed, lab.caller))
    assert not in_the_database(lab, "hunter2")


def test_a_pod_that_names_an_unknown_secret_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="no secret named 'token'"):
        lab.pod(env=(("TOKEN", "{{ RUNPOD_SECRET_token }}"),))


def test_nobody_gets_anothers_secret_by_its_name(lab: Lab) -> None:
    made = secret(lab)
    lab.caller = lab.account("eve@example.org")
    with pytest.raises(Invalid, match="no secret named"):
        lab.pod(env=(("TOKEN", "{{ RUNPOD_SECRET_token }}"),))
    with pytest.raises(NotFound, match=r"^secret not found$"):
        lab.do(secrets.delete, lab.caller, made.id)
    secret(lab, value="eves own")


def test_a_pod_whose_secret_is_gone_fails_at_its_next_start_and_says_so(lab: Lab) -> None:
    made = secret(lab)
    pod = lab.pod(env=(("TOKEN", "{{ RUNPOD_SECRET_token }}"),))
    lab.settle()
    lab.stop(pod)
    lab.do(secrets.delete, lab.caller, made.id)
    lab.resume(pod)
    lab.settle()
    seen = lab.look(pod).workload
    assert seen.desired is Desired.FAILED
    assert "no secret named 'token'" in seen.reason


def test_a_changed_secret_is_there_at_the_next_start(lab: Lab) -> None:
    made = secret(lab)
    pod = lab.pod(env=(("TOKEN", "{{ RUNPOD_SECRET_token }}"),))
    lab.settle()
    lab.do(secrets.change, lab.podd, lab.caller, made.id, "new value", None, lab.now)
    lab.stop(pod)
    lab.resume(pod)
    lab.settle()
    assert dict(lab.engine.spec(f"podd-{pod.id}-2").env)["TOKEN"] == "new value"


def test_a_name_of_a_secret_is_taken_once(lab: Lab) -> None:
    secret(lab)
    with pytest.raises(Conflict, match="already a secret named 'token'"):
        secret(lab)


@pytest.mark.parametrize("value", ["", "x" * 65_537, "a\0b"])
def test_a_value_that_cannot_be_a_secret_is_refused(lab: Lab, value: str) -> None:
    with pytest.raises(Invalid, match="value must be"):
        secret(lab, value=value)


def test_a_sealed_text_fits_its_own_purpose_only(lab: Lab) -> None:
    sealed = lab.podd.sealer.seal("text", "secret:1")
    assert lab.podd.sealer.open(sealed, "secret:1") == "text"
    assert sealed != lab.podd.sealer.seal("text", "secret:1")
    with pytest.raises(SealBroken):
        lab.podd.sealer.open(sealed, "secret:2")


# Registry credentials


def test_an_image_is_pulled_with_the_credential_of_its_owner(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    pod = lab.pod(registry_auth_id=credential(lab).id)
    lab.settle()
    assert lab.engine.running() == [pod.workload.container_name]
    assert lab.engine.pulled_with == [RegistryAuth("ada", "hunter2")]
    assert not in_the_database(lab, "hunter2")


def test_anothers_credential_looks_like_a_missing_one(lab: Lab) -> None:
    made = credential(lab)
    lab.caller = lab.account("eve@example.org")
    with pytest.raises(NotFound, match=r"^registry credential not found$"):
        lab.pod(registry_auth_id=made.id)


def test_a_credential_in_use_is_not_deleted(lab: Lab) -> None:
    made = credential(lab)
    pod = lab.pod(registry_auth_id=made.id)
    with pytest.raises(Conflict, match="in use"):
        lab.do(registries.delete, lab.caller, made.id)
    lab.terminate(pod)
    lab.do(registries.delete, lab.caller, made.id)
    assert lab.ask(registries.listed, lab.caller) == []

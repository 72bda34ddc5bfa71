import grp
import os
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from podd import certificates, doctor
from podd.config import Containers, Settings, catalogue
from podd.declared import DeclaredProbe
from podd.doctor import Check, Status
from podd.domain.account import OPERATOR
from podd.domain.gpu import Gpu, GpuState
from podd.domain.volume import NetworkVolume
from podd.nvml import NO_DRIVER
from podd.services import accounts
from podd.store import volumes as volume_rows
from podd.store.db import Store

KNOWN = catalogue(Settings())
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
A6000 = Gpu(uuid="GPU-1", index=0, type_id="NVIDIA RTX A6000", memory=49140)

HEALTHY_DOCKER: dict[str, Any] = {
    "ServerVersion": "26.1.5",
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "xfs"], ["Supports d_type", "true"]],
    "DockerRootDir": "/nowhere/docker",
    "LiveRestoreEnabled": True,
    "CgroupVersion": "2",
    "CgroupDriver": "systemd",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "Warnings": None,
}
VERSION = {"Version": "26.1.5", "ApiVersion": "1.45"}
PQUOTA = "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /nowhere xfs rw,noatime,prjquota 0 0\n"


def only(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.name == name]
    return found


def docker_says(
    real_gpus: bool = False, hook: bool = False, mounts: str = PQUOTA, **facts: Any
) -> list[Check]:
    return doctor.docker_engine(HEALTHY_DOCKER | facts, VERSION, mounts, real_gpus, hook)


# As a whole


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker.sock")
    return Settings(data_dir=tmp_path / "podd", listen=("127.0.0.1:0",))


def test_all_checks_run_and_each_one_that_is_not_ok_says_what_to_do(settings: Settings) -> None:
    checks = doctor.run(settings)
    names = {check.name for check in checks}
    assert names >= {"python", "configuration", "user", "data directory", "database", "clock", "docker"}
    assert "listen 127.0.0.1:0" in names
    for check in checks:
        assert check.detail
        assert bool(check.advice) == (check.status is not Status.OK)
        assert "\n" not in check.detail + check.advice


def test_a_check_that_breaks_is_told_and_does_not_hide_the_others(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: Path) -> Check:
        raise RuntimeError("boom")

    monkeypatch.setattr(doctor, "database", broken)
    checks = doctor.run(settings)
    assert only(checks, "database").status is Status.FAILURE
    assert "boom" in only(checks, "database").detail
    assert only(checks, "clock").status is Status.OK


def test_looking_changes_nothing(settings: Settings) -> None:
    doctor.run(settings)
    assert not settings.data_dir.exists()


@pytest.mark.parametrize(
    ("statuses", "code"),
    [([], 0), ([Status.OK, Status.WARNING], 0), ([Status.OK, Status.FAILURE, Status.WARNING], 1)],
)
def test_only_failures_make_the_exit_code_1(statuses: list[Status], code: int) -> None:
    assert doctor.exit_code(Check("x", status, "y") for status in statuses) == code


# The host


@pytest.mark.parametrize(
    ("version", "status"), [((3, 11, 0), Status.OK), ((3, 14, 1), Status.OK), ((3, 10, 9), Status.FAILURE)]
)
def test_python_must_be_new_enough(version: tuple[int, ...], status: Status) -> None:
    assert doctor.python(version).status is status


def test_running_as_somebody_else_than_root_is_a_warning() -> None:
    assert doctor.user(0).status is Status.OK
    assert doctor.user(1000).status is Status.WARNING


def test_the_operators_group_should_exist() -> None:
    mine = grp.getgrall()[0].gr_name
    assert doctor.operators_group(mine).status is Status.OK
    missing = doctor.operators_group("podd-no-such-group")
    assert missing.status is Status.WARNING
    assert missing.advice.startswith("groupadd --system podd-no-such-group")


def test_a_clock_that_cannot_be_right_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "podd.sqlite3"
    assert doctor.clock(NOW, file).status is Status.OK
    assert doctor.clock(datetime(1970, 1, 1, tzinfo=UTC), file).status is Status.FAILURE


def test_a_clock_behind_the_databases_last_change_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "podd.sqlite3"
    file.touch()
    for ahead, status in [(timedelta(seconds=30), Status.OK), (timedelta(hours=1), Status.FAILURE)]:
        stamp = (NOW + ahead).timestamp()
        os.utime(file, (stamp, stamp))
        assert doctor.clock(NOW, file).status is status


# Addresses


def listening(monkeypatch: pytest.MonkeyPatch, holder: object) -> Check:
    """The check of a port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(doctor, "_listener", lambda port: holder)
        return doctor.listen("127.0.0.1", server.getsockname()[1])


class Holder:
    pid = 42

    def __init__(self, *words: str) -> None:
        self._words = list(words)

    def cmdline(self) -> list[str]:
        return self._words

    def name(self) -> str:
        return Path(self._words[0]).name


def test_a_free_port_is_fine() -> None:
    assert doctor.listen("127.0.0.1", 0) == Check("listen 127.0.0.1:0", Status.OK, "free")


@pytest.mark.parametrize(
    "words",
    [
        ("/opt/podd/bin/podd", "serve"),
        ("/opt/podd/bin/python", "/opt/podd/bin/podd", "serve"),
        ("/usr/bin/python3", "-m", "podd", "serve"),
    ],
)
def test_a_port_that_podd_itself_holds_is_fine(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = listening(monkeypatch, Holder(*words))
    assert (check.status, check.detail) == (Status.OK, "held by podd itself (pid 42)")


def test_a_port_held_by_another_program_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    check = listening(monkeypatch, Holder("/usr/sbin/nginx", "-g", "podd"))
    assert (check.status, check.detail) == (Status.FAILURE, "in use by nginx (pid 42)")
    assert listening(monkeypatch, None).detail == "in use by another program"


def test_the_holder_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holder = doctor._listener(server.getsockname()[1])
    assert holder == psutil.Process()


def test_a_taken_port_that_podd_starts_without_is_a_warning_that_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(listen=("127.0.0.1:0",), gateway={"ssh_port": port}, tls={"port": port})
        _, ssh, https = doctor.listening(settings)
    assert (ssh.status, https.status) == (Status.WARNING, Status.WARNING)
    assert "`gateway.ssh_port`" in ssh.advice
    assert "`tls.port`" in https.advice


@pytest.mark.parametrize(("days", "status"), [(0, Status.OK), (360, Status.WARNING), (366, Status.FAILURE)])
def test_a_certificate_that_ends_soon_is_a_warning_and_one_that_has_ended_a_failure(
    days: int, status: Status, settings: Settings
) -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    settings.data_dir.mkdir()
    certificates.renew(settings, round(now.timestamp() * 1000))
    [check] = doctor.certificate(settings, now + timedelta(days=days))
    assert check.status is status
    assert "2027-05-01" in check.detail


def test_a_certificate_that_cannot_be_read_is_a_failure(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, tls={"certificate": str(tmp_path / "gone.pem")})
    [check] = doctor.certificate(settings, datetime(2026, 5, 1, tzinfo=UTC))
    assert check.status is Status.FAILURE
    assert "gone.pem" in check.detail


def test_an_address_of_another_machine_is_a_failure() -> None:
    check = doctor.listen("192.0.2.1", 0)
    assert check.status is Status.FAILURE
    assert "address of this machine" in check.advice


# What podd keeps


def test_a_data_directory_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    first, second = doctor.data_dir(tmp_path / "a" / "b")
    assert (first.status, first.name) == (Status.OK, "data directory")
    assert second.name == "data disk"


def test_a_private_writable_data_directory_is_fine(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    assert doctor.data_dir(tmp_path)[0] == Check("data directory", Status.OK, str(tmp_path))


def test_a_data_directory_open_to_everybody_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    check = doctor.data_dir(tmp_path)[0]
    assert (check.status, check.advice) == (Status.WARNING, f"chmod o-rwx {tmp_path}")


def test_a_file_in_place_of_the_data_directory_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "podd"
    file.touch()
    (check,) = doctor.data_dir(file)
    assert check.status is Status.FAILURE


def test_a_data_directory_that_cannot_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    assert [c.status for c in doctor.data_dir(tmp_path)] == [Status.FAILURE]
    assert [c.status for c in doctor.data_dir(tmp_path / "new")] == [Status.FAILURE]


def test_a_disk_that_fills_up_is_a_warning_and_a_full_one_a_failure(tmp_path: Path) -> None:
    huge = 10**30
    assert doctor.disk("data disk", tmp_path, warn=0, fail=0).status is Status.OK
    assert doctor.disk("data disk", tmp_path, warn=huge, fail=0).status is Status.WARNING
    assert doctor.disk("data disk", tmp_path, warn=huge, fail=huge).status is Status.FAILURE


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "it's 100% podd.sqlite3"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript("CREATE TABLE t (x); CREATE INDEX i ON t (x);")
    connection.executemany("INSERT INTO t VALUES (?)", [(f"row {n}",) for n in range(500)])
    connection.commit()
    connection.close()
    return file


def test_no_database_yet_is_fine(tmp_path: Path) -> None:
    assert doctor.database(tmp_path / "podd.sqlite3").status is Status.OK


def test_a_good_database_is_intact_and_not_touched(database: Path) -> None:
    before = database.read_bytes()
    files = list(database.parent.iterdir())
    check = doctor.database(database)
    assert check.status is Status.OK
    assert "intact" in check.detail
    assert database.read_bytes() == before
    assert list(database.parent.iterdir()) == files


def test_a_database_in_use_can_be_checked(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES ('not yet')")
    assert doctor.database(database).status is Status.OK
    connection.close()


@pytest.mark.parametrize("damage", [b"\0" * 2048, b"\xff" * 2048])
def test_a_damaged_database_is_a_failure(database: Path, damage: bytes) -> None:
    with database.open("r+b") as file:
        file.seek(8192)
        file.write(damage)
    check = doctor.database(database)
    assert check.status is Status.FAILURE
    assert "restore the last backup" in check.advice


def test_a_file_that_is_no_database_is_a_failure(tmp_path: Path) -> None:
    file = tmp_path / "podd.sqlite3"
    file.write_text("hello " * 1000)
    assert doctor.database(file).status is Status.FAILURE


# The settings


def test_sound_settings_are_one_ok(settings: Settings) -> None:
    assert [c.status for c in doctor.configuration(settings, KNOWN, [])] == [Status.OK]


def test_answering_the_network_but_sending_users_to_loopback_is_a_warning() -> None:
    open_to_all = Settings(listen=("0.0.0.0:8484",))
    (check,) = doctor.configuration(open_to_all, KNOWN, [])
    assert check.status is Status.WARNING
    assert "machine.public_ip" in check.advice


def test_prices_for_a_card_nobody_knows_are_a_warning_unless_it_is_here() -> None:
    priced = Settings.model_validate({"gpus": {"prices": {"NVIDIA TITAN RTX": {"secure": "0.1"}}}})
    assert [c.status for c in doctor.configuration(priced, KNOWN, [])] == [Status.WARNING]
    here = Gpu(uuid="GPU-1", index=0, type_id="NVIDIA TITAN RTX", memory=24000)
    assert [c.status for c in doctor.configuration(priced, KNOWN, [here])] == [Status.OK]


# The container engine


def test_docker_as_it_should_be_is_all_ok() -> None:
    checks = docker_says(real_gpus=True)
    assert [c.name for c in checks] == ["docker", "disk limits", "live restore", "cgroups", "docker gpus"]
    assert {c.status for c in checks} == {Status.OK}


def test_a_docker_too_old_for_podd_is_a_failure() -> None:
    old = {"Version": "19.03.15+dfsg1", "ApiVersion": "1.40"}
    assert doctor.docker_engine(HEALTHY_DOCKER, old, "", False, False)[0].status is Status.FAILURE


@pytest.mark.parametrize(
    ("facts", "mounts", "status"),
    [
        ({}, PQUOTA, Status.OK),
        ({}, PQUOTA.replace("prjquota", "noquota"), Status.WARNING),
        ({"DriverStatus": [["Backing Filesystem", "extfs"]]}, PQUOTA, Status.WARNING),
        ({"Driver": "btrfs", "DriverStatus": []}, "", Status.OK),
        ({"Driver": "vfs", "DriverStatus": None}, "", Status.WARNING),
    ],
)
def test_containers_whose_disk_has_no_limit_are_a_warning(
    facts: dict[str, Any], mounts: str, status: Status
) -> None:
    assert only(docker_says(mounts=mounts, **facts), "disk limits").status is status


def test_a_firewall_podd_cannot_set_is_a_warning_with_the_commands_that_do() -> None:
    settings = Settings(listen=("127.0.0.1:8484",))
    assert only(doctor.isolation(settings, {}, ""), "host firewall").status is Status.OK
    check = only(doctor.isolation(settings, {}, "you must be root"), "host firewall")
    assert check.status is Status.WARNING
    assert "you must be root" in check.detail
    assert "iptables -I INPUT -i pd+" in check.advice
    assert "8484" in check.advice
    off = Settings(containers=Containers(firewall=False))
    assert only(doctor.isolation(off, {}, ""), "host firewall").status is Status.WARNING


def test_a_runtime_or_user_namespaces_that_docker_lacks_are_failures() -> None:
    settings = Settings(containers=Containers(runtime="runsc", userns_remap=True))
    there: dict[str, Any] = {"Runtimes": {"runsc": {}}}
    assert only(doctor.isolation(settings, there, ""), "runtime runsc").status is Status.OK
    assert only(doctor.isolation(settings, {}, ""), "runtime runsc").status is Status.FAILURE
    assert only(doctor.isolation(settings, {}, ""), "user namespaces").status is Status.FAILURE
    remapped = {"SecurityOptions": ["name=seccomp,profile=default", "name=userns"]}
    assert "user namespaces" not in [c.name for c in doctor.isolation(settings, remapped, "")]


def test_docker_without_live_restore_is_a_warning() -> None:
    check = only(docker_says(LiveRestoreEnabled=False), "live restore")
    assert check.status is Status.WARNING
    assert '"live-restore": true' in check.advice


def test_dockers_own_warnings_are_passed_on() -> None:
    check = only(docker_says(Warnings=["WARNING: No swap limit support"]), "docker warnings")
    assert check.detail == "No swap limit support"


@pytest.mark.parametrize(
    ("facts", "hook", "status"),
    [
        ({}, False, Status.OK),
        ({"Runtimes": {"runc": {}}}, True, Status.OK),
        (
            {"Runtimes": {}, "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]},
            False,
            Status.OK,
        ),
        ({"Runtimes": {"runc": {}}}, False, Status.FAILURE),
    ],
)
def test_real_gpus_that_docker_cannot_hand_out_are_a_failure(
    facts: dict[str, Any], hook: bool, status: Status
) -> None:
    assert only(docker_says(real_gpus=True, hook=hook, **facts), "docker gpus").status is status


def test_without_real_gpus_docker_needs_no_runtime_for_them() -> None:
    assert "docker gpus" not in {check.name for check in docker_says(Runtimes={})}


def test_the_disk_of_docker_is_looked_at(tmp_path: Path) -> None:
    check = only(docker_says(DockerRootDir=str(tmp_path)), "docker disk")
    assert str(tmp_path) in check.detail


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("/var/run/docker.sock: Permission denied", "group docker"),
        ("/var/run/docker.sock: No such file or directory", "Install Docker"),
        ("/var/run/docker.sock: Connection refused", "systemctl start docker"),
    ],
)
def test_the_advice_depends_on_why_docker_cannot_be_reached(reason: str, advice: str) -> None:
    assert advice in doctor.no_docker(reason, required=True).advice


def test_a_docker_that_is_away_fails_only_where_it_is_required(settings: Settings) -> None:
    required = settings.model_copy(update={"engine": "docker"})
    assert [c.status for c in doctor.engine(required, False)] == [Status.FAILURE]
    assert [(c.name, c.status) for c in doctor.engine(settings, False)] == [
        ("docker", Status.WARNING),
        ("process engine", Status.WARNING),
    ]


def test_the_process_engine_is_a_warning_and_open_to_the_network_a_failure() -> None:
    inside = Settings(engine="process")
    assert [c.status for c in doctor.engine(inside, False)] == [Status.WARNING]
    outside = Settings(engine="process", listen=("127.0.0.1:1", "0.0.0.0:2"))
    assert [c.status for c in doctor.engine(outside, False)] == [Status.FAILURE]


@pytest.mark.docker
def test_a_real_docker_is_described() -> None:
    checks = doctor.engine(Settings(engine="docker"), real_gpus=False)
    assert only(checks, "docker").status is Status.OK
    assert {"disk limits", "live restore", "cgroups"} <= {check.name for check in checks}


# GPUs


def seen(real: list[Gpu], problem: str | None = None, reasons: dict[str, str] | None = None) -> list[Check]:
    return doctor.gpus(real, problem, reasons or {}, [], KNOWN)


def test_a_gpu_is_shown_with_what_users_know_it_by() -> None:
    (check,) = seen([A6000])
    assert check == Check("gpu 0", Status.OK, "NVIDIA RTX A6000, 48 GB, pool AMPERE_48 (GPU-1)")


def test_an_unhealthy_gpu_is_a_failure_with_its_reason() -> None:
    sick = Gpu(uuid="GPU-1", index=0, type_id="NVIDIA L4", memory=1, state=GpuState.UNHEALTHY)
    check = seen([sick], "GPU 0 is lost", {"GPU-1": "GPU is lost"})[0]
    assert check.status is Status.FAILURE
    assert check.detail.endswith(": GPU is lost")


def test_a_card_that_is_not_in_the_catalogue_is_a_warning() -> None:
    (check,) = seen([Gpu(uuid="GPU-1", index=0, type_id="NVIDIA TITAN RTX", memory=24220)])
    assert check.status is Status.WARNING
    assert "[gpus.prices]" in check.advice


def test_simulated_gpus_are_marked() -> None:
    declared = Settings.model_validate({"gpus": {"simulated": [{"type": "NVIDIA L4"}]}}).gpus.simulated
    checks = doctor.gpus([], NO_DRIVER, {}, DeclaredProbe(declared, KNOWN).gpus(), KNOWN)
    assert [check.name for check in checks] == ["simulated gpu 0", "gpus"]


def test_a_machine_without_an_nvidia_driver_is_fine() -> None:
    (check,) = seen([], NO_DRIVER)
    assert check.status is Status.OK
    assert "CPU" in check.detail


def test_a_driver_that_does_not_work_is_a_warning() -> None:
    (check,) = seen([], "the NVIDIA driver is installed but not loaded")
    assert check.status is Status.WARNING


def test_a_driver_without_a_gpu_is_told() -> None:
    assert [check.status for check in seen([])] == [Status.OK]


# The NVIDIA Container Toolkit


@pytest.mark.parametrize(
    ("version", "real_gpus", "status"),
    [
        ("1.17.7", True, Status.WARNING),
        ("1.9.0", False, Status.WARNING),
        ("1.17.8", True, Status.OK),
        ("1.18.0-rc.1", True, Status.OK),
        (None, True, Status.WARNING),
        (None, False, Status.OK),
    ],
)
def test_a_container_toolkit_that_lets_images_take_the_host_is_a_warning(
    version: str | None, real_gpus: bool, status: Status
) -> None:
    check = doctor.toolkit(version, real_gpus)
    assert check.status is status
    assert ("CVE-2025-23266" in check.detail) == (version is not None and status is Status.WARNING)


Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program that prints something on an otherwise empty PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(program: str, script: str) -> None:
        file = tmp_path / program
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return install


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (
            "nvidia-ctk",
            "NVIDIA Container Toolkit CLI version 1.17.4\ncommit: 9b69590c7428470a72f2ae05f826412976af1395",
        ),
        (
            "nvidia-container-cli",
            "cli-version: 1.17.4\nlib-version: 1.17.4\nbuild date: 2025-01-23T10:53+00:00",
        ),
    ],
)
def test_the_toolkit_is_asked_for_its_version(program: str, says: str, install: Install) -> None:
    install(program, f"echo '{says}'")
    assert doctor.toolkit_version() == "1.17.4"


def test_without_a_toolkit_on_the_path_there_is_no_version(install: Install) -> None:
    assert doctor.toolkit_version() is None


def test_a_toolkit_that_does_not_answer_counts_as_none(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*args: object, timeout: float, **kwargs: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-ctk", timeout)

    install("nvidia-ctk", "exit 1")
    assert doctor.toolkit_version() is None
    monkeypatch.setattr(subprocess, "run", hang)
    assert doctor.toolkit_version() is None


# Volumes


def test_the_mechanism_of_volumes_is_named(settings: Settings) -> None:
    assert doctor.volumes(settings).status in (Status.OK, Status.WARNING)
    plain = doctor.volumes(settings.model_copy(update={"volumes": "directory"}))
    assert (plain.status, plain.detail) == (Status.WARNING, "plain directories, without a limit")


def test_a_mechanism_that_was_asked_for_and_cannot_be_is_a_failure(settings: Settings) -> None:
    check = doctor.volumes(settings.model_copy(update={"volumes": "project-quota"}))
    assert check.status is Status.FAILURE
    assert "prjquota" in check.detail


def test_promised_disk_and_volumes_in_trouble_are_shown(settings: Settings) -> None:
    assert doctor.promises(settings) == []
    settings.data_dir.mkdir()
    store = Store(settings.database)
    account = store.submit(accounts.create, OPERATOR, "ada@example.org", None, 0).result(10)[0]
    volume = NetworkVolume(id="vol1", account_id=account.id, name="data", size=7, created_at=0)
    store.submit(volume_rows.insert, volume).result(10)
    store.submit(volume_rows.note_problem, "vol1", "could not be removed: busy", 1, 0).result(10)
    store.close()
    promised, trouble = doctor.promises(settings)
    assert "7 GB to network volumes" in promised.detail
    assert (trouble.status, "vol1 could not be removed: busy" in trouble.detail) == (Status.WARNING, True)

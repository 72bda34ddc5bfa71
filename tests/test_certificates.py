"""podd's own CA, and the certificate it serves."""

import stat
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from podd import doctor
from podd.certificates import Certificate, ca_file, facts, files, renew, wanted_names
from podd.config import Settings
from podd.installation import DaemonError

DAY = 24 * 3600 * 1000
NOW = 1_800_000_000_000


def settings_in(directory: Path, **tls: object) -> Settings:
    directory.mkdir(exist_ok=True)
    return Settings(data_dir=directory, proxy={"domain": "pods.example.org"}, tls=tls)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "podd")


def test_the_first_start_makes_a_ca_and_a_certificate_for_every_name(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "podd", names=["gpu.lan", "192.0.2.9"], runpod_names=True)
    Certificate(settings, NOW)
    names = facts(files(settings)[0]).names
    assert names >= {"localhost", "127.0.0.1", "gpu.lan", "192.0.2.9", "*.runpod.io"}
    assert names >= {"pods.example.org", "*.proxy.pods.example.org", "*.api.pods.example.org"}
    assert names == set(wanted_names(settings))


def test_clients_that_know_the_ca_believe_the_certificate(settings: Settings) -> None:
    renew(settings, NOW)
    asked = [
        "openssl",
        "verify",
        "-x509_strict",
        "-attime",
        str(NOW // 1000),
        "-verify_hostname",
        "localhost",
    ]
    told = subprocess.run(
        [
            *asked,
            "-verify_hostname",
            "localhost",
            "-purpose",
            "sslserver",
            "-CAfile",
            ca_file(settings),
            files(settings)[0],
        ],
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_keys_are_their_owners_alone_and_the_ca_is_for_everybody(settings: Settings) -> None:
    renew(settings, NOW)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in ca_file(settings).parent.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o600}


def test_it_is_made_anew_before_it_ends_by_the_same_ca(settings: Settings) -> None:
    certificate = Certificate(settings, NOW)
    ca, first = ca_file(settings).read_text(), files(settings)[0].read_text()
    certificate.look(NOW + 334 * DAY)
    assert files(settings)[0].read_text() == first
    certificate.look(NOW + 336 * DAY)
    assert files(settings)[0].read_text() != first
    assert ca_file(settings).read_text() == ca


def test_it_is_made_anew_for_a_new_name_and_not_for_one_that_went(tmp_path: Path) -> None:
    def made(*names: str) -> str:
        settings = settings_in(tmp_path / "podd", names=names)
        renew(settings, NOW)
        return files(settings)[0].read_text()

    two = made("a.example", "b.example")
    assert made("a.example") == two
    assert made("a.example", "c.example") != two


@pytest.mark.parametrize("file", ["server.pem", "ca.key", "ca.pem"])
def test_what_is_lost_is_made_again(file: str, settings: Settings) -> None:
    renew(settings, NOW)
    (settings.data_dir / "tls" / file).unlink()
    Certificate(settings, NOW)
    test_clients_that_know_the_ca_believe_the_certificate(settings)


def own_pair(directory: Path, name: str) -> Settings:
    """Settings with a certificate of the operator's for that name."""
    made = settings_in(directory / f"ca-{name}", names=[name])
    renew(made, NOW)
    (directory / "own.pem").write_text(files(made)[0].read_text())
    return settings_in(directory / "podd", certificate=str(directory / "own.pem"))


def test_a_change_of_the_operators_files_is_noticed_and_a_bad_one_not_taken(tmp_path: Path) -> None:
    settings = own_pair(tmp_path, "one.example")
    certificate = Certificate(settings, NOW)
    own_pair(tmp_path, "two.example")
    with capture_logs() as said:
        certificate.look_on(NOW)
        certificate.look_on(NOW)
        (tmp_path / "own.pem").write_text("nonsense")
        certificate.look_on(NOW)
    assert [line["event"].split(" ")[1] for line in said] == ["loaded", "not"]
    assert said[-1]["log_level"] == "error"
    assert not (settings.data_dir / "tls").exists()


@pytest.mark.parametrize(
    "text", [None, "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_certificate_that_cannot_be_used_stops_the_start(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "own.pem").write_text(text)
    settings = settings_in(tmp_path / "podd", certificate=str(tmp_path / "own.pem"))
    with pytest.raises(DaemonError, match=r"own\.pem.*tls\.port = 0"):
        Certificate(settings, NOW)
    assert doctor.run(settings)  # says it without breaking

import os
import re
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from podd import config
from podd.config import ConfigError, Settings, catalogue, keys, load, shipped
from podd.domain.money import nano_dollars

WriteFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PODD_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(config, "DEFAULT_FILE", tmp_path / "absent.toml")


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    def write(text: str) -> Path:
        file = tmp_path / "podd.toml"
        file.write_text(text)
        return file

    return write


def refusal(path: Path | None = None, overrides: dict[str, object] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides or {})
    return str(caught.value).splitlines()


# The documented file


def uncommented() -> dict[str, Any]:
    """config/podd.toml as if every setting in it were switched on."""
    text = shipped("podd.toml").read_text()
    return tomllib.loads(re.sub(r"(?m)^#(?=\w+ = )", "", text))


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        if prefix + name in keys():
            found[prefix + name] = value
        elif isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def value_of(settings: Settings, key: str) -> object:
    value: object = settings
    for name in key.split("."):
        value = getattr(value, name)
    return value


def test_the_shipped_file_changes_nothing() -> None:
    assert load(shipped("podd.toml")) == Settings()


def test_the_shipped_file_has_every_key_and_no_other() -> None:
    assert sorted(flat(uncommented())) == sorted(keys())


def test_the_shipped_file_shows_the_defaults(write: WriteFile) -> None:
    written = load(write(re.sub(r"(?m)^#(?=\w+ = )", "", shipped("podd.toml").read_text())))
    unset = {key for key in keys() if value_of(Settings(), key) is None}
    assert unset == {"machine.memory_gb", "machine.vcpus", "machine.disk_gb", "limits.flashboot_memory_gb"}
    for key in set(keys()) - unset:
        assert value_of(written, key) == value_of(Settings(), key), key


def test_every_key_of_the_shipped_file_is_explained_above_it() -> None:
    explained = False
    for line in shipped("podd.toml").read_text().splitlines():
        if re.match(r"#\w+ = ", line):
            assert explained, f"no explanation above {line}"
        else:
            explained = line.startswith("# ")


# Where values come from


def test_without_anything_written_the_defaults_hold() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.listen == ("127.0.0.1:8484",)
    assert settings.data_dir == Path("/var/lib/podd")
    assert settings.database == Path("/var/lib/podd/podd.sqlite3")
    assert settings.limits.run_body_bytes == 10 * 1024 * 1024
    assert settings.machine.host_name == socket.gethostname()


def test_command_line_over_environment_over_file_over_default(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write('engine = "docker"\n[log]\nlevel = "error"\nformat = "json"\n[machine]\nvcpus = 3\n')
    monkeypatch.setenv("PODD_LOG__LEVEL", "warning")
    monkeypatch.setenv("PODD_ENGINE", "process")
    settings = load(file, {"engine": "auto"})
    assert settings.engine == "auto"
    assert (settings.log.level, settings.log.format) == ("warning", "json")
    assert settings.machine.vcpus == 3
    assert settings.machine.cloud_type == "SECURE"


@pytest.mark.parametrize("overrides", [{"log.level": "debug"}, {"log": {"level": "debug"}}])
def test_overrides_are_dotted_or_nested(overrides: dict[str, object]) -> None:
    assert load(overrides=overrides).log.level == "debug"


def test_an_option_that_was_not_given_overrides_nothing(write: WriteFile) -> None:
    assert load(write('engine = "docker"'), {"engine": None, "log.level": None}).engine == "docker"


def test_the_file_is_the_one_named_by_podd_config(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODD_CONFIG", str(write('engine = "docker"')))
    assert load().engine == "docker"


def test_the_default_file_is_read_when_it_is_there(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_FILE", write('engine = "docker"'))
    assert load().engine == "docker"


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [f"{tmp_path / 'no.toml'}: cannot be read: No such file or directory"]
    assert refusal(tmp_path / "no.toml") == expected
    monkeypatch.setenv("PODD_CONFIG", str(tmp_path / "no.toml"))
    assert refusal() == expected


def test_a_file_that_is_not_toml_is_refused_with_the_line(write: WriteFile) -> None:
    file = write("engine = docker\n")
    (line,) = refusal(file)
    assert line.startswith(f"{file}: is not TOML: ")
    assert "line 1" in line


def test_building_settings_in_a_test_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODD_ENGINE", "process")
    assert Settings().engine == "auto"


# Values as people write them


@pytest.mark.parametrize("text", ["127.0.0.1:8080,[::1]:8080", ' ["127.0.0.1:8080", "[::1]:8080"]'])
def test_a_list_in_the_environment_is_json_or_separated_by_commas(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PODD_LISTEN", text)
    assert load().listen == ("127.0.0.1:8080", "[::1]:8080")
    assert load().addresses == [("127.0.0.1", 8080), ("::1", 8080)]


def test_simulated_gpus_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODD_GPUS__SIMULATED", '[{"type": "NVIDIA RTX A6000", "count": 2}]')
    (declared,) = load().gpus.simulated
    assert (declared.type, declared.count) == ("NVIDIA RTX A6000", 2)


def test_a_range_of_ports_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODD_MACHINE__PORT_RANGE", "50000,50010")
    assert load().machine.port_range == (50000, 50010)


def test_dollars_are_exact_with_and_without_quotes(write: WriteFile) -> None:
    prices = load(write('[prices]\nvolume_gb_month = "0.1"\ncontainer_disk_gb_month = 0.3\n')).prices
    assert (prices.volume_gb_month, prices.container_disk_gb_month) == (100_000_000, 300_000_000)


def test_a_relative_data_dir_is_made_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(overrides={"data_dir": "here"}).data_dir == tmp_path / "here"


@pytest.mark.parametrize(
    ("overrides", "url"),
    [
        ({}, "http://127.0.0.1:8484"),
        ({"listen": "10.0.0.2:80,127.0.0.1:8484"}, "http://10.0.0.2:80"),
        ({"listen": "[::1]:80"}, "http://[::1]:80"),
        ({"listen": "0.0.0.0:80", "machine.public_ip": "192.168.1.5"}, "http://192.168.1.5:80"),
        ({"listen": "[::]:80", "machine.public_ip": "2001:db8::1"}, "http://[2001:db8::1]:80"),
        ({"public_url": "https://gpu.example/"}, "https://gpu.example"),
    ],
)
def test_the_public_url_is_the_one_given_or_the_first_address(overrides: dict[str, object], url: str) -> None:
    assert load(overrides=overrides).public_url == url


# Refusals: one line each, with the place, the key and the reason


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("engin = 1", "engin: no such key; did you mean engine?"),
        ("[log]\nlevl = 1", "log.levl: no such key; did you mean log.level?"),
        ("zebra = 1", "zebra: no such key"),
        ("log = 1", "log: is a table of keys; set them one by one"),
        ("listen = []", "listen: needs at least one address, for example 127.0.0.1:8484 (got [])"),
        ('listen = ["8484"]', "listen: '8484' is not host:port, for example 127.0.0.1:8484"),
        ('listen = ["a:70000"]', "listen: 'a:70000' is not host:port, for example 127.0.0.1:8484"),
        ('public_url = "gpu.example"', "public_url: must be http:// or https:// and a host, without a path"),
        ('public_url = "http://x/v2"', "public_url: must be http:// or https:// and a host, without a path"),
        ('engine = "podman"', "engine: input should be 'auto', 'docker' or 'process' (got 'podman')"),
        ('[machine]\ndata_center_id = "local"', "machine.data_center_id: must be upper case with a dash"),
        ('[machine]\npublic_ip = "example.org"', "machine.public_ip: 'example.org' does not appear to be"),
        ('[machine]\ncountry_code = "de"', "machine.country_code: string should match pattern"),
        ("[machine]\nport_range = [5, 4]", "machine.port_range: the first port, 5, is above the last, 4"),
        ("[machine]\nport_range = [5, 70000]", "machine.port_range[1]: input should be less than or equal"),
        ("[gpus]\nsimulated = [{ count = 1 }]", "gpus.simulated[0].type: field required"),
        ('[gpus.prices."X Y"]\nsecure = 1', "gpus.prices.X Y.secure: write an amount of dollars as text"),
        ("[limits]\njob_retries = -1", "limits.job_retries: input should be greater than or equal to 0"),
        ("[limits]\nstop_grace_seconds = inf", "limits.stop_grace_seconds: input should be a finite number"),
        ("[prices]\nmonth_days = 0", "prices.month_days: input should be greater than or equal to 1"),
        ('[prices]\nvolume_gb_month = "free"', "prices.volume_gb_month: 'free' is not an amount of dollars"),
    ],
)
def test_a_bad_line_of_the_file_is_refused(text: str, line: str, write: WriteFile) -> None:
    file = write(text)
    (found,) = refusal(file)
    assert found.startswith(f"{file}: {line}")


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PODD_LISTN", "x", "PODD_LISTN: no such setting; did you mean PODD_LISTEN?"),
        ("PODD_MACHINE_VCPUS", "1", "PODD_MACHINE_VCPUS: no such setting; did you mean PODD_MACHINE__VCPUS?"),
        ("PODD_MACHINE__VCPU", "1", "PODD_MACHINE__VCPU: no such key; did you mean PODD_MACHINE__VCPUS?"),
        ("PODD_LOG", "debug", "PODD_LOG: is a table of keys; set them one by one"),
        ("PODD_MACHINE__VCPUS", "many", "PODD_MACHINE__VCPUS: input should be a valid integer"),
        ("PODD_LISTEN", "[", "PODD_LISTEN: '[' is not host:port"),
        ("PODD_GPUS__SIMULATED", "[{", "PODD_GPUS__SIMULATED: is not JSON: "),
        ("PODD_GPUS__SIMULATED", '[{"type": ""}]', "PODD_GPUS__SIMULATED: [0].type: string should have"),
        ("PODD_LIMITS__PING_INTERVAL_SECONDS", "0", "PODD_LIMITS__PING_INTERVAL_SECONDS: input should be"),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(
    name: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    (found,) = refusal()
    assert found.startswith(f"environment: {line}")


def test_a_bad_option_is_refused_as_one_of_the_command_line() -> None:
    assert refusal(overrides={"log.level": "loud"}) == [
        "command line: log.level: input should be 'debug', 'info', 'warning' or 'error' (got 'loud')"
    ]


def test_the_place_blamed_is_the_one_whose_value_won(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write("[machine]\nvcpus = 0\nmemory_gb = 0\n")
    monkeypatch.setenv("PODD_MACHINE__VCPUS", "-1")
    lines = refusal(file, {"engine": "x"})
    assert [line.split(": ")[:2] for line in lines] == [
        ["command line", "engine"],
        [str(file), "machine.memory_gb"],
        ["environment", "PODD_MACHINE__VCPUS"],
    ]


def test_all_problems_are_told_at_once(write: WriteFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODD_ZEBRA", "1")
    assert len(refusal(write("zebra = 1\n[limits]\njob_retries = -1\n"))) == 3


@pytest.mark.parametrize("name", [*sorted(config.NOT_SETTINGS - {"PODD_CONFIG"}), "PODD_TEST_NVML"])
def test_variables_of_clients_installer_and_tests_are_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "something")
    assert load() == Settings()


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.engine = "docker"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.log.level = "debug"  # type: ignore[misc]


# The catalogue


def test_the_operators_prices_are_in_the_catalogue(write: WriteFile) -> None:
    text = '[gpus.prices]\n"NVIDIA L4" = { secure = "0.01", active_discount = 5 }\n'
    l4 = catalogue(load(write(text))).lookup("NVIDIA L4")
    assert l4 is not None
    assert (l4.secure, l4.active_discount) == (nano_dollars("0.01"), 5)
    assert l4.community == nano_dollars("0.44")


def test_a_broken_catalogue_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, write: WriteFile) -> None:
    file = write("[gpus]\n[cpus]\n")
    monkeypatch.setattr(config, "shipped", lambda name: file)
    with pytest.raises(ConfigError, match=r"podd\.toml: 'fallback'"):
        catalogue(Settings())


def test_shipped_files_are_found_in_the_checkout_and_in_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert shipped("podd.toml").exists()
    package = tmp_path / "podd"
    (package / "shipped").mkdir(parents=True)
    (package / "shipped" / "podd.toml").touch()
    monkeypatch.setattr(config, "__file__", str(package / "config.py"))
    assert shipped("podd.toml") == package / "shipped" / "podd.toml"
    assert shipped("catalogue.toml") == tmp_path / "config" / "catalogue.toml"

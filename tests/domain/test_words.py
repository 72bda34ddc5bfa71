"""What users write by hand: each form that is read, and each mistake that is named."""

import json

import pytest

from podd.domain.errors import Invalid
from podd.domain.words import (
    MAX_ENV_VALUE,
    Port,
    check_ports,
    checked_env,
    checked_image,
    checked_mount_path,
    checked_size,
    parse_command,
    parse_ports,
)

PORTS: dict[str, tuple[str, tuple[Port, ...]]] = {
    "none": ("", ()),
    "one": ("8888/http", (Port(8888, "http"),)),
    "several, in their order": ("8888/http,22/tcp", (Port(8888, "http"), Port(22, "tcp"))),
    "spaces and empty parts are passed over": (
        " 22/tcp , ,8888/http,",
        (Port(22, "tcp"), Port(8888, "http")),
    ),
    "tcp is meant when no protocol is named": ("22", (Port(22, "tcp"),)),
    "a protocol in capitals": ("53/UDP", (Port(53, "udp"),)),
    "a port named twice counts once": ("22/tcp,22/tcp", (Port(22, "tcp"),)),
    "one number, two protocols": ("53/tcp,53/udp", (Port(53, "tcp"), Port(53, "udp"))),
    "symmetrical ones, which are no numbers yet": ("70000/tcp", (Port(70000, "tcp"),)),
    "the lowest and the highest": ("1/tcp,65535/tcp", (Port(1, "tcp"), Port(65535, "tcp"))),
}


@pytest.mark.parametrize(("text", "expected"), PORTS.values(), ids=PORTS.keys())
def test_ports_are_read(text: str, expected: tuple[Port, ...]) -> None:
    assert parse_ports(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http",
        "0/tcp",
        "65536/tcp",
        "80000/tcp",
        "70000/udp",
        "-1/tcp",
        "22/sctp",
        "22:22",
        "1.5/tcp",
        "²/tcp",
        "٢٢/tcp",
        "9" * 5000,
    ],
)
def test_a_wrong_port_is_named_in_the_error(text: str) -> None:
    with pytest.raises(Invalid, match=r"^ports: '.* is not a port such as 8888/http or 22/tcp\.$"):
        parse_ports(f"8888/http,{text}")


def test_a_flood_of_ports_is_refused() -> None:
    with pytest.raises(Invalid, match=r"^ports: no more than 100"):
        check_ports(parse_ports(",".join(f"{n}/tcp" for n in range(1, 102))), 100)
    check_ports(parse_ports(",".join(f"{n}/tcp" for n in range(1, 101))), 100)
    assert len(parse_ports(",".join(["22/tcp"] * 101))) == 1


Command = tuple[tuple[str, ...], tuple[str, ...]]

COMMANDS: dict[str, tuple[str, Command]] = {
    "none": ("", ((), ())),
    "blanks are none": ("  \n ", ((), ())),
    "words": ("python -u main.py", ((), ("python", "-u", "main.py"))),
    "quotes keep words together": (
        """bash -c 'sleep 1; echo "a b"'""",
        ((), ("bash", "-c", 'sleep 1; echo "a b"')),
    ),
    "JSON with both": (
        '{"entrypoint": ["bash", "-c"], "cmd": ["sleep 1"]}',
        (("bash", "-c"), ("sleep 1",)),
    ),
    "JSON with one": ('{"cmd": ["a", "b"]}', ((), ("a", "b"))),
    "JSON null is not said": ('{"cmd": null, "entrypoint": ["x"]}', (("x",), ())),
    "JSON keeps empty words": ('{"cmd": ["a", ""]}', ((), ("a", ""))),
    "other keys are passed over": ('{"cmd": ["a"], "note": 1}', ((), ("a",))),
    "an empty object": ("{}", ((), ())),
}


@pytest.mark.parametrize(("text", "expected"), COMMANDS.values(), ids=COMMANDS.keys())
def test_commands_are_read(text: str, expected: Command) -> None:
    assert parse_command(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "echo 'open",
        "{",
        '{"cmd": "sleep 1"}',
        '{"cmd": [1]}',
        '{"entrypoint": {"a": 1}}',
        '{"cmd": ' + "[" * 100_000,
        "echo a\0b",
        json.dumps({"cmd": ["a\0b"]}),
    ],
    ids=[
        "open quote",
        "open object",
        "text",
        "number",
        "object",
        "too deep",
        "zero byte",
        "zero byte in JSON",
    ],
)
def test_a_command_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"^dockerArgs: "):
        parse_command(text)


def test_of_two_variables_with_one_name_the_last_one_wins() -> None:
    assert checked_env([("A", "1"), ("B", ""), ("A", "2")]) == {"A": "2", "B": ""}


@pytest.mark.parametrize("name", ["a", "_", "A_1", "with.dot", "with-dash"])
def test_names_of_variables_that_programs_use_are_accepted(name: str) -> None:
    assert checked_env([(name, "x")]) == {name: "x"}


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "Ä", "A\n", "A\0"])
def test_a_name_that_cannot_be_a_variable_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match=r"^env: "):
        checked_env([(name, "x")])


def test_a_value_the_kernel_would_refuse_is_refused_first() -> None:
    assert checked_env([("A", "x" * MAX_ENV_VALUE)])
    for value in ("x" * (MAX_ENV_VALUE + 1), "ä" * (MAX_ENV_VALUE // 2 + 1), "a\0b"):
        with pytest.raises(Invalid, match=r"^env: the value of A "):
            checked_env([("A", value)])


def test_a_size_is_the_default_only_when_not_given() -> None:
    assert checked_size(None, "disk", 7) == 7
    assert checked_size(0, "disk", 7) == 0
    assert checked_size(5, "disk", 7, least=5, most=5) == 5


@pytest.mark.parametrize("value", [-1, 4, 6])
def test_a_size_outside_its_limits_names_the_field(value: int) -> None:
    with pytest.raises(Invalid, match=f"^disk must be between 5 and 5, not {value}\\.$"):
        checked_size(value, "disk", 7, least=5, most=5)


@pytest.mark.parametrize(
    ("path", "tidy"),
    [
        ("/workspace", "/workspace"),
        ("/a//b/", "/a/b"),
        ("/devices", "/devices"),
        ("/runpod-volume", "/runpod-volume"),
    ],
)
def test_a_mount_path_is_absolute_and_tidied(path: str, tidy: str) -> None:
    assert checked_mount_path(path) == tidy


@pytest.mark.parametrize(
    "path", ["", "workspace", "/", "//", "/a/../etc", "/..", "/a\0", "/proc", "/sys/fs", "/dev/shm", "//dev"]
)
def test_a_mount_path_cannot_hide_the_system(path: str) -> None:
    with pytest.raises(Invalid, match=r"^volumeMountPath: "):
        checked_mount_path(path)


def test_an_image_is_one_word() -> None:
    assert checked_image(" ghcr.io/a/b:1@sha256:abc ") == "ghcr.io/a/b:1@sha256:abc"
    for image in ("", "  ", "a b", "a\tb", "x" * 513):
        with pytest.raises(Invalid, match=r"^imageName"):
            checked_image(image)

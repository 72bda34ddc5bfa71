"""The command line: every command's help, what scripts read, and what people are told when it fails."""

import fcntl
import gc
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from podd import __version__, cli, doctor, log
from podd.doctor import Check, Status
from tests.api.served import OPERATOR_KEY, Served

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `podd WORDS...`; none of podd's variables are set but those given by name."""
    for name in ("PODD_URL", "PODD_API_KEY", "PODD_CONFIG", "PODD_DATA_DIR", "RUNPOD_API_KEY"):
        monkeypatch.setenv(name, "")  # what a command sets is undone as well
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))

    def run(*words: str, **env: str) -> Result:
        return CliRunner().invoke(cli.app, list(words), env={"COLUMNS": "200", "TERM": "dumb", **env})

    return run


@pytest.fixture(scope="module")
def podd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("podd"))
    yield served
    served.close()


@pytest.fixture
def here(podd: Served) -> dict[str, str]:
    """The environment of somebody on podd's machine."""
    return {"PODD_DATA_DIR": str(podd.settings.data_dir)}


def commands(group: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every command below this one that help shows, by the words that call it."""
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if command.hidden:
            continue
        path = (*words, name)
        found |= commands(command, path) if hasattr(command, "commands") else {" ".join(path): command}
    return found


COMMANDS = commands(typer.main.get_command(cli.app))


# Help


def test_podd_says_what_it_is_and_lists_its_commands(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "A GPU rental platform for one machine" in result.stdout
    for words in COMMANDS:
        assert words.split()[0] in result.stdout


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_explains_itself_and_its_options(run: Run, words: str) -> None:
    result = run(*words.split(), "--help")
    assert result.exit_code == 0
    command = COMMANDS[words]
    assert command.help
    assert command.help.split(".")[0][:40] in " ".join(result.stdout.split())
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{words}: {parameter.name} has no help"


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_takes_a_settings_file(words: str) -> None:
    assert "--config" in options_of(words)


PRINTS_NO_FACTS = {"serve", "demo", "credit statement", "shell", "cp"}
"""They run for as long as they are needed, what they print is a document or another program's, or they print
nothing."""
OTHERS = {"backup", "config", "events", "logs", "restore", "s3-key", "tui"}


@pytest.mark.parametrize("words", sorted(set(COMMANDS) - PRINTS_NO_FACTS))
def test_every_command_that_prints_facts_prints_them_as_json(words: str) -> None:
    assert words.split()[0] in OTHERS or "--json" in options_of(words)


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_every_commands_help_ends_with_an_example_that_calls_it(words: str) -> None:
    if words.split()[0] in OTHERS:
        return
    example = COMMANDS[words].epilog or ""
    assert example.startswith(f"Example: podd {words}")


def test_every_command_is_in_the_documentation() -> None:
    documented = (Path(__file__).parents[1] / "docs/cli.md").read_text()
    for words in COMMANDS:
        noun, *verb = words.split()
        if noun not in OTHERS:
            assert any(
                noun in line and (not verb or verb[-1] in line)
                for line in documented.splitlines()
                if line.startswith("|")
            ), words


def options_of(words: str) -> list[str]:
    return [option for parameter in COMMANDS[words].params for option in parameter.opts]


def test_completion_is_generated_for_each_shell_and_knows_nouns_and_verbs(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        script = CliRunner().invoke(cli.app, prog_name="podd", env={"_PODD_COMPLETE": f"source_{shell}"})
        assert (script.exit_code, "_PODD_COMPLETE" in script.stdout) == (0, True)
    asked = {"_PODD_COMPLETE": "complete_bash", "COMP_WORDS": "podd pods st", "COMP_CWORD": "2"}
    found = CliRunner().invoke(cli.app, prog_name="podd", env=asked)
    assert found.stdout.split() == ["start", "stop"]


def test_the_singular_words_of_earlier_versions_still_work(run: Run, here: dict[str, str]) -> None:
    made = json.loads(run("account", "create", "old@example.com", "--json", **here).stdout)
    listed = json.loads(run("key", "list", "--account", made["account_id"], "--json", **here).stdout)
    assert len(listed["keys"]) == 1


@pytest.mark.parametrize("words", ["nothing", "account", "accounts nothing", "jobs run", "version --nothing"])
def test_wrong_use_is_exit_code_2(run: Run, words: str) -> None:
    assert run(*words.split()).exit_code == 2


def test_gpus_are_listed_and_taken_out_of_service_and_back(
    run: Run, podd: Served, here: dict[str, str]
) -> None:
    podd.create_pod()  # a holder makes the lines long
    listed = json.loads(run("gpus", "--json", **here).stdout)["gpus"]
    uuid = listed[0]["uuid"]
    table = run("gpus", COLUMNS="80", **here).stdout
    assert all(gpu["uuid"] in table for gpu in listed)
    assert "(simulated)" in table
    assert "healthy, cordoned" in run("gpus", "cordon", uuid, **here).stdout
    assert json.loads(run("gpus", "drain", uuid, "--force", "--json", **here).stdout)["gpus"][0]["duty"] == (
        "draining"
    )
    assert "cordoned" not in run("gpus", "return", uuid, **here).stdout
    refused = run("gpus", "cordon", "GPU-none", **here)
    assert (refused.exit_code, "There is no GPU GPU-none" in refused.stderr) == (1, True)


def test_the_version_is_printed(run: Run) -> None:
    result = run("version")
    assert (result.exit_code, result.stdout) == (0, f"{__version__}\n")


# Accounts and keys


def test_an_account_is_made_with_a_key_that_works(run: Run, podd: Served, here: dict[str, str]) -> None:
    result = run("accounts", "create", "ann@example.com", "--json", **here)
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    assert made.keys() == {"account_id", "email", "api_key"}
    assert podd.data("{ myself { id email } }", key=made["api_key"]) == {
        "myself": {"id": made["account_id"], "email": "ann@example.com"}
    }


def test_a_key_is_made_by_id_and_by_address(run: Run, podd: Served, here: dict[str, str]) -> None:
    account = json.loads(run("accounts", "create", "bob@example.com", "--json", **here).stdout)
    for whose in (account["account_id"], "bob@example.com"):
        result = run("keys", "create", "--account", whose, "--name", "laptop", "--json", **here)
        assert result.exit_code == 0
        made = json.loads(result.stdout)
        assert made.keys() >= {"key_id", "api_key"}
        assert podd.data("{ myself { id } }", key=made["api_key"])["myself"]["id"] == account["account_id"]


def test_a_key_is_for_what_it_says_and_is_worthless_once_revoked(
    run: Run, podd: Served, here: dict[str, str]
) -> None:
    run("accounts", "create", "carol@example.com", **here)
    whose = ("--account", "carol@example.com")
    words = ("keys", "create", *whose, "--name", "watcher", "--read-only", "--days", "3", "--json")
    made = json.loads(run(*words, **here).stdout)
    assert podd.data("{ myself { email } }", key=made["api_key"]) == {
        "myself": {"email": "carol@example.com"}
    }
    listed = json.loads(run("keys", "list", *whose, "--json", **here).stdout)["keys"]
    assert {key["name"]: key["scope"] for key in listed} == {"first key": "all", "watcher": "read_only"}
    assert made["api_key"] not in run("keys", "list", *whose, **here).stdout
    assert run("keys", "revoke", made["key_id"], **here).stdout == f"key {made['key_id']} revoked\n"
    with podd.client(made["api_key"]) as http:
        assert http.get("/v1/pods").status_code == 401
    assert run("keys", "create", *whose, "--read-only", "--pod", "x", **here).exit_code == 2


def test_a_team_is_made_joined_and_left(run: Run, podd: Served, here: dict[str, str]) -> None:
    team = "team@example.com"
    run("accounts", "create", team, "--team", **here)
    person = json.loads(run("accounts", "create", "dora@example.com", "--json", **here).stdout)
    invitation = json.loads(run("teams", "invite", team, "--role", "basic", "--json", **here).stdout)
    assert invitation["token"] not in run("teams", "invitations", team, **here).stdout
    outside = {"PODD_URL": podd.url, "PODD_API_KEY": person["api_key"]}
    joined = json.loads(run("teams", "join", invitation["token"], "--json", **outside).stdout)
    assert joined["role"] == "basic"
    assert run("teams", "change", team, "dora@example.com", "--role", "dev", **here).stdout == (
        "dora@example.com is dev\n"
    )
    members = json.loads(run("teams", "members", team, "--json", **here).stdout)["members"]
    assert [(member["email"], member["role"]) for member in members] == [
        (team, "admin"),
        ("dora@example.com", "dev"),
    ]
    refused = run("teams", "convert-back", team, **here)
    assert "remove its members first" in refused.stderr
    run("teams", "remove", team, "dora@example.com", **here)
    assert "is a personal account" in run("teams", "convert-back", team, **here).stdout
    assert "is a team account" in run("teams", "convert", team, "--name", "The lab", **here).stdout
    assert run("teams", "add", team, "dora@example.com", "--role", "billing", **here).exit_code == 0
    withdrawn = json.loads(run("teams", "invite", team, "--json", **here).stdout)["invitation_id"]
    assert json.loads(run("teams", "withdraw", team, withdrawn, "--json", **here).stdout) == {
        "invitations": []
    }
    assert run("teams", "add", team, "dora@example.com", "--role", "boss", **here).exit_code == 2


def test_the_key_of_secrets_is_rotated(run: Run, here: dict[str, str]) -> None:
    done = json.loads(run("secrets", "rotate-key", "--json", **here).stdout)
    assert done.keys() == {"key", "count"}
    assert "sealed with the new key" in run("secrets", "rotate-key", **here).stdout


def test_people_read_it_in_plain_words(run: Run, here: dict[str, str]) -> None:
    made = run("accounts", "create", "cat@example.com", **here).stdout
    assert re.fullmatch(r"account user_\w{24} \(cat@example\.com\)\nAPI key rpa_\w{40}\n", made)
    more = run("keys", "create", "--account", "cat@example.com", **here).stdout
    assert re.fullmatch(r"key \w{14}\nAPI key rpa_\w{40}\n", more)


def test_failures_are_told_in_one_line_and_exit_code_1(run: Run, here: dict[str, str]) -> None:
    run("accounts", "create", "dan@example.com", **here)
    for words, said in {
        "accounts create dan@example.com": "podd: There is already an account for dan@example.com.\n",
        "accounts create nobody": "podd: 'nobody' is not an e-mail address.\n",
        "keys create --account nobody": (
            "podd: There is no account 'nobody'; `podd accounts create` makes one.\n"
        ),
    }.items():
        result = run(*words.split(), **here)
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", said)


# Where podd is


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_daemon_that_does_not_run_is_told_with_what_to_do(run: Run, tmp_path: Path) -> None:
    result = run("accounts", "create", "eve@example.com", PODD_DATA_DIR=str(tmp_path))
    code, said, told = result.exit_code, result.stdout, result.stderr
    del result
    gc.collect()  # the HTTP library leaves a socket open that could not be connected
    assert (code, said) == (1, "")
    assert told.startswith(f"podd: podd does not answer at {tmp_path}/podd.sock: ")
    assert "podd serve" in told
    assert told.count("\n") == 1


def test_the_operator_may_be_elsewhere(run: Run, podd: Served, tmp_path: Path) -> None:
    away = {"PODD_URL": podd.url, "PODD_DATA_DIR": str(tmp_path)}
    made = run("accounts", "create", "far@example.com", "--json", **away, PODD_API_KEY=OPERATOR_KEY)
    assert made.exit_code == 0
    assert json.loads(made.stdout)["api_key"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "podd: no token provided\n"),
        ("wrong", "podd: invalid api key\n"),
        ("schlüssel", "podd: "),
        ("two\nlines", "podd: "),
    ],
)
def test_elsewhere_only_the_operators_key_will_do(run: Run, podd: Served, key: str, said: str) -> None:
    result = run("accounts", "create", "x@example.com", PODD_URL=podd.url, PODD_API_KEY=key)
    assert result.exit_code == 1
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1
    assert not key or key not in result.stderr


def test_an_accounts_key_is_not_enough(run: Run, podd: Served) -> None:
    result = run("accounts", "create", "x@example.com", PODD_URL=podd.url, PODD_API_KEY=podd.key)
    assert (result.exit_code, result.stderr) == (1, "podd: Unauthorized\n")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "nonsense", "ftp://host", "http://[", "http://host:port", "http://"]
)
def test_a_url_that_leads_nowhere_is_told(run: Run, url: str) -> None:
    result = run("accounts", "create", "x@example.com", PODD_URL=url, PODD_API_KEY="key")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("podd: podd does not answer at ")
    assert url in result.stderr


@pytest.fixture
def somebody_else() -> Iterator[str]:
    """A web server that is not podd."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'["hello"]' if self.headers["authorization"] == "Bearer json" else b"<html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("key", ["json", "html"])
def test_an_answer_that_is_not_podds_is_told(run: Run, somebody_else: str, key: str) -> None:
    result = run("accounts", "create", "x@example.com", PODD_URL=somebody_else, PODD_API_KEY=key)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is that podd" in result.stderr.lower()
    assert somebody_else in result.stderr


# Settings


def test_settings_that_are_wrong_name_file_key_and_reason(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "podd.toml"
    file.write_text('[limits]\ntake_hold_second = 3\n[machine]\ncountry_code = "xx"\n')
    for words in ("serve", "doctor", "accounts create a@example.com", "keys create --account a"):
        result = run(*words.split(), "--config", str(file))
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{file}: limits.take_hold_second: no such key" in result.stderr
        assert "did you mean limits.take_hold_seconds?" in result.stderr
        assert f"{file}: machine.country_code: " in result.stderr


def test_a_settings_file_that_is_not_there_is_told(run: Run, tmp_path: Path) -> None:
    result = run("doctor", "--config", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert f"{tmp_path}/none.toml: cannot be read: No such file or directory" in result.stderr


def test_a_variable_that_is_wrong_is_named(run: Run) -> None:
    result = run("doctor", PODD_LIMITS__TAKE_HOLD_SECONDS="soon")
    assert result.exit_code == 2
    assert "environment: PODD_LIMITS__TAKE_HOLD_SECONDS: " in result.stderr


# Serving


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.fixture
def serve(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs `podd serve` with some settings, for as long as it takes to fail."""
    monkeypatch.setattr(log, "configure", lambda *_: None)  # the log is this process's own

    def serve(text: str = "", data_dir: str = f"{tmp_path}/data") -> Result:
        file = tmp_path / "podd.toml"
        file.write_text(f'data_dir = "{data_dir}"\nengine = "process"\n{text}')
        return run("serve", "--config", str(file))

    return serve


def test_a_port_that_is_taken_is_told(serve: Callable[..., Result], taken_port: int) -> None:
    result = serve(f'listen = ["127.0.0.1:{taken_port}"]')
    assert result.exit_code == 1
    assert f"podd: Cannot listen on 127.0.0.1:{taken_port}: Address already in use." in result.stderr


def test_a_second_daemon_on_one_directory_is_refused(serve: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "podd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = serve()
    assert result.exit_code == 1
    assert result.stderr == f"podd: Another podd already runs on {tmp_path}/data; stop it first.\n"


def test_a_directory_that_cannot_be_used_is_told(serve: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = serve(data_dir=f"{tmp_path}/file/data")
    assert result.exit_code == 1
    assert f"podd: Cannot use the data directory {tmp_path}/file/data: Not a directory." in result.stderr


def test_a_directory_too_deep_for_a_socket_is_told(serve: Callable[..., Result], tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100)
    result = serve('listen = ["127.0.0.1:0"]', data_dir=str(deep))
    assert result.exit_code == 1
    assert f"podd: Cannot use the data directory {deep}" in result.stderr
    assert "shorter" in result.stderr


# The doctor


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("failure", 1)])
def test_the_doctor_tells_scripts_and_people(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: str, code: int
) -> None:
    check = Check("engine", Status(status), "Docker [26.1]", "do this")
    monkeypatch.setattr(doctor, "run", lambda _: [check])
    as_json = run("doctor", "--json")
    assert as_json.exit_code == code
    assert json.loads(as_json.stdout) == [
        {"name": "engine", "status": status, "detail": "Docker [26.1]", "advice": "do this"}
    ]
    plain = run("doctor")
    assert plain.exit_code == code
    assert "engine: Docker [26.1]" in plain.stdout
    assert "-> do this" in plain.stdout

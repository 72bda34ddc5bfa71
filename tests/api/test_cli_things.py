"""The command line's nouns against podd itself, for a person with a key and the operator over the socket."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from podd import cli
from tests.api.served import IMAGE, Served
from tests.waiting import eventually

A6000 = "NVIDIA RTX A6000"
Podd = Callable[..., Any]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("podd"))
    yield served
    served.close()


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PODD_URL", "PODD_API_KEY", "PODD_CONFIG", "PODD_DATA_DIR", "RUNPOD_API_KEY"):
        monkeypatch.setenv(name, "")  # what a command sets is undone as well
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


def run(*words: str, typed: str = "", **env: str) -> Result:
    return CliRunner().invoke(cli.app, list(words), input=typed, env=env)


@pytest.fixture
def user(served: Served) -> Podd:
    """What `podd WORDS --json` prints for the person with the first account's key."""

    def asked(*words: str, typed: str = "") -> Any:
        done = run(*words, "--json", typed=typed, PODD_URL=served.url, RUNPOD_API_KEY=served.key)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return asked


@pytest.fixture
def operator(served: Served) -> Podd:
    """The same for the operator on the machine."""

    def asked(*words: str, typed: str = "") -> Any:
        done = run(*words, "--json", typed=typed, PODD_DATA_DIR=str(served.settings.data_dir))
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return asked


def test_a_pod_goes_through_its_life(served: Served, user: Podd) -> None:
    made = user("pods", "create", "trainer", "--image", IMAGE, "--gpu", A6000, "--volume", "20", "--no-wait")
    pod = made["id"]
    assert made["mounts"]["persistent"] == {"size": 20, "path": "/workspace"}
    served.settle()
    assert user("pods", "get", pod)["status"] == "RUNNING"
    assert pod in [one["id"] for one in user("pods", "list")["pods"]]
    assert user("pods", "stop", pod)["status"] == "EXITED"
    assert user("pods", "start", pod, "--gpus", "0", "--no-wait")["status"] != "EXITED"
    changed = user("pods", "update", pod, "--name", "other", "--env", "A=1", "--port", "8888/http")
    assert (changed["name"], changed["env"], changed["ports"]) == ("other", {"A": "1"}, ["8888/http"])
    served.settle()
    assert user("pods", "restart", pod, "--no-wait")["id"] == pod
    assert user("pods", "reset", pod, "--no-wait")["id"] == pod
    assert user("pods", "terminate", pod, "--yes") == {"id": pod, "done": "terminate"}
    assert pod not in [one["id"] for one in user("pods", "list")["pods"]]


def test_a_created_pod_is_waited_for_and_its_log_of_the_system_is_told(served: Served) -> None:
    words = ("pods", "create", "waited", "--image", IMAGE, "--gpu", "NVIDIA GeForce RTX 3090")
    env = {"PODD_URL": served.url, "PODD_API_KEY": served.key}
    with ThreadPoolExecutor(1) as aside:
        done = aside.submit(run, *words, **env)

        def over() -> bool:
            served.settle()
            return done.done()

        eventually(over)
    assert (done.result().exit_code, ": RUNNING" in done.result().stdout) == (0, True), done.result().output


def test_the_operator_sees_all_pods_and_acts_on_each_without_naming_its_account(
    served: Served, operator: Podd
) -> None:
    pod = served.create_pod(key=served.account("other@example.com"))
    mine = [one for one in operator("pods", "list")["pods"] if one["id"] == pod]
    assert [one["account"] for one in mine] == ["other@example.com"]
    assert operator("pods", "stop", pod)["status"] == "EXITED"
    operator("pods", "terminate", pod, "--yes")
    named = operator("volumes", "create", "data", "--size", "20", "--account", "other@example.com")
    assert operator("volumes", "list", "--account", "other@example.com")["volumes"] == [named]


def test_the_operator_names_the_account_where_there_is_more_than_one(served: Served) -> None:
    served.account()
    words = ("volumes", "create", "data", "--size", "20")
    refused = run(*words, PODD_DATA_DIR=str(served.settings.data_dir))
    assert (refused.exit_code, "--account" in refused.stderr) == (2, True)
    refused = run(*words, "--account", "x", PODD_URL=served.url, PODD_API_KEY=served.key)
    assert (refused.exit_code, "for the operator" in refused.stderr) == (2, True)


def test_an_endpoint_and_its_jobs(served: Served, user: Podd) -> None:
    made = user("endpoints", "create", "echo", "--image", IMAGE, "--gpu", "AMPERE_48", "--timeout", "60")
    endpoint = made["id"]
    assert (made["timeout"], made["scaling"]["type"]) == (60_000, "QUEUE_DELAY")
    assert user("endpoints", "scale", endpoint, "--max", "2")["workers"]["max"] == 2
    assert user("endpoints", "update", endpoint, "--idle-timeout", "9")["workers"]["idleTimeout"] == 9
    job = user("jobs", "run", endpoint, "--input", '{"prompt": "hello"}')["id"]
    assert [one["id"] for one in user("jobs", "list", endpoint)["jobs"]] == [job]
    assert user("jobs", "status", endpoint, job)["status"] == "IN_QUEUE"
    assert user("endpoints", "health", endpoint)["jobs"]["inQueue"] == 1
    served.settle()
    assert user("endpoints", "workers", endpoint)["summary"]["total"] >= 1
    assert user("jobs", "cancel", endpoint, job)["status"] == "CANCELLED"
    user("jobs", "run", endpoint)
    assert user("endpoints", "purge", endpoint, "--yes")["removed"] == 1
    assert user("endpoints", "releases", endpoint)["releases"]
    user("endpoints", "delete", endpoint, "--yes")
    assert endpoint not in [one["id"] for one in user("endpoints", "list")["endpoints"]]


def test_what_a_job_streams_is_printed_a_line_of_json_each_and_its_end_is_the_exit_code(
    served: Served, user: Podd
) -> None:
    endpoint = served.create_endpoint()
    job = user("jobs", "run", endpoint)["id"]
    user("jobs", "cancel", endpoint, job)
    env = {"PODD_URL": served.url, "PODD_API_KEY": served.key}
    ended = run("jobs", "stream", endpoint, job, "--json", **env)
    assert (ended.exit_code, ended.stdout, "CANCELLED" in ended.stderr) == (1, "", True)


def test_templates_volumes_credentials_and_secrets(user: Podd) -> None:
    template = user("templates", "create", "worker", "--image", IMAGE, "--serverless", "--env", "A=1")
    assert user("templates", "update", template["id"], "--image", "me/other")["image"] == "me/other"
    volume = user("volumes", "create", "models", "--size", "20")
    assert user("volumes", "update", volume["id"], "--size", "30")["size"] == 30
    credential = user("registry", "create", "hub", "--username", "ada", typed="hidden\n")
    secret = user("secrets", "create", "token", typed="very hidden\n")
    user("secrets", "update", secret["id"], typed="more hidden\n")
    for noun, thing in {
        "templates": template,
        "volumes": volume,
        "registry": credential,
        "secrets": secret,
    }.items():
        assert thing["id"] in [one["id"] for one in user(noun, "list")[noun]]
        assert "hidden" not in json.dumps(user(noun, "get", thing["id"]))
        user(noun, "delete", thing["id"], "--yes")
        assert thing["id"] not in [one["id"] for one in user(noun, "list")[noun]]


def test_people_read_tables(served: Served, user: Podd) -> None:
    user("volumes", "create", "shown", "--size", "20")
    env = {"PODD_URL": served.url, "PODD_API_KEY": served.key}
    heads = {"volumes list": "data center", "gpus types": "pool", "pods list": "status"}
    for words, head in heads.items():
        table = run(*words.split(), **env)
        assert (table.exit_code, head in table.stdout.splitlines()[0]) == (0, True), table.output
    accounts = run("accounts", "list", PODD_DATA_DIR=str(served.settings.data_dir))
    assert "balance" in accounts.stdout.splitlines()[0]


def test_nothing_is_deleted_unless_it_is_agreed_to(served: Served, user: Podd) -> None:
    volume = user("volumes", "create", "kept", "--size", "20")["id"]
    env = {"PODD_URL": served.url, "PODD_API_KEY": served.key}
    assert run("volumes", "delete", volume, typed="n\n", **env).exit_code == 1
    assert user("volumes", "get", volume)["name"] == "kept"


def test_whoever_signs_in_once_needs_no_variables(served: Served, tmp_path: Path) -> None:
    nowhere = {"PODD_DATA_DIR": str(tmp_path)}
    assert run("login", served.url, typed="wrong\n", **nowhere).exit_code == 1
    done = run("login", served.url, typed=f"{served.key}\n", **nowhere)
    assert (done.exit_code, served.key in done.output) == (0, False)
    (file,) = (tmp_path / "home").rglob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600
    assert run("pods", "list", **nowhere).exit_code == 0
    assert run("logout", **nowhere).exit_code == 0
    assert not file.exists()


def test_the_way_in_can_be_named_before_the_noun(served: Served) -> None:
    done = run("--url", served.url, "--key", served.key, "pods", "list", "--json")
    assert (done.exit_code, "pods" in json.loads(done.stdout)) == (0, True)


def test_an_account_looks_at_its_own_credit_and_makes_its_own_keys(user: Podd) -> None:
    assert user("credit", "show")["lines"] is not None
    made = user("keys", "create", "--read-only")
    assert made["key_id"] in [key["key_id"] for key in user("keys", "list")["keys"]]


@pytest.mark.parametrize(
    "words",
    ["pods create x --image i", "pods update p", "endpoints scale e", "volumes update v", "jobs run e -i {"],
)
def test_what_says_too_little_is_wrong_use(served: Served, words: str) -> None:
    refused = run(*words.split(), PODD_URL=served.url, PODD_API_KEY=served.key)
    assert (refused.exit_code, refused.stderr.startswith("podd: ")) == (2, True), refused.output


def test_what_podd_refuses_is_told_with_its_reasons(served: Served) -> None:
    env = {"PODD_URL": served.url, "PODD_API_KEY": served.key}
    refused = run("volumes", "create", "small", "--size", "1", **env)
    assert (refused.exit_code, "size" in refused.stderr) == (1, True)
    assert run("pods", "get", "nothing", **env).exit_code == 1

"""The SSH gateway with the clients everybody has, into a pod of plain processes without an sshd."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from podd import cli
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

RUN_ON = "sleep 3600"
SET_KEY = "mutation ($key: String!) { updateUserSettings(input: {pubKey: $key}) { id } }"
TERMINATE = "mutation ($id: String!) { podTerminate(input: {podId: $id}) }"
STOP = "mutation ($id: String!) { podStop(input: {podId: $id}) { id } }"


@dataclass(frozen=True)
class Way:
    """Into one pod, with one key."""

    daemon: Daemon
    key: Path
    pod_id: str
    user: str
    account: str

    @property
    def options(self) -> list[str]:
        given = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "IdentityFile": str(self.key),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "ConnectTimeout": "20",
        }
        return ["-F", "/dev/null", *(word for k, v in given.items() for word in ("-o", f"{k}={v}"))]

    @property
    def there(self) -> str:
        return f"{self.user}@127.0.0.1"

    def ssh(
        self, *words: str, input: str = "", user: str = "", **how: object
    ) -> "subprocess.CompletedProcess[str]":
        return run([*self.ssh_words(user=user), *words], input=input)

    def ssh_words(self, *more: str, user: str = "") -> list[str]:
        return [
            "ssh",
            *self.options,
            "-p",
            str(self.daemon.ssh_port),
            *more,
            f"{user or self.user}@127.0.0.1",
        ]

    def begin(self, *words: str, options: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*self.ssh_words(*options), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def home(self) -> Path:
        """What the pod has as its home."""
        (found,) = (self.daemon.data_dir / "processes").glob(f"*{self.pod_id}*/files")
        return found


def run(words: list[str], *, input: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, input=input, capture_output=True, text=True, timeout=60)


def new_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    settings = {"gateway": {"failed_logins": "", "logins_at_once_per_address": 30}}
    daemon = Daemon(tmp_path_factory.mktemp("gateway"), gpus=8, settings=settings)
    try:
        yield daemon.start()
    finally:
        daemon.close()


NewWay = Callable[[], Way]


@pytest.fixture
def new_way(daemon: Daemon, tmp_path: Path) -> Iterator[NewWay]:
    """A pod that runs, and its account's key."""
    made: list[Way] = []

    def new() -> Way:
        account = daemon.account()
        key = new_key(tmp_path / f"key-{len(made)}")
        daemon.graphql(SET_KEY, {"key": key.with_suffix(".pub").read_text()}, key=account)
        pod_id = daemon.create_pod(RUN_ON, key=account)

        def shown() -> Any:
            return daemon.http("GET", f"/v2/pods/{pod_id}", key=account).json()["ssh"]["proxy"]

        eventually(shown)
        made.append(Way(daemon, key, pod_id, shown()["username"], account))
        return made[-1]

    yield new
    for way in made:
        daemon.graphql(TERMINATE, {"id": way.pod_id}, key=way.account)


@pytest.fixture
def way(new_way: NewWay) -> Way:
    return new_way()


def test_a_command_has_its_streams_and_its_exit_code(way: Way) -> None:
    done = way.ssh("cat; echo to stderr >&2; exit 7", input="to stdin")
    assert (done.returncode, done.stdout, done.stderr) == (7, "to stdin", "to stderr\n")
    assert way.ssh("echo $RUNPOD_POD_ID", user=way.pod_id).stdout.strip() == way.pod_id


def test_a_script_over_stdin_runs_in_the_shell(way: Way) -> None:
    """As VS Code's Remote-SSH begins."""
    done = way.ssh("-T", input="echo one; echo $0 | grep -q sh && echo two; exit 3\n")
    assert (done.returncode, done.stdout) == (3, "one\ntwo\n")
    assert way.ssh("-T", "bash", input="echo $BASH_VERSION | cut -c1\n").stdout.strip().isdigit()


def test_a_terminal_has_the_clients_type_and_is_controlled_by_its_end(way: Way) -> None:
    done = way.ssh("-tt", input="tty >/dev/null && echo is-$TERM; exit 5\n")
    assert done.returncode == 5
    assert "is-" in done.stdout


def test_much_output_arrives_whole_and_much_input_too(way: Way) -> None:
    done = run([*way.ssh_words(), "head -c 20000000 /dev/zero | tr '\\0' x"])
    assert len(done.stdout) == 20_000_000
    assert way.ssh("wc -c", input="y" * 20_000_000).stdout.strip() == "20000000"


@pytest.mark.parametrize("program", ["sftp", "scp", "scp -O", "rsync"])
def test_files_come_and_go(way: Way, tmp_path: Path, program: str) -> None:
    content = os.urandom(3_000_000)
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent/a file").write_bytes(content)
    port = str(way.daemon.ssh_port)
    if program == "sftp":
        script = (
            f"mkdir there\ncd there\nput -r {tmp_path}/sent\nrename sent/a\\ file sent/b\nls -l sent\n"
            f"symlink sent/b link\nget sent/b {tmp_path}/back\nchmod 600 sent/b\nrm link\n-rmdir sent\n"
        )
        done = run(["sftp", *way.options, "-P", port, "-b", "-", way.there], input=script)
    elif program == "rsync":
        shell = " ".join(["ssh", *way.options, "-p", port])
        done = run(["rsync", "-a", "-e", shell, f"{tmp_path}/sent/", f"{way.there}:there"])
        assert done.returncode == 0, done.stderr
        done = run(["rsync", "-a", "-e", shell, f"{way.there}:there/a?file", f"{tmp_path}/back"])
    else:
        scp = [*program.split(), "-q", "-r", *way.options, "-P", port]
        done = run([*scp, f"{tmp_path}/sent", f"{way.there}:there"])
        assert done.returncode == 0, done.stderr
        done = run([*scp, f"{way.there}:there/a*file", f"{tmp_path}/back"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "back").read_bytes() == content


SERVE = """
import socket, sys
listener = socket.create_server((sys.argv[1], 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        data = b""
        while piece := connection.recv(1000):
            data += piece
        connection.sendall(data.upper())
"""


@pytest.fixture
def listening(way: Way) -> Iterator[int]:
    """The port of a program in the pod that listens on its loopback."""
    with way.begin("python3", "-u", "-c", f"'{SERVE}'", "127.0.0.1") as program:
        assert program.stdout is not None
        yield int(program.stdout.readline())
        program.terminate()


def asked(way: Way, where: str) -> "subprocess.CompletedProcess[str]":
    """What comes back of `hello` from there, through the gateway."""
    return run(way.ssh_words("-W", where), input="hello")


def test_connections_are_forwarded_into_the_pod(way: Way, listening: int) -> None:
    for host in ("localhost", "127.0.0.1", way.pod_id):
        assert asked(way, f"{host}:{listening}").stdout == "HELLO"


def test_connections_are_forwarded_nowhere_else(way: Way, listening: int) -> None:
    hosts = ("169.254.169.254", "10.213.0.1", "192.0.2.1", "example.com", "x" * 500)
    for host in hosts:
        done = asked(way, f"{host}:{listening}")
        assert done.returncode != 0
        assert done.stdout == ""
        assert "prohibited" in done.stderr or "refused" in done.stderr or "failed" in done.stderr


def test_a_socks_proxy_leads_into_the_pod_alone(way: Way, listening: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with way.begin(options=("-N", "-D", str(port), "-o", "ExitOnForwardFailure=yes")) as tunnel:
        try:
            eventually(lambda: _connects(port))
            assert _through_socks(port, "127.0.0.1", listening) == b"HELLO"
            assert _through_socks(port, "169.254.169.254", 80) == b""
        finally:
            tunnel.terminate()


def test_nobody_listens_on_podds_side(way: Way) -> None:
    done = run(way.ssh_words("-N", "-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes"))
    assert done.returncode != 0


def test_the_agent_stays_with_the_client(way: Way) -> None:
    assert way.ssh("-A", "-X", "echo ${SSH_AUTH_SOCK:-none} ${DISPLAY:-none}").stdout == "none none\n"


def test_a_wrong_key_a_foreign_pod_and_no_pod_look_alike(new_way: NewWay, tmp_path: Path) -> None:
    mine, theirs = new_way(), new_way()
    stranger = new_key(tmp_path / "stranger")
    users = (
        theirs.user,
        theirs.pod_id,
        "nosuchpod",
        "",
        f"{mine.pod_id}-00000000",
        "../../etc",
        "x" * 900,
    )
    answers = {
        (done.returncode, done.stderr.replace(user or mine.user, "USER").strip())
        for way, user in [(mine, user) for user in users if user] + [(replace(mine, key=stranger), mine.user)]
        for done in [way.ssh("true", user=user)]
    }
    assert {code for code, _ in answers} == {255}
    assert {text for _, text in answers} == {"USER@127.0.0.1: Permission denied (publickey)."}


def ends(process: "subprocess.Popen[str]") -> str:
    """Waits for it; what it had to say about that."""
    _, said = process.communicate(timeout=30)
    return said


def test_a_session_ends_when_the_key_is_removed(daemon: Daemon, way: Way) -> None:
    with way.begin("echo ready; cat") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "ready\n"
        daemon.graphql(SET_KEY, {"key": ""}, key=way.account)
        assert "removed" in ends(session)
    assert way.ssh("true").returncode == 255


def test_a_session_ends_when_the_pod_is_stopped(daemon: Daemon, way: Way) -> None:
    with way.begin("echo ready; cat") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "ready\n"
        daemon.graphql(STOP, {"id": way.pod_id}, key=way.account)
        assert "stopped" in ends(session)
    done = way.ssh("true")
    assert done.returncode != 0
    assert "stopped" in done.stderr


def test_what_a_client_ran_hears_that_it_left(way: Way) -> None:
    # It starts nothing more once it is ready: a shell that is in vfork just then loses the signal.
    script = "trap 'echo gone >note; exit' HUP; sleep 1000 & echo ready; wait"
    with way.begin(script) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "ready\n"
        session.kill()
    eventually(lambda: (way.home / "note").exists())


def test_who_came_in_and_how_is_told_in_the_pods_log(way: Way) -> None:
    way.ssh("true")
    told = way.daemon.log_lines("session opened")
    assert any(
        line["subject"] == way.pod_id and "over SSH from 127.0.0.1 with the SSH key SHA256:" in line["text"]
        for line in told
    )


def test_what_opens_a_session_is_in_the_audit_log_with_the_key(
    way: Way, listening: int, tmp_path: Path
) -> None:
    (tmp_path / "batch").write_text("ls\n")
    port = str(way.daemon.ssh_port)
    run(["sftp", *way.options, "-P", port, "-b", str(tmp_path / "batch"), f"{way.pod_id}@127.0.0.1"])
    way.ssh("true")
    assert asked(way, f"localhost:{listening}").stdout == "HELLO"
    told = way.daemon.http(
        "GET", "/operator/v1/audit", key=way.account, params={"operation": "connect.", "thing": way.pod_id}
    ).json()["entries"]
    assert {entry["operation"] for entry in told} >= {"connect.files", "connect.command", "connect.forward"}
    assert all(entry["key_id"].startswith("SHA256:") for entry in told if entry["surface"] == "ssh")


def test_many_silent_connections_keep_nobody_out(way: Way) -> None:
    """They come from one address, and the others from another."""
    silent = [socket.socket() for _ in range(200)]
    try:
        for each in silent:
            each.bind(("127.0.0.2", 0))
            each.connect(("127.0.0.1", way.daemon.ssh_port))
            each.settimeout(20)
        kept = sum(_greeted(each) for each in silent)
        assert kept <= 30
        assert way.ssh("echo fine").stdout == "fine\n"
    finally:
        for each in silent:
            each.close()


def test_the_host_key_is_kept_and_roots_alone(way: Way) -> None:
    key = way.daemon.data_dir / "ssh_host_ed25519_key"
    assert key.stat().st_mode & 0o777 == 0o600
    scanned = run(["ssh-keyscan", "-t", "ed25519", "-p", str(way.daemon.ssh_port), "127.0.0.1"]).stdout
    own = run(["ssh-keygen", "-y", "-f", str(key)]).stdout.split()[1]
    assert own in scanned


def test_podd_shell_runs_a_command_with_its_streams_and_its_exit_code(way: Way) -> None:
    words = [sys.executable, "-m", "podd", "shell", way.pod_id, "--config", str(way.daemon.config)]
    command = ["cat; echo to stderr >&2; exit 6"]
    for env in ({}, {"PODD_URL": way.daemon.url, "PODD_API_KEY": way.account}):
        done = subprocess.run(
            [*words, *command],
            input="to stdin",
            env=way.daemon.environment(**env),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (6, "to stdin", "to stderr\n")


def test_several_words_behind_podd_shell_stay_the_words_they_are(way: Way) -> None:
    script = "printf '<%s>' \"$@\"; exit 7"
    done = podd(way, "shell", way.pod_id, "--", "sh", "-c", script, "sh", "a b", "$HOME", "")
    assert (done.returncode, done.stdout) == (7, "<a b><$HOME><>")


@pytest.mark.parametrize("elsewhere", [False, True])
def test_podd_cp_carries_a_tree_there_and_back_whole(way: Way, tmp_path: Path, elsewhere: bool) -> None:
    env = {"PODD_URL": way.daemon.url, "PODD_API_KEY": way.account} if elsewhere else {}
    tree = tmp_path / "tree"
    (tree / "deep" / "empty").mkdir(parents=True)
    (tree / "deep" / "-f name").write_bytes(os.urandom(3_000_000))
    (tree / "run").write_text("#!/bin/sh")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("deep/-f name")
    assert copying(way, "cp", str(tree), f"{way.pod_id}:", **env).stderr == ""
    assert copying(way, "cp", f"{way.pod_id}:tree", str(tmp_path / "back"), **env).stderr == ""
    for root in (way.home / "tree", tmp_path / "back"):
        assert (root / "deep" / "-f name").read_bytes() == (tree / "deep" / "-f name").read_bytes()
        assert (root / "run").stat().st_mode & 0o777 == 0o755
        assert (root / "link").readlink() == Path("deep/-f name")
        assert (root / "deep" / "empty").is_dir()


def test_podd_cp_puts_things_where_docker_cp_puts_them(way: Way, tmp_path: Path) -> None:
    there = f"{way.pod_id}:"
    file, tree = tmp_path / "file", tmp_path / "tree"
    file.write_text("one")
    tree.mkdir()
    (tree / "leaf").write_text("leaf")

    def copy(source: object, target: object) -> str:
        done = copying(way, "cp", str(source), str(target))
        assert (done.exit_code != 0) == bool(done.stderr), done
        return done.stderr

    assert copy(file, f"{there}renamed") == ""
    file.write_text("two")
    assert copy(file, f"{there}renamed") == ""
    assert (way.home / "renamed").read_text() == "two"
    assert copy(tree, f"{there}new") == copy(tree, f"{there}new") == copy(f"{tree}/.", f"{there}new") == ""
    assert sorted(str(path.relative_to(way.home / "new")) for path in (way.home / "new").rglob("*")) == [
        "leaf",
        "tree",
        "tree/leaf",
    ]
    assert copy(f"{there}new/.", tmp_path / "tree") == ""
    assert (tree / "tree" / "leaf").read_text() == "leaf"
    assert copy(f"{there}renamed", tree) == ""
    assert (tree / "renamed").read_text() == "two"

    (way.home / "new" / "file").mkdir()
    assert "a file cannot take its place" in copy(file, f"{there}new")
    assert "a directory cannot take its place" in copy(tree, f"{there}renamed")
    assert "no directory ./nowhere" in copy(file, f"{there}nowhere/x")
    assert "no directory" in copy(file, f"{there}nowhere/")
    assert "there is no ./nothing" in copy(f"{there}nothing", tmp_path)
    assert "a directory cannot take its place" in copy(f"{there}new", file)
    taken = _with_directory(tmp_path / "taken", "leaf")
    assert "a file cannot take its place" in copy(f"{there}new/leaf", taken)
    assert "One of the two" in copy(file, tree)


def test_podd_cp_unpacks_nothing_outside_of_where_it_was_told_to(way: Way, tmp_path: Path) -> None:
    hostile = way.home / "hostile"
    hostile.mkdir()
    (hostile / "away").symlink_to(tmp_path)
    (hostile / "fine").write_text("fine")
    done = copying(way, "cp", f"{way.pod_id}:hostile", str(tmp_path / "back"))
    assert (done.exit_code, (tmp_path / "back" / "fine").read_text()) == (1, "fine")
    assert "left out" in done.stderr
    assert not (tmp_path / "back" / "away").is_symlink()


def test_podd_cp_is_in_the_audit_log_as_a_file_transfer(way: Way, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert copying(way, "cp", str(tmp_path / "file"), f"{way.pod_id}:").exit_code == 0
    found = copying(way, "audit", "--operation", "connect.files", "--json").stdout
    assert way.pod_id in found


# Private


def podd(way: Way, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    command, *rest = words
    return subprocess.run(
        [sys.executable, "-m", "podd", command, "--config", str(way.daemon.config), *rest],
        env=way.daemon.environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def copying(way: Way, *words: str, **env: str) -> Result:
    """As `podd`, in this process: Python takes longer to start than a file to be copied."""
    command, *rest = words
    everything = {"PODD_URL": "", "PODD_API_KEY": "", **way.daemon.environment(**env)}
    return CliRunner().invoke(cli.app, [command, "--config", str(way.daemon.config), *rest], env=everything)


def _with_directory(place: Path, name: str) -> Path:
    (place / name).mkdir(parents=True)
    return place


def _connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _through_socks(port: int, host: str, target: int) -> bytes:
    """What comes back of `hello` through a SOCKS 4 proxy; nothing when it refuses."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"\x04\x01" + target.to_bytes(2, "big") + socket.inet_aton(host) + b"\x00")
        answer = connection.recv(8)
        if answer[:2] != b"\x00\x5a":
            return b""
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile("rb").read()


def _greeted(connection: socket.socket) -> bool:
    """Whether the server says something, and does not hang up at once."""
    with suppress(ConnectionError):
        return bool(connection.recv(1))
    return False

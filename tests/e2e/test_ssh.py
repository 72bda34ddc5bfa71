"""SSH into a pod by its own sshd, with the client everybody has, as isolated as pods are."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import NewDaemon
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_SSH_IMAGE", "podd-test/sshd:latest")
SERVE = (
    'sh -c \'echo "$PUBLIC_KEY" >/root/.ssh/authorized_keys; ssh-keygen -q -t ed25519 -N "" '
    "-f /etc/ssh/ssh_host_ed25519_key; exec /usr/sbin/sshd -D -e -f /dev/null'"
)
SET_KEY = "mutation ($key: String!) { updateUserSettings(input: {pubKey: $key}) { id } }"

Ssh = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def ssh(new_daemon: NewDaemon, tmp_path: Path) -> Ssh:
    """Runs a command in a new pod."""
    daemon = new_daemon().start()
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    daemon.graphql(SET_KEY, {"key": key.with_suffix(".pub").read_text()})
    pod_id = daemon.create_pod(SERVE, imageName=IMAGE, ports="22/tcp")
    eventually(lambda: daemon.runs(pod_id), 30)
    way = daemon.http("GET", f"/v2/pods/{pod_id}").json()["ssh"]["direct"]

    def run(command: str) -> subprocess.CompletedProcess[str]:
        options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        options += ["LogLevel=ERROR", f"IdentityFile={key}", "IdentitiesOnly=yes"]
        given = [word for option in options for word in ("-o", option)]
        call = [*way["command"].split(), *given, command]
        return subprocess.run(call, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)

    eventually(lambda: run("true").returncode == 0, 30)
    return run


def test_the_accounts_key_opens_the_pods_own_sshd(ssh: Ssh) -> None:
    done = ssh("grep -E 'NoNewPrivs|CapEff' /proc/self/status; echo to stderr >&2; exit 7")
    assert done.returncode == 7
    assert done.stderr.strip() == "to stderr"
    facts = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert facts["NoNewPrivs"] == "1"
    net_raw, mknod, audit_write = 1 << 13, 1 << 27, 1 << 29
    held = int(facts["CapEff"], 16)
    assert not held & (net_raw | mknod)
    assert held & audit_write

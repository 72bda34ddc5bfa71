"""The SSH gateway into a container whose image has a shell and nothing else."""

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.test_gateway import SET_KEY, Way, asked, new_key, run
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
RUN_ON = "sleep 3600"


@pytest.fixture
def way(new_daemon: NewDaemon, tmp_path: Path) -> Way:
    daemon = new_daemon().start()
    key = new_key(tmp_path / "key")
    daemon.graphql(SET_KEY, {"key": key.with_suffix(".pub").read_text()})
    pod_id = daemon.create_pod(RUN_ON, imageName=IMAGE)
    eventually(lambda: daemon.runs(pod_id), 30)
    user = daemon.http("GET", f"/v2/pods/{pod_id}").json()["ssh"]["proxy"]["username"]
    return Way(daemon, key, pod_id, user, daemon.key)


def test_an_image_without_an_sshd_can_be_worked_in(way: Way) -> None:
    done = way.ssh("cat; echo $RUNPOD_POD_ID >&2; exit 7", input="to stdin")
    assert (done.returncode, done.stdout, done.stderr) == (7, "to stdin", f"{way.pod_id}\n")
    assert way.ssh("-tt", input="echo is-$TERM; exit 5\n").returncode == 5
    assert asked(way, "localhost:7778").returncode != 0
    engine = way.daemon.containers()
    host = engine.info().host_address
    engine.close()
    assert asked(way, f"{host}:{way.daemon.port}").stdout == ""
    port = str(way.daemon.ssh_port)
    told = run(["sftp", *way.options, "-P", port, "-b", "-", way.there], input="ls\n").stderr
    assert "neither sftp-server nor python3" in told


def test_a_client_that_leaves_takes_its_command_with_it(way: Way) -> None:
    with way.begin("echo ready; exec sleep 4321") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "ready\n"
        session.kill()
    eventually(lambda: way.ssh("ps | grep -c '[s]leep 4321'").stdout == "0\n", 30)


def test_a_session_ends_with_its_container(way: Way) -> None:
    with way.begin("echo ready; cat") as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "ready\n"
        (name,) = way.daemon.running()
        engine = way.daemon.containers()
        engine.remove(name)
        engine.close()
        assert session.wait(30) != 0

"""What the process engine does beyond the contract of every engine: above all, survive its daemon."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import psutil
import pytest

from podd.domain.container import Container, ContainerState, Mount, PortBinding
from podd.ports import StartRefused
from podd.processes import shim
from podd.processes.engine import ProcessEngine, changes
from podd.processes.log import ProcessLog
from tests.contract.bench import a_spec, clean
from tests.contract.programs import EXIT_7, WAIT_FOR_GO, sh
from tests.waiting import eventually

RUNNING, EXITED = ContainerState.RUNNING, ContainerState.EXITED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "engine"


@pytest.fixture
def engine(root: Path) -> Iterator[ProcessEngine]:
    engine = ProcessEngine("test", root)
    yield engine
    clean(ProcessEngine("test", root))
    engine.close()


def state(root: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((root / name / shim.STATE).read_text())
    return value


def lines(engine: ProcessEngine, name: str, **how: Any) -> list[str]:
    return [line.line for line in engine.logs(name, **how)]


# Surviving


START = """
import sys
from pathlib import Path
from podd.domain.container import ContainerSpec
from podd.processes.engine import ProcessEngine
root, *command = sys.argv[1:]
spec = ContainerSpec(workload_id="w", generation=1, kind="pod", image="", command=tuple(command))
ProcessEngine("test", Path(root)).start(spec)
print("started", flush=True)
sys.stdin.read()
"""


def test_containers_outlive_a_daemon_that_is_killed(engine: ProcessEngine, root: Path) -> None:
    daemon = subprocess.Popen(
        [sys.executable, "-c", START, str(root), *WAIT_FOR_GO], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert daemon.stdout is not None
    assert daemon.stdout.readline() == b"started\n"
    daemon.kill()
    daemon.communicate()
    (adopted,) = engine.list()
    assert adopted.state is RUNNING
    log = engine.logs(adopted.name, follow=True)
    assert next(log).line == "one"
    engine.exec(adopted.name, ["touch", "go"])
    assert [line.line for line in log] == ["two", "three"]
    eventually(lambda: engine.list()[0].exit_code == 3)


def test_an_exit_while_no_daemon_ran_is_known_later(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec(EXIT_7)
    engine.start(spec)
    engine.close()
    eventually(lambda: "exit_code" in state(root, spec.name))
    (ended,) = ProcessEngine("test", root).list()
    assert (ended.state, ended.exit_code) == (EXITED, 7)


def test_a_start_that_was_cut_short_is_completed(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec()
    (root / spec.name / "files").mkdir(parents=True)
    assert engine.list() == []
    assert engine.start(spec).state is RUNNING


def test_a_container_written_down_but_never_started_is_started(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec()
    engine.start(spec)
    clean_state = json.loads((root / spec.name / shim.SPEC).read_text())
    engine.remove(spec.name)
    (root / spec.name / "files").mkdir(parents=True)
    (root / spec.name / shim.SPEC).write_text(json.dumps(clean_state))
    assert [c.state for c in engine.list()] == [ContainerState.CREATED]
    assert engine.start(spec).state is RUNNING


def test_a_second_shim_does_not_start_the_command_twice(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec()
    engine.start(spec)
    before = state(root, spec.name)
    second = subprocess.run(
        [sys.executable, "-I", "-S", shim.__file__, str(root / spec.name)], capture_output=True, check=True
    )
    assert second.stdout == b"busy\n"
    assert state(root, spec.name) == before


def test_another_process_of_the_same_number_is_not_taken_for_it(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec(EXIT_7)
    engine.start(spec)
    eventually(lambda: "exit_code" in state(root, spec.name))
    eventually(lambda: shim.identity(state(root, spec.name)["shim"]["pid"]) is None)
    forged = state(root, spec.name) | {"pid": os.getpid(), "identity": "another boot:1"}
    del forged["exit_code"]
    shim.write_json(root / spec.name / shim.STATE, forged)
    (ended,) = engine.list()
    assert (ended.state, ended.exit_code) == (EXITED, None)
    engine.remove(spec.name)
    assert engine.list() == []


def test_a_command_whose_shim_was_killed_runs_until_it_is_stopped(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec()
    engine.start(spec)
    written = state(root, spec.name)
    os.kill(written["shim"]["pid"], signal.SIGKILL)
    eventually(lambda: shim.identity(written["shim"]["pid"]) is None)
    assert [c.state for c in engine.list()] == [RUNNING]
    engine.stop(spec.name, 5)
    assert [c.state for c in engine.list()] == [EXITED]
    assert shim.identity(written["pid"]) is None


def test_signals_to_everyone_leave_time_to_write_down_the_end(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec(sh("trap 'exit 4' TERM; echo ready; while :; do sleep 0.02; done"))
    engine.start(spec)
    eventually(lambda: lines(engine, spec.name) == ["ready"])
    written = state(root, spec.name)
    for pid in (written["shim"]["pid"], written["pid"]):
        os.kill(pid, signal.SIGTERM)
    eventually(lambda: engine.list()[0].exit_code == 4)


# Nothing stays behind


def test_all_children_go_when_the_command_ends(engine: ProcessEngine) -> None:
    spec = a_spec(sh("sleep 60 & echo $!"))
    engine.start(spec)
    (child,) = lines(engine, spec.name, follow=True)
    eventually(lambda: shim.identity(int(child)) is None)


def test_a_daemon_that_has_left_the_group_goes_with_its_container(engine: ProcessEngine) -> None:
    spec = a_spec(sh("setsid sleep 60 & echo $!; wait"))
    engine.start(spec)
    eventually(lambda: lines(engine, spec.name))
    child = int(lines(engine, spec.name)[0])
    engine.stop(spec.name, 0)
    eventually(lambda: shim.identity(child) is None)


def test_removing_deletes_all_files_but_those_of_volumes(
    engine: ProcessEngine, root: Path, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    spec = a_spec(
        sh("echo kept >workspace/data; echo lost >data"), mounts=(Mount(str(volume), "/workspace"),)
    )
    engine.start(spec)
    eventually(lambda: engine.list()[0].state is EXITED)
    engine.remove(spec.name)
    assert (volume / "data").read_text() == "kept\n"
    assert list(root.glob("[!.]*")) == []


def test_a_removal_that_was_cut_short_is_completed(engine: ProcessEngine, root: Path) -> None:
    (root / ".gone-1234" / "files").mkdir(parents=True)
    ProcessEngine("test", root)
    assert not (root / ".gone-1234").exists()


# What a process finds


def test_the_environment_holds_nothing_of_the_daemons(
    engine: ProcessEngine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_DAEMON", "x")
    spec = a_spec(sh("env; pwd"), env=(("A", "1"),), ports=(PortBinding(8888, 40088),))
    engine.start(spec)
    *env, cwd = lines(engine, spec.name, follow=True)
    found = dict(line.split("=", 1) for line in env)
    files = str(root / spec.name / "files")
    assert cwd == files
    assert (found["A"], found["PODD_ROOT"], found["HOME"]) == ("1", files, files)
    assert found["PODD_HOST_PORT_8888"] == "40088"
    assert found["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert set(found) - {"_", "SHLVL", "OLDPWD"} == {
        "A",
        "HOME",
        "PATH",
        "PODD_HOST_PORT_8888",
        "PODD_ROOT",
        "PWD",
    }


def test_mounts_may_lie_in_each_other(engine: ProcessEngine, tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    outer.mkdir()
    inner.mkdir()
    mounts = (Mount(str(inner), "/workspace/deep/inner"), Mount(str(outer), "/workspace"))
    engine.start(a_spec(sh("echo x >workspace/deep/inner/file"), mounts=mounts))
    eventually(lambda: (inner / "file").exists())


@pytest.mark.parametrize("target", ["/", "relative", "/../../etc"])
def test_a_mount_stays_within_the_container(engine: ProcessEngine, tmp_path: Path, target: str) -> None:
    with pytest.raises(StartRefused, match="cannot be mounted"):
        engine.start(a_spec(mounts=(Mount(str(tmp_path), target),)))
    assert engine.list() == []


def test_a_missing_volume_is_refused(engine: ProcessEngine, root: Path) -> None:
    with pytest.raises(StartRefused, match="is missing"):
        engine.start(a_spec(mounts=(Mount("/no/such/place", "/workspace"),)))
    assert list(root.glob("[!.]*")) == []


def test_a_container_needs_a_command(engine: ProcessEngine) -> None:
    with pytest.raises(StartRefused, match="needs a command"):
        engine.start(a_spec(()))


def test_a_command_that_is_no_program_is_refused(engine: ProcessEngine) -> None:
    with pytest.raises(StartRefused, match="/etc/passwd: Permission denied"):
        engine.start(a_spec(("/etc/passwd",)))


def test_cpu_time_is_counted_over_all_processes(engine: ProcessEngine) -> None:
    spec = a_spec(sh("(while :; do :; done) & wait"))
    engine.start(spec)
    eventually(lambda: engine.stats(spec.name).cpu_percent > 20)


# Logs


def test_a_log_is_bounded_and_its_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "_LOG_LIMIT", 2000)
    with closing(shim.LogFile(tmp_path)) as log:
        for number in range(500):
            log.write("stdout", b"line %d" % number)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    kept = [int(line.line.split()[1]) for line in read(tmp_path)]
    assert size <= 4000
    assert kept == list(range(kept[0], 500))
    assert len(kept) > 50


def test_a_follower_misses_nothing_when_the_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shim, "_LOG_LIMIT", 300)
    with closing(shim.LogFile(tmp_path)) as log, closing(read(tmp_path, follow=True)) as follower:
        for number in range(100):
            log.write("stdout", b"%d" % number)
            assert next(follower).line == str(number)


def read(directory: Path, *, follow: bool = False) -> ProcessLog:
    return ProcessLog(directory, lambda: follow, Event(), tail=None, follow=follow)


# Events


def container(state: ContainerState, started_at: int | None = 1) -> dict[str, Container]:
    return {"a": Container(name="a", workload_id="w", generation=1, state=state, started_at=started_at)}


CREATED = container(ContainerState.CREATED, None)


@pytest.mark.parametrize(
    ("before", "after", "actions"),
    [
        ({}, {}, []),
        ({}, CREATED, []),
        ({}, container(RUNNING), ["start"]),
        ({}, container(EXITED), ["start", "die"]),
        (CREATED, container(RUNNING), ["start"]),
        (container(RUNNING), container(RUNNING), []),
        (container(RUNNING), container(EXITED), ["die"]),
        (container(RUNNING), container(RUNNING, 2), ["die", "start"]),
        (container(EXITED), container(RUNNING, 2), ["start"]),
        (container(EXITED), container(EXITED, 2), ["start", "die"]),
        (container(RUNNING), {}, ["die", "remove"]),
        (container(EXITED), {}, ["remove"]),
    ],
)
def test_events_follow_from_what_has_changed(
    before: dict[str, Container], after: dict[str, Container], actions: list[str]
) -> None:
    assert [event.action for event in changes(before, after)] == actions


def test_only_one_small_process_is_kept_for_each_container(engine: ProcessEngine, root: Path) -> None:
    spec = a_spec(("sleep", "60"))
    engine.start(spec)
    keeper = psutil.Process(state(root, spec.name)["shim"]["pid"])
    assert [child.name() for child in keeper.children(recursive=True)] == ["sleep"]
    assert keeper.memory_info().rss < 32 * 1024 * 1024

"""What every Engine promises: the fake, the process engine and Docker are held to the same."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from podd.domain.container import Container, ContainerSpec, ContainerState, GpuRef, Mount
from podd.ports import EngineError, ExecResult, ImageMissing, NoSuchContainer, StartRefused
from tests.contract.bench import Bench, Listener, a_spec
from tests.contract.programs import (
    BOTH_STREAMS,
    COUNT_STARTS,
    COUNT_TO_FIVE,
    EXIT_0,
    EXIT_7,
    EXIT_9_ON_TERM,
    GO,
    GREET,
    IGNORE_TERM,
    LISTEN,
    NO_LINE_END,
    NOT_THERE,
    SAY_NO,
    TAKE_NOTES,
    TICK,
    WAIT_FOR_GO,
    WRITE_3_MB,
)
from tests.contract.registry import Registry
from tests.local_ports import free_port
from tests.waiting import eventually

CREATED, RUNNING, PAUSED, EXITED = ContainerState
MISSING = "podd-missing-1"


def only(bench: Bench) -> Container:
    """The one container there is."""
    (container,) = bench.engine.list()
    return container


def now() -> int:
    return time.time_ns() // 1_000_000


# Starting and listing


def test_nothing_is_there_before_the_first_start(bench: Bench) -> None:
    assert bench.engine.list() == []


def test_a_started_container_runs_and_is_listed(bench: Bench) -> None:
    spec = a_spec()
    before = now()
    started = bench.engine.start(spec)
    assert (started.name, started.workload_id, started.generation) == (spec.name, spec.workload_id, 1)
    assert started.state is RUNNING
    assert started.id
    assert started.address
    assert started.exit_code is None
    assert started.finished_at is None
    assert started.started_at is not None
    assert before - 1000 <= started.started_at <= now() + 1000
    assert only(bench) == started


def test_containers_of_another_instance_are_out_of_sight_and_reach(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    stranger = bench.another("stranger-" + bench.instance)
    assert stranger.list() == []
    stranger.stop(spec.name, 0)
    stranger.remove(spec.name)
    for touch in (stranger.logs, stranger.stats, lambda name: stranger.exec(name, ["true"])):
        with pytest.raises(NoSuchContainer):
            touch(spec.name)
    with pytest.raises(EngineError):
        stranger.start(spec)
    assert only(bench).state is RUNNING


def test_another_engine_of_the_same_instance_sees_what_runs(bench: Bench) -> None:
    started = bench.engine.start(a_spec())
    assert bench.another(bench.instance).list() == [started]


def test_starting_again_gives_the_same_container(bench: Bench) -> None:
    spec = a_spec()
    first = bench.engine.start(spec)
    assert bench.engine.start(spec) == first
    assert bench.engine.list() == [first]


def test_two_starts_at_once_make_one_container(bench: Bench) -> None:
    spec = a_spec()
    engines = [bench.engine, bench.engine, bench.another(bench.instance)]
    with ThreadPoolExecutor(len(engines)) as pool:
        started = list(pool.map(lambda engine: engine.start(spec), engines))
    assert {(c.id, c.state) for c in started} == {(only(bench).id, RUNNING)}


def test_many_starts_at_once_all_run(bench: Bench) -> None:
    specs = [a_spec() for _ in range(4)]
    with ThreadPoolExecutor(len(specs)) as pool:
        started = list(pool.map(bench.engine.start, specs))
    assert [c.name for c in started] == [s.name for s in specs]
    assert {c.name for c in bench.engine.list() if c.state is RUNNING} == {s.name for s in specs}


def test_an_exited_container_starts_again_on_its_own_disk(bench: Bench) -> None:
    spec = a_spec(COUNT_STARTS)
    assert bench.finish(spec) == ["1"]
    first = only(bench)
    bench.finish(spec)
    eventually(lambda: only(bench).state is EXITED)
    second = only(bench)
    assert bench.lines(spec.name) == ["1", "2"]
    assert second.id == first.id
    assert second.started_at is not None
    assert first.started_at is not None
    assert second.started_at >= first.started_at


# Pausing


def test_a_paused_container_stands_still_and_goes_on_where_it_was(bench: Bench) -> None:
    spec = a_spec(TICK)
    bench.engine.start(spec)
    before = only(bench)
    eventually(lambda: bench.lines(spec.name))
    bench.engine.pause(spec.name)
    assert only(bench) == replace(before, state=PAUSED)
    bench.engine.pause(spec.name)
    if bench.kind != "fake":
        assert bench.engine.stats(spec.name).cpu_percent == 0
    said = len(bench.lines(spec.name))
    bench.engine.unpause(spec.name)
    bench.engine.unpause(spec.name)
    assert only(bench) == before
    if bench.kind != "fake":
        eventually(lambda: len(bench.lines(spec.name)) > said + 10)
    lines = bench.lines(spec.name)
    assert lines == [str(number) for number in range(1, len(lines) + 1)]


def test_a_paused_container_can_be_stopped_and_hears_the_signal(bench: Bench) -> None:
    spec = a_spec(EXIT_9_ON_TERM)
    bench.engine.start(spec)
    eventually(lambda: bench.lines(spec.name) == ["ready"])
    bench.engine.pause(spec.name)
    bench.engine.stop(spec.name, 10)
    assert (only(bench).state, only(bench).exit_code) == (EXITED, 9)


def test_a_paused_container_can_be_removed(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    bench.engine.pause(spec.name)
    bench.engine.remove(spec.name)
    assert bench.engine.list() == []


def test_another_engine_of_the_same_instance_finds_it_paused(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    bench.engine.pause(spec.name)
    other = bench.another(bench.instance)
    assert [container.state for container in other.list()] == [PAUSED]
    other.unpause(spec.name)
    assert only(bench).state is RUNNING


def test_only_what_runs_can_be_paused(bench: Bench) -> None:
    spec = a_spec(EXIT_0)
    bench.finish(spec)
    eventually(lambda: only(bench).state is EXITED)
    for act in (bench.engine.pause, bench.engine.unpause):
        with pytest.raises(EngineError, match="not running"):
            act(spec.name)
        with pytest.raises(NoSuchContainer):
            act(MISSING)


def test_generations_are_containers_of_their_own(bench: Bench) -> None:
    first = a_spec()
    second = replace(first, generation=2)
    bench.engine.start(first)
    bench.engine.start(second)
    assert {c.generation: c.name for c in bench.engine.list()} == {1: first.name, 2: second.name}


def test_gpus_are_listed_with_simulated_ones(bench: Bench) -> None:
    spec = a_spec(gpus=(GpuRef("GPU-a", simulated=True), GpuRef("GPU-b", simulated=True)))
    bench.engine.start(spec)
    assert only(bench).gpus == ("GPU-a", "GPU-b")


def test_the_environment_is_given(bench: Bench) -> None:
    greeting = "hello = 'world' $HOME"
    assert bench.finish(a_spec(GREET, env=(("GREETING", greeting),))) == [greeting]


def test_a_directory_is_put_in_front_of_a_search_path(bench: Bench) -> None:
    search = {"search_paths": (("GREETING", "/opt/ours"),)}
    (alone,) = bench.finish(a_spec(GREET, **search))
    (before,) = bench.finish(a_spec(GREET, env=(("GREETING", "/mine:/other"),), **search))
    assert alone.endswith("/opt/ours")
    assert before.endswith("/opt/ours:/mine:/other")


def test_a_command_that_is_not_there_is_refused_and_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(StartRefused, match="no-such-command"):
        bench.engine.start(a_spec(NOT_THERE))
    assert bench.engine.list() == []


def test_a_mount_shows_the_directory_to_each_generation(bench: Bench, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()

    def generation(number: int, author: str) -> ContainerSpec:
        return replace(spec, generation=number, env=(("AUTHOR", author),))

    spec = a_spec(TAKE_NOTES, mounts=(Mount(str(volume), "/workspace"),))
    assert bench.finish(generation(1, "ada")) == []
    bench.engine.remove(spec.name)
    assert bench.finish(generation(2, "grace")) == ["by ada"]
    assert (volume / "notes").read_text() == "by ada\nby grace\n"


def test_a_volume_outlives_its_container(bench: Bench, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    spec = a_spec(TAKE_NOTES, mounts=(Mount(str(volume), "/workspace"),), env=(("AUTHOR", "ada"),))
    bench.finish(spec)
    bench.engine.remove(spec.name)
    assert (volume / "notes").read_text() == "by ada\n"


# Ending


def test_an_exit_shows_with_its_code(bench: Bench) -> None:
    for command, code in ((EXIT_0, 0), (EXIT_7, 7)):
        spec = a_spec(command)
        bench.engine.start(spec)
        eventually(lambda: only(bench).state is EXITED)
        ended = only(bench)
        assert ended.exit_code == code
        assert ended.address == ""
        assert ended.started_at is not None
        assert ended.finished_at is not None
        assert ended.started_at <= ended.finished_at <= now() + 1000
        bench.engine.remove(spec.name)


def test_stop_asks_politely_first(bench: Bench) -> None:
    spec = a_spec(EXIT_9_ON_TERM)
    bench.engine.start(spec)
    eventually(lambda: bench.lines(spec.name) == ["ready"])
    bench.engine.stop(spec.name, 10)
    assert (only(bench).state, only(bench).exit_code) == (EXITED, 9)


def test_stop_kills_what_does_not_listen(bench: Bench) -> None:
    spec = a_spec(IGNORE_TERM)
    bench.engine.start(spec)
    eventually(lambda: bench.lines(spec.name) == ["ready"])
    begun = time.monotonic()
    bench.engine.stop(spec.name, 0.5)
    assert time.monotonic() - begun < 5
    assert (only(bench).state, only(bench).exit_code) == (EXITED, 137)


def test_stopping_what_has_exited_or_never_was_is_fine(bench: Bench) -> None:
    spec = a_spec(EXIT_7)
    bench.finish(spec)
    eventually(lambda: only(bench).state is EXITED)
    bench.engine.stop(spec.name, 1)
    bench.engine.stop(MISSING, 1)
    assert only(bench).exit_code == 7


def test_remove_takes_it_away_in_any_state(bench: Bench) -> None:
    running, exited = a_spec(IGNORE_TERM), a_spec(EXIT_0)
    bench.engine.start(running)
    bench.finish(exited)
    for name in (running.name, exited.name, running.name, MISSING):
        bench.engine.remove(name)
    assert bench.engine.list() == []


def test_a_removed_container_starts_afresh(bench: Bench) -> None:
    spec = a_spec(EXIT_7)
    bench.finish(spec)
    first = only(bench)
    bench.engine.remove(spec.name)
    assert bench.finish(spec) == ["bye"]
    assert only(bench).id != first.id


# Logs


def test_logs_come_in_the_order_written(bench: Bench) -> None:
    spec = a_spec(COUNT_TO_FIVE)
    before = now()
    bench.engine.start(spec)
    wanted = [f"line {n}" for n in range(1, 6)]
    eventually(lambda: bench.lines(spec.name) == wanted)
    lines = list(bench.engine.logs(spec.name))
    assert [line.stream for line in lines] == ["stdout"] * 5
    times = [line.time for line in lines]
    assert times == sorted(times)
    assert before - 1000 <= times[0] <= now() + 1000


def test_tail_gives_the_last_lines(bench: Bench) -> None:
    spec = a_spec(COUNT_TO_FIVE)
    bench.engine.start(spec)
    eventually(lambda: len(bench.lines(spec.name)) == 5)
    assert bench.lines(spec.name, tail=2) == ["line 4", "line 5"]
    assert bench.lines(spec.name, tail=0) == []
    assert len(bench.lines(spec.name, tail=50)) == 5


def test_both_streams_are_told_apart(bench: Bench) -> None:
    spec = a_spec(BOTH_STREAMS)
    bench.finish(spec)
    assert {(line.stream, line.line) for line in bench.engine.logs(spec.name)} == {
        ("stdout", "out"),
        ("stderr", "err"),
    }


def test_a_last_line_without_a_line_end_counts(bench: Bench) -> None:
    assert bench.finish(a_spec(NO_LINE_END)) == ["the end"]


def test_following_ends_when_the_container_does(bench: Bench) -> None:
    spec = a_spec(WAIT_FOR_GO)
    bench.engine.start(spec)
    log = bench.engine.logs(spec.name, follow=True)
    assert next(log).line == "one"
    assert bench.engine.exec(spec.name, list(GO)).exit_code == 0
    assert [line.line for line in log] == ["two", "three"]
    eventually(lambda: only(bench).exit_code == 3)


def test_following_can_begin_with_the_last_lines(bench: Bench) -> None:
    spec = a_spec(EXIT_7)
    bench.finish(spec)
    assert bench.lines(spec.name, tail=1, follow=True) == ["bye"]


@pytest.mark.parametrize("by", ["log", "engine"])
def test_a_follower_is_let_go_when_closed(bench: Bench, by: str) -> None:
    spec = a_spec(COUNT_TO_FIVE)
    bench.engine.start(spec)
    log = bench.engine.logs(spec.name, follow=True)
    seen: list[str] = []
    follower = threading.Thread(target=lambda: seen.extend(line.line for line in log), daemon=True)
    follower.start()
    eventually(lambda: len(seen) == 5)
    (log if by == "log" else bench.engine).close()
    eventually(lambda: not follower.is_alive())
    assert len(seen) == 5


def test_there_are_no_logs_of_a_missing_container(bench: Bench) -> None:
    with pytest.raises(NoSuchContainer):
        list(bench.engine.logs(MISSING))


# Looking inside


def test_exec_gives_exit_code_and_output(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    assert bench.engine.exec(spec.name, list(SAY_NO)) == ExecResult(5, "no\n")


def test_exec_of_a_missing_command_is_a_failed_command(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    result = bench.engine.exec(spec.name, list(NOT_THERE))
    assert result.exit_code in (126, 127)
    assert "no-such-command" in result.output


def test_exec_needs_a_running_container(bench: Bench) -> None:
    spec = a_spec(EXIT_0)
    bench.finish(spec)
    eventually(lambda: only(bench).state is EXITED)
    with pytest.raises(EngineError, match="not running"):
        bench.engine.exec(spec.name, ["true"])
    with pytest.raises(NoSuchContainer):
        bench.engine.exec(MISSING, ["true"])


def test_stats_show_use_and_limit(bench: Bench) -> None:
    spec = a_spec()
    bench.engine.start(spec)
    stats = bench.engine.stats(spec.name)
    assert stats.cpu_percent >= 0
    assert 0 < stats.memory_used < stats.memory_limit == 64 * 1024 * 1024


def test_stats_tell_at_which_ports_a_container_can_be_reached(bench: Bench) -> None:
    port = free_port()
    listens, does_not = a_spec(LISTEN, env=(("PORT", str(port)),)), a_spec()
    for spec in (listens, does_not):
        bench.engine.start(spec)
    if bench.kind != "fake":
        eventually(lambda: set(bench.engine.stats(listens.name).listening or ()) == {("tcp", port)})
    assert not bench.engine.stats(does_not.name).listening


def test_disk_use_is_what_a_running_container_wrote_to_its_own_disk(bench: Bench) -> None:
    idle, busy, over = a_spec(), a_spec(WRITE_3_MB), a_spec(EXIT_0)
    for spec in (idle, busy):
        bench.engine.start(spec)
    bench.finish(over)
    eventually(lambda: bench.engine.disk_use()[busy.name] >= 3_000_000)
    used = bench.engine.disk_use()
    assert set(used) == {idle.name, busy.name}
    assert used[busy.name] < 4_000_000
    assert used[idle.name] < 1_000_000


def test_stats_need_a_running_container(bench: Bench) -> None:
    spec = a_spec(EXIT_0)
    bench.finish(spec)
    eventually(lambda: only(bench).state is EXITED)
    with pytest.raises(EngineError, match="not running"):
        bench.engine.stats(spec.name)
    with pytest.raises(NoSuchContainer):
        bench.engine.stats(MISSING)


def test_info_names_the_engine(bench: Bench) -> None:
    info = bench.engine.info()
    assert info.kind == bench.kind
    assert info.version
    assert info.host_address


# Images


# Plain processes have no images.
with_images = pytest.mark.parametrize(
    "bench", ["fake", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)


@with_images
@pytest.mark.parametrize("image", ["127.0.0.1:1/no/such:image", "Not An Image"])
def test_an_unknown_image_is_not_there_and_cannot_be_started(bench: Bench, image: str) -> None:
    assert not bench.engine.has_image(image)
    with pytest.raises(ImageMissing):
        bench.engine.start(a_spec(image=image))
    assert bench.engine.list() == []


@with_images
def test_an_image_that_no_registry_has_cannot_be_pulled(bench: Bench, registry: Registry) -> None:
    image = f"{registry.address}/no/such:image"
    with pytest.raises(ImageMissing, match=image):
        bench.engine.pull(image)
    assert not bench.engine.has_image(image)


def test_an_image_that_is_there_is_known(bench: Bench) -> None:
    assert bench.engine.has_image(a_spec().image)


# Events


def test_events_tell_of_start_end_and_removal(bench: Bench) -> None:
    spec = a_spec(EXIT_9_ON_TERM)
    listener = Listener(bench.engine)
    bench.engine.start(spec)
    eventually(lambda: listener.actions(spec.name) == ["start"])
    bench.engine.stop(spec.name, 10)
    eventually(lambda: listener.actions(spec.name) == ["start", "die"])
    bench.engine.remove(spec.name)
    eventually(lambda: listener.actions(spec.name) == ["start", "die", "remove"])


def test_events_of_another_instance_are_not_heard(bench: Bench) -> None:
    listener = Listener(bench.engine)
    stranger = bench.another("stranger-" + bench.instance)
    foreign, own = a_spec(EXIT_0), a_spec(EXIT_0)
    stranger.start(foreign)
    bench.engine.start(own)
    eventually(lambda: listener.actions(own.name) == ["start", "die"])
    assert {event.name for event in listener.heard} == {own.name}


def test_events_end_when_the_engine_is_closed(bench: Bench) -> None:
    listener = Listener(bench.engine)
    spec = a_spec()
    bench.engine.start(spec)
    eventually(lambda: listener.actions(spec.name) == ["start"])
    bench.engine.close()
    eventually(listener.has_ended)

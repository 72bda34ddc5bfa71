from dataclasses import replace
from typing import Any

import pytest

from podd.containers import answers
from podd.containers.answers import CpuSample, PullProgress
from podd.domain.container import Container, ContainerState
from podd.ports import EngineError, ImageMissing, NoSuchContainer, PortTaken, StartRefused, Stats

NEVER = "0001-01-01T00:00:00Z"
BEGAN, ENDED = "2026-11-23T15:19:09.703897403Z", "2026-11-23T15:19:10Z"
BEGAN_MS, ENDED_MS = 1_795_447_149_703, 1_795_447_150_000


def inspected(status: str, *, began: str = BEGAN, ended: str = NEVER, code: int = 0, error: str = "") -> Any:
    labels = {
        "podd.instance": "main",
        "podd.workload": "abc",
        "podd.generation": "2",
        "podd.gpus": "GPU-a,GPU-b",
    }
    state = {"Status": status, "StartedAt": began, "FinishedAt": ended, "ExitCode": code, "Error": error}
    networks = {"podd-main": {"IPAddress": "10.1.0.2"}, "other": {"IPAddress": "10.2.0.2"}}
    return {
        "Id": "1234",
        "Name": "/podd-abc-2",
        "State": state,
        "Config": {"Labels": labels},
        "HostConfig": {"NetworkMode": "podd-main"},
        "NetworkSettings": {"Networks": networks},
    }


def container(state: ContainerState, **fields: Any) -> Container:
    known = Container(name="podd-abc-2", workload_id="abc", generation=2, state=state, id="1234")
    return replace(known, gpus=("GPU-a", "GPU-b"), address="10.1.0.2", **fields)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (inspected("running"), container(ContainerState.RUNNING, started_at=BEGAN_MS)),
        # Of an earlier run; the present one has no end yet.
        (inspected("running", ended=ENDED, code=3), container(ContainerState.RUNNING, started_at=BEGAN_MS)),
        (inspected("paused"), container(ContainerState.PAUSED, started_at=BEGAN_MS)),
        (
            inspected("exited", ended=ENDED, code=137),
            container(ContainerState.EXITED, started_at=BEGAN_MS, finished_at=ENDED_MS, exit_code=137),
        ),
        (
            inspected("dead", ended=ENDED, code=1),
            container(ContainerState.EXITED, started_at=BEGAN_MS, finished_at=ENDED_MS, exit_code=1),
        ),
        (
            inspected("created", began=NEVER, code=128, error="OCI runtime create failed: no luck: unknown"),
            container(ContainerState.CREATED, error="no luck"),
        ),
    ],
)
def test_containers_are_read_from_what_inspect_says(answer: Any, wanted: Container) -> None:
    assert answers.container(answer) == wanted


def test_a_container_never_ends_before_it_began() -> None:
    """The engine notes the start of what ends at once a moment after its end."""
    ended_first = inspected("exited", began=ENDED, ended=BEGAN, code=7)

    found = answers.container(ended_first)

    assert (found.started_at, found.finished_at) == (ENDED_MS, ENDED_MS)


def test_a_list_entry_shows_when_state_or_exit_code_has_changed() -> None:
    entries = [
        {"State": "running", "Status": "Up 3 seconds"},
        {"State": "running", "Status": "Up 2 weeks"},
        {"State": "exited", "Status": "Exited (0) 3 seconds ago"},
        {"State": "exited", "Status": "Exited (0) 5 minutes ago"},
        {"State": "exited", "Status": "Exited (137) 5 minutes ago"},
    ]
    up, still_up, ended, long_ended, killed = map(answers.mark, entries)
    assert up == still_up
    assert ended == long_ended
    assert len({up, ended, killed}) == 3


# Message texts of engines from 20.10 on.
RUNC = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
INIT = RUNC + "error during container init: "
TASK = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
PORTS = "driver failed programming external connectivity on endpoint podd-a-1 (0aa2): "
PROXY = PORTS + "Error starting userland proxy: "

START_FAILURES: list[tuple[int, str, type[EngineError], str]] = [
    (
        400,
        RUNC + 'exec: "nope": executable file not found in $PATH: unknown',
        StartRefused,
        ': exec: "nope": executable file not found in $PATH.',
    ),
    (
        400,
        INIT + 'error mounting "/etc/passwd" to rootfs at "/tmp": not a directory: unknown',
        StartRefused,
        ': error mounting "/etc/passwd" to rootfs at "/tmp": not a directory.',
    ),
    (
        500,
        INIT + "error running hook #0: error running hook: exit status 1, stdout: , stderr: "
        "nvidia-container-cli: device error: GPU-dead: unknown device: unknown",
        StartRefused,
        ": nvidia-container-cli: device error: GPU-dead: unknown device.",
    ),
    (
        500,
        'could not select device driver "nvidia" with capabilities: [[gpu]]',
        StartRefused,
        "could not select device driver",
    ),
    (
        500,
        TASK + "could not apply required modification to OCI specification: error modifying OCI spec: "
        "failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=GPU-a: unknown",
        StartRefused,
        "unresolvable CDI devices nvidia.com/gpu=GPU-a.",
    ),
    (
        500,
        INIT + "sethostname: invalid argument: unknown",
        StartRefused,
        ": sethostname: invalid argument.",
    ),
    (
        500,
        PORTS + "Bind for 127.0.0.1:40001 failed: port is already allocated",
        PortTaken,
        "port 127.0.0.1:40001 is already in use",
    ),
    (
        500,
        PROXY + "listen tcp4 127.0.0.1:40003: bind: address already in use",
        PortTaken,
        "port 127.0.0.1:40003 is already in use",
    ),
    (
        500,
        "failed to set up container networking: " + PORTS + "failed to bind host port for "
        "127.0.0.1:40003:172.17.0.2:80/tcp: address already in use",
        PortTaken,
        "port 127.0.0.1:40003 is already in use",
    ),
    (
        500,
        PROXY + "listen tcp4 9.9.9.9:40002: bind: cannot assign requested address",
        StartRefused,
        "listen tcp4 9.9.9.9:40002",
    ),
    (500, "mkdir /var/lib/docker/x: no space left on device", EngineError, "no space left on device"),
    (404, "No such container: 1234", EngineError, "No such container: 1234"),
]


@pytest.mark.parametrize(("status", "message", "kind", "said"), START_FAILURES)
def test_a_failed_start_is_told_for_what_it_is(
    status: int, message: str, kind: type[EngineError], said: str
) -> None:
    failure = answers.start_failure(status, message)
    assert type(failure) is kind
    assert said in str(failure)
    assert "OCI runtime" not in str(failure)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "No such image: nope:1", ImageMissing),
        (400, "invalid reference format: repository name must be lowercase", ImageMissing),
        (400, 'invalid mount config for type "bind": bind source path does not exist: /x', StartRefused),
        (400, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", StartRefused),
        (500, "no space left on device", EngineError),
    ],
)
def test_a_failed_creation_is_told_for_what_it_is(status: int, message: str, kind: type[EngineError]) -> None:
    failure = answers.create_failure(status, message)
    assert type(failure) is kind
    assert message in str(failure)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "manifest for me/app:1 not found: manifest unknown: manifest unknown", ImageMissing),
        (
            404,
            "pull access denied for app, repository does not exist or may require 'docker login'",
            ImageMissing,
        ),
        (500, "Head http://127.0.0.1:5000/v2/app/manifests/1: no basic auth credentials", ImageMissing),
        (
            500,
            "Head http://127.0.0.1:5000/v2/app/manifests/1: unauthorized: authentication required",
            ImageMissing,
        ),
        (500, "error from registry: denied", ImageMissing),
        (400, "invalid reference format", ImageMissing),
        (None, "no matching manifest for linux/amd64 in the manifest list entries", ImageMissing),
        (500, 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', EngineError),
        (500, 'Get "https://registry.example/v2/": net/http: TLS handshake timeout', EngineError),
        (500, "toomanyrequests: You have reached your pull rate limit", EngineError),
        (None, "failed to register layer: open /var/lib/docker/x: permission denied", EngineError),
        (None, "write /var/lib/docker/tmp/x: no space left on device", EngineError),
    ],
)
def test_a_failed_pull_is_told_for_what_it_is(
    status: int | None, message: str, kind: type[EngineError]
) -> None:
    assert type(answers.pull_failure(status, message, "app:1")) is kind


def test_other_failures_name_a_missing_container() -> None:
    assert type(answers.failure(404, "No such container: x")) is NoSuchContainer
    assert type(answers.failure(500, "something")) is EngineError


@pytest.mark.parametrize(
    ("message", "lacking"),
    [
        ("network 85f46f6baba5 not found", True),
        ("network podd-main is ambiguous (2 matches found on name)", True),
        ("No such container: 1234", False),
        (PORTS + "port is already allocated", False),
    ],
)
def test_a_start_that_lacks_its_network_is_known(message: str, lacking: bool) -> None:
    assert answers.lacks_network(message) is lacking


def test_the_last_words_of_an_init_name_the_command() -> None:
    refusal = answers.init_failure("[FATAL tini (6)] exec nope failed: No such file or directory")
    assert str(refusal) == "The container cannot be started as asked: nope: No such file or directory."
    assert answers.init_failure("sh: nope: not found") is None


@pytest.mark.parametrize(
    ("info", "mounts", "limited"),
    [
        ({"Driver": "btrfs"}, "", True),
        ({"Driver": "zfs"}, "", True),
        ({"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]]}, "", False),
        (
            {"Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]},
            "",
            False,
        ),
        (
            {
                "Driver": "overlay2",
                "DriverStatus": [["Backing Filesystem", "xfs"]],
                "DockerRootDir": "/data/docker",
            },
            "/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw,noatime,prjquota 0 0\n/dev/c /database xfs rw 0 0\n",
            True,
        ),
        (
            {
                "Driver": "overlay2",
                "DriverStatus": [["Backing Filesystem", "xfs"]],
                "DockerRootDir": "/data/docker",
            },
            "/dev/a / xfs rw,prjquota 0 0\n/dev/b /data xfs rw,noquota 0 0\n",
            False,
        ),
    ],
)
def test_disk_limits_are_known_from_the_storage_driver(info: Any, mounts: str, limited: bool) -> None:
    assert answers.features(info, mounts).disk_limits is limited


@pytest.mark.parametrize(
    ("info", "offered"),
    [
        ({"Runtimes": {"runc": {}}}, False),
        ({"Runtimes": {"runc": {}, "nvidia": {}}}, True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=GPU-a"}]}, True),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/net=0"}]}, False),
        ({"DiscoveredDevices": None, "CDISpecDirs": ["/etc/cdi"]}, False),
    ],
)
def test_gpus_are_offered_by_a_runtime_or_by_cdi(info: Any, offered: bool) -> None:
    assert answers.offers_gpus(answers.features(info, "")) is offered


SAMPLES = {
    1: {
        "read": "2026-11-23T00:39:28.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000, "percpu_usage": [1, 2]}},
        "memory_stats": {
            "usage": 1000,
            "limit": 5000,
            "stats": {"inactive_file": 7, "total_inactive_file": 300},
        },
    },
    2: {
        "read": "2026-11-23T00:39:28.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 3_000_000_000}},
        "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"inactive_file": 300}},
    },
}


@pytest.mark.parametrize("cgroup", [1, 2])
def test_use_is_what_was_used_between_two_samples(cgroup: int) -> None:
    sample = SAMPLES[cgroup]
    at = answers.cpu_sample(sample).at
    before = CpuSample(at=at - 2_000_000_000, used=0)
    assert answers.stats(sample, before) == Stats(cpu_percent=150.0, memory_used=700, memory_limit=5000)


def test_two_samples_of_one_moment_show_no_use() -> None:
    sample = SAMPLES[1]
    assert answers.stats(sample, answers.cpu_sample(sample)).cpu_percent == 0.0


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.123456789Z", 1_123_456_789),
        ("1970-01-01T01:00:01.000000001+01:00", 1_000_000_001),
    ],
)
def test_timestamps_are_exact(stamp: str, nanoseconds: int) -> None:
    assert answers.nanoseconds(stamp) == nanoseconds


def test_the_zero_time_is_no_time() -> None:
    assert answers.milliseconds(NEVER) is None


def test_pull_progress_is_a_line_now_and_then_and_all_about_the_image_as_a_whole() -> None:
    progress = PullProgress(every=2.0)

    def said(now: float, **message: Any) -> str | None:
        return progress.line(message, now)

    assert said(0.0, status="Pulling from me/app") == "Pulling from me/app"
    assert said(1.9, id="aa", status="Downloading", progress="4MB/9MB") is None
    assert said(2.1, id="aa", status="Downloading", progress="5MB/9MB") == "aa: Downloading 5MB/9MB"
    assert said(2.2, id="bb", status="Downloading", progress="1MB/2MB") is None
    assert said(2.3, id="aa", status="Pull complete") is None
    assert said(2.4, status="Status: Downloaded newer image") == "Status: Downloaded newer image"
    assert said(4.4, id="bb", status="Pull complete") == "bb: Pull complete"
    assert said(9.0, stream="no status") is None

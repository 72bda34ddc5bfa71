"""What every VolumeStorage promises, and what only the one that mounts can get wrong.

The mechanisms run for real where mounts are private to the run (tests/run). Project quotas do not: the
kernels the tests run on cannot mount with them, so those are held to the commands they give.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Container, Iterator
from errno import EDQUOT, EIO, ENOSPC
from pathlib import Path

import pytest

from podd.ports import VolumeError, VolumeStorage
from podd.volumes.directory import Directories
from podd.volumes.host import Host, MountPoint, parse_mounts
from podd.volumes.image import Images, image_of, may_grow_mounted
from podd.volumes.project import Projects
from podd.volumes.storage import Storage, best, mechanisms, open_storage
from tests.fakes import FakeVolumes

GIB = 2**30
MIB = 2**20

Opened = Callable[[], VolumeStorage]


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def btrfs(tmp_path: Path) -> Iterator[Path]:
    """A directory on btrfs."""
    image, top = tmp_path / "btrfs.img", tmp_path / "btrfs"
    with image.open("xb") as file:
        file.truncate(4 * GIB)
    top.mkdir()
    run("mkfs.btrfs", "-q", str(image))
    run("mount", "-o", "loop", str(image), str(top))
    yield top
    Host(False).unmount_below(tmp_path)


@pytest.fixture(
    params=[
        "fake",
        "directory",
        pytest.param("image", marks=pytest.mark.docker),
        pytest.param("btrfs", marks=pytest.mark.docker),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    if kind == "btrfs":
        yield request.getfixturevalue("btrfs") / "data"
    else:
        yield tmp_path / "data"
        Host(False).unmount_below(tmp_path)


@pytest.fixture
def opened(kind: str, root: Path) -> Opened:
    """The storage as each new daemon opens it."""
    fake = FakeVolumes()
    return lambda: fake if kind == "fake" else open_storage(root, kind)


@pytest.fixture
def storage(opened: Opened) -> VolumeStorage:
    return opened()


@pytest.fixture
def volume(root: Path) -> Path:
    return root / "volumes" / "pod1"


# All of them


def test_a_volume_is_empty_and_anybody_may_write_to_it(storage: VolumeStorage, volume: Path) -> None:
    storage.ensure(volume, 1)
    assert list(volume.iterdir()) == []
    (volume / "file").write_text("text")
    assert storage.usage(volume).used < GIB // 4


def test_having_it_again_changes_nothing_on_it(opened: Opened, volume: Path) -> None:
    opened().ensure(volume, 1)
    (volume / "file").write_text("text")
    volume.chmod(0o751)
    before = opened().usage(volume).limit
    opened().ensure(volume, 1)
    assert (volume / "file").read_text() == "text"
    assert opened().usage(volume).limit == before


def test_it_is_gone_once_removed_and_may_be_removed_again(opened: Opened, volume: Path) -> None:
    opened().ensure(volume, 1)
    (volume / "directory").mkdir()
    (volume / "directory" / "file").write_text("text")
    opened().remove(volume)
    opened().remove(volume)
    assert [path.name for path in volume.parent.iterdir()] == []
    with pytest.raises(VolumeError):
        opened().usage(volume)


def test_it_grows_with_what_is_on_it_and_does_not_shrink(storage: VolumeStorage, volume: Path) -> None:
    storage.ensure(volume, 1)
    (volume / "file").write_text("text")
    first = storage.usage(volume).limit
    storage.ensure(volume, 2)
    second = storage.usage(volume).limit
    if first is not None and second is not None:
        assert first < 1.1 * GIB
        assert second > 1.8 * GIB
    storage.ensure(volume, 1)
    assert storage.usage(volume).limit == second
    assert (volume / "file").read_text() == "text"


def test_it_grows_while_it_is_in_use(storage: VolumeStorage, volume: Path, kind: str) -> None:
    storage.ensure(volume, 1)
    with (volume / "file").open("w") as in_use:
        if kind == "image" and not may_grow_mounted():
            with pytest.raises(VolumeError, match="busy"):
                storage.ensure(volume, 2)
        else:
            storage.ensure(volume, 2)
        in_use.write("still in use")
    assert (volume / "file").read_text() == "still in use"
    storage.ensure(volume, 2)


def test_volumes_do_not_know_of_each_other(storage: VolumeStorage, volume: Path) -> None:
    other = volume.parent.parent / "network-volumes" / "pod1"
    storage.ensure(volume, 1)
    storage.ensure(other, 1)
    (volume / "file").write_text("text")
    assert list(other.iterdir()) == []
    storage.remove(volume)
    assert other.is_dir()


# Those that keep to a size


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.docker) for k in ("image", "btrfs")])
def test_writing_past_it_fails_and_after_growing_goes_on(storage: VolumeStorage, volume: Path) -> None:
    storage.ensure(volume, 1)
    block = os.urandom(64 * MIB)

    def fill(blocks: int) -> None:
        with (volume / "big").open("ab", buffering=0) as file:
            for _ in range(blocks):
                done = 0
                while done < len(block):
                    done += file.write(block[done:])
                os.fsync(file)

    with pytest.raises(OSError, match=r"No space left|Disk quota exceeded") as full:
        fill(20)
    assert full.value.errno in (ENOSPC, EDQUOT)
    written = (volume / "big").stat().st_size
    assert 0.8 * GIB < written <= GIB
    storage.ensure(volume, 2)
    fill(4)


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.docker) for k in ("image", "btrfs")])
def test_a_directory_of_before_stays_what_it_is(storage: VolumeStorage, volume: Path) -> None:
    volume.mkdir(parents=True)
    (volume / "file").write_text("old")
    storage.ensure(volume, 1)
    assert (volume / "file").read_text() == "old"
    assert storage.usage(volume).limit is None
    storage.remove(volume)
    assert not volume.exists()


@pytest.mark.docker
@pytest.mark.parametrize("kind", ["image"])
class TestAnImage:
    def test_is_mounted_again_after_a_reboot(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume, 1)
        (volume / "file").write_text("text")
        run("umount", str(volume))
        assert not (volume / "file").exists()
        opened().ensure(volume, 1)
        assert (volume / "file").read_text() == "text"

    def test_that_was_half_made_is_made_anew(self, opened: Opened, volume: Path) -> None:
        half = image_of(volume).with_name(f"{image_of(volume).name}.new")
        half.parent.mkdir(parents=True)
        half.write_bytes(b"no file system")
        opened().ensure(volume, 1)
        assert [path.name for path in sorted(volume.parent.iterdir())] == ["pod1", "pod1.img"]
        (volume / "file").write_text("text")

    def test_of_a_trial_that_was_killed_is_no_hindrance(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume.with_name(".trial"), 1)
        opened()
        assert list(volume.parent.iterdir()) == []

    def test_that_was_half_made_is_removed(self, opened: Opened, volume: Path) -> None:
        half = image_of(volume).with_name(f"{image_of(volume).name}.new")
        half.parent.mkdir(parents=True)
        half.write_bytes(b"no file system")
        opened().remove(volume)
        assert list(volume.parent.iterdir()) == []

    def test_grows_to_the_end_after_a_crash_in_between(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume, 1)
        os.truncate(image_of(volume), 2 * GIB)
        opened().ensure(volume, 2)
        limit = opened().usage(volume).limit
        assert limit is not None
        assert limit > 1.8 * GIB

    def test_mounted_twice_is_removed(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume, 1)
        run("mount", "--bind", str(volume), str(volume))
        opened().remove(volume)
        assert list(volume.parent.iterdir()) == []

    def test_in_use_is_not_removed_until_it_can_be(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume, 1)
        with (volume / "file").open("w") as held:
            held.write("text")
            with pytest.raises(VolumeError, match="busy"):
                opened().remove(volume)
        assert (volume / "file").read_text() == "text"
        opened().remove(volume)
        assert list(volume.parent.iterdir()) == []

    def test_takes_no_room_before_it_is_written_to(self, opened: Opened, volume: Path) -> None:
        opened().ensure(volume, 50)
        assert image_of(volume).stat().st_blocks * 512 < GIB // 2

    def test_goes_on_working_where_another_mechanism_is_chosen(
        self, opened: Opened, root: Path, volume: Path
    ) -> None:
        opened().ensure(volume, 1)
        (volume / "file").write_text("text")
        run("umount", str(volume))
        later = open_storage(root, "directory")
        later.ensure(volume, 1)
        assert (volume / "file").read_text() == "text"
        later.remove(volume)
        assert list(volume.parent.iterdir()) == []

    def test_is_seen_by_an_engine_outside_of_podds_own_mounts(
        self, opened: Opened, root: Path, volume: Path
    ) -> None:
        """As under a service manager that gives podd a mount namespace of its own."""
        made = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", _ELSEWHERE],
            env={**os.environ, "ROOT": str(root)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
        assert (volume / "file").read_text() == "text"
        opened().remove(volume)


_ELSEWHERE = """
import os
from pathlib import Path
from podd.volumes.storage import open_storage
from podd.volumes.host import Host
root = Path(os.environ["ROOT"])
volume = root / "volumes" / "pod1"
host = Host()
assert host.elsewhere
storage = open_storage(root, "image")
storage.ensure(volume, 1)
assert list(volume.iterdir()) == []
(host.seen(volume) / "file").write_text("text")
assert list(volume.iterdir()) == []
assert storage.usage(volume).used
"""


# The choice


def test_where_nothing_better_can_be_had_there_are_plain_directories(tmp_path: Path) -> None:
    assert open_storage(tmp_path, "directory").mechanism == Directories.name


class Failing(Directories):
    """As on a disk that fails: the directory is there, and nothing can be done with it."""

    def made(self, path: Path) -> bool:
        raise OSError(EIO, "Input/output error", str(path))


def test_whatever_the_system_says_no_to_is_the_trouble_of_that_volume(tmp_path: Path) -> None:
    failing = Failing()
    storage, volume = Storage(failing, [failing]), tmp_path / "volume"
    acts = (lambda: storage.ensure(volume, 1), lambda: storage.remove(volume), lambda: storage.usage(volume))
    for act in acts:
        with pytest.raises(VolumeError, match=r"^The volume volume cannot be used: Input/output error\.$"):
            act()


def test_a_mechanism_that_is_wanted_and_cannot_be_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="btrfs"):
        open_storage(tmp_path, "btrfs")


@pytest.mark.docker
def test_the_choice_goes_by_the_file_system(btrfs: Path, tmp_path: Path) -> None:
    assert best(btrfs / "data", "auto", Host())[0] == "btrfs"
    assert best(tmp_path / "data", "auto", Host())[0] == "image"
    assert open_storage(btrfs / "data").mechanism == mechanisms(Host())["btrfs"].name
    assert open_storage(tmp_path / "data").mechanism == Images.name


# Project quotas, by the commands they give


class Commands(Host):
    """A host whose file system has project quotas, as far as its answers go."""

    def __init__(self, root: Path) -> None:
        super().__init__(elsewhere=False)
        self.given: list[tuple[str, ...]] = []
        self.projects: dict[int, int] = {}
        self._root = root

    def run(self, *argv: str, fine: Container[int] = (0,)) -> str:
        self.given.append(argv)
        match argv:
            case ("chattr", "+P", "-p", project, path):
                self.projects[Path(path).stat().st_ino] = int(project)
            case ("lsattr", "-pd", path):
                return f"{self.projects.get(Path(path).stat().st_ino, 0)} --------------P---- {path}\n"
        return ""

    def mounts(self) -> list[MountPoint]:
        return parse_mounts(f"1 1 8:1 / {self._root} rw,relatime - xfs /dev/sdb1 rw,prjquota")


@pytest.fixture
def projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Storage, Commands]:
    monkeypatch.setattr("podd.volumes.project.is_root", lambda: True)
    monkeypatch.setattr("podd.volumes.project.missing", lambda *programs: [])
    host = Commands(tmp_path)
    mechanism = Projects(host)
    return Storage(mechanism, [mechanism, Directories()]), host


def limits(host: Commands) -> list[tuple[str, ...]]:
    return [argv[2:5] for argv in host.given if argv[0] == "setquota"]


def test_a_project_volume_has_a_project_of_its_own_and_its_limit(
    projects: tuple[Storage, Commands], tmp_path: Path
) -> None:
    storage, host = projects
    storage.ensure(tmp_path / "volumes" / "a", 3)
    storage.ensure(tmp_path / "network-volumes" / "b", 1)
    gib = 2**20
    assert limits(host) == [("1000000", f"{3 * gib}", f"{3 * gib}"), ("1000001", f"{gib}", f"{gib}")]
    assert host.given[-1][-1] == str(tmp_path)
    assert best(tmp_path / "volumes", "auto", host)[0] == "project-quota"


def test_a_project_volume_grows_and_lets_go_of_its_limit_in_the_end(
    projects: tuple[Storage, Commands], tmp_path: Path
) -> None:
    storage, host = projects
    volume = tmp_path / "volumes" / "a"
    storage.ensure(volume, 1)
    (volume / "file").write_text("text")
    storage.ensure(volume, 2)
    assert (volume / "file").read_text() == "text"
    storage.remove(volume)
    assert not volume.exists()
    assert [limit[1] for limit in limits(host)] == [f"{2**20}", f"{2 * 2**20}", "0"]


def test_a_directory_without_a_project_stays_without(
    projects: tuple[Storage, Commands], tmp_path: Path
) -> None:
    storage, host = projects
    (tmp_path / "volumes" / "old").mkdir(parents=True)
    storage.ensure(tmp_path / "volumes" / "old", 3)
    assert limits(host) == []

"""`podd cp`: files and directories into a pod or worker, and out of it, as `docker cp` does it."""

import os
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Annotated, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from podd.cli.inside import Inside, inside
from podd.cli.terminal import Config, fail, speaking
from podd.client import Client
from podd.wire.terminal import Hello, Transfer

_THERE = re.compile(r"(?P<pod>[A-Za-z0-9][A-Za-z0-9-]*):(?P<path>.*)\Z", re.DOTALL)
_BLOCK = 256 * 1024

Advance = Callable[[int], None]


def cp(
    source: Annotated[str, typer.Argument(metavar="SRC", help="What to copy: a path, or POD:PATH.")],
    target: Annotated[str, typer.Argument(metavar="DST", help="Where to: a path, or POD:PATH.")],
    config: Config = None,
) -> None:
    """Copy a file or a directory into a pod or worker, or out of it. Into a directory that is there already,
    it goes under its own name (`SRC/.`: what it has in it); else it gets the name that DST says."""
    come_from, go_to = _THERE.match(source), _THERE.match(target)
    if (come_from is None) == (go_to is None):
        fail("One of the two is POD:PATH, and the other a path here (./NAME for one with a colon).", 2)
    try:
        with speaking(config) as client:
            if go_to:
                _put(client, source, go_to["pod"], go_to["path"] or ".")
            elif come_from:
                _get(client, come_from["pod"], come_from["path"] or ".", target)
    except (OSError, tarfile.TarError) as error:
        fail(str(error))


# Into the pod


def _put(client: Client, source: str, pod: str, path: str) -> None:
    here = Path(source)
    if not here.exists():
        fail(f"There is no {source}")
    if source.endswith("/") and not here.is_dir():
        fail(f"{source} is not a directory.")
    if not here.is_dir() and not here.is_file():
        fail(f"{source} is neither a file nor a directory.")
    name = "." if _only_contents(source) else here.resolve().name
    kind = "directory" if here.is_dir() else "file"
    wish = Transfer(direction="put", path=path, kind=kind, name=name)
    with inside(client, pod, Hello(files=wish)) as there, _progress(_size(here)) as advance:
        if there.line() == "as":
            name = PurePosixPath(path).name
        out = cast(IO[bytes], _Counted(there, advance))
        with tarfile.open(fileobj=out, mode="w|", bufsize=_BLOCK, format=tarfile.PAX_FORMAT) as archive:
            for file, called in _walk(here.resolve(), name):
                _add(archive, file, called)
        there.end()


def _walk(here: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Everything there is, and what it is called in the archive; of `.` itself only what is in it."""
    if name != ".":
        yield here, name
    if here.is_dir() and not (here.is_symlink() and name != "."):
        for child in sorted(here.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from _walk(child, f"{name}/{child.name}")
            else:
                yield child, f"{name}/{child.name}"


def _add(archive: tarfile.TarFile, file: Path, called: str) -> None:
    info = archive.gettarinfo(file, called)
    if info is None or not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        print(f"podd: left out: {file} is neither file nor directory", file=sys.stderr)
        return
    # Who owns it here means nothing there: it belongs to whom the container runs as.
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    if info.isreg():
        with file.open("rb") as content:
            archive.addfile(info, content)
    else:
        archive.addfile(info)


# Out of the pod


def _get(client: Client, pod: str, path: str, target: str) -> None:
    if not hasattr(tarfile, "data_filter"):
        fail("Copying out of a pod needs Python 3.11.4 or newer, which unpacks safely.")
    wish = Transfer(direction="get", path=path)
    with inside(client, pod, Hello(files=wish)) as there, _progress(None) as advance:
        directory = there.line() == "directory"
        name = "." if _only_contents(path) else PurePosixPath(path).name
        place = _place(Path(target), "" if name in ("", "..") else name, target, directory=directory)
        incoming = cast(IO[bytes], _Counted(there, advance))
        with tarfile.open(fileobj=incoming, mode="r|", bufsize=_BLOCK) as archive:
            complete = _unpack_all(archive, place) if directory else _unpack_one(archive, place)
        while there.read(_BLOCK):
            pass
        there.end()
    if not complete:
        raise typer.Exit(1)


def _place(target: Path, name: str, said: str, *, directory: bool) -> Path:
    """Where it goes. A directory never takes a file's place, nor a file a directory's."""
    place = target / name if target.is_dir() else target
    if directory and place.exists() and not place.is_dir():
        fail(f"{place} is a file, and a directory cannot take its place.")
    if not directory and place.is_dir():
        fail(f"{place} is a directory, and a file cannot take its place.")
    if not directory and said.endswith("/") and not target.is_dir():
        fail(f"There is no directory {said}")
    if not place.parent.is_dir():
        fail(f"There is no directory {place.parent}")
    return place


def _unpack_one(archive: tarfile.TarFile, place: Path) -> bool:
    """The one file of the archive, which is there whole or not at all."""
    member = archive.next()
    content = archive.extractfile(member) if member and member.isreg() else None
    if member is None or content is None:
        fail("That is no file.")
    fd, aside = tempfile.mkstemp(prefix=".podd-cp-", dir=place.parent)
    try:
        with os.fdopen(fd, "wb") as out:
            shutil.copyfileobj(content, out, _BLOCK)
            os.fchmod(out.fileno(), member.mode & 0o755 | 0o600)
        os.utime(aside, (member.mtime, member.mtime))
        # Also where a link is: what it leads to gets the content, as with any other program.
        Path(aside).replace(place.resolve())
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    return True


def _unpack_all(archive: tarfile.TarFile, place: Path) -> bool:
    """What is in the directory. What would end up elsewhere, or lead there, is left out and told of."""
    place.mkdir(exist_ok=True)
    complete = True
    for member in archive:
        if member.name in (".", "./"):
            continue
        try:
            archive.extract(member, place, filter="data")
        except tarfile.FilterError as error:
            complete = False
            print(f"podd: left out: {error}", file=sys.stderr)
    return complete


# What both share


def _only_contents(path: str) -> bool:
    return path in (".", "./") or path.endswith(("/.", "/./"))


class _Counted:
    """What goes over, told to a progress bar."""

    def __init__(self, there: Inside, advance: Advance) -> None:
        self._there = there
        self._advance = advance

    def read(self, most: int) -> bytes:
        data = self._there.read(most)
        self._advance(len(data))
        return data

    def write(self, data: bytes) -> int:
        self._advance(len(data))
        return self._there.write(data)


def _size(here: Path) -> int:
    if here.is_file():
        return here.stat().st_size
    return sum(file.lstat().st_size for file, _ in _walk(here.resolve(), ".") if file.is_file())


@contextmanager
def _progress(total: int | None) -> Iterator[Advance]:
    """A bar on stderr, when that is a terminal."""
    columns = (TextColumn("copying"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(
        *columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as bar:
        task = bar.add_task("copying", total=total)
        yield lambda more: bar.update(task, advance=more)

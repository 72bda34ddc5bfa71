"""A worker image made of this machine's own Python: no registry, no base image, no Dockerfile.

The image holds the interpreter and its standard library, the `runpod` package with all it needs, the shared
libraries these load, a shell and a few commands, each at the path it has on this machine. That works for a
distribution's /usr/bin/python3 as for an interpreter built in a home directory.

`python -m podd.demo_image TAG` builds it by hand. Cleaning it up is the caller's job.
"""

import hashlib
import io
import json
import os
import platform
import re
import shutil
import ssl
import stat
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path, PurePosixPath

import docker
from docker.errors import DockerException, ImageNotFound
from docker.utils import parse_repository_tag

PACKAGE = "runpod"
LABEL = "podd.demo-image"

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COMMANDS = (
    "sh bash env id cat ls cp mv rm ln mkdir rmdir touch chmod chown head tail wc sort cut tr seq date sleep "
    "timeout true false test pwd df du stat tee uname nproc hostname which grep sed ps kill"
).split()
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

# Whatever else the C library opens by name at run time; absent ones do not matter. ld.so.conf is there for
# the NVIDIA toolkit, which runs ldconfig in a container before it starts.
LOADED_BY_NAME = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1", "libstdc++.so.6")
LOADER_FILES = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")

NOT_FROM_STDLIB = {
    *("site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip"),
    *("lib2to3", "EXTERNALLY-MANAGED"),
}
NOT_FROM_STDLIB_PREFIXES = ("config-", "_tkinter.", "_test", "xx")

TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
DIRECTORIES = {
    **dict.fromkeys(("/workspace", "/root", "/proc", "/sys", "/dev", "/run", "/usr/local/bin"), 0o755),
    **dict.fromkeys(("/tmp", "/var/tmp"), 0o1777),  # noqa: S108
}


class CannotBuild(Exception):
    """This machine has not what the image is made of, or the engine would not take it."""


def build(
    client: docker.DockerClient,
    tag: str,
    *,
    progress: Callable[[str], None],
    files: Mapping[str, bytes] = {},
) -> None:
    """Make the engine have the worker image under `tag`; at once when it has this very image already.

    `files` are put in as well, by their path there. Raises CannotBuild, and DockerException when the engine
    fails.
    """
    packages = _closure(PACKAGE)
    fingerprint = _fingerprint(packages, files)
    if _label(client, tag) == fingerprint:
        progress(f"{tag} is there already")
        return
    progress(f"Python {platform.python_version()}, {PACKAGE} and the {len(packages) - 1} packages it needs")
    _warm_byte_code()
    tree = _collect(packages)
    tree.files |= files
    progress(f"{len(tree.files):,} files, {tree.size() / 1e6:.0f} MB, to the engine")
    repository, version = parse_repository_tag(tag)
    answer = client.api.import_image_from_stream(
        _tar(tree), repository=repository, tag=version or "latest", changes=_changes(fingerprint)
    )
    _raise_for_error(answer)
    progress(f"{tag} is built")


class _Tree:
    """What goes into the image, by its path there."""

    def __init__(self) -> None:
        self.directories: dict[str, int] = dict(DIRECTORIES)
        self.links: dict[str, str] = {}
        self.files: dict[str, Path | bytes] = {at: text.encode() for at, text in TEXTS.items()}

    def mirror(self, path: str | Path) -> None:
        """Take a file of this machine, or a whole directory, and the links that lead there, as they are."""
        at = "/"
        parts = list(reversed(PurePosixPath(path).parts))
        while parts:
            part = parts.pop()
            if part == "..":
                at = str(PurePosixPath(at).parent)
                continue
            here = str(PurePosixPath(at, part))
            target = _link_target(here)
            if target is None:
                at = here
                continue
            self.links[here] = str(target)
            parts += reversed(target.parts)
        self._take(at)

    def _take(self, at: str) -> None:
        host = Path(at)
        if host.is_dir():
            for child in sorted(host.iterdir()):
                self.mirror(child)
        elif host.is_file():
            self.files[at] = host

    def put(self, host: Path, at: PurePosixPath) -> None:
        self.files[str(at)] = host

    def all_directories(self) -> dict[str, int]:
        """With the parents of everything, outermost first."""
        parents = {str(parent) for at in (*self.files, *self.links) for parent in PurePosixPath(at).parents}
        modes = dict.fromkeys(parents, 0o755) | self.directories
        return {at: mode for at, mode in sorted(modes.items()) if at != "/" and at not in self.links}

    def size(self) -> int:
        return sum(len(f) if isinstance(f, bytes) else f.stat().st_size for f in self.files.values())


def _link_target(path: str) -> PurePosixPath | None:
    return PurePosixPath(os.readlink(path)) if os.path.islink(path) else None  # noqa: PTH114, PTH115


# What belongs in


def _closure(name: str) -> dict[str, metadata.Distribution]:
    """The distribution `name` and every installed one it needs, by normal name.

    Conditions about the platform need no reading: a requirement that does not hold here is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    asked: set[tuple[str, frozenset[str]]] = set()
    todo = [(name, frozenset[str]())]
    while todo:
        want, extras = todo.pop()
        key = re.sub(r"[-_.]+", "-", want).lower()
        if (key, extras) in asked:
            continue
        asked.add((key, extras))
        try:
            found[key] = metadata.distribution(want)
        except metadata.PackageNotFoundError:
            continue
        todo += _requirements(found[key], extras)
    if name not in found:
        raise CannotBuild(f"the package {name} is not installed here: install podd with its extra [demo]")
    return found


def _requirements(package: metadata.Distribution, extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    wanted = []
    for requirement in package.requires or []:
        spec, _, condition = requirement.partition(";")
        extra = re.search(r"""extra\s*==\s*["']([^"']+)""", condition)
        name = re.match(r"\s*([\w.-]+)\s*(?:\[([^]]*)\])?", spec)
        if name and (extra is None or extra[1] in extras):
            wanted.append((name[1], frozenset(e.strip() for e in (name[2] or "").split(",") if e.strip())))
    return wanted


def _fingerprint(packages: dict[str, metadata.Distribution], files: Mapping[str, bytes]) -> str:
    parts = [Path(__file__).read_text(), sys.version, _interpreter().as_posix(), *platform.libc_ver()]
    parts += sorted(f"{name}=={package.version}" for name, package in packages.items())
    parts += [f"{at} {content!r}" for at, content in sorted(files.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _warm_byte_code() -> None:
    """Import the package once, so that its byte code is there to be copied and workers start fast."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", f"import {PACKAGE}"], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBuild(f"import {PACKAGE} fails here: {done.stderr.strip().splitlines()[-1:]}")


def _collect(packages: dict[str, metadata.Distribution]) -> _Tree:
    tree = _Tree()
    _add_python(tree)
    for package in packages.values():
        _add_package(tree, package, PurePosixPath(_site_packages()))
    binaries = [_interpreter(), *_extension_modules(tree), *_add_commands(tree)]
    for library in _libraries(binaries):
        tree.mirror(library)
    for path in LOADER_FILES:
        tree.mirror(path)
    tree.files[CERTIFICATES] = _certificates()
    return tree


def _interpreter() -> Path:
    return Path(sys.executable).resolve()


def _site_packages() -> str:
    """Where the interpreter, outside any virtual environment, looks for packages first."""
    ask = "import site; print(site.getsitepackages()[0])"
    answer = subprocess.run([_interpreter(), "-I", "-c", ask], capture_output=True, text=True, check=True)  # noqa: S603
    return os.path.realpath(answer.stdout.strip())


def _add_python(tree: _Tree) -> None:
    interpreter = _interpreter()
    tree.mirror(interpreter)
    for name in ("python", "python3"):
        at = f"/usr/local/bin/{name}"
        if at not in tree.files:
            tree.links[at] = str(interpreter)
    base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
    for library in {sysconfig.get_path(which, vars=base) for which in ("stdlib", "platstdlib")}:
        _add_stdlib(tree, Path(library))


def _add_stdlib(tree: _Tree, directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        if path.name in NOT_FROM_STDLIB or path.name.startswith(NOT_FROM_STDLIB_PREFIXES):
            continue
        if path.is_dir() and not path.is_symlink():
            _add_stdlib(tree, path)
        elif path.suffix != ".pyc" or _is_our_byte_code(path.name):
            tree.mirror(path)


def _is_our_byte_code(name: str) -> bool:
    return name.endswith(f".{sys.implementation.cache_tag}.pyc")


def _add_package(tree: _Tree, package: metadata.Distribution, site_packages: PurePosixPath) -> None:
    """The files of one distribution that are for import; its commands and manuals stay behind."""
    for file in package.files or []:
        host = Path(str(package.locate_file(file)))
        if ".." in file.parts or file.suffix == ".pyc" or not host.is_file():
            continue
        tree.put(host, site_packages / file)
        if file.suffix == ".py":
            cached = f"{file.stem}.{sys.implementation.cache_tag}.pyc"
            byte_code = host.parent / "__pycache__" / cached
            if byte_code.is_file():
                tree.put(byte_code, site_packages / file.parent / "__pycache__" / cached)


def _extension_modules(tree: _Tree) -> list[Path]:
    return [
        host
        for host in tree.files.values()
        if isinstance(host, Path) and (host.suffix == ".so" or ".so." in host.name)
    ]


def _add_commands(tree: _Tree) -> list[Path]:
    """Each command that is here. Raises CannotBuild when there is not even a shell."""
    found = [Path(where) for name in COMMANDS if (where := shutil.which(name, path=PATH))]
    if not any(path.name == "sh" for path in found):
        raise CannotBuild("there is no sh on this machine")
    for path in (*found, Path("/bin/sh")):  # the last as scripts call it, wherever the search path found it
        tree.mirror(path)
    return [path.resolve() for path in found]


def _libraries(binaries: list[Path]) -> set[str]:
    """All shared libraries that these load, the loader included, but for those that came in a package."""
    # A file that is no dynamic executable only makes ldd complain.
    listing = subprocess.run(["ldd", *binaries], capture_output=True, text=True).stdout  # noqa: S603, S607
    loaded = set(re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", listing, re.MULTILINE))
    packages = os.path.realpath(sysconfig.get_path("platlib"))
    libraries = {path for path in loaded if not os.path.realpath(path).startswith(packages + os.sep)}
    c_library = next((path for path in libraries if PurePosixPath(path).name.startswith("libc.so")), None)
    if c_library is None:
        raise CannotBuild("ldd names no C library for this Python")
    beside = (str(PurePosixPath(c_library).parent / name) for name in LOADED_BY_NAME)
    return libraries | {path for path in beside if Path(path).exists()}


def _certificates() -> Path:
    """The machine's certificate authorities, private ones included; else those that come with requests."""
    for path in (ssl.get_default_verify_paths().cafile, CERTIFICATES):
        if path and Path(path).is_file():
            return Path(path)
    import certifi

    return Path(certifi.where())


# Into the engine


def _changes(fingerprint: str) -> list[str]:
    return [
        f"ENV PATH={PATH}",
        "ENV LANG=C.UTF-8",
        "ENV PYTHONUNBUFFERED=1",
        f"ENV SSL_CERT_FILE={CERTIFICATES}",
        f"ENV REQUESTS_CA_BUNDLE={CERTIFICATES}",
        f"LABEL {LABEL}={fingerprint}",
        'CMD ["python3"]',
    ]


def _label(client: docker.DockerClient, tag: str) -> str | None:
    try:
        return client.images.get(tag).labels.get(LABEL)
    except ImageNotFound:
        return None


def _tar(tree: _Tree) -> Iterator[bytes]:
    """The tree as a tar stream, a few megabytes at a time, everything owned by root."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w|") as tar:
        for entry, content in _entries(tree):
            tar.addfile(entry, io.BytesIO(content))
            if sink.tell() > 4 << 20:
                yield sink.getvalue()
                sink.seek(0)
                sink.truncate()
    yield sink.getvalue()


def _entries(tree: _Tree) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    for at, mode in tree.all_directories().items():
        yield _entry(at, tarfile.DIRTYPE, mode), b""
    for at, target in tree.links.items():
        link = _entry(at, tarfile.SYMTYPE, 0o777)
        link.linkname = target
        yield link, b""
    for at, source in tree.files.items():
        entry = _entry(at, tarfile.REGTYPE, 0o644)
        if isinstance(source, Path):
            status = source.stat()
            entry.mode = stat.S_IMODE(status.st_mode) & 0o755
            entry.mtime = int(status.st_mtime)  # byte code is only good for a source of the very same age
            content = source.read_bytes()
        else:
            content = source
        entry.size = len(content)
        yield entry, content


def _entry(at: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(at.lstrip("/"))
    entry.type = kind
    entry.mode = mode
    return entry


def _raise_for_error(answer: str) -> None:
    """An import that fails after it began still answers 200; the reason is in one of its lines."""
    for line in answer.splitlines():
        if error := json.loads(line).get("error"):
            raise CannotBuild(f"the engine did not take the image: {error}")


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m podd.demo_image TAG")
    try:
        build(docker.from_env(), sys.argv[1], progress=print)
    except (CannotBuild, DockerException) as error:
        sys.exit(f"podd.demo_image: {error}")


if __name__ == "__main__":
    main()

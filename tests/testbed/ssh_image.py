"""An image with a real sshd, as the images that people rent pods with have one.

    python ssh_image.py TAG CACHE_DIRECTORY

The programs are Debian's, fetched and unpacked beside the system's own, which stays as it is.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import docker

from engine import TEXTS, add, add_busybox, have_image  # type: ignore[import-not-found]  # isort: skip

PACKAGES = ("openssh-server", "libwrap0")
SYSTEM = "/lib/x86_64-linux-gnu"
USERS = TEXTS["etc/passwd"] + "sshd:x:100:65534::/run/sshd:/bin/false\n"


def unpacked(cache: Path) -> Path:
    """Where the packages are laid out; fetched only once."""
    place = cache / "sshd"
    if not place.exists():
        with tempfile.TemporaryDirectory() as scratch:
            fetch(Path(scratch))
            made = Path(tempfile.mkdtemp(dir=cache))
            for package in Path(scratch).glob("*.deb"):
                subprocess.run(["dpkg", "-x", package, made], check=True)
            made.rename(place)
    return place


def fetch(scratch: Path) -> None:
    download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES]
    if subprocess.run(download, cwd=scratch, capture_output=True).returncode:
        subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True)
        subprocess.run(download, cwd=scratch, check=True, capture_output=True)


def libraries(programs: list[Path], place: Path) -> set[Path]:
    """All that these load, the loader included."""
    search = {"LD_LIBRARY_PATH": f"{place}/usr{SYSTEM}:{place}{SYSTEM}"}
    listing = subprocess.run(
        ["ldd", *programs], capture_output=True, text=True, check=True, env={**os.environ, **search}
    ).stdout
    assert "not found" not in listing, listing
    return {Path(path) for path in re.findall(r"^\t(?:\S+ => )?(/\S+) \(0x", listing, re.MULTILINE)}


def main() -> None:
    tag, cache = sys.argv[1], Path(sys.argv[2])
    place = unpacked(cache)
    keygen = shutil.which("ssh-keygen")
    assert keygen is not None, "ssh-keygen is not there: openssh-client"
    programs = {"usr/bin/ssh-keygen": Path(keygen)}
    for path in (place / "usr/sbin/sshd", *(place / "usr/lib/openssh").glob("*")):
        programs[str(path.relative_to(place))] = path
    binaries = [path for path in programs.values() if path.read_bytes()[:4] == b"\x7fELF"]
    recipe = hashlib.sha256(b"".join([Path(__file__).read_bytes(), *map(Path.read_bytes, binaries)]))

    def fill(tar: tarfile.TarFile) -> None:
        add_busybox(tar, {**TEXTS, "etc/passwd": USERS})
        for name, mode in {"root/.ssh": 0o700, "etc/ssh": 0o755, "run/sshd": 0o755}.items():
            add(tar, name, mode, tarfile.DIRTYPE)
        for name, path in programs.items():
            add(tar, name, 0o755, content=path.read_bytes())
        for path in libraries(binaries, place):
            inside = path.relative_to(place) if path.is_relative_to(place) else path.relative_to("/")
            at = f"{SYSTEM[1:]}/{path.name}" if "ld-linux" not in path.name else str(inside)
            add(tar, at, 0o755, content=path.read_bytes())

    have_image(docker.from_env(), tag, recipe.hexdigest()[:16], fill, "/bin:/usr/bin:/usr/sbin")


if __name__ == "__main__":
    main()

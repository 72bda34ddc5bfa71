"""What tests/run does with its private Docker Engine.

    python engine.py busybox TAG    have a small image of this machine's own static busybox
    python engine.py clear          remove all containers, networks, volumes and nameless images

The engine is the one of DOCKER_HOST. Never run `clear` against an engine that others use.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import docker
from docker.errors import APIError, ImageNotFound, NotFound

LABEL = "podd.test-image"
DIRECTORIES = {"bin": 0o755, "etc": 0o755, "root": 0o755, "workspace": 0o755, "proc": 0o755, "tmp": 0o1777}
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}


def busybox(client: docker.DockerClient, tag: str) -> None:
    recipe = hashlib.sha256(Path(__file__).read_bytes() + program().read_bytes()).hexdigest()[:16]
    have_image(client, tag, recipe, add_busybox, "/bin")


def program() -> Path:
    found = shutil.which("busybox")
    if found is None:
        sys.exit("there is no busybox here")
    return Path(found)


def add_busybox(tar: tarfile.TarFile, texts: Mapping[str, str] = TEXTS) -> None:
    """A root file system with it, where each command is one of its own."""
    for name, mode in DIRECTORIES.items():
        add(tar, name, mode, tarfile.DIRTYPE)
    add(tar, "bin/busybox", 0o755, content=program().read_bytes())
    listed = subprocess.run([program(), "--list"], capture_output=True, text=True, check=True)
    for applet in listed.stdout.split():
        if applet != "busybox":
            add(tar, f"bin/{applet}", 0o777, tarfile.SYMTYPE, target="busybox")
    for name, text in texts.items():
        add(tar, name, 0o644, content=text.encode())


def have_image(
    client: docker.DockerClient, tag: str, recipe: str, fill: Callable[[tarfile.TarFile], None], path: str
) -> None:
    """Make the image, unless the one that is there has this recipe."""
    if label_of(client, tag) == recipe:
        return
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        fill(tar)
    repository, _, version = tag.partition(":")
    changes = [f"ENV PATH={path}", f"LABEL {LABEL}={recipe}", 'CMD ["/bin/sh"]']
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=version, changes=changes)
    assert label_of(client, tag) == recipe


def add(
    tar: tarfile.TarFile,
    name: str,
    mode: int,
    kind: bytes = tarfile.REGTYPE,
    *,
    content: bytes = b"",
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.linkname, entry.size = mode, kind, target, len(content)
    tar.addfile(entry, io.BytesIO(content))


def label_of(client: docker.DockerClient, tag: str) -> str | None:
    try:
        return client.images.get(tag).labels.get(LABEL)
    except ImageNotFound:
        return None


def clear(client: docker.DockerClient) -> None:
    for container in client.api.containers(all=True):
        try:
            client.api.remove_container(container["Id"], force=True, v=True)
        except NotFound:
            continue
        except APIError as error:
            print(f"container {container['Id'][:12]} stays: {error}", file=sys.stderr)
    client.networks.prune()
    client.volumes.prune()
    client.images.prune()


def main() -> None:
    client = docker.from_env()
    match sys.argv[1:]:
        case ["busybox", tag]:
            busybox(client, tag)
        case ["clear"]:
            clear(client)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()

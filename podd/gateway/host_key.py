"""The key by which clients know this podd again."""

import os
from pathlib import Path

import asyncssh

NAME = "ssh_host_ed25519_key"


def host_key(data_dir: Path) -> asyncssh.SSHKey:
    """The key in the data directory, made when there is none. Root's alone to read. Raises OSError, and
    asyncssh.KeyImportError when the file holds no key."""
    path = data_dir / NAME
    if not path.exists():
        _make(path)
    return asyncssh.read_private_key(path)


def _make(path: Path) -> None:
    # Written aside: a power cut must not leave half a key under the name.
    draft = path.with_name(f"{NAME}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(asyncssh.generate_private_key("ssh-ed25519", "podd").export_private_key())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)

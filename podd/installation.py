"""What makes this installation itself: its data directory, its name, its secret, the operator's key."""

import contextlib
import fcntl
import grp
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from podd import ids
from podd.store import meta
from podd.store.db import Store, Tx

log = structlog.get_logger()

OPERATORS_GROUP = "podd"


class DaemonError(Exception):
    """podd cannot start; the message says what to do."""


def make_private_dir(directory: Path) -> None:
    """Make the data directory, for its owner and the operators' group. Raises DaemonError."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o750)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(directory, -1, grp.getgrnam(OPERATORS_GROUP).gr_gid)
    except OSError as error:
        raise DaemonError(
            f"Cannot use the data directory {directory}: {error.strerror}. "
            "Run podd as root, or set data_dir to a directory it may write to."
        ) from error


@contextlib.contextmanager
def only_daemon(data_dir: Path) -> Iterator[None]:
    """Two daemons on one data directory would fight over the same containers."""
    with (data_dir / "podd.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DaemonError(f"Another podd already runs on {data_dir}; stop it first.") from error
        yield


@dataclass(frozen=True)
class Identity:
    instance: str
    secret: bytes
    operator_key_hash: str
    engine: str | None


async def identify(store: Store, data_dir: Path) -> Identity:
    """Who this installation is. Made once: a name for its containers, a secret for derived keys, and the
    operator's key, which is written to a file only root can read. Raises DaemonError for a lost secret."""
    secret_file, key_file = data_dir / "secret.key", data_dir / "operator.key"
    if not secret_file.exists():
        if await store.read(meta.get, "instance") is not None:
            raise DaemonError(
                f"{secret_file} is missing. Stored secrets and the keys of running containers depend on it: "
                "put it back from a backup."
            )
        write_private(secret_file, secrets.token_hex(32))
    stored = await store.read(meta.get, "operator_key_hash")
    if stored is None and not key_file.exists():
        write_private(key_file, ids.operator_key() + "\n")
        log.info("operator key made", file=str(key_file))
    # While the file is there it decides, so a start that was cut off here is simply repeated.
    key_hash = ids.key_hash(key_file.read_text().strip()) if key_file.exists() else stored
    assert key_hash is not None, "there is a file, or there was one before"

    def settle(tx: Tx) -> tuple[str, str | None]:
        instance = meta.get(tx, "instance") or ids.new_id(8)
        meta.put(tx, "instance", instance)
        meta.put(tx, "operator_key_hash", key_hash)
        return instance, meta.get(tx, "engine")

    instance, engine = await store.write(settle)
    return Identity(instance, bytes.fromhex(secret_file.read_text().strip()), key_hash, engine)


def sealing_keys(data_dir: Path) -> dict[str, bytes]:
    """The keys made by rotation, the newest last."""
    file = data_dir / "sealing.keys"
    lines = file.read_text().split("\n") if file.exists() else []
    pairs = (line.split(" ", 1) for line in lines if line)
    return {name: bytes.fromhex(key) for name, key in pairs}


def write_sealing_keys(data_dir: Path, keys: Mapping[str, bytes]) -> None:
    text = "".join(f"{name} {key.hex()}\n" for name, key in keys.items())
    write_private(data_dir / "sealing.keys", text)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write aside and rename, readable by the owner alone from its first byte (unless `mode` says more). On
    disk when it returns."""
    aside = path.with_name(path.name + ".tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

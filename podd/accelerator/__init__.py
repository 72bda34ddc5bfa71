"""The worker accelerator: a small hook for the Python in workers' containers, and where it is kept.

What it does stands in `hook/`, which is mounted as it is and never imported here.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

_HOOK = Path(__file__).with_name("hook")

KEPT = 4
"""How many contents are kept: running workers may have older ones, and are slower without them."""


def install(data_dir: Path) -> Path:
    """The hook's directory below the data directory, which the container engine sees even where podd itself
    runs in a container; made when it is not there. Its name changes with its content, so that running
    containers keep theirs; those of long ago go. Only one daemon may be at work in the data directory."""
    sources = sorted(_HOOK.glob("*.py"))
    digest = hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()
    place = data_dir / "accelerator" / digest[:16]
    if not place.is_dir():
        place.parent.mkdir(mode=0o755, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".new-"))
        try:
            for source in sources:
                copy = Path(shutil.copyfile(source, aside / source.name))
                copy.chmod(0o644)
            aside.chmod(0o755)
            aside.rename(place)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    os.utime(place)
    _prune(place.parent)
    return place


def _prune(parent: Path) -> None:
    for unfinished in parent.glob(".new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    contents = sorted(parent.iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
    for old in contents[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)

"""The worker accelerator: a small hook for the Python in workers' containers, and where it is kept.

What it does stands in `hook/`, which is mounted as it is and never imported here.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

_HOOK = Path(__file__).with_name("hook")


def install(data_dir: Path) -> Path:
    """The hook's directory below the data directory, which the container engine sees even where podd itself
    runs in a container; made when it is not there. Its name changes with its content, so that running
    containers keep theirs."""
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
    return place

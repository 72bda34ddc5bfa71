"""The hook in Pythons of their own, as workers have it: what it changes, and what it leaves alone."""

import ast
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from podd import accelerator

HOOK = Path(accelerator.__file__).with_name("hook")
SEEN = "import json, sys; print(json.dumps([sys.path, sorted(sys.modules)]))"
LOOK = """
import json, sys
import runpod.serverless.modules.rp_scale as job_loop
scaler = job_loop.JobScaler
print(json.dumps({
    "views": sorted(name for name in vars(job_loop) if name.startswith("_podd")),
    "functions": sorted(n for n, f in vars(scaler).items() if hasattr(f, "__code__")
                        and any("podd" in name for name in f.__code__.co_names)),
    "loader": sorted(vars(job_loop.__spec__.loader)),
    "finders": [type(finder).__name__ for finder in sys.meta_path if "Watch" in type(finder).__name__],
}))
"""


@pytest.fixture
def hook(tmp_path: Path) -> Path:
    return accelerator.install(tmp_path)


def python(
    *arguments: str, path: list[Path], program: Path = Path(sys.executable), env: Mapping[str, str] = {}
) -> tuple[str, str]:
    """What it writes to stdout and stderr; its end must be a good one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PODD_"))}
    done = subprocess.run(
        [program, *arguments],
        env=kept | {"PYTHONPATH": os.pathsep.join(map(str, path)), **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def looked_at(*path: Path, before: str = "", **env: str) -> dict[str, Any]:
    """What became of the SDK's job loop."""
    found: dict[str, Any] = json.loads(python("-c", before + LOOK, path=[*path], env=env)[0])
    return found


def no_sdk(directory: Path, job_loop: str) -> Path:
    """A package that has the SDK's names and another job loop."""
    modules = directory / "runpod" / "serverless" / "modules"
    modules.mkdir(parents=True)
    for package in (modules, *modules.parents[:2]):
        (package / "__init__.py").touch()
    (directory / "runpod" / "version.py").write_text('__version__ = "1.12.0"\n')
    (modules / "rp_scale.py").write_text("from ... import version\n" + job_loop)
    return directory


# The SDK


def test_three_functions_of_a_known_sdk_see_another_asyncio(hook: Path) -> None:
    found = looked_at(hook)
    assert found["functions"] == ["get_jobs", "run_jobs", "set_scale"]
    assert len(found["views"]) == 3


def test_nothing_else_of_it_shows_afterwards(hook: Path) -> None:
    with_hook, without = looked_at(hook), looked_at()
    assert with_hook["loader"] == without["loader"]
    assert with_hook["finders"] == []
    assert without["functions"] == []


def test_an_unknown_version_is_left_alone(hook: Path) -> None:
    newer = (
        "import sys, types; sys.modules['runpod.version'] = v = types.ModuleType('v'); v.__version__ = '9.9'"
    )
    found = looked_at(hook, before=newer)
    assert (found["functions"], found["views"]) == ([], [])


def test_unknown_code_of_a_known_version_is_left_alone(hook: Path, tmp_path: Path) -> None:
    other = no_sdk(
        tmp_path / "other", "import asyncio\nclass JobScaler:\n    async def get_jobs(self): ...\n"
    )
    found = looked_at(hook, other)
    assert (found["functions"], found["views"]) == ([], [])


@pytest.mark.parametrize("damage", ["", "1 / 0", "def ("])
def test_a_hook_that_fails_is_not_noticed(hook: Path, damage: str) -> None:
    (hook / "podd_accelerator.py").write_text(damage)
    out, errors = python("-c", LOOK, path=[hook])
    assert json.loads(out)["functions"] == []
    assert errors == ""


def test_an_sdk_that_cannot_be_imported_says_so_itself(hook: Path, tmp_path: Path) -> None:
    broken = no_sdk(tmp_path / "broken", "raise ValueError('no such luck')\n")
    program = "try:\n import runpod.serverless.modules.rp_scale\nexcept ValueError as e: print(e)"
    assert python("-c", program, path=[hook, broken])[0] == "no such luck\n"


def test_it_can_be_switched_off(hook: Path) -> None:
    assert looked_at(hook, PODD_ACCELERATE="0")["functions"] == []


# Any other program


def test_a_program_without_the_sdk_starts_as_ever(hook: Path) -> None:
    """With the same path, and with no module more: that is what a start costs."""
    path, modules = json.loads(python("-c", SEEN, path=[hook])[0])
    plain_path, plain_modules = json.loads(python("-c", SEEN, path=[])[0])
    assert path == plain_path
    assert set(modules) - set(plain_modules) <= {"sitecustomize"}


def test_the_sitecustomize_behind_it_runs(hook: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.was_here = __file__\n")
    program = "import sys, sitecustomize; print(sys.was_here == sitecustomize.__file__, sys.was_here)"
    assert python("-c", program, path=[hook, tmp_path])[0].split() == ["True", f"{tmp_path}/sitecustomize.py"]


@pytest.mark.parametrize("fault", ["raise ValueError('mine')", "import no_such_module"])
def test_a_broken_one_is_reported_as_ever(hook: Path, tmp_path: Path, fault: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(fault)
    _, plain = python("-c", "", path=[tmp_path])
    _, errors = python("-c", "", path=[hook, tmp_path])
    assert errors == plain != ""


@pytest.mark.parametrize("options", [["-I"], ["-S"], ["-E"], ["-s"], ["-O"], ["-X", "utf8"], ["-W", "error"]])
def test_any_way_to_start_python_works(hook: Path, options: list[str]) -> None:
    out, errors = python(*options, "-c", "print('up')", path=[hook])
    assert (out, errors) == ("up\n", "")


def test_it_works_in_a_virtual_environment(hook: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (site / "sitecustomize.py").write_text("import sys; sys.of_venv = True\n")
    program = "import sys; print(sys.of_venv, sys.prefix)"
    out, _ = python("-c", program, path=[hook], program=tmp_path / "venv" / "bin" / "python")
    assert out.split() == ["True", str(tmp_path / "venv")]


def test_children_have_it_too(hook: Path) -> None:
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    found = json.loads(python("-c", program, LOOK, path=[hook])[0])
    assert found["functions"] != []


@pytest.mark.parametrize(("file", "version"), [("sitecustomize.py", (3, 4)), ("podd_accelerator.py", (3, 8))])
def test_old_pythons_can_read_it(file: str, version: tuple[int, int]) -> None:
    ast.parse((HOOK / file).read_text(), feature_version=version)


# Where it is kept


def test_it_is_kept_by_its_content_for_everybody_to_read(tmp_path: Path) -> None:
    place = accelerator.install(tmp_path)
    assert accelerator.install(tmp_path) == place
    assert place.parent == tmp_path / "accelerator"
    assert [entry.name for entry in place.parent.iterdir()] == [place.name]
    assert place.stat().st_mode & 0o777 == 0o755
    assert {file.name: file.stat().st_mode & 0o777 for file in place.iterdir()} == {
        "sitecustomize.py": 0o644,
        "podd_accelerator.py": 0o644,
    }


def test_what_was_mounted_long_ago_or_never_finished_goes(tmp_path: Path) -> None:
    place = accelerator.install(tmp_path)
    older = [place.with_name(f"{number:016}") for number in range(6)]
    for number, old in enumerate(older):
        old.mkdir()
        (old / "sitecustomize.py").touch()
        os.utime(old, (1000 + number, 1000 + number))
    (place.parent / ".new-abc").mkdir()
    assert accelerator.install(tmp_path) == place
    assert set(place.parent.iterdir()) == {place, *older[3:]}

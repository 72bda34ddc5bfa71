"""A project's folder: what `podd project new` writes, and what of it is sent on."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from podd import cli
from podd.cli.project.folder import ProjectError, archive_of, settings_of_project, state_of


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "worker"
    made = podd("new", str(place), "--gpu", "NVIDIA RTX A6000", "--pool", "AMPERE_48", "--json")
    assert json.loads(made.stdout) == {"project": str(place)}
    return place


def podd(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["project", *words])


def sent(place: Path) -> set[str]:
    with tarfile.open(fileobj=io.BytesIO(archive_of(place))) as archive:
        return set(archive.getnames())


def test_a_new_project_has_all_it_takes(project: Path) -> None:
    assert sent(project) == {
        ".runpodignore",
        "Dockerfile",
        "builder/requirements.txt",
        "runpod.toml",
        "src/handler.py",
        "test_input.json",
    }
    settings = settings_of_project(project)
    assert (settings.name, len(settings.project.uuid)) == ("worker", 8)
    assert (settings.project.gpu_types, settings.endpoint.gpu_pools) == (["NVIDIA RTX A6000"], ["AMPERE_48"])


def test_a_project_without_gpus_says_so(tmp_path: Path) -> None:
    assert podd("new", str(tmp_path / "small")).exit_code == 0
    settings = settings_of_project(tmp_path / "small")
    assert (settings.project.gpu_types, settings.endpoint.gpu_pools) == ([], [])


def test_nothing_is_written_over(project: Path) -> None:
    refused = podd("new", str(project))
    assert (refused.exit_code, "is not empty" in refused.stderr) == (1, True)


def test_what_is_ignored_is_not_sent(project: Path) -> None:
    for name in (".git/config", "src/__pycache__/handler.pyc", ".env", "data/secret/key", "data/model"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    with (project / ".runpodignore").open("a") as ignored:
        ignored.write("data/secret/\n")
    assert sent(project) & {".git/config", ".env", "data/secret/key", "src/__pycache__/handler.pyc"} == set()
    assert "data/model" in sent(project)


def test_a_change_of_a_file_is_seen_and_so_is_its_end(project: Path) -> None:
    before = state_of(project)
    (project / "src/handler.py").write_text("print()")
    changed = state_of(project)
    (project / "src/handler.py").unlink()
    assert len({json.dumps(each) for each in (before, changed, state_of(project))}) == 3


def test_the_handler_runs_here_beside_its_test_input_and_its_end_is_the_exit_code(project: Path) -> None:
    handler = project / "src/handler.py"
    handler.write_text(
        "import json, sys; sys.exit(len(json.load(open('test_input.json'))['input']['prompt']))"
    )
    assert podd("dev", "--local", "--project", str(project)).exit_code == len("podd")


@pytest.mark.parametrize(
    ("text", "said"),
    [("name = ", "runpod.toml"), ('name = "x"', "project: Field required"), (None, "podd project new")],
)
def test_what_is_no_project_is_told(project: Path, text: str | None, said: str) -> None:
    file = project / "runpod.toml"
    file.write_text(text) if text is not None else file.unlink()
    with pytest.raises(ProjectError, match=said):
        settings_of_project(project)
    for verb in ("dev", "deploy"):
        refused = podd(verb, "--project", str(project))
        assert (refused.exit_code, refused.stderr.startswith("podd: ")) == (1, True)

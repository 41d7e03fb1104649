"""What lies in a search's directory, and who may use it."""

import subprocess
import sys
from pathlib import Path

import pytest

from adaptd.adaptation.search.directory import SearchDirectory
from adaptd.adaptation.search.job import Claim
from adaptd.errors import ArtifactError, ConfigError, ConflictError


@pytest.fixture
def directory(tmp_path: Path) -> SearchDirectory:
    found = SearchDirectory(tmp_path / "out")
    found.path.mkdir()
    return found


def test_what_is_there_is_empty_then_begun_then_finished(directory: SearchDirectory) -> None:
    for claim in ("new", "resume", "force"):
        assert directory.claimed(claim) == "empty"
    directory.checkpoint.write_bytes(b"")
    assert directory.claimed("resume") == "begun"
    assert directory.claimed("force") == "empty"
    directory.finish({"schema_version": 1})
    assert not directory.checkpoint.exists()
    assert directory.claimed("resume") == "finished"


@pytest.mark.parametrize(("name", "word"), [("report", "shows"), ("checkpoint", "goes on")])
def test_a_new_search_does_not_begin_over_another(
    directory: SearchDirectory, name: str, word: str
) -> None:
    getattr(directory, name).write_text("{}")
    with pytest.raises(ConfigError, match=f"--resume {word}.*--force begins anew"):
        directory.claimed("new")


@pytest.mark.parametrize("claim", ["new", "resume", "force"])
def test_a_directory_of_something_else_is_left_alone(
    directory: SearchDirectory, claim: Claim
) -> None:
    (directory.path / "thesis.tex").write_text("years")
    with pytest.raises(ConfigError, match=r"holds thesis\.tex, but no search"):
        directory.claimed(claim)
    assert (directory.path / "thesis.tex").read_text() == "years"


def test_clearing_removes_what_a_search_leaves_and_nothing_else(directory: SearchDirectory) -> None:
    directory.report.write_text("{}")
    directory.release.mkdir()
    (directory.release / "model.onnx").write_bytes(b"x")
    (directory.path / "notes.txt").write_text("mine")
    directory.clear()
    assert [each.name for each in directory.path.iterdir()] == ["notes.txt"]


def test_what_a_killed_write_left_is_swept(directory: SearchDirectory) -> None:
    (directory.path / ".search.json.abc.partial").write_bytes(b"half")
    assert directory.claimed("new") == "empty"
    assert list(directory.path.iterdir()) == []


def test_another_process_is_kept_out_until_the_first_one_ends(directory: SearchDirectory) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from adaptd.adaptation.search.directory import SearchDirectory\n"
        "with SearchDirectory(Path(sys.argv[1])).held():\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(directory.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConflictError, match="another search is at work"), directory.held():
            pass
        other.kill()
    with directory.held():
        pass


def test_a_directory_that_nothing_was_begun_in_is_not_left_behind(tmp_path: Path) -> None:
    made = SearchDirectory(tmp_path / "a" / "out")
    with made.held():
        assert made.path.is_dir()
    assert not made.path.exists()
    given = SearchDirectory(tmp_path / "given")
    given.path.mkdir()
    with given.held():
        pass
    assert given.path.is_dir()


def test_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(ConfigError, match=r"--out .*out: cannot be made"),
        SearchDirectory(tmp_path / "out").held(),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 9}'])
def test_a_damaged_report_is_named(directory: SearchDirectory, text: str) -> None:
    directory.report.write_text(text)
    with pytest.raises(ArtifactError, match=r"search\.json"):
        directory.read_report()

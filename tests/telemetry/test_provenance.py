from importlib.metadata import version
from pathlib import Path

import pytest

import adaptd
from adaptd.telemetry.provenance import UNKNOWN, instructions, provenance, source_digest


def test_it_names_what_computes() -> None:
    found = provenance()
    assert found["adaptd"] == adaptd.__version__
    assert found["torch"] == version("torch")
    assert found["numpy"] == version("numpy")
    assert all(found.values())
    assert {"source", "python", "onnxruntime", "system", "processor", "instructions"} <= set(found)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("fpu sse avx avx2 avx512f", "AVX512"),
        ("fpu sse avx avx2", "AVX2"),
        ("fp asimd crc32", "NEON"),
        ("", UNKNOWN),
    ],
)
def test_the_widest_instructions_count(flags: str, name: str) -> None:
    assert instructions(flags) == name


def test_a_source_is_another_one_when_a_line_or_a_name_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "part.py").write_text("ONE = 1\n")
    (tmp_path / "picture.svg").write_text("<svg/>")
    before = source_digest(tmp_path)
    (tmp_path / "picture.svg").write_text("<svg></svg>")
    assert source_digest(tmp_path) == before
    (tmp_path / "room" / "part.py").write_text("ONE = 2\n")
    changed = source_digest(tmp_path)
    (tmp_path / "room" / "part.py").rename(tmp_path / "room" / "whole.py")
    assert len({before, changed, source_digest(tmp_path)}) == 3

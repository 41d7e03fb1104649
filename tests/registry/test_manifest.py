"""What the manifest says, and what it catches."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adaptd.architecture import Architecture, Contract
from adaptd.clock import FakeClock
from adaptd.errors import ArtifactError
from adaptd.registry.artifact import seal
from adaptd.registry.manifest import build_manifest, release_digest, verify


@pytest.fixture
def model(make_model: Callable[[Path], Path], tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def said(architecture: Architecture, contract: Contract, clock: FakeClock) -> dict[str, Any]:
    return {
        "stream": "pump",
        "contract": contract,
        "architecture": architecture,
        "parent": None,
        "episode": "E1",
        "evidence": {"records": 400},
        "now": clock.now(),
    }


@pytest.fixture
def sealed(model: Path, said: dict[str, Any]) -> tuple[Path, str]:
    return model, seal(model, **said)


def test_a_sealed_directory_verifies_and_says_what_it_is(
    sealed: tuple[Path, str], architecture: Architecture, contract: Contract
) -> None:
    directory, digest = sealed
    manifest = verify(directory, digest=digest)
    assert release_digest(manifest) == digest
    assert Architecture.from_document(manifest["architecture"]) == architecture
    assert Contract.from_document(manifest["contract"]) == contract
    assert manifest["schema_version"] == 1
    assert manifest["stream"] == "pump"
    assert manifest["lineage"] == {"parent": None, "episode": "E1"}
    assert manifest["evidence"] == {"records": 400}
    assert set(manifest["files"]) == {"model.onnx", "weights.safetensors", "architecture.json"}
    assert manifest["files"]["model.onnx"]["bytes"] == len(b"the graph")


def test_the_digest_does_not_depend_on_when_it_was_sealed(
    model: Path, said: dict[str, Any], clock: FakeClock
) -> None:
    first = seal(model, **said)
    clock.advance(3_600)
    assert seal(model, **{**said, "now": clock.now()}) == first
    verify(model, digest=first)


@pytest.mark.parametrize(
    "change", [{"stream": "fan"}, {"parent": "0" * 64}, {"episode": None}, {"evidence": {}}]
)
def test_the_digest_depends_on_everything_else(
    model: Path, said: dict[str, Any], change: dict[str, Any]
) -> None:
    assert seal(model, **said) != seal(model, **{**said, **change})


def test_the_digest_depends_on_the_files(model: Path, said: dict[str, Any]) -> None:
    first = seal(model, **said)
    (model / "weights.safetensors").write_bytes(b"other weights")
    assert seal(model, **said) != first


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_byte_can_change_unseen(sealed: tuple[Path, str], data: st.DataObject) -> None:
    directory, digest = sealed
    names = sorted(path.name for path in directory.iterdir())
    path = directory / data.draw(st.sampled_from(names))
    before = path.read_bytes()
    # The manifest's last byte is the newline behind the document.
    position = data.draw(st.integers(0, len(before) - 2))
    changed = bytearray(before)
    changed[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(changed))
    try:
        verify(directory, digest=digest)
    except ArtifactError:
        return
    finally:
        path.write_bytes(before)
    # Only the time of sealing is outside of the digest.
    assert path.name == "manifest.json"
    first, second = json.loads(before), json.loads(bytes(changed))
    assert {**first, "created_at": None} == {**second, "created_at": None}


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "architecture.json"])
def test_a_file_that_is_missing_or_changed_is_named(sealed: tuple[Path, str], name: str) -> None:
    directory, _ = sealed
    (directory / name).write_bytes(b"changed")
    with pytest.raises(ArtifactError, match=rf"{name}: sha256 is"):
        verify(directory)
    (directory / name).unlink()
    with pytest.raises(ArtifactError, match=rf"{name}: missing"):
        verify(directory)


def test_a_file_that_was_added_is_named(sealed: tuple[Path, str]) -> None:
    directory, _ = sealed
    (directory / "extra").mkdir()
    (directory / "extra" / "model.pkl").write_bytes(b"added")
    with pytest.raises(ArtifactError, match=r"extra/model\.pkl: is not in the manifest"):
        verify(directory)


def test_a_link_is_refused(model: Path, said: dict[str, Any], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((model / "model.onnx").read_bytes())
    (model / "model.onnx").unlink()
    (model / "model.onnx").symlink_to(elsewhere)
    with pytest.raises(ArtifactError, match=r"model\.onnx: a release holds plain files only"):
        seal(model, **said)


def test_another_digest_than_the_expected_one_is_refused(sealed: tuple[Path, str]) -> None:
    directory, digest = sealed
    with pytest.raises(ArtifactError, match=rf"{digest}, expected {'0' * 64}"):
        verify(directory, digest="0" * 64)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema_version": 1, "files": 3}', '{"schema_version": 1, "files": {}}',
     '{"schema_version": 2, "files": {}}', '{"schema_version": 1, "files": {"model.onnx": 1}}'],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(sealed: tuple[Path, str], text: str) -> None:
    directory, _ = sealed
    (directory / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=directory.name):
        verify(directory)


def test_an_unsealed_directory_is_refused(model: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        verify(model)


def test_nothing_is_sealed_without_all_its_files(model: Path, said: dict[str, Any]) -> None:
    (model / "weights.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"weights\.safetensors: missing"):
        build_manifest(model, **said)


@pytest.mark.parametrize("text", ["{}", "not JSON"])
def test_nothing_is_sealed_with_a_broken_architecture(
    model: Path, said: dict[str, Any], text: str
) -> None:
    (model / "architecture.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"architecture\.json"):
        seal(model, **said)
    assert not (model / "manifest.json").exists()


def test_nothing_is_sealed_as_another_architecture(
    model: Path, said: dict[str, Any], architecture: Architecture
) -> None:
    other = architecture.with_operations({"cells.0.edges.0": "dw k9 d1"})
    with pytest.raises(ArtifactError, match="another architecture"):
        seal(model, **{**said, "architecture": other})


def test_evidence_that_is_no_json_is_refused_before_anything_is_written(
    model: Path, said: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="JSON"):
        seal(model, **{**said, "evidence": {"e_value": float("inf")}})
    assert not (model / "manifest.json").exists()


def test_created_at_is_utc(sealed: tuple[Path, str], clock: FakeClock) -> None:
    manifest = verify(sealed[0])
    assert datetime.fromisoformat(manifest["created_at"]) == clock.now()
    assert manifest["created_at"].endswith("+00:00")

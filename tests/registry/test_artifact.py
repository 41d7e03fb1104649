"""Installed whole, once, and never something else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from adaptd.architecture import Architecture, Contract
from adaptd.clock import FakeClock
from adaptd.errors import ArtifactError
from adaptd.registry.artifact import copy, install, seal
from adaptd.registry.manifest import MANIFEST, REQUIRED, verify

Sealed = Callable[[str], tuple[Path, str]]


@pytest.fixture
def make_sealed(
    make_model: Callable[[Path], Path],
    architecture: Architecture,
    contract: Contract,
    clock: FakeClock,
    tmp_path: Path,
) -> Sealed:
    def make(name: str) -> tuple[Path, str]:
        directory = make_model(tmp_path / name)
        digest = seal(
            directory,
            stream="pump",
            contract=contract,
            architecture=architecture,
            parent=None,
            episode=None,
            evidence={},
            now=clock.now(),
        )
        return directory, digest

    return make


def test_a_release_lies_under_its_digest(make_sealed: Sealed, tmp_path: Path) -> None:
    directory, digest = make_sealed("member")
    target = install(directory, tmp_path / "releases" / "pump")
    assert target == tmp_path / "releases" / "pump" / digest
    verify(target, digest=digest)
    assert not directory.exists()


def test_installing_again_keeps_the_first(
    make_sealed: Sealed, clock: FakeClock, tmp_path: Path
) -> None:
    first = install(make_sealed("first")[0], tmp_path / "releases")
    before = (first / "manifest.json").read_bytes()
    clock.advance(60)
    second, _ = make_sealed("second")
    assert install(second, tmp_path / "releases") == first
    assert (first / "manifest.json").read_bytes() == before
    assert not second.exists()


def test_what_does_not_match_its_manifest_is_not_installed(
    make_sealed: Sealed, tmp_path: Path
) -> None:
    directory, _ = make_sealed("member")
    (directory / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        install(directory, tmp_path / "releases")
    assert directory.exists()
    assert not (tmp_path / "releases").exists()


def test_a_damaged_release_is_not_taken_for_installed(make_sealed: Sealed, tmp_path: Path) -> None:
    target = install(make_sealed("first")[0], tmp_path / "releases")
    (target / "model.onnx").write_bytes(b"damaged")
    second, _ = make_sealed("second")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        install(second, tmp_path / "releases")
    assert second.exists()


def test_nothing_but_what_was_decided_on_is_installed(make_sealed: Sealed, tmp_path: Path) -> None:
    directory, digest = make_sealed("member")
    with pytest.raises(ArtifactError, match=rf"{digest}, expected {'0' * 64}"):
        install(directory, tmp_path / "releases", digest="0" * 64)
    assert not (tmp_path / "releases").exists()
    assert install(directory, tmp_path / "releases", digest=digest).name == digest


def test_installing_after_a_kill_finds_what_was_installed(
    make_sealed: Sealed, tmp_path: Path
) -> None:
    directory, digest = make_sealed("member")
    target = install(directory, tmp_path / "releases", digest=digest)
    assert install(directory, tmp_path / "releases", digest=digest) == target
    (target / "model.onnx").write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        install(directory, tmp_path / "releases", digest=digest)


def test_installing_what_is_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="manifest"):
        install(tmp_path / "absent", tmp_path / "releases", digest="0" * 64)


def test_a_copy_is_the_model_alone_in_place_of_what_was_there(
    make_sealed: Sealed, tmp_path: Path
) -> None:
    directory, digest = make_sealed("release")
    target = tmp_path / "deep" / "copy"
    for _ in range(2):
        manifest = copy(directory, target, digest=digest)
        assert manifest == verify(directory)
        assert sorted(path.name for path in target.iterdir()) == sorted(REQUIRED)
        assert all(
            (target / name).read_bytes() == (directory / name).read_bytes() for name in REQUIRED
        )
        (target / "left over").write_text("of a copy that was cut off")
    assert (directory / MANIFEST).exists()


def test_what_is_not_as_it_was_released_is_not_copied(make_sealed: Sealed, tmp_path: Path) -> None:
    directory, digest = make_sealed("release")
    (directory / "model.onnx").write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        copy(directory, tmp_path / "copy", digest=digest)
    assert not (tmp_path / "copy").exists()

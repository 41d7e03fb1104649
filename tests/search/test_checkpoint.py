"""A checkpoint in its file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from adaptd.search.checkpoint import Checkpoint, CheckpointError


def _filled() -> Checkpoint:
    checkpoint = Checkpoint()
    checkpoint.tensors["empty"] = torch.empty(0, dtype=torch.int64)
    checkpoint.tensors["exact"] = torch.tensor([0.1, 1e-38, float("inf")])
    checkpoint.values["plain"] = {"steps": 7, "loss": 0.1 + 0.2, "note": None, "word": "é"}
    return checkpoint


def test_tensors_and_values_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    _filled().save(path)
    loaded = Checkpoint.load(path)
    assert loaded.values == _filled().values
    assert loaded.tensors.keys() == _filled().tensors.keys()
    for name, tensor in _filled().tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert torch.equal(loaded.tensors[name], tensor)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_later_one_replaces_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    _filled().save(path)
    later = Checkpoint(values={"plain": 2})
    later.tensors["one"] = torch.ones(1)
    later.save(path)
    assert Checkpoint.load(path).values == {"plain": 2}


def test_an_optimiser_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    def trained(steps: int, *, pause_at: int | None) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
        generator = torch.Generator().manual_seed(5)
        for step in range(steps):
            if step == pause_at:
                kept = Checkpoint()
                kept.put_module("layer", layer)
                kept.put_optimiser("optimiser", optimiser)
                kept.put_generator("generator", generator)
                kept.save(tmp_path / "kept.safetensors")
                kept = Checkpoint.load(tmp_path / "kept.safetensors")
                layer = nn.Linear(3, 2)
                optimiser = torch.optim.AdamW(layer.parameters(), lr=0.1, fused=True)
                generator = torch.Generator()
                kept.load_module("layer", layer)
                kept.load_optimiser("optimiser", optimiser)
                kept.load_generator("generator", generator)
            optimiser.zero_grad()
            layer(torch.randn(4, 3, generator=generator)).square().sum().backward()
            optimiser.step()
        return layer.weight.detach()

    uninterrupted = trained(6, pause_at=None)
    assert torch.equal(trained(6, pause_at=3), uninterrupted)
    assert torch.equal(trained(6, pause_at=0), uninterrupted)
    assert not torch.equal(trained(5, pause_at=None), uninterrupted)


def test_what_is_put_does_not_move_with_the_module() -> None:
    layer, checkpoint = nn.Linear(2, 2), Checkpoint()
    checkpoint.put_module("layer", layer)
    before = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.add_(1)
    assert torch.equal(checkpoint.tensors["layer.weight"], before)


def test_a_checkpoint_within_another_comes_back(tmp_path: Path) -> None:
    outer = Checkpoint(values={"own": 1})
    outer.put_checkpoint("inner", _filled())
    outer.save(tmp_path / "outer.safetensors")
    loaded = Checkpoint.load(tmp_path / "outer.safetensors")
    inner = loaded.get_checkpoint("inner")
    assert inner is not None
    assert inner.values == _filled().values
    assert torch.equal(inner.tensors["exact"], _filled().tensors["exact"])
    assert loaded.get_checkpoint("other") is None


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"absent\.safetensors"):
        Checkpoint.load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kept_share", [0.0, 0.3, 0.95])
def test_a_cut_file_is_refused(tmp_path: Path, kept_share: float) -> None:
    path = tmp_path / "checkpoint.safetensors"
    _filled().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept_share * len(data))])
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        Checkpoint.load(path)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors"):
        Checkpoint.load(path)


@pytest.mark.parametrize("values", ['{"schema_version": 99}', "{}", "[1]", "{"])
def test_another_version_and_damaged_values_are_refused(tmp_path: Path, values: str) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_file({"weight": torch.ones(2)}, path, metadata={"values": values})
    with pytest.raises(CheckpointError, match=r"checkpoint\.safetensors"):
        Checkpoint.load(path)


def test_a_module_with_other_tensors_is_refused() -> None:
    checkpoint = Checkpoint()
    checkpoint.put_module("layer", nn.Linear(2, 2))
    for other in (nn.Linear(3, 2), nn.Linear(2, 2, bias=False)):
        with pytest.raises(CheckpointError, match="of another search"):
            checkpoint.load_module("layer", other)

"""Weights from files: what fits is loaded whole, everything else refused by name."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from adaptd.errors import ArtifactError
from adaptd.space.weights import load_weights, save_weights


def network_of(width: int = 8) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(3, width, 3), nn.BatchNorm1d(width), nn.Conv1d(width, 2, 1))


def _write_safetensors(network: nn.Module, path: Path) -> None:
    save_file(network.state_dict(), path)


def _write_torch(network: nn.Module, path: Path) -> None:
    torch.save(network.state_dict(), path)


WRITERS = {".safetensors": _write_safetensors, ".pt": _write_torch, ".pth": _write_torch}


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_was_saved_is_loaded(tmp_path: Path, suffix: str) -> None:
    source, target = network_of(), network_of()
    source(torch.randn(4, 3, 8))
    WRITERS[suffix](source, tmp_path / f"weights{suffix}")
    load_weights(target, tmp_path / f"weights{suffix}")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("suffix", WRITERS)
def test_other_names_and_shapes_are_told_and_nothing_is_loaded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    WRITERS[suffix](nn.Sequential(nn.Conv1d(3, 4, 3), nn.Identity(), nn.Linear(2, 2)), path)
    network = network_of()
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(ArtifactError) as raised:
        load_weights(network, path)
    assert str(raised.value) == (
        f"{path}: does not fit the network: missing 1.weight, 1.bias, 1.running_mean, "
        "1.running_var, 1.num_batches_tracked; shapes 0.weight [4, 3, 3] instead of [8, 3, 3], "
        "0.bias [4] instead of [8], 2.weight [2, 2] instead of [2, 8, 1]"
    )
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)


def test_many_wrong_names_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({f"module.{name}": one for name, one in network_of().state_dict().items()}, path)
    with pytest.raises(
        ArtifactError, match=r"and 4 more; unexpected module\.0\.weight, .* and 4 more$"
    ):
        load_weights(network_of(), path)


class _Runs:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def _pickled(content: object, path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=2)


@pytest.mark.parametrize("write", [torch.save, _pickled])
def test_a_file_that_would_run_code_is_refused_and_runs_none(
    tmp_path: Path, write: Callable[[object, Path], None]
) -> None:
    path, trace = tmp_path / "weights.pt", tmp_path / "ran"
    write({"0.weight": _Runs(trace)}, path)
    with pytest.raises(
        ArtifactError, match=r"holds more than tensors.*would run code out of the file"
    ):
        load_weights(network_of(), path)
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
def test_whole_modules_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(nn.Linear(2, 2), path)
    with pytest.raises(
        ArtifactError, match=r"more than tensors \(torch.nn.modules.linear.Linear\)"
    ):
        load_weights(network_of(), path)
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)
    with pytest.raises(ArtifactError, match="would run code out of the file"):
        load_weights(network_of(), path)


def test_a_checkpoint_around_the_state_dict_is_named_by_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 3, "model": network_of().state_dict()}, path)
    with pytest.raises(
        ArtifactError, match=r"got a mapping with the keys 'epoch', 'model'; save the state dict"
    ):
        load_weights(network_of(), path)
    torch.save(torch.ones(2), path)
    with pytest.raises(ArtifactError, match="got a Tensor"):
        load_weights(network_of(), path)


@pytest.mark.parametrize("content", [b"", b"hello, this is text", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("suffix", WRITERS)
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"weights{suffix}: is no intact"):
        load_weights(network_of(), path)


def test_missing_files_and_other_kinds_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"weights\.pt: cannot be read: No such file"):
        load_weights(network_of(), tmp_path / "weights.pt")
    with pytest.raises(ArtifactError, match=r"weights\.pkl: expected a file named \.safetensors"):
        load_weights(network_of(), tmp_path / "weights.pkl")


def test_one_name_is_enough_for_a_tensor_that_has_several(tmp_path: Path) -> None:
    def tied() -> nn.Sequential:
        network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        network[1].weight = network[0].weight
        return network

    source, target = tied(), tied()
    save_model(source, str(tmp_path / "weights.safetensors"))
    load_weights(target, tmp_path / "weights.safetensors")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)
    assert target[1].weight is target[0].weight


def test_lazy_layers_take_the_shapes_of_the_file(tmp_path: Path) -> None:
    _write_torch(nn.Sequential(nn.Linear(4, 2)), tmp_path / "weights.pt")
    network = nn.Sequential(nn.LazyLinear(2))
    load_weights(network, tmp_path / "weights.pt")
    assert network(torch.zeros(1, 4)).shape == (1, 2)


class Tied(nn.Module):
    """One weight in two layers, and two buffers that are parts of one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        both = torch.arange(6.0)
        self.register_buffer("left", both[:3])
        self.register_buffer("right", both[3:])


def test_what_shares_a_weight_or_memory_is_saved_and_loaded(tmp_path: Path) -> None:
    source, target = Tied(), Tied()
    save_weights(source, tmp_path / "weights.safetensors")
    load_weights(target, tmp_path / "weights.safetensors")
    torch.testing.assert_close(target.state_dict(), source.state_dict(), rtol=0, atol=0)
    assert target.second.weight is target.first.weight


class Talkative(nn.Linear):
    def get_extra_state(self) -> dict[str, int]:
        return {"calls": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        pass


def test_a_state_that_is_not_all_tensors_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="only tensors can be kept, and _extra_state is none"):
        save_weights(Talkative(2, 2), tmp_path / "weights.safetensors")

"""A network's weights to and from a file that holds tensors and nothing else."""

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from adaptd.errors import ArtifactError

# What torch raises for a file that may hold anything.
_READING_ERRORS = (
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)

_SUFFIXES = (".safetensors", ".pt", ".pth")

# Names in an error: enough to see a pattern such as a wrong prefix, still one readable line.
_SHOWN = 5


def load_weights(network: nn.Module, path: Path) -> None:
    """Sets the network's parameters and buffers to those of the file, all of them or none.

    path: `.safetensors`, or `.pt` / `.pth` as `torch.save(network.state_dict(), path)` writes it.
    Names and shapes must be the network's own, but that one name is enough for a tensor that has
    several; values are cast to the network's dtypes and devices. Nothing in the file is executed.
    Raises ArtifactError, naming the file and what is wrong with it.
    """
    if path.suffix not in _SUFFIXES:
        raise ArtifactError(f"{path}: expected a file named {', '.join(_SUFFIXES)}")
    try:
        state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    _require_fit(network, state, path)
    network.load_state_dict(state, strict=False)


def save_weights(network: nn.Module, path: Path) -> None:
    """As safetensors. A tensor that has several names gets the first of them, with which
    `load_weights` is content. Raises ArtifactError for a state that is not all tensors."""
    tensors = _tensors(network)
    others = [name for name, one in tensors.items() if not isinstance(one, Tensor)]
    if others:
        raise ArtifactError(f"{path}: only tensors can be kept, and {_listed(others)} is none")
    first = {id(tensor): name for name, tensor in reversed(tensors.items())}
    # Cloned, since some may be views of one another.
    kept = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
        if first[id(tensor)] == name
    }
    save_file(kept, path)


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = network.state_dict(keep_vars=True)
    return tensors


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ArtifactError(f"{path}: is no intact safetensors file: {error}") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # What torch warns of, other pickle protocols and TorchScript, it then refuses.
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _READING_ERRORS as error:
        text = str(error)
        if "Unsupported" in text or "TorchScript" in text:
            named = re.search(r"GLOBAL (\S+)", text)
            holds = f" ({named[1]})" if named else ""
            raise ArtifactError(
                f"{path}: holds more than tensors{holds}, so that loading it would run code out "
                "of the file, which is never done; expected torch.save(network.state_dict(), ...) "
                "or safetensors"
            ) from error
        raise ArtifactError(f"{path}: is no intact file of torch.save") from error
    if isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        return dict(content)
    held = (
        f"a mapping with the keys {_listed(map(repr, content))}"
        if isinstance(content, Mapping)
        else f"a {type(content).__name__}"
    )
    raise ArtifactError(
        f"{path}: expected names and tensors, as of network.state_dict(), got {held}; "
        "save the state dict alone"
    )


def _require_fit(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    own = _tensors(network)
    # Of a tensor under several names, safetensors keeps one.
    given = {id(tensor) for name, tensor in own.items() if name in state}
    missing = [name for name, tensor in own.items() if id(tensor) not in given]
    unexpected = [name for name in state if name not in own]
    shapes = [
        f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and not is_lazy(tensor) and state[name].shape != tensor.shape
    ]
    faults = [
        f"{title} {_listed(found)}"
        for title, found in (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
        if found
    ]
    if faults:
        raise ArtifactError(f"{path}: does not fit the network: {'; '.join(faults)}")


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    left = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {left} more" if left > 0 else "")

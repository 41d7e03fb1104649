"""Where networks are trained, and how precisely."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import torch
from torch import nn

# Name -> of the activations; weights, losses and optimisers are float32 throughout.
PRECISIONS: Mapping[str, torch.dtype | None] = MappingProxyType(
    {"float32": None, "bf16": torch.bfloat16}
)


def usual_device() -> torch.device:
    """The current CUDA device where there is one that computes, else the processor."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    try:
        return checked_device("cuda")
    except ValueError as error:
        # A driver that is too old, a card too new for this torch, or one that others have filled.
        warnings.warn(f"CUDA is not used: {error}", stacklevel=2)
        return torch.device("cpu")


def checked_device(name: str) -> torch.device:
    """A device by torch's name, such as "cuda:1", that has computed a gradient.

    Raises ValueError for a name that is none, and for a device that is not there or cannot.
    """
    try:
        device = torch.device(name)
        x = torch.ones(1, 1, 4, device=device, requires_grad=True)
        outcome = torch.nn.functional.conv1d(x, torch.ones(1, 1, 3, device=device)).sum()
        (gradient,) = torch.autograd.grad(outcome, x)
        gradient.tolist()
    # torch has no error of its own for a device; a build without CUDA even fails an assertion.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return device


def device_of(network: nn.Module) -> torch.device:
    """Where its first parameter lies; the processor for a network without any."""
    return next((one.device for one in network.parameters()), torch.device("cpu"))


@contextmanager
def precision(name: str, device: torch.device) -> Iterator[None]:
    """Forward passes within it are computed in this precision, one of `PRECISIONS`, as far as torch
    takes that for safe (`torch.autocast`). Raises KeyError for another name."""
    dtype = PRECISIONS[name]
    # Weights change within it: none may be served from the copy of an earlier step.
    with torch.autocast(device.type, dtype, enabled=dtype is not None, cache_enabled=False):
        yield

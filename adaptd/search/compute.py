"""Where networks are trained, and how precisely."""

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
    """The current CUDA device where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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

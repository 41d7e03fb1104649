"""`settled`: a fresh module where another one is, on its device and of its dtype."""

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

from torch import Tensor, nn

_Module = TypeVar("_Module", bound=nn.Module)


def floats_of(*modules: nn.Module) -> Iterator[Tensor]:
    """The floating-point parameters, then buffers, of each module in turn."""
    return (
        one
        for module in modules
        for one in chain(module.parameters(), module.buffers())
        if one.is_floating_point()
    )


def settled(module: _Module, *patterns: nn.Module) -> _Module:
    """The module itself, moved to the device and floating dtype of the first pattern's numbers.

    A later pattern stands in for one that holds none; without any the module stays as it is.
    """
    like = next(floats_of(*patterns), None)
    return module if like is None else module.to(like.device, like.dtype)

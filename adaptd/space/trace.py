"""Multiply-accumulates, counted as a record goes through."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from adaptd.space.settled import floats_of

Hook = Callable[[nn.Module, tuple[Any, ...], Any], None]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class Counted(ABC):
    """A layer of ours that says itself what it takes."""

    @abstractmethod
    def macs(self, outcome: Tensor) -> int:
        """Multiply-accumulates that made this outcome."""


def traced_macs(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of all convolutions and linear layers on one record.

    shape: of the record, without the batch axis. Norms, biases and activations are not counted.
    """
    total = 0

    def add(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal total
        match layer:
            case nn.Linear():
                total += output.numel() * layer.in_features
            case nn.Conv1d() | nn.Conv2d() | nn.Conv3d():
                total += (
                    output.numel() * layer.in_channels // layer.groups * prod(layer.kernel_size)
                )
            case nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
                entered: Tensor = inputs[0]
                total += (
                    entered.numel() * layer.out_channels // layer.groups * prod(layer.kernel_size)
                )
            case Counted():
                total += layer.macs(output)

    counted = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED, Counted)
    trace(
        module,
        shape,
        ((layer, add) for layer in module.modules() if isinstance(layer, counted)),
    )
    return total


def trace(
    module: nn.Module, shape: tuple[int, ...], hooks: Iterable[tuple[nn.Module, Hook]]
) -> None:
    """Sends a record of zeros through in evaluation mode; each hook sees its layer's in and out."""
    handles = [layer.register_forward_hook(hook) for layer, hook in hooks]
    was_training = {one: one.training for one in module.modules()}
    like = next(floats_of(module), torch.empty(0))
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape, device=like.device, dtype=like.dtype))
    finally:
        for one, training in was_training.items():
            one.training = training
        for handle in handles:
            handle.remove()

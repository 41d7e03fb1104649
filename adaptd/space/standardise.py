"""`Standardise`: the normaliser, part of the network and so of the exported graph."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class FittedLayer(nn.Module, ABC):
    """A layer at the input whose buffers are taken from records, not trained."""

    @abstractmethod
    def fit(self, x: Tensor) -> None:
        """Takes its buffers from records, float [n, channels, *axes]. Raises ValueError for records
        that do not suit it."""


class Standardise(FittedLayer):
    """(x - mean) / scale per channel; does nothing until it is fitted.

    axes: of a record beside its channels: 2 for images, 1 for sequences, 0 for features.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int, *, axes: int = 1) -> None:
        super().__init__()
        shape = (channels, *(1,) * axes)
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes], raw -> the same shape, standardised."""
        return (x - self.mean) / self.scale

    def fit(self, x: Tensor) -> None:
        """Takes mean and standard deviation of each channel from x, float [n, channels, *axes].

        A channel that does not vary keeps scale 1. Raises ValueError for no records, other
        channels, another number of axes, NaN, infinity.
        """
        axes = self.mean.ndim - 1
        if x.ndim != 2 + axes or x.numel() == 0 or x.shape[1] != len(self.mean):
            wanted = ["n >= 1", str(len(self.mean)), *("size >= 1",) * axes]
            raise ValueError(f"expected records [{', '.join(wanted)}], got shape {list(x.shape)}")
        require_finite(x)
        # float64: a large mean would swallow the variance of the channel in float32.
        values = x.detach().to(torch.float64).transpose(0, 1).flatten(1)
        mean = values.mean(1)
        scale = values.std(1, correction=0)
        self.mean.copy_(mean.view_as(self.mean))
        self.scale.copy_(scale_or_one(mean, scale).view_as(self.scale))


def fit_standardisation(network: nn.Module, x: Tensor) -> None:
    """Fits the network's layers at the input on raw records, float [n, channels, *axes].

    Each is fitted on what those before it, in the order of the network, make of the records. A
    network without one is left alone. Raises ValueError as their `fit` does.
    """
    fitted = [module for module in network.modules() if isinstance(module, FittedLayer)]
    with torch.no_grad():
        for place, module in enumerate(fitted):
            module.fit(x)
            if place + 1 < len(fitted):
                x = module(x)


def scale_or_one(mean: Tensor, scale: Tensor) -> Tensor:
    """The scale, 1 where it is no more than rounding of the mean: what never varies is not blown
    up."""
    is_constant = scale <= 1e-6 * mean.abs().clamp(min=1e-6)
    return torch.where(is_constant, torch.ones_like(scale), scale)


def require_finite(x: Tensor) -> None:
    """Raises ValueError for NaN or infinity in what a layer is fitted on."""
    if not bool(torch.isfinite(x).all()):
        raise ValueError("records to fit the standardisation on hold NaN or infinity")

"""`Standardise`: the normaliser, part of the network and so of the exported graph."""

import torch
from torch import Tensor, nn


class Standardise(nn.Module):
    """(x - mean) / scale per channel; does nothing until it is fitted."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("scale", torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length], raw -> the same shape, standardised."""
        return (x - self.mean) / self.scale

    def fit(self, x: Tensor) -> None:
        """Takes mean and standard deviation of each channel from x, float [n, channels, length].

        A channel that does not vary keeps scale 1. Raises ValueError for no records, other
        channels, NaN, infinity.
        """
        if x.ndim != 3 or len(x) == 0 or x.shape[1] != len(self.mean):
            raise ValueError(
                f"expected records [n >= 1, {len(self.mean)}, length], got shape {list(x.shape)}"
            )
        if not bool(torch.isfinite(x).all()):
            raise ValueError("records to fit the standardisation on hold NaN or infinity")
        # float64: a large mean would swallow the variance of the channel in float32.
        values = x.detach().to(torch.float64).transpose(0, 1).flatten(1)
        mean = values.mean(1, keepdim=True)
        scale = values.std(1, correction=0, keepdim=True)
        is_constant = scale <= 1e-6 * mean.abs().clamp(min=1e-6)
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(is_constant, torch.ones_like(scale), scale))


def fit_standardisation(network: nn.Module, x: Tensor) -> None:
    """Fits the network's `Standardise` on raw records, float [n, channels, length].

    A network without one is left alone. Raises ValueError as `Standardise.fit` does.
    """
    for module in network.modules():
        if isinstance(module, Standardise):
            module.fit(x)

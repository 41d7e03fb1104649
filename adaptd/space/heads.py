"""The last layer: logits of a classification, or targets of a regression in their own units."""

import torch
from torch import Tensor, nn

from adaptd.space.standardise import require_finite, scale_or_one


class RegressionHead(nn.Linear):
    """A linear layer whose outcome is put into the units of the targets: scale * (W x + b) + mean.

    Until it is fitted mean is 0 and scale 1. Fitted, a fresh network starts near the mean of each
    target, and its weights are of the usual size whatever the units are.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, targets: int) -> None:
        super().__init__(features, targets)
        self.register_buffer("mean", torch.zeros(targets))
        self.register_buffer("scale", torch.ones(targets))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> float [n, targets]."""
        return super().forward(x) * self.scale + self.mean

    def fit(self, targets: Tensor) -> None:
        """Takes mean and standard deviation of each target from float [n, targets], or [n] of one.

        A target that does not vary keeps scale 1. Raises ValueError for no records, another number
        of targets, NaN, infinity.
        """
        values = targets.detach().to(torch.float64)
        values = values.unsqueeze(1) if values.ndim == 1 else values
        if values.ndim != 2 or len(values) == 0 or values.shape[1] != len(self.mean):
            raise ValueError(
                f"expected targets [n >= 1, {len(self.mean)}], got shape {list(targets.shape)}"
            )
        require_finite(values)
        mean = values.mean(0)
        self.mean.copy_(mean)
        self.scale.copy_(scale_or_one(mean, values.std(0, correction=0)))


def head(network: str, features: int, *, classes: int | None, targets: int | None) -> nn.Linear:
    """The layer for a classification into `classes` >= 2, or a regression of `targets` >= 1.

    network: for the error. Raises ValueError unless exactly one of the two is given, or for fewer.
    """
    if (classes is None) == (targets is None):
        raise ValueError(
            f"{network} needs either classes or targets, got classes={classes}, targets={targets}"
        )
    if classes is not None:
        if classes < 2:
            raise ValueError(f"{network} needs classes >= 2, got {classes}")
        return nn.Linear(features, classes)
    if targets is None or targets < 1:
        raise ValueError(f"{network} needs targets >= 1, got {targets}")
    return RegressionHead(features, targets)


def fit_targets(network: nn.Module, targets: Tensor) -> None:
    """Fits the network's `RegressionHead`s on the targets, float [n, targets] or [n].

    A network without one is left alone. Raises ValueError as `RegressionHead.fit` does.
    """
    for module in network.modules():
        if isinstance(module, RegressionHead):
            module.fit(targets)

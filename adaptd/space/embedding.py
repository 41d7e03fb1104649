"""Embeddings of numerical features: each number becomes several, before the first matrix."""

from math import pi

import torch
from torch import Tensor, nn

from adaptd.space.standardise import FittedLayer, require_finite

BINS = 16

FREQUENCIES = 16

# Standard deviation of the initial frequencies, in periods per standard deviation of a feature:
# smooth at the start, so that features are told apart by size before they are by phase.
_FREQUENCY_SCALE = 0.1

# Between two bounds that are told apart, of the largest or of 1: some roundings of float32. A
# narrower bin would blow up whatever lies beyond it.
_DISTINCT = 1e-6


class PiecewiseLinear(FittedLayer):
    """How far a number has come through each of a feature's bins: 1 … 1, a share, 0 … 0.

    The bins are bounded by quantiles of the records it is fitted on, those of a normal
    distribution before, for numbers that are standardised. Equal quantiles bound one bin, not
    several; bins that a feature does not have give 0. Beyond the outermost bounds the first and the
    last bin go on linearly.
    Source: Gorishniy, Rubachev & Babenko 2022, "On embeddings for numerical features in tabular
    deep learning", section 3.2 ("PLE" by quantiles).
    """

    start: Tensor
    slope: Tensor
    lowest: Tensor
    highest: Tensor

    def __init__(self, features: int, bins: int = BINS) -> None:
        super().__init__()
        if features < 1 or bins < 1:
            raise ValueError(f"features and bins must be at least 1, got {features} and {bins}")
        self.bins = bins
        for name in ("start", "slope", "lowest", "highest"):
            self.register_buffer(name, torch.zeros(features, bins))
        self._set(_normal_bounds(bins).expand(features, -1))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> float [n, features * bins]."""
        passed = (x.unsqueeze(2) - self.start) * self.slope
        return torch.minimum(torch.maximum(passed, self.lowest), self.highest).flatten(1)

    def fit(self, x: Tensor) -> None:
        """Takes the bounds from float [n, features]. Raises ValueError for no records, another
        number of features, NaN, infinity."""
        if x.ndim != 2 or len(x) == 0 or x.shape[1] != len(self.start):
            raise ValueError(
                f"expected records [n >= 1, {len(self.start)}], got shape {list(x.shape)}"
            )
        require_finite(x)
        ranks = torch.linspace(0, len(x) - 1, self.bins + 1, dtype=torch.float64, device=x.device)
        ordered = x.detach().to(torch.float64).sort(0).values
        # Between two records the bound lies linearly between them.
        below, share = ranks.floor().long(), (ranks - ranks.floor()).unsqueeze(1)
        above = ranks.ceil().long()
        self._set(torch.lerp(ordered[below], ordered[above], share).t())

    def _set(self, bounds: Tensor) -> None:
        """bounds: float [features, bins + 1], rising."""
        rows = [self._row(_distinct(row)) for row in bounds.to(self.start.dtype)]
        for name, values in zip(
            ("start", "slope", "lowest", "highest"), zip(*rows, strict=True), strict=True
        ):
            self.get_buffer(name).copy_(torch.stack(values))

    def _row(self, bounds: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        start, slope, lowest, highest = bounds.new_zeros(4, self.bins)
        used = len(bounds) - 1
        if used > 0:
            start[:used] = bounds[:-1]
            slope[:used] = 1 / bounds.diff()
            highest[:used] = 1
            lowest[0], highest[used - 1] = -torch.inf, torch.inf
        return start, slope, lowest, highest


class Periodic(nn.Module):
    """sin and cos of 2 pi * frequency * x, with frequencies of each feature's own, trained.

    Source: Gorishniy, Rubachev & Babenko 2022, "On embeddings for numerical features in tabular
    deep learning", section 3.3.
    """

    def __init__(self, features: int, frequencies: int = FREQUENCIES) -> None:
        super().__init__()
        self.frequency = nn.Parameter(_FREQUENCY_SCALE * torch.randn(features, frequencies))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> float [n, features * 2 * frequencies]."""
        angles = 2 * pi * self.frequency * x.unsqueeze(2)
        return torch.cat((angles.sin(), angles.cos()), 2).flatten(1)


def embedding(name: str, features: int) -> tuple[nn.Module, int]:
    """The layer of that name, and how many numbers it makes of a record of so many features.

    "linear": the numbers as they are, as the matrix that follows is one linear map of each
    already; "bins": `PiecewiseLinear`; "periodic": `Periodic`. Raises ValueError for other names.
    """
    match name:
        case "linear":
            return nn.Identity(), features
        case "bins":
            return PiecewiseLinear(features), features * BINS
        case "periodic":
            return Periodic(features), features * 2 * FREQUENCIES
    raise ValueError(f"embedding must be 'linear', 'bins' or 'periodic', got {name!r}")


def _distinct(bounds: Tensor) -> Tensor:
    apart = bounds.diff() > _DISTINCT * bounds.abs().max().clamp(min=1)
    return bounds[torch.cat((apart.new_ones(1), apart))]


def _normal_bounds(bins: int) -> Tensor:
    # The outermost quantiles of a normal distribution are infinite: those of 1 in 1000 stand in.
    ranks = torch.linspace(0.001, 0.999, bins + 1, dtype=torch.float64)
    bounds: Tensor = torch.special.ndtri(ranks)
    return bounds

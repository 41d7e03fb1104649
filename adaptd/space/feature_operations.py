"""Non-linear operations between nodes of features: products, gates, a residual block."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.feature import FeatureSite
from adaptd.space.operation import Operation, operation
from adaptd.space.site import Site


class _FeatureOperation(Operation):
    """Takes x as it is, with both signs."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, FeatureSite)


class CrossLayer(nn.Module):
    """norm (out (left (x) * right (x))): sums of so many factorised products of features."""

    def __init__(self, features: int, rank: int) -> None:
        super().__init__()
        self.left = nn.Linear(features, rank)
        self.right = nn.Linear(features, rank)
        self.out = nn.Linear(rank, features, bias=False)
        self.norm = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> the same shape."""
        crossed: Tensor = self.norm(self.out(self.left(x) * self.right(x)))
        return crossed


@operation("cross")
@dataclass(frozen=True)
class Cross(_FeatureOperation):
    """Products of pairs of features, in `rank` factors: what a matrix after a ReLU has to piece
    together.

    An outcome is a quadratic form of that rank; the biases give it linear terms too.
    Sources: Rendle 2010, "Factorization machines"; Wang et al. 2021, "DCN V2".
    """

    rank: int = field(metadata={"letter": "r"})

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, FeatureSite)
        return CrossLayer(site.features, self.rank)


class GatedLayer(nn.Module):
    """norm (value (x) * sigmoid (gate (x)))."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.value = nn.Linear(features, features, bias=False)
        self.gate = nn.Linear(features, features)
        self.norm = nn.BatchNorm1d(features)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> the same shape."""
        gated: Tensor = self.norm(self.value(x) * torch.sigmoid(self.gate(x)))
        return gated


@operation("glu")
@dataclass(frozen=True)
class GatedLinear(_FeatureOperation):
    """A matrix each of whose outcomes the record itself lets through or not.

    Source: Dauphin et al. 2017, "Language modeling with gated convolutional networks".
    """

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, FeatureSite)
        return GatedLayer(site.features)


class ResidualLayer(nn.Module):
    """x + out (relu (into (norm (x))))."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.into = nn.Linear(features, hidden)
        self.out = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> the same shape."""
        outcome: Tensor = x + self.out(functional.relu(self.into(self.norm(x))))
        return outcome


@operation("resmlp")
@dataclass(frozen=True)
class ResidualMap(_FeatureOperation):
    """A residual block with `expansion` times as many features inside. It ends without a norm: that
    would scale what is passed on too.

    Source: Gorishniy et al. 2021, "Revisiting deep learning models for tabular data".
    """

    expansion: int = field(metadata={"letter": "e"})

    def __post_init__(self) -> None:
        if self.expansion < 1:
            raise ValueError(f"expansion must be at least 1, got {self.expansion}")

    def build(self, site: Site) -> nn.Module:
        assert isinstance(site, FeatureSite)
        return ResidualLayer(site.features, self.expansion * site.features)

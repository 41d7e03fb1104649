"""`Refinement`: a block that adds to what enters it, so that a network can grow deeper by it."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class ChannelScale(nn.Module):
    """Each channel times a weight of its own, 1 at the start."""

    def __init__(self, channels: int, *, axes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, *(1,) * axes))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape."""
        return x * self.weight


class Refinement(nn.Module, ABC):
    """x + scale * block (x): nothing but x where the scale is 0.

    A subclass computes `refine`. predecessor: dotted name of the block it comes after and that it
    is a copy of when the network grows, None for the first. axes: of a record beside its channels.
    Sources: He et al. 2016, "Identity mappings in deep residual networks"; Touvron et al. 2021,
    "Going deeper with image transformers" (the scale).
    """

    def __init__(self, channels: int, *, axes: int, predecessor: str | None) -> None:
        super().__init__()
        self.predecessor = predecessor
        self.scale = ChannelScale(channels, axes=axes)

    @abstractmethod
    def refine(self, x: Tensor) -> Tensor:
        """What is added before it is scaled, of the shape of x."""

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape."""
        outcome: Tensor = x + self.scale(self.refine(x))
        return outcome

    def silence(self) -> None:
        """Sets the scale to 0. The first step of training can move it; what it scales follows."""
        with torch.no_grad():
            self.scale.weight.zero_()

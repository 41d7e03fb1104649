"""`Site`: where an operation stands; `Frame`: what the linear operations there share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from torch import Tensor, nn

from adaptd.space.lattice import Support

if TYPE_CHECKING:
    from adaptd.space.operation import LinearOperation, Operation


class Frame(nn.Module, ABC):
    """All of an edge but its kernel: bias, or activation, pointwise part and norm."""

    @abstractmethod
    def forward(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:
        """What the edge gives with this kernel, float [outputs, inputs / groups, positions]."""

    def weighed(self, x: Tensor, kernel: Tensor, support: Support, weight: Tensor) -> Tensor:
        """weight * forward (x, kernel, support), for a scalar; a frame that can keeps no more."""
        outcome: Tensor = self(x, kernel, support)
        return weight * outcome

    @abstractmethod
    def assemble(self, operation: LinearOperation, kernel_module: nn.Module) -> nn.Module:
        """The plain module of one operation, which takes over this frame's own parts."""


class Site(ABC):
    """What enters an edge and what must leave it; a frozen dataclass. Operations fit or do not."""

    @property
    @abstractmethod
    def axes(self) -> int:
        """Axes that a kernel runs along: 2 for images, 1 for sequences, 0 for a matrix."""

    @abstractmethod
    def fresh_frame(self) -> Frame:
        """Newly initialised."""

    @abstractmethod
    def frame_of(self, module: nn.Module) -> Frame:
        """The frame of a module that stands here, the very same parts."""

    @abstractmethod
    def kernel_module_of(self, module: nn.Module) -> nn.Module:
        """The part of a module that stands here which its operation's kernel is made of."""

    def place(self, operation: Operation) -> nn.Module:
        """A fresh module of the operation, as it stands in a network. Raises ValueError if it does
        not fit."""
        if not operation.fits(self):
            raise ValueError(f"{operation} does not fit {self}")
        return operation.build(self)

"""`MergedEdge` and `FoldingEdge`: an open edge, and one on its way back to a single operation."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.depthwise import depthwise_conv1d
from adaptd.space.network import transplant
from adaptd.space.operation import Depthwise
from adaptd.space.separable import SeparableConv1d


class MergedEdge(nn.Module):
    """The weighted sum of several depthwise operations, computed as one convolution.

    The candidates stand between the same ReLU and the same pointwise convolution and are linear, so
    their sum is one depthwise convolution whose kernel is sum over i of softmax(alpha)_i * w_i on
    the union of their offsets. Whatever the number of candidates, it keeps the activations of one.
    Pointwise part and norm are those of the deployed edge.

    alpha: float [candidates], shared by tied edges. noise: standard deviation of what is added to
    the kernels of candidates other than the deployed operation. Raises ValueError if the deployed
    operation is not a candidate.
    """

    mask: Tensor

    def __init__(
        self,
        deployed: SeparableConv1d,
        candidates: tuple[Depthwise, ...],
        alpha: nn.Parameter,
        *,
        noise: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if deployed.operation not in candidates:
            raise ValueError(
                f"the deployed operation {deployed.operation} must be among the candidates "
                f"{[str(candidate) for candidate in candidates]}"
            )
        self.candidates = candidates
        self.offsets = union_of_offsets(candidates)
        self.pointwise = deployed.pointwise
        self.norm = deployed.norm
        self.alpha = alpha
        self.channels = deployed.channels
        inherited = deployed.depthwise.weight.detach().squeeze(1)
        kernels, masks = [], []
        for candidate in candidates:
            kernel = transplant(inherited, deployed.operation.offsets, candidate.offsets)
            if candidate != deployed.operation:
                kernel += noise * torch.randn(kernel.shape, generator=generator)
            kernels.append(transplant(kernel, candidate.offsets, self.offsets))
            masks.append([float(offset in candidate.offsets) for offset in self.offsets])
        self.kernels = nn.Parameter(torch.stack(kernels))
        self.register_buffer("mask", torch.tensor(masks).unsqueeze(1))

    def kernel(self) -> Tensor:
        """The merged kernel, float [channels, offsets]."""
        weights = functional.softmax(self.alpha, 0).view(-1, 1, 1) * self.mask
        return (weights * self.kernels).sum(0)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length] -> the same shape."""
        convolved = depthwise_conv1d(functional.relu(x), self.kernel(), self.offsets)
        normalised: Tensor = self.norm(self.pointwise(convolved))
        return normalised

    def fold(self, operation: Depthwise) -> "FoldingEdge":
        """The same function, about to become one operation; it need not have been a candidate."""
        offsets = union_of_offsets((*self.candidates, operation))
        with torch.no_grad():
            merged = transplant(self.kernel(), self.offsets, offsets)
        target = SeparableConv1d(self.channels, operation)
        target.pointwise, target.norm = self.pointwise, self.norm
        target.train(self.training)
        return FoldingEdge(target, merged, offsets)


class FoldingEdge(nn.Module):
    """One operation and a fading rest: its kernel is chosen taps + residual_share * residual.

    The chosen taps start as the projection of the merged kernel, so with residual_share 1 nothing
    has changed yet, and once it is 0 the `target` alone computes the same: neither end is a jump.
    """

    residual: Tensor
    places: Tensor

    def __init__(self, target: SeparableConv1d, merged: Tensor, offsets: tuple[int, ...]) -> None:
        super().__init__()
        chosen = target.operation.offsets
        self.target = target
        self.offsets = offsets
        self.residual_share = 1.0
        projection = transplant(merged, offsets, chosen)
        with torch.no_grad():
            target.depthwise.weight.copy_(projection.unsqueeze(1))
        self.register_buffer("residual", merged - transplant(projection, chosen, offsets))
        self.register_buffer("places", torch.tensor([offsets.index(offset) for offset in chosen]))

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, length] -> the same shape."""
        target = self.target
        kernel = (self.residual_share * self.residual).index_add(
            1, self.places, target.depthwise.weight.squeeze(1)
        )
        convolved = depthwise_conv1d(functional.relu(x), kernel, self.offsets)
        normalised: Tensor = target.norm(target.pointwise(convolved))
        return normalised


def union_of_offsets(operations: tuple[Depthwise, ...]) -> tuple[int, ...]:
    """Every offset that any of the operations has a tap at, ascending."""
    return tuple(sorted({offset for operation in operations for offset in operation.offsets}))

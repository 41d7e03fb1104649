"""A linear layer of any network as an edge: its matrix can become low-rank, block-diagonal, …"""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

from abc import abstractmethod
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn

from adaptd.space.factors import nearest_factors
from adaptd.space.lattice import Lattice, Support
from adaptd.space.operation import FreeOperation, LinearOperation, operation
from adaptd.space.remade import product
from adaptd.space.site import Frame, Site
from adaptd.space.trace import Counted

_MATRIX = Lattice((), ())


@dataclass(frozen=True)
class MatrixSite(Site):
    """float [n, …, inputs] in, float [n, …, outputs] out. Kernels: [outputs, inputs, 1]."""

    inputs: int
    outputs: int

    @property
    def axes(self) -> int:
        return 0


@dataclass(frozen=True)
class LinearSite(MatrixSite):
    """A linear layer of any network. bias: whether one is added."""

    bias: bool

    @classmethod
    def of(cls, layer: nn.Linear) -> "LinearSite":
        """Where the layer stands."""
        return cls(layer.in_features, layer.out_features, layer.bias is not None)

    def fresh_frame(self) -> "LinearFrame":
        if not self.bias:
            return LinearFrame(None)
        bound = self.inputs**-0.5
        return LinearFrame(nn.Parameter(torch.empty(self.outputs).uniform_(-bound, bound)))

    def frame_of(self, module: nn.Module) -> "LinearFrame":
        last = module[-1] if isinstance(module, nn.Sequential) else module
        return LinearFrame(getattr(last, "bias", None))

    def kernel_module_of(self, module: nn.Module) -> nn.Module:
        return module


class LinearFrame(Frame):
    """The bias."""

    def __init__(self, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.bias = bias

    def forward(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:
        outcome = product(x, kernel)
        return outcome if self.bias is None else outcome + self.bias

    def assemble(self, operation: LinearOperation, kernel_module: nn.Module) -> nn.Module:
        last = kernel_module[-1] if isinstance(kernel_module, nn.Sequential) else kernel_module
        last.register_parameter("bias", self.bias)
        return kernel_module


class _Matrix(LinearOperation):
    """A matrix."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, MatrixSite)

    def lattice(self, site: Site) -> Lattice:
        return _MATRIX

    @abstractmethod
    def weights(self, site: MatrixSite) -> int:
        """Numbers that a vector is multiplied by."""

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        assert isinstance(site, MatrixSite)
        return prod(shape[:-1]) * self.weights(site)


@operation("linear")
@dataclass(frozen=True)
class LinearMap(_Matrix, FreeOperation):
    """The full matrix."""

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, MatrixSite)
        return nn.Linear(site.inputs, site.outputs, bias=False)

    def weights(self, site: MatrixSite) -> int:
        return site.inputs * site.outputs


@operation("lowrank")
@dataclass(frozen=True)
class LowRank(_Matrix):
    """A matrix of a given rank, as a product of two."""

    rank: int = field(metadata={"letter": "r"})

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")

    def fits(self, site: Site) -> bool:
        return isinstance(site, MatrixSite) and self.rank < min(site.inputs, site.outputs)

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, MatrixSite)
        return nn.Sequential(
            nn.Linear(site.inputs, self.rank, bias=False),
            nn.Linear(self.rank, site.outputs, bias=False),
        )

    def weights(self, site: MatrixSite) -> int:
        return self.rank * (site.inputs + site.outputs)

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        narrow, wide = (layer.weight for layer in module.children())
        product: Tensor = wide @ narrow  # type: ignore[operator]
        return product.unsqueeze(2)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        narrow, wide = (layer.weight for layer in module.children())
        left, right = nearest_factors(kernel.squeeze(2), rank=self.rank)
        with torch.no_grad():
            wide.copy_(left)  # type: ignore[operator]
            narrow.copy_(right)  # type: ignore[operator]


class DiagonalLinear(nn.Module, Counted):
    """Each feature times a weight of its own, plus a bias."""

    bias: nn.Parameter | None

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features).uniform_(-1, 1))
        self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, …, features] -> the same shape."""
        scaled = x * self.weight
        return scaled if self.bias is None else scaled + self.bias

    def macs(self, outcome: Tensor) -> int:
        """Multiply-accumulates that made this outcome."""
        return outcome.numel()


@operation("diagonal")
@dataclass(frozen=True)
class Diagonal(_Matrix):
    """A weight for each feature: inputs and outputs must be as many."""

    def fits(self, site: Site) -> bool:
        return isinstance(site, MatrixSite) and site.inputs == site.outputs

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, MatrixSite)
        return DiagonalLinear(site.inputs)

    def weights(self, site: MatrixSite) -> int:
        return site.outputs

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        weight = module.get_parameter("weight")
        return torch.diag(weight).unsqueeze(2)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        weight = module.get_parameter("weight")
        with torch.no_grad():
            weight.copy_(kernel.squeeze(2).diagonal())


class BlockLinear(nn.Module, Counted):
    """A block-diagonal matrix: each group of features is mapped on its own, plus a bias."""

    bias: nn.Parameter | None

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        bound = (blocks / inputs) ** 0.5
        weight = torch.empty(blocks, outputs // blocks, inputs // blocks)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        """float [n, …, inputs] -> [n, …, outputs]."""
        blocks, _, inputs = self.weight.shape
        grouped = x.reshape(*x.shape[:-1], blocks, inputs)
        mapped = torch.einsum("...bi,boi->...bo", grouped, self.weight).flatten(-2)
        return mapped if self.bias is None else mapped + self.bias

    def macs(self, outcome: Tensor) -> int:
        """Multiply-accumulates that made this outcome."""
        return outcome.numel() * self.weight.shape[2]


@operation("block")
@dataclass(frozen=True)
class Block(_Matrix):
    """A block-diagonal matrix of so many blocks, which must divide inputs and outputs."""

    blocks: int = field(metadata={"letter": "b"})

    def __post_init__(self) -> None:
        if self.blocks < 2:
            raise ValueError(f"blocks must be at least 2, got {self.blocks}")

    def fits(self, site: Site) -> bool:
        return (
            isinstance(site, MatrixSite)
            and site.inputs % self.blocks == 0
            and site.outputs % self.blocks == 0
        )

    def kernel_module(self, site: Site) -> nn.Module:
        assert isinstance(site, MatrixSite)
        return BlockLinear(site.inputs, site.outputs, self.blocks)

    def weights(self, site: MatrixSite) -> int:
        return site.inputs * site.outputs // self.blocks

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        weight = module.get_parameter("weight")
        blocks, outputs, inputs = weight.shape
        # Block b stands where row and column of blocks are b.
        places = torch.eye(blocks, dtype=weight.dtype, device=weight.device)
        matrix = weight[:, :, None, :] * places[:, None, :, None]
        return matrix.reshape(blocks * outputs, blocks * inputs, 1)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        weight = module.get_parameter("weight")
        blocks, outputs, inputs = weight.shape
        tiles = kernel.squeeze(2).view(blocks, outputs, blocks, inputs)
        with torch.no_grad():
            weight.copy_(torch.stack([tiles[place, :, place] for place in range(blocks)]))

"""`FeatureSite`: an edge between two nodes of a network over feature vectors."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.lattice import Support
from adaptd.space.linear import MatrixSite
from adaptd.space.operation import LinearOperation, Operation
from adaptd.space.placed import Placed
from adaptd.space.remade import product
from adaptd.space.site import Frame


@dataclass(frozen=True)
class FeatureSite(MatrixSite):
    """float [n, features] in, the same out: `FeatureSite.of(features)`.

    Its linear operations are matrices between one ReLU and one batch norm. The ReLU comes before
    the matrix, so that what leaves an edge has both signs and several may be added up. The norm
    comes after it, so that edges give outcomes of one size whatever stands on them, full matrix,
    identity or a mixture; it is batch norm because that judges a record alone once trained, folds
    into the matrix, and stays what it was for the old features when others are added. Its shift
    makes a bias superfluous. Raises ValueError for no features, or inputs that are not outputs.
    """

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.inputs != self.outputs:
            raise ValueError(f"no such site: {self}")

    @classmethod
    def of(cls, features: int) -> "FeatureSite":
        """Between nodes of so many features."""
        return cls(features, features)

    @property
    def features(self) -> int:
        """Of a node."""
        return self.inputs

    def fresh_frame(self) -> "FeatureFrame":
        return FeatureFrame(self, nn.BatchNorm1d(self.features))

    def frame_of(self, module: nn.Module) -> "FeatureFrame":
        return FeatureFrame(self, _feature_map(module).norm)

    def kernel_module_of(self, module: nn.Module) -> nn.Module:
        return _feature_map(module).matrix

    def place(self, operation: Operation) -> nn.Module:
        module = super().place(operation)
        return module if isinstance(module, Placed) else Placed(self, operation, module)


class FeatureMap(Placed):
    """ReLU, matrix, batch norm. Only the matrix depends on the operation."""

    def __init__(
        self, site: FeatureSite, operation: Operation, *, matrix: nn.Module, norm: nn.Module
    ) -> None:
        super().__init__(site, operation)
        self.matrix = matrix
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """float [n, features] -> the same shape."""
        normalised: Tensor = self.norm(self.matrix(functional.relu(x)))
        return normalised


class FeatureFrame(Frame):
    """ReLU before the matrix, batch norm after it."""

    def __init__(self, site: FeatureSite, norm: nn.Module) -> None:
        super().__init__()
        self.site = site
        self.norm = norm

    def forward(self, x: Tensor, kernel: Tensor, support: Support) -> Tensor:  # noqa: ARG002
        normalised: Tensor = self.norm(product(functional.relu(x), kernel))
        return normalised

    def assemble(self, operation: LinearOperation, kernel_module: nn.Module) -> FeatureMap:
        return FeatureMap(self.site, operation, matrix=kernel_module, norm=self.norm)


def _feature_map(module: nn.Module) -> FeatureMap:
    if not isinstance(module, FeatureMap):
        raise TypeError(f"expected a FeatureMap, got {type(module).__name__}")
    return module

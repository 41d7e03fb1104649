"""`Separable`: a depthwise kernel between the parts that all such operations of a cell share."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.operation import Operation
from adaptd.space.placed import Placed
from adaptd.space.site import Site


class Separable(Placed):
    """ReLU, depthwise convolution, pointwise convolution, batch norm; channels stay.

    Only the depthwise part depends on the operation: operations on one edge merge in it and share
    the rest.
    """

    def __init__(
        self,
        site: Site,
        operation: Operation,
        *,
        depthwise: nn.Module,
        pointwise: nn.Module,
        norm: nn.Module,
    ) -> None:
        super().__init__(site, operation)
        self.depthwise = depthwise
        self.pointwise = pointwise
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """float [n, channels, *axes] -> the same shape, each axis divided by the stride."""
        normalised: Tensor = self.norm(self.pointwise(self.depthwise(functional.relu(x))))
        return normalised

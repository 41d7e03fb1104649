"""`Placed`: an edge of a network that marks its own edges."""

from torch import Tensor, nn

from adaptd.space.operation import Operation
from adaptd.space.site import Site


class Placed(nn.Module):
    """A module that knows where it stands and what it is. Its `body` computes, unless a subclass
    does so itself."""

    def __init__(self, site: Site, operation: Operation, body: nn.Module | None = None) -> None:
        super().__init__()
        self.site = site
        self.operation = operation
        if body is not None:
            self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """What the site takes -> what it must give."""
        outcome: Tensor = self.body(x)
        return outcome

    def extra_repr(self) -> str:
        return str(self.operation)

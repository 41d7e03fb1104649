"""`residual_mlp`: the residual network for tabular records."""

from torch import Tensor, nn

from adaptd.space.baselines.settings import require_counts, require_positive, require_rates
from adaptd.space.heads import head
from adaptd.space.standardise import Standardise


def residual_mlp(
    *,
    in_channels: int,
    classes: int | None = None,
    targets: int | None = None,
    width: int = 128,
    blocks: int = 2,
    expansion: float = 2.0,
    hidden_dropout: float = 0.2,
    residual_dropout: float = 0.0,
) -> nn.Module:
    """Linear, blocks of norm - linear - ReLU - dropout - linear - dropout with a skip, head.

    in_channels: features of a record. classes, targets: exactly one of the two.
    width: features between blocks. expansion: features inside a block, as a multiple of width.
    hidden_dropout, residual_dropout: rates inside a block and at its end, in [0, 1).

    Takes float32 [n, in_channels], raw: the network starts with a `Standardise`; in training n >=
    2, for its batch norm. Gives logits or targets, float32 [n, classes] or [n, targets].
    Raises ValueError, naming the setting, for a count below 1, fewer than two classes, an expansion
    that is not above 0, a rate outside [0, 1).
    Source: Gorishniy, Rubachev, Khrulkov & Babenko 2021, "Revisiting deep learning models for
    tabular data", the ResNet of section 3.2; the default sizes lie within the ranges it tunes over.
    """
    name = "residual_mlp"
    require_counts(name, in_channels=in_channels, width=width, blocks=blocks)
    require_positive(name, expansion=expansion)
    require_rates(name, hidden_dropout=hidden_dropout, residual_dropout=residual_dropout)
    hidden = max(1, round(width * expansion))
    return nn.Sequential(
        Standardise(in_channels, axes=0),
        nn.Linear(in_channels, width),
        *(ResidualBlock(width, hidden, hidden_dropout, residual_dropout) for _ in range(blocks)),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        head(name, width, classes=classes, targets=targets),
    )


class ResidualBlock(nn.Module):
    """x + dropout(linear(dropout(relu(linear(norm(x))))))."""

    def __init__(
        self, width: int, hidden: int, hidden_dropout: float, residual_dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
            nn.Linear(hidden, width),
            nn.Dropout(residual_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """float [n, width] -> the same shape."""
        outcome: Tensor = x + self.layers(x)
        return outcome

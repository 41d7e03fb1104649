"""`network`: the network for streams of feature vectors."""

from torch import Tensor, nn
from torch.nn import functional

from adaptd.space.embedding import embedding as embedding_of
from adaptd.space.feature import FeatureSite
from adaptd.space.feature_operations import Cross, GatedLinear, ResidualMap
from adaptd.space.heads import head
from adaptd.space.kernels import Identity, Zero
from adaptd.space.linear import Block, Diagonal, LinearMap, LowRank
from adaptd.space.refinement import Refinement
from adaptd.space.standardise import Standardise

# What may stand on an edge. 10 of 13 are linear and merge into one matrix. Of ranks and blocks an
# edge can have those that its width admits.
CANDIDATES = tuple(
    str(one)
    for one in (
        Identity(),
        Zero(),
        Diagonal(),
        *(LowRank(rank) for rank in (4, 8, 16)),
        *(Block(blocks) for blocks in (2, 4, 8)),
        LinearMap(),
        Cross(8),
        GatedLinear(),
        ResidualMap(2),
    )
)


def network(
    *,
    features: int,
    classes: int | None = None,
    targets: int | None = None,
    width: int = 64,
    depth: int = 2,
    embedding: str = "linear",
) -> nn.Module:
    """A classifier or a regressor of residual blocks, of three edges each, `blocks.0.edges.0` on.

    features: numbers of a record. classes, targets: exactly one of the two. width: features between
    blocks. depth: blocks. embedding: of the numbers before the first matrix, "linear", "bins" or
    "periodic"; see `adaptd.space.embedding`.

    Takes float32 [n, features], raw, in training n >= 2, for its batch norm. Gives logits float32
    [n, classes], or float32 [n, targets].
    Raises ValueError for sizes below 1, fewer than two classes, another embedding.
    Source of the outline: Gorishniy et al. 2021, "Revisiting deep learning models for tabular
    data", the ResNet of section 3.2.
    """
    if min(features, width, depth) < 1:
        raise ValueError(
            f"network needs features, width and depth >= 1, got {features}, {width} and {depth}"
        )
    return TabularNetwork(
        features=features,
        classes=classes,
        targets=targets,
        width=width,
        depth=depth,
        embedding=embedding,
    )


class ResidualBlock(Refinement):
    """x + scale * (edge 1 (x) + edge 2 (edge 0 (x)))."""

    def __init__(self, features: int, *, predecessor: str | None) -> None:
        super().__init__(features, axes=0, predecessor=predecessor)
        site = FeatureSite.of(features)
        self.edges = nn.ModuleList(site.place(LinearMap()) for _ in range(3))

    def refine(self, x: Tensor) -> Tensor:
        into_node, past_node, out_of_node = self.edges
        outcome: Tensor = past_node(x) + out_of_node(into_node(x))
        return outcome


class TabularNetwork(nn.Module):
    """Standardise, embedding, stem, blocks, norm, head."""

    def __init__(
        self,
        *,
        features: int,
        classes: int | None,
        targets: int | None,
        width: int,
        depth: int,
        embedding: str,
    ) -> None:
        super().__init__()
        self.standardise = Standardise(features, axes=0)
        self.embedding, embedded = embedding_of(embedding, features)
        self.stem = nn.Linear(embedded, width)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(width, predecessor=f"blocks.{place - 1}" if place else None)
                for place in range(depth)
            )
        )
        self.norm = nn.BatchNorm1d(width)
        self.head = head("network", width, classes=classes, targets=targets)

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, features] -> float32 [n, classes] or [n, targets]."""
        nodes = self.blocks(self.stem(self.embedding(self.standardise(x))))
        outcome: Tensor = self.head(functional.relu(self.norm(nodes)))
        return outcome

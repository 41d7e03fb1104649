"""The spaces that a network can be searched in, by name and by what records look like."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from adaptd.architecture import Architecture, Setting
from adaptd.space import image, sequence, tabular
from adaptd.space.cells import darts, nas_bench_201
from adaptd.space.operation import LinearOperation, parse_operation
from adaptd.space.site import Site

# Channels of the residual network's first stage: 0.7 million weights instead of the paper's 11 at
# 64. Records too few to search on are too few for those, and a CPU too slow.
_BASELINE_WIDTH = 16

# Pixels along the shorter side from which MobileNetV3, which divides the resolution by 32, still
# has a few positions left to average.
_LARGE_IMAGE = 96


@dataclass(frozen=True)
class Space:
    """A factory of networks, and what may stand on their edges.

    factory: `package.module:factory`. candidates: operations as texts; an edge can have those that
    fit it. axes: of a record beside its channels: 2 for images, 1 for sequences, 0 for features.
    """

    name: str
    factory: str
    candidates: tuple[str, ...]
    axes: int

    def candidates_at(self, site: Site) -> tuple[str, ...]:
        """Those that fit there, e.g. low-rank matrices only of a lower rank than the edge has."""
        return tuple(text for text in self.candidates if parse_operation(text).fits(site))


def _table(*spaces: Space) -> Mapping[str, Space]:
    return MappingProxyType({space.name: space for space in spaces})


# Name -> space. The first one for a kind of records is what `space_for` chooses.
SPACES = _table(
    Space("image", "adaptd.space.image:convnet", image.CANDIDATES, 2),
    Space("sequence", "adaptd.space.sequence:convnet", sequence.CANDIDATES, 1),
    Space("tabular", "adaptd.space.tabular:network", tabular.CANDIDATES, 0),
    Space("darts", "adaptd.space.cells.darts:network", darts.CANDIDATES, 2),
    Space(
        "nas-bench-201",
        "adaptd.space.cells.nas_bench_201:network",
        nas_bench_201.CANDIDATES,
        2,
    ),
)


def space_for(shape: tuple[int, ...]) -> Space:
    """The space for records of this shape, without the batch axis: [channels, height, width],
    [channels, length] or [features].

    Raises ValueError for any other.
    """
    _require_record(shape)
    for space in SPACES.values():
        if space.axes == len(shape) - 1:
            return space
    raise ValueError(f"no space takes records of shape {list(shape)}")


def baseline_for(
    shape: tuple[int, ...], *, classes: int | None = None, targets: int | None = None
) -> Architecture:
    """The network of a fixed architecture for records of this shape: what is trained where they are
    too few to search on.

    classes, targets: exactly one of the two. Raises ValueError otherwise, and as `space_for` does.
    """
    _require_record(shape)
    if (classes is None) == (targets is None):
        raise ValueError(f"expected either classes or targets, got {classes} and {targets}")
    answers = {"targets": targets} if targets is not None else {"classes": classes or 0}
    settings: dict[str, Setting] = {"in_channels": shape[0], **answers}
    residual = {**settings, "width": _BASELINE_WIDTH, "axes": len(shape) - 1}
    if len(shape) == 1:
        return Architecture("adaptd.space.baselines:residual_mlp", settings)
    if len(shape) == 3 and min(shape[1:]) >= _LARGE_IMAGE:
        return Architecture("adaptd.space.baselines:mobilenet_v3", settings)
    return Architecture("adaptd.space.baselines:resnet18", residual)


def merged_share(space: Space) -> float:
    """Share of the space's candidates that are linear and merge into the one kernel of an edge."""
    operations = [parse_operation(text) for text in space.candidates]
    return sum(isinstance(one, LinearOperation) for one in operations) / len(operations)


def _require_record(shape: tuple[int, ...]) -> None:
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise ValueError(
            "records must be [channels, height, width], [channels, length] or [features], "
            f"got shape {list(shape)}"
        )

"""`Relaxation`: how the candidates of an open edge are computed at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Relaxation:
    """What a training step computes of an open edge. In evaluation every path is computed.

    merge: whether linear candidates become one kernel. paths: how many of the other candidates
    are computed, drawn anew for each step by their weights; None for all. is_exclusive: whether
    the merged kernel is drawn too, as one path among them. channel_share: one over the share of
    channels that the other candidates see. checkpoint: whether a step keeps only the edge's input
    and computes the rest again backwards.
    Raises ValueError for numbers below 1.
    """

    merge: bool = True
    paths: int | None = 1
    is_exclusive: bool = False
    channel_share: int = 1
    checkpoint: bool = False

    def __post_init__(self) -> None:
        if (self.paths is not None and self.paths < 1) or self.channel_share < 1:
            raise ValueError(f"paths and channel_share must be at least 1, got {self}")


# One convolution for all linear candidates, and one drawn path for the others.
MERGED = Relaxation()
# Xu et al. 2020, "PC-DARTS": the others see a quarter of the channels.
PARTIAL = Relaxation(channel_share=4)
# Cai et al. 2019, "ProxylessNAS": two paths, their weights rescaled to sum to 1.
TWO_PATHS = Relaxation(paths=2, is_exclusive=True)
# Dong & Yang 2019, "GDAS": one path, Gumbel's draw, gradients straight through.
ONE_PATH = Relaxation(paths=1, is_exclusive=True)
# Chen et al. 2016, "Training deep nets with sublinear memory cost".
CHECKPOINTED = Relaxation(paths=1, is_exclusive=True, checkpoint=True)
# Liu et al. 2019, "DARTS": every candidate by itself, all of them.
SOFT = Relaxation(merge=False, paths=None)

# From the freest to the leanest: the first that fits a budget of bytes is taken.
LADDER = {
    "merged": MERGED,
    "partial": PARTIAL,
    "two-paths": TWO_PATHS,
    "one-path": ONE_PATH,
    "checkpointed": CHECKPOINTED,
}

"""`LossDetector`: whether the loss has risen, and since when."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN

from adaptd.drift.alarm import Alarm

# Nats. A record's loss is clipped here, which is what makes it bounded, as ADWIN needs it;
# a uniform guess among 148 classes costs as much.
LOSS_LIMIT = 5.0

# Blocks on either side of a cut. River's own 5 adds 64 records to the delay after an abrupt drift,
# and 3 gave no false alarm in 12,000 stationary streams of 100 blocks.
MINIMUM_SIDE = 3

# Blocks. They are fed again after a restore and travel in each checkpoint, so memory has an end;
# half of it stays when it is reached, and ADWIN gains next to nothing from a longer past.
MEMORY_BLOCKS = 1_000

SIGNAL = "loss"


class LossDetector:
    """ADWIN on the losses of blocks; only a rise is an alarm, a fall just moves its window on.

    ADWIN is fed block totals over LOSS_LIMIT: with one value a block and each record in [0, 1], the
    range term of its Bernstein bound is then that of records. Fed means, it would allow for a whole
    block moving by 1 at once, and be several hundred records late.

    delta: ADWIN's confidence. block_records: records in every block.
    warm_up_blocks: blocks at the start, and after a fall, that raise no alarm; later ones are
    compared with them too.
    Source: Bifet & Gavaldà 2007, "Learning from time-changing data with adaptive windowing".
    """

    def __init__(self, delta: float, block_records: int, *, warm_up_blocks: int = 10) -> None:
        self._delta = delta
        self._block_records = block_records
        self._warm_up_blocks = warm_up_blocks
        # What ADWIN holds, always: feeding it again from the start cuts nowhere and gives the same
        # detector, which is why these two lists are the whole state.
        self._first_records: list[int] = []
        self._losses: list[float] = []
        self._adwin = self._fresh()

    def update(self, first_record: int, block_loss: float) -> Alarm | None:
        """Takes one block: its first record's number and its mean loss in nats, 0 to LOSS_LIMIT.

        Raises ValueError for a loss out of that range, NaN included.
        """
        if not 0 <= block_loss <= LOSS_LIMIT:
            raise ValueError(f"a block's loss must be in [0, {LOSS_LIMIT}], got {block_loss}")
        self._first_records.append(first_record)
        self._losses.append(block_loss)
        if not self._feed(block_loss):
            if len(self._losses) > MEMORY_BLOCKS:
                self._keep(MEMORY_BLOCKS // 2)
            return None
        kept = int(self._adwin.width)
        losses = np.array(self._losses)
        alarm = None
        if losses[-kept:].mean() > losses[:-kept].mean():
            split, rise = rise_in(losses)
            alarm = Alarm(
                signal=SIGNAL,
                record=first_record + self._block_records - 1,
                since_record=self._first_records[split],
                statistic=rise,
            )
        self._keep(kept)
        return alarm

    def reset(self) -> None:
        """Forgets everything; the warm-up begins anew."""
        self._first_records = []
        self._losses = []
        self._adwin = self._fresh()

    def state(self) -> dict[str, Any]:
        """As JSON values; of bounded size."""
        return {"first_records": list(self._first_records), "losses": list(self._losses)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, with the same alarms to come."""
        self._first_records = [int(record) for record in state["first_records"]]
        self._losses = [float(loss) for loss in state["losses"]]
        self._keep(len(self._losses))

    def _fresh(self) -> ADWIN:
        return ADWIN(
            delta=self._delta,
            clock=1,
            min_window_length=MINIMUM_SIDE,
            grace_period=self._warm_up_blocks,
        )

    def _feed(self, block_loss: float) -> bool:
        self._adwin.update(block_loss * self._block_records / LOSS_LIMIT)
        return bool(self._adwin.drift_detected)

    def _keep(self, blocks: int) -> None:
        """Feeds the latest blocks to a fresh ADWIN; fewer where that cuts them, until none does."""
        while True:
            self._first_records = self._first_records[len(self._first_records) - blocks :]
            self._losses = self._losses[len(self._losses) - blocks :]
            self._adwin = self._fresh()
            for fed, loss in enumerate(self._losses, start=1):
                if self._feed(loss):
                    blocks = len(self._losses) - fed + int(self._adwin.width)
                    break
            else:
                return


def rise_in(losses: NDArray[np.float64]) -> tuple[int, float]:
    """Where a rise of the mean fits best: the least squared error around the two means.

    losses: float [n], n >= 2. Returns the index of the first value after the split, and the rise of
    the mean there; (n - 1, a rise <= 0) where no split has a higher mean after it.
    """
    sums = np.cumsum(losses)
    before = np.arange(1, len(losses))
    after = len(losses) - before
    rises = (sums[-1] - sums[:-1]) / after - sums[:-1] / before
    if not (rises > 0).any():
        return len(losses) - 1, float(rises[-1])
    # The squared error that a split takes away is before * after / n * rise ** 2.
    gains = np.where(rises > 0, before * after * rises**2, -1.0)
    split = int(gains.argmax())
    return split + 1, float(rises[split])

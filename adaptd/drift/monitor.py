"""`Monitor`: the detectors of one stream, and when they may speak."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.drift.loss import SIGNAL, LossDetector
from adaptd.drift.river_detectors import RiverDetector

# What the errors of records are called, which a detector other than ADWIN watches.
ERROR = "error"
# Every signal that may raise an alarm.
SIGNALS: tuple[str, ...] = (SIGNAL, ERROR)


class ScoredBlock(Protocol):
    """What the monitor reads of a block; `loss` is the mean over its records, in nats."""

    @property
    def first_record(self) -> int: ...
    @property
    def loss(self) -> float: ...


class Monitor:
    """The detector of the loss, or of errors: raises one alarm, then is quiet until `reset`: the
    drift is known, and is being answered.

    After each reset (and at the start) `warm_up_blocks` raise none. Depends on the blocks only.
    """

    def __init__(self, config: AlarmConfig) -> None:
        self._is_quiet = False
        self._loss = LossDetector(
            config.delta, config.block_records, warm_up_blocks=config.warm_up_blocks
        )
        self._name = config.detector
        self._warm_up_blocks = config.warm_up_blocks
        self._errors = None if self._name == "adwin" else RiverDetector(self._name, signal=ERROR)
        self._warmed = 0

    @property
    def is_quiet(self) -> bool:
        """True from an alarm until `reset`."""
        return self._is_quiet

    def update(self, block: ScoredBlock, hits: NDArray[np.bool_]) -> list[Alarm]:
        """The alarms that this block, of `config.block_records` records, raises.

        hits: bool [records], of its records. Raises ValueError for a loss beyond [0, LOSS_LIMIT].
        """
        if self._is_quiet:
            return []
        if self._errors is None:
            alarm = self._loss.update(block.first_record, block.loss)
        else:
            self._warmed += 1
            alarm = self._errors.update(~hits, block.first_record + np.arange(len(hits)))
            if self._warmed <= self._warm_up_blocks:
                alarm = None
        if alarm is None:
            return []
        self._is_quiet = True
        return [alarm]

    def hush(self) -> None:
        """The drift is known already: nothing is said until `reset`."""
        self._is_quiet = True

    def reset(self) -> None:
        """Begins anew, with a warm-up: after a release, or a drift answered without one."""
        self._is_quiet = False
        self._loss.reset()
        self._warmed = 0
        if self._errors is not None:
            self._errors.reset()

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "is_quiet": self._is_quiet,
            "detector": self._name,
            "warmed": self._warmed,
            SIGNAL: self._loss.state(),
            ERROR: None if self._errors is None else self._errors.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken; with another detector it begins anew, and is quiet if it
        was. Raises KeyError for a document that is no such state."""
        self._is_quiet = bool(state["is_quiet"])
        if state.get("detector", "adwin") != self._name:
            return
        self._loss.restore(state[SIGNAL])
        self._warmed = int(state.get("warmed", 0))
        if self._errors is not None:
            self._errors.restore(state[ERROR])

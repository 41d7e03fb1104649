"""`Monitor`: the detectors of one stream, and when they may speak."""

from collections.abc import Mapping
from typing import Any, Protocol

from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.drift.loss import SIGNAL, LossDetector

# Every signal that may raise an alarm.
SIGNALS: tuple[str, ...] = (SIGNAL,)


class ScoredBlock(Protocol):
    """What the monitor reads of a block; `loss` is the mean over its records, in nats."""

    @property
    def first_record(self) -> int: ...
    @property
    def loss(self) -> float: ...


class Monitor:
    """Raises one alarm, then is quiet until `reset`: the drift is known, and is being answered.

    After each reset (and at the start) `warm_up_blocks` raise none. Depends on the blocks only.
    """

    def __init__(self, config: AlarmConfig) -> None:
        self._is_quiet = False
        self._loss = LossDetector(
            config.delta, config.block_records, warm_up_blocks=config.warm_up_blocks
        )

    @property
    def is_quiet(self) -> bool:
        """True from an alarm until `reset`."""
        return self._is_quiet

    def update(self, block: ScoredBlock) -> list[Alarm]:
        """The alarms that this block, of `config.block_records` records, raises.

        Raises ValueError for a loss beyond [0, LOSS_LIMIT].
        """
        if self._is_quiet:
            return []
        alarm = self._loss.update(block.first_record, block.loss)
        if alarm is None:
            return []
        self._is_quiet = True
        return [alarm]

    def reset(self) -> None:
        """Begins anew, with a warm-up: after a release, or a drift answered without one."""
        self._is_quiet = False
        self._loss.reset()

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {"is_quiet": self._is_quiet, SIGNAL: self._loss.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken. Raises KeyError for a document that is no such state."""
        self._is_quiet = bool(state["is_quiet"])
        self._loss.restore(state[SIGNAL])

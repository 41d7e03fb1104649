"""`SignalMonitor`: many signals of one stream under one budget of false alarms."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.budget import AlarmBudget, pace
from adaptd.drift.profile import Profile
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.signal import Signal
from adaptd.drift.watch import Reading, Watch

# Logarithm of the evidence since some moment from which a signal reads every block. One block that
# nothing resembles is about as much.
_SUSPICIOUS = 4.0

# Broken blocks in a row that are an outage, whatever the evidence: fewer, and one block that
# happens to be constant would be told; more, and the sensor waits.
_BLOCKS_OF_OUTAGE = 3


@dataclass(frozen=True)
class MonitorSettings:
    """training_blocks: what signals learn from. reference_blocks: what comes after them and is
    compared with. persistence_blocks: in a row that a signal must be beyond its threshold.
    stride_blocks: a signal reads one block in so many, and all of them while it is suspicious.
    """

    block_records: int = 32
    training_blocks: int = 40
    reference_blocks: int = 120
    persistence_blocks: int = 1
    stride_blocks: int = 1
    seed: int = 0
    budget: AlarmBudget = field(default_factory=lambda: AlarmBudget(10.0))

    def __post_init__(self) -> None:
        least = min(self.persistence_blocks, self.stride_blocks)
        if min(self.training_blocks, self.reference_blocks) < 2 or least < 1:
            raise ValueError(
                "a monitor needs at least 2 training blocks, 2 reference blocks and 1 block of "
                f"persistence and stride, got {self.training_blocks}, {self.reference_blocks}, "
                f"{self.persistence_blocks} and {self.stride_blocks}"
            )


class SignalMonitor:
    """Learns what is ordinary from the first blocks, then raises one alarm and is quiet until
    `reset` or `resume`.

    Each family of signals has an equal part of the budget, shared out evenly in it. Rates of false
    alarms add up whatever signals have to do with each other, so the budget holds for all of them
    together. A block with a broken channel is shown to `input-faults` alone: nothing
    is learnt from broken data. A few broken blocks in a row raise an alarm of `input-faults` at any
    time: before the reference is complete, after an alarm of something else, and between the blocks
    that are read. If that is none of the signals, they are left out silently.
    With a stride, which block is read next depends on those that were read before and on nothing
    else, so what is read is as exchangeable as the stream, and the budget, which is reckoned for
    every block, holds all the more.
    Depends on the blocks and the seed only.

    profile: is shown every block, for a diagnosis; None: nobody makes one.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        settings: MonitorSettings,
        *,
        profile: Profile | None = None,
    ) -> None:
        names = [signal.name for signal in signals]
        if len(set(names)) != len(names):
            raise ValueError(f"signals need names of their own, got {names}")
        self._settings = settings
        self._signals = tuple(signals)
        self._profile = profile
        self._watched_records = 0
        self._alarms = 0
        self._begin()

    def _begin(self, faults: Faults | None = None, *, is_outage: bool = False) -> None:
        """faults: what was ordinary before, known until the training is over. is_outage: whether a
        sensor that was told to be broken still is."""
        self._watches = self._fresh()
        self._left_out: dict[str, str] = {}
        self._training: list[SignalBlock] = []
        if self._profile is not None:
            self._profile.reset()
        self._faults = faults or Faults()
        self._is_fitted = False
        self._blocks_of_reference = 0
        self._unread = 0
        self._suspicious: list[str] = []
        self._above: dict[str, int] = {}
        self._is_quiet = self._is_broken = self._is_outage = is_outage
        self._broken_blocks = 0
        self._broken_since = 0
        settings = self._settings
        self._middles: deque[float] = deque(
            maxlen=settings.training_blocks + settings.reference_blocks
        )
        self._pace: float | None = None
        self._readings: dict[str, Reading] = {}

    @property
    def is_watching(self) -> bool:
        """Whether the reference is complete."""
        return self._blocks_of_reference >= self._settings.reference_blocks

    @property
    def is_quiet(self) -> bool:
        """True from an alarm until `reset` or `resume`."""
        return self._is_quiet

    @property
    def is_broken(self) -> bool:
        """Whether a channel of the latest block is missing, constant or stuck."""
        return self._is_broken

    @property
    def readings(self) -> Mapping[str, Reading]:
        """Signal -> how it stood after the latest block that it was shown."""
        return self._readings

    @property
    def is_exchangeable(self) -> bool:
        """Whether the scores of every signal looked so over the reference; else thresholds had to
        be raised, and the budget is no promise."""
        return all(watch.is_exchangeable for watch in self._watches.values())

    def broken(self, block: SignalBlock) -> dict[int, str]:
        """Channel -> what it has, as `Faults.broken`; empty while nothing is known of the
        sensors: before `learn_sensors`, or the end of the first training."""
        can_tell = self._faults.is_fitted and self._faults.can_read(block)
        return self._faults.broken(block) if can_tell else {}

    def update(self, block: SignalBlock) -> list[Alarm]:
        """The alarms that a block of `block_records` records raises; those of one block together.

        Raises ValueError for a block of another size.
        """
        if len(block) != self._settings.block_records:
            raise ValueError(
                f"expected blocks of {self._settings.block_records} records, got {len(block)}"
            )
        if self.is_watching:
            if self._profile is not None:
                self._profile.take(block, is_reference=False)
            return self._read(block)
        self._clock(block)
        self._is_broken = bool(self.broken(block))
        if self._profile is not None and self._is_fitted:
            self._profile.take(block, is_reference=not self._is_broken)
        alarms = self._outage(block)
        self._learn(block)
        return alarms

    def hush(self) -> None:
        """Says nothing until `reset` or `resume`, but of a sensor that breaks: the drift is
        known."""
        self._is_quiet = True
        self._suspicious = []

    def reset(self) -> None:
        """Learns anew what is ordinary: after a release, or a drift that is answered.

        Of the same sensors, which a release does not change: blocks that are broken as far as is
        known from before are not what it learns from, and a sensor that is broken stays so.
        """
        self._begin(self._faults, is_outage=self._is_outage)

    @property
    def knows_sensors(self) -> bool:
        """Whether `broken` can tell anything."""
        return self._faults.is_fitted

    def learn_sensors(self, blocks: Sequence[SignalBlock]) -> None:
        """Learns from earlier blocks what is ordinary of the sensors, until the training is over;
        does nothing where that is known."""
        readable = [block for block in blocks if self._faults.can_read(block)]
        if readable and not self._faults.is_fitted:
            self._faults.fit(readable)

    def resume(self) -> None:
        """Goes on with the reference it has: after an outage, or an alarm that was for nothing."""
        self._is_quiet = self._is_outage = False
        self._broken_blocks = 0
        self._suspicious = []
        self._readings.clear()
        self._above.clear()
        for watch in self._watches.values():
            watch.clear()

    def report(self) -> dict[str, Any]:
        """The budget, what it comes to for each signal, and what was raised. Plain values."""
        watched = self._watched_records
        return {
            "budget": {"alarms": self._settings.budget.alarms, "per": self._settings.budget.per},
            "records_between_false_alarms": self._records_between(),
            "watched_records": watched,
            "alarms": self._alarms,
            "alarms_per_million_records": 1e6 * self._alarms / watched if watched else None,
            "signals": {
                name: {
                    "log_threshold": watch.log_threshold,
                    "is_exchangeable": watch.is_exchangeable,
                }
                for name, watch in self._watches.items()
                if self.is_watching
            },
            "left_out": dict(self._left_out),
        }

    def state(self) -> dict[str, Any]:
        """As JSON values, exact: whatever comes next is as if there had been no break."""
        return {
            "training": [block.state() for block in self._training],
            "watches": {name: watch.state() for name, watch in self._watches.items()}
            if self._is_fitted
            else {},
            "left_out": dict(self._left_out),
            "faults": self._faults.state(),
            "is_fitted": self._is_fitted,
            "unread": self._unread,
            "suspicious": list(self._suspicious),
            "profile": None if self._profile is None else self._profile.state(),
            "blocks_of_reference": self._blocks_of_reference,
            "above": dict(self._above),
            "is_quiet": self._is_quiet,
            "is_broken": self._is_broken,
            "is_outage": self._is_outage,
            "broken_blocks": self._broken_blocks,
            "broken_since": self._broken_since,
            "middles": list(self._middles),
            "pace": self._pace,
            "watched_records": self._watched_records,
            "alarms": self._alarms,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, by a monitor of the same signals and settings. The
        budget may be another, and holds from now on.

        Raises KeyError for a document that is no such state, or of signals that are not here.
        """
        self._training = [SignalBlock.restored(block) for block in state["training"]]
        self._watches = self._fresh()
        self._left_out = dict(state["left_out"])
        for name in self._left_out:
            del self._watches[name]
        for name, one in state["watches"].items():
            self._watches[name].restore(one)
        self._faults = Faults()
        self._faults.restore(state["faults"])
        self._is_fitted = bool(state["is_fitted"])
        self._unread = int(state["unread"])
        self._suspicious = list(state["suspicious"])
        if self._profile is not None:
            self._profile.restore(state["profile"] or {})
        self._blocks_of_reference = int(state["blocks_of_reference"])
        self._above = {name: int(blocks) for name, blocks in state["above"].items()}
        self._is_quiet = bool(state["is_quiet"])
        self._is_broken = bool(state["is_broken"])
        self._is_outage = bool(state["is_outage"])
        self._broken_blocks = int(state["broken_blocks"])
        self._broken_since = int(state["broken_since"])
        self._middles.clear()
        self._middles.extend(map(float, state["middles"]))
        self._pace = None if state["pace"] is None else float(state["pace"])
        self._watched_records = int(state["watched_records"])
        self._alarms = int(state["alarms"])
        self._readings.clear()
        if self.is_watching:
            self._share_out()

    def _fresh(self) -> dict[str, Watch]:
        return {signal.name: Watch(signal, seed=self._settings.seed) for signal in self._signals}

    def _learn(self, block: SignalBlock) -> None:
        if self._is_broken:
            return
        if self._is_fitted:
            self._warm(block)
        else:
            self._train(block)

    def _train(self, block: SignalBlock) -> None:
        self._training.append(block)
        if len(self._training) < self._settings.training_blocks:
            return
        for name, watch in list(self._watches.items()):
            if not all(watch.signal.can_read(one) for one in self._training):
                self._leave_out(name, "the records do not have what it reads")
                continue
            try:
                watch.fit(self._training)
            except ValueError as error:
                self._leave_out(name, str(error))
        if not self._watches:
            raise ValueError("none of the signals can read these records")
        self._faults = Faults()
        if all(self._faults.can_read(block) for block in self._training):
            self._faults.fit(self._training)
        if self._profile is not None:
            self._profile.fit(self._training)
        self._is_fitted = True
        self._training = []

    def _warm(self, block: SignalBlock) -> None:
        self._blocks_of_reference += 1
        for watch in self._watches.values():
            watch.warm(block)
        if self.is_watching:
            self._pace = pace(self._middles, self._settings.block_records)
            self._middles.clear()
            self._share_out()
            for watch in self._watches.values():
                watch.clear()

    def _next(self) -> list[str]:
        """Signals that read the next block: all of them in turn, those that are suspicious each
        time."""
        self._unread += 1
        if self._unread < self._settings.stride_blocks:
            return self._suspicious
        self._unread = 0
        return list(self._watches)

    def _read(self, block: SignalBlock) -> list[Alarm]:
        # Of every block: an outage may be shorter than the stride.
        self._is_broken = bool(self.broken(block))
        if self._is_quiet:
            return self._outage(block)
        self._watched_records += len(block)
        reading = self._next()
        alarms = self._watch(block, reading) if reading else []
        return alarms or self._outage(block)

    def _outage(self, block: SignalBlock) -> list[Alarm]:
        """The alarm of broken blocks in a row, where their evidence raises none: nothing is
        watched by it yet, or any more, or few of them are read."""
        if not self._is_broken:
            self._broken_blocks = 0
            return []
        if self._broken_blocks == 0:
            self._broken_since = block.first_record
        self._broken_blocks += 1
        is_told = self._is_outage or Faults.name not in self._watches
        if is_told or self._broken_blocks < _BLOCKS_OF_OUTAGE:
            return []
        self._is_outage = self._is_quiet = True
        self._alarms += 1
        last = block.first_record + len(block) - 1
        # Each of them resembles nothing.
        return [Alarm(Faults.name, last, self._broken_since, _SUSPICIOUS * self._broken_blocks)]

    def _watch(self, block: SignalBlock, reading: Sequence[str]) -> list[Alarm]:
        alarms = []
        for name in reading:
            watch = self._watches[name]
            if self._is_broken and name != Faults.name:
                continue
            found = self._readings[name] = watch.update(block)
            self._above[name] = self._above.get(name, 0) + 1 if found.is_above else 0
            if self._above[name] >= self._settings.persistence_blocks:
                last = block.first_record + len(block) - 1
                alarms.append(Alarm(name, last, min(found.since_record, last), found.log_evidence))
        self._suspicious = [
            name for name, watch in self._watches.items() if watch.log_suspicion >= _SUSPICIOUS
        ]
        if alarms:
            # A channel that is faulty now and then may break yet.
            self._is_quiet, self._is_outage = True, self._is_broken
            self._suspicious = []
            self._alarms += 1
        return alarms

    def _clock(self, block: SignalBlock) -> None:
        """Of every block that it might learn from, so that an outage leaves the pace as it is."""
        if block.times is not None:
            # One record that is dated far ahead must not be what a budget a day hangs on.
            self._middles.append(float(np.median(block.times)))

    def _records_between(self) -> float | None:
        """Records, on average, from one false alarm to the next; None while it is not known."""
        return 1 / self._settings.budget.per_record(self._pace) if self.is_watching else None

    def _share_out(self) -> None:
        """Gives each signal its part of the budget: one a family, shared evenly in it."""
        between = self._records_between()
        assert between is not None
        families = [watch.signal.family for watch in self._watches.values()]
        for watch in self._watches.values():
            of_signal = between * len(set(families)) * families.count(watch.signal.family)
            size = 1 if watch.signal.is_per_record else self._settings.block_records
            watch.expect(of_signal / size)

    def _leave_out(self, name: str, reason: str) -> None:
        self._left_out[name] = reason
        del self._watches[name]

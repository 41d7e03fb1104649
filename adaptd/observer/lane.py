"""`Lane`: one sequence of records, cut into blocks and watched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from numpy.typing import NDArray

from adaptd.drift.alarm import Alarm
from adaptd.drift.block import SignalBlock
from adaptd.drift.signal_monitor import MonitorSettings, SignalMonitor
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.signal import Signal
from adaptd.observer.record_blocks import RecordBlocks

_SECONDS_A_DAY = 86_400.0


@dataclass(frozen=True)
class Seen:
    """What came of records that were taken as they came.

    taken: how many of them. alarms: of the block that ends with the last of these, if any.
    """

    taken: int
    alarms: Sequence[Alarm] = ()


class Lane:
    """One alarm, then quiet until it begins anew, or the end of an outage that it was for; a sensor
    that breaks meanwhile is told all the same.

    broken_blocks: (first record, the one after its last) of each block of the latest `take` with
    a channel that is broken, whether or not that is told yet, or ever.
    revision: another number once anything that is shown may be another.
    """

    def __init__(self, signals: Sequence[Signal], settings: MonitorSettings) -> None:
        self._settings = settings
        self._monitor = SignalMonitor(signals, settings)
        self._blocks = RecordBlocks(settings.block_records)
        self.family_of: Mapping[str, str] = {signal.name: signal.family for signal in signals}
        self.faults: Mapping[int, str] = {}
        self.broken_blocks: list[tuple[int, int]] = []
        self.alarms = 0
        self.revision = 0
        self._watched_seconds = 0.0
        self._latest: float | None = None
        self._is_outage = False

    @property
    def is_watching(self) -> bool:
        """Whether the reference is complete."""
        return self._monitor.is_watching

    @property
    def is_broken(self) -> bool:
        """From an alarm of `input-faults` until a block whose channels all work."""
        return self._is_outage

    @property
    def watched_days(self) -> float:
        """Of event time in which an alarm could be raised, since the very beginning."""
        return self._watched_seconds / _SECONDS_A_DAY

    @property
    def until_full(self) -> int:
        """Records to the end of the block."""
        return self._settings.block_records - self._blocks.waiting

    def evidence(self) -> dict[str, float]:
        """Family -> the largest evidence of its signals, 1 an alarm; of those that are watched."""
        found: dict[str, float] = {}
        for signal, reading in self._monitor.readings.items():
            family = self.family_of[signal]
            share = max(0.0, reading.log_evidence / max(reading.log_threshold, 1e-9))
            found[family] = max(share, found.get(family, 0.0))
        return found

    def put(self, first_record: int, columns: Mapping[str, NDArray[Any]]) -> list[Alarm]:
        """Takes the next records, columns as `RecordBlocks.put`; the alarms that they raise."""
        return [
            alarm
            for block in self._blocks.put(first_record, columns)
            for alarm in self._update(block)
        ]

    def take(self, first_record: int, columns: Mapping[str, NDArray[Any]]) -> Seen:
        """Takes the next records, columns as `RecordBlocks.put`, up to the end of the first block
        that raises an alarm or ends an outage, so that it can be answered right there: the others
        are to be put again."""
        self.broken_blocks = []
        taken = self.until_full
        for block in self._blocks.put(first_record, columns):
            was_outage = self._is_outage
            alarms = self._update(block)
            if alarms or was_outage != self._is_outage:
                if taken < len(columns["x"]):
                    self._blocks.clear()
                return Seen(taken, alarms)
            taken += self._settings.block_records
        return Seen(len(columns["x"]))

    def hush(self) -> None:
        """Says nothing until it begins anew."""
        self._monitor.hush()

    def reset(self) -> None:
        """Everything is learnt anew, from a new block on; a sensor that is broken stays so."""
        self.revision += 1
        self._blocks.clear()
        self._monitor.reset()

    def relearn(self) -> None:
        """What comes now is ordinary, and is learnt anew; but never from a broken sensor: then what
        was ordinary stays so."""
        self.revision += 1
        if not self._is_outage:
            self._monitor.reset()

    @property
    def knows_sensors(self) -> bool:
        """Whether it can tell that one is broken."""
        return self._monitor.knows_sensors

    def learn_sensors(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Learns what is ordinary of the sensors from earlier records, columns as of `put`; does
        nothing where that is known."""
        blocks = RecordBlocks(self._settings.block_records)
        self._monitor.learn_sensors(blocks.put(0, columns))

    def resume(self) -> None:
        """What was ordinary stays so, and is watched again, unless the sensor is broken still."""
        self.revision += 1
        if not self._is_outage:
            self._monitor.resume()

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "about": self._about(),
            "blocks": self._blocks.state(),
            "monitor": self._monitor.state(),
            "alarms": self.alarms,
            "watched_seconds": self._watched_seconds,
            "latest": self._latest,
            "faults": None
            if not self._is_outage
            else {str(channel): fault for channel, fault in self.faults.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken; begins anew after a state of other signals or blocks."""
        self.revision += 1
        self.alarms = int(state["alarms"])
        self._watched_seconds = float(state["watched_seconds"])
        if state["about"] != self._about():
            return
        self._latest = state["latest"]
        self._blocks.restore(state["blocks"])
        self._monitor.restore(state["monitor"])
        faults = state["faults"]
        self._is_outage = faults is not None
        self.faults = {int(channel): fault for channel, fault in (faults or {}).items()}

    def _update(self, block: SignalBlock) -> list[Alarm]:
        self.revision += 1
        monitor = self._monitor
        could_alarm = monitor.is_watching and not monitor.is_quiet
        self._clock(block, counts=could_alarm)
        alarms = monitor.update(block)
        if monitor.is_broken:
            self.broken_blocks.append((block.first_record, block.first_record + len(block)))
        if alarms:
            self.alarms += 1
            if any(alarm.signal == Faults.name for alarm in alarms):
                self.faults = monitor.broken(block)
                self._is_outage = bool(self.faults)
        elif self._is_outage and not monitor.is_broken:
            # Nothing was learnt from it: what was ordinary before it is so after it.
            self._end_outage()
            monitor.resume()
        return alarms

    def _clock(self, block: SignalBlock, *, counts: bool) -> None:
        assert block.times is not None
        # NumPy's median costs more than all else that is done with most blocks.
        now = median(block.times.tolist())
        if counts and self._latest is not None:
            self._watched_seconds += max(0.0, now - self._latest)
        self._latest = now if self._latest is None else max(now, self._latest)

    def _end_outage(self) -> None:
        self._is_outage, self.faults = False, {}

    def _about(self) -> list[Any]:
        settings = self._settings
        return [
            sorted(self.family_of),
            settings.block_records,
            settings.training_blocks,
            settings.reference_blocks,
        ]

"""`Observer`: from predictions to blocks and alarms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.config import AlarmConfig
from adaptd.drift.alarm import Alarm
from adaptd.drift.monitor import Monitor
from adaptd.observer.lane import Seen
from adaptd.observer.live_signals import LiveSignals
from adaptd.observer.runs import runs
from adaptd.observer.score import score
from adaptd.registry.scores import BlockScore
from adaptd.stream.batch import Batch
from adaptd.stream.blocks import Block, Blocks

SCHEMA_VERSION = 2

_COLUMNS = ("hit", "loss", "broken")


@dataclass(frozen=True)
class Observation:
    """What a batch brought: the blocks it filled, in record order, and their alarms."""

    blocks: tuple[BlockScore, ...] = ()
    alarms: tuple[Alarm, ...] = ()


class Observer:
    """Scores one stream's released model, block by block, and watches the scores; beside them the
    signals of records, predictions and labels, where the window is long enough for them to learn.

    Knows no clock and no store. The same records and predictions give the same blocks and alarms,
    however they were polled; only `at` tells which call it was that filled a block.
    A block is of one release: `reset` drops the records of a block that is not full, at most
    `block_records` - 1 of them. They stay in the window and are in no block.
    """

    def __init__(
        self,
        *,
        stream: str,
        contract: Contract,
        alarm: AlarmConfig,
        signals: LiveSignals | None = None,
    ) -> None:
        """signals: None where the loss alone is watched."""
        self._stream = stream
        self._contract = contract
        self._blocks = Blocks(alarm.block_records, _COLUMNS)
        self._monitor = Monitor(alarm)
        self._signals = signals
        self._release_digest: str | None = None

    @property
    def is_quiet(self) -> bool:
        """True from an alarm until `reset` or `resume_alarms`."""
        return self._monitor.is_quiet

    def observe(
        self,
        batch: Batch,
        *,
        first_record: int,
        probabilities: NDArray[np.float32],
        at: datetime,
        is_broken: NDArray[np.bool_] | None = None,
    ) -> Observation:
        """Takes the next records with what the release said of them before their labels were used.

        first_record: the number of the batch's first. probabilities: float32 [n, classes].
        at: wall time, kept with the blocks for people to read. is_broken: bool [n], of records that
        are known to have come while a sensor was broken: they are scored, and say nothing of a
        drift. None: of none.
        Raises RuntimeError before the first `reset`; ValueError for records that come before the
        last ones, or predictions that are not the contract's.
        """
        if self._release_digest is None:
            raise RuntimeError("reset(release_digest) says whose predictions are observed")
        expected = (len(batch), len(self._contract.classes))
        if probabilities.shape != expected:
            raise ValueError(
                f"expected probabilities of shape {list(expected)}, got {list(probabilities.shape)}"
            )
        hits, losses = score(probabilities, batch.target)
        if is_broken is None:
            is_broken = np.zeros(len(batch), np.bool_)
        blocks: list[BlockScore] = []
        alarms: list[Alarm] = []
        start = 0
        while start < len(batch):
            # No further than the next end of a block of either, so that the first of them to raise
            # an alarm silences the other at the same record, however records are polled.
            own = slice(start, start + self._until_full())
            raised: list[Alarm] = []
            values = {"hit": hits[own], "loss": losses[own], "broken": is_broken[own]}
            for block in self._blocks.put(first_record + start, values):
                scored = self._score(block, at)
                blocks.append(scored)
                if not block.values["broken"].any():
                    raised += self._monitor.update(scored, block.values["hit"] > 0)
            if self._signals is not None:
                for run in runs(~is_broken[own]):
                    working = slice(start + run.start, start + run.stop)
                    raised += self._signals.judge(
                        first_record + working.start,
                        probabilities=probabilities[working],
                        target=batch.target[working],
                        hits=hits[working],
                        times=batch.timestamps[working],
                    )
            if raised:
                self.hush()
            alarms += raised
            start = own.stop
        return Observation(tuple(blocks), tuple(alarms))

    def see(
        self,
        first_record: int,
        x: NDArray[np.float32],
        probabilities: NDArray[np.float32],
        times: NDArray[np.float64],
    ) -> Seen:
        """Takes records as they come, labelled or not, as `LiveSignals.see`; with the alarms of
        what needs no label."""
        if self._signals is None:
            return Seen(len(x))
        return self._signals.see(first_record, x, probabilities, times)

    @property
    def is_sensor_broken(self) -> bool:
        """As `LiveSignals.is_broken`; False where no signals are watched."""
        return self._signals is not None and self._signals.is_broken

    def hush(self) -> None:
        """The drift is known: what needs labels raises no alarm until it is answered."""
        self._monitor.hush()
        if self._signals is not None:
            self._signals.hush()

    def reset(self, release_digest: str) -> None:
        """From the next record on, another release is observed: a new block, and a new warm-up. A
        sensor that is broken stays so."""
        self._release_digest = release_digest
        self._blocks.clear()
        self._monitor.reset()
        if self._signals is not None:
            self._signals.reset()

    def resume_alarms(self) -> None:
        """The drift was answered without a release: what the stream is now is the new reference."""
        self._monitor.reset()
        if self._signals is not None:
            self._signals.relearn()

    def resume_after_outage(self) -> None:
        """A sensor was broken: the loss is watched anew, and what was ordinary of the signals stays
        so."""
        self._monitor.reset()
        if self._signals is not None:
            self._signals.resume()

    def accept(self) -> None:
        """What was seen without labels does no harm: it is the new reference."""
        if self._signals is not None:
            self._signals.accept()

    @property
    def signals(self) -> LiveSignals | None:
        """None where the loss alone is watched."""
        return self._signals

    @property
    def broken(self) -> Mapping[int, str]:
        """Channel -> what it has, from an alarm of a broken sensor until it works."""
        return {} if self._signals is None else self._signals.faults

    @property
    def broken_blocks(self) -> Sequence[tuple[int, int]]:
        """As `LiveSignals.broken_blocks`."""
        return () if self._signals is None else self._signals.broken_blocks

    def family_of(self, signal: str) -> str:
        """What metrics call a signal."""
        return signal if self._signals is None else self._signals.family_of(signal)

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "release_digest": self._release_digest,
            "blocks": self._blocks.state(),
            "monitor": self._monitor.state(),
            "signals": None if self._signals is None else self._signals.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken.

        Where blocks were of another size then (the configuration has changed), it begins anew
        instead, as after `reset`: blocks of two sizes cannot be compared. It stays quiet if it was:
        the drift is still being answered. So it does from a state of version 1, which does not say
        which records its block has.
        Raises ValueError for a state of another version.
        """
        if state.get("schema_version") not in (1, SCHEMA_VERSION):
            raise ValueError(
                f"observer state schema_version must be {SCHEMA_VERSION}, "
                f"got {state.get('schema_version')!r}"
            )
        self._release_digest = state["release_digest"]
        if self._signals is not None:
            self._signals.restore(state.get("signals"))
        if state["schema_version"] == 1 or state["blocks"]["size"] != self._blocks.size:
            self._blocks.clear()
            self._monitor.reset()
            fresh = self._monitor.state()
            self._monitor.restore({**fresh, "is_quiet": state["monitor"]["is_quiet"]})
            return
        kept = state["blocks"]
        # A state from before that was kept.
        fine = {"broken": [0.0] * len(kept["numbers"])}
        self._blocks.restore({**kept, "rest": {**fine, **kept["rest"]}})
        self._monitor.restore(state["monitor"])

    def _until_full(self) -> int:
        """Records to the end of the next block, the monitor's or the signals'."""
        until = self._blocks.size - self._blocks.waiting
        return until if self._signals is None else min(until, self._signals.until_judged)

    def _score(self, block: Block, at: datetime) -> BlockScore:
        assert self._release_digest is not None
        return BlockScore(
            stream=self._stream,
            # Grows along the stream whatever `reset` drops, and needs no counter to be kept.
            block=block.first_record // self._blocks.size,
            first_record=block.first_record,
            records=len(block),
            hits=int(block.values["hit"].sum()),
            loss=float(block.values["loss"].mean()),
            release_digest=self._release_digest,
            at=at,
        )

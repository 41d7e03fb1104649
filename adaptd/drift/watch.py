"""`Watch`: one signal, and the evidence that it has changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from adaptd.drift.array_state import from_state, to_state
from adaptd.drift.betting import Bets
from adaptd.drift.block import SignalBlock
from adaptd.drift.conformal import Bag, EventBag
from adaptd.drift.e_detector import EDetector
from adaptd.drift.signals.signal import Signal

# Scores a signal is compared with: more hardly sharpen a p-value's bet, and they travel in each
# checkpoint (16 kB). Of events it is two numbers.
_BAG_RECORDS, _BAG_BLOCKS, _BAG_EVENTS = 2_048, 2_048, 65_536

# Scores of records are taken so many at a time, or more: of a class there are few in a block, and
# a step costs as much for one as for thirty.
_FEWEST_SCORES = 16

# The evidence over an exchangeable reference of n scores goes beyond 100 n with a probability below
# 1 / 100. Where it does, scores depend on each other, and the threshold is raised in proportion.
_EXPECTED_EXCESS = 100.0


@dataclass(frozen=True)
class Reading:
    """A signal after a block. log_evidence: the largest over the block's scores, natural logarithm;
    log_threshold: from where on it is an alarm. since_record: number of the record from which on
    the evidence has grown.
    """

    log_evidence: float
    log_threshold: float
    since_record: int

    @property
    def is_above(self) -> bool:
        return self.log_evidence >= self.log_threshold


class Watch:
    """Conformal p-values of a signal's scores, bet on by an e-detector.

    The chain holds without a model of the signal: scores are exchangeable while the stream is, so
    p-values are independent and uniform, so bets on them are e-values, so the e-detector is above
    c after c scores or more, on average.

    `fit` on training blocks, then `warm` with the reference, then `expect` and `clear`, then
    `update`.
    seed: of the ties between equal scores.
    """

    def __init__(self, signal: Signal, *, seed: int) -> None:
        self.signal = signal
        self._seed = seed
        self._bag = (
            EventBag(_BAG_EVENTS)
            if signal.is_event
            else Bag(_BAG_RECORDS if signal.is_per_record else _BAG_BLOCKS)
        )
        self._bets: Bets | None = None
        self._detector = EDetector(1)
        self._peak = -math.inf
        self._reference_scores = 0
        self._log_threshold = math.inf
        self._held: tuple[NDArray[np.float64], NDArray[np.int64]] = _nothing()

    @property
    def name(self) -> str:
        return self.signal.name

    @property
    def log_threshold(self) -> float:
        """Natural logarithm; infinite before `expect`."""
        return self._log_threshold

    @property
    def is_exchangeable(self) -> bool:
        """Whether the reference's scores looked so; else the threshold had to be raised."""
        return self._surplus() <= 0

    @property
    def log_suspicion(self) -> float:
        """As `EDetector.log_suspicion`."""
        return self._detector.log_suspicion

    def fit(self, training: Sequence[SignalBlock]) -> None:
        """Raises ValueError where the signal cannot learn from these blocks."""
        self._bets = self.signal.fit(training)
        self._detector = EDetector(len(self._bets.bounds))

    def warm(self, block: SignalBlock) -> None:
        """A block of the reference: fills the bag, and shows whether scores are exchangeable."""
        _, evidence = self._step(block)
        self._peak = max(self._peak, float(evidence.max(initial=-math.inf)))
        self._reference_scores += len(evidence)

    def expect(self, steps_between_alarms: float) -> None:
        """Sets the threshold. steps_between_alarms: scores, on average, at least."""
        self._log_threshold = math.log(max(1.0, steps_between_alarms))
        self._log_threshold += max(0.0, self._surplus())

    def clear(self) -> None:
        """Forgets the evidence and keeps what it is compared with."""
        self._detector.clear()
        self._held = _nothing()

    def update(self, block: SignalBlock) -> Reading:
        """Takes a block."""
        starts, evidence = self._step(block)
        # A block with few records of the class says nothing yet.
        highest = float(evidence.max()) if len(evidence) else self._detector.log_statistic
        since = self._detector.since if len(starts) else block.first_record
        return Reading(highest, self._log_threshold, min(since, block.first_record + len(block)))

    def state(self) -> dict[str, Any]:
        """As JSON values, exact. Only after `fit`."""
        assert self._bets is not None, "fit comes first"
        return {
            "signal": self.signal.state(),
            "bounds": list(self._bets.bounds),
            "factors": list(self._bets.factors),
            "bag": self._bag.state(),
            "detector": self._detector.state(),
            "peak": _finite(self._peak),
            "reference_scores": self._reference_scores,
            "log_threshold": _finite(self._log_threshold),
            "held": [to_state(column) for column in self._held],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, with the same readings to come."""
        self.signal.restore(state["signal"])
        self._bets = Bets(tuple(state["bounds"]), tuple(state["factors"]))
        self._bag.restore(state["bag"])
        self._detector = EDetector(len(self._bets.bounds))
        self._detector.restore(state["detector"])
        self._peak = -math.inf if state["peak"] is None else float(state["peak"])
        self._reference_scores = int(state["reference_scores"])
        threshold = state["log_threshold"]
        self._log_threshold = math.inf if threshold is None else float(threshold)
        scores, starts = state["held"]
        self._held = from_state(scores), from_state(starts)

    def _step(self, block: SignalBlock) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        assert self._bets is not None, "fit comes first"
        scores, starts = self.signal.scores(block)
        if self.signal.is_per_record:
            scores, starts = (
                np.concatenate([held, new])
                for held, new in zip(self._held, (scores, starts), strict=True)
            )
            if len(scores) < _FEWEST_SCORES:
                self._held = scores, starts
                return _nothing()[::-1]
            self._held = _nothing()
        # Of the block alone, so that a restored watch breaks ties as the first one would have.
        if self.signal.is_per_record:
            key = [self._seed, crc32(self.name.encode()), block.first_record]
            p_values = self._bag.p_values(scores, np.random.default_rng(key))
        else:
            assert isinstance(self._bag, Bag), "events are those of records"
            tie, gone = _uniforms(f"{self._seed}/{self.name}/{block.first_record}")
            p_values = np.array([self._bag.p_value(float(scores[0]), tie, gone)])
        return starts, self._detector.update(self._bets.log_e_values(p_values), starts)

    def _surplus(self) -> float:
        if self._reference_scores == 0:
            return 0.0
        return self._peak - math.log(_EXPECTED_EXCESS * self._reference_scores)


def _uniforms(key: str) -> tuple[float, float]:
    """Two numbers on [0, 1) from a key: a hash, where a generator would cost more than the rest."""
    digest = blake2b(key.encode(), digest_size=12).digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:]) / 2**48


def _nothing() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.empty(0), np.empty(0, np.int64)


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None

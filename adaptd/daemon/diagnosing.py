"""What kind of drift an episode answers, from the records around it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.drift.block import SignalBlock
from adaptd.drift.diagnosis import Diagnosis, diagnose
from adaptd.drift.profile import Profile
from adaptd.observer.score import score
from adaptd.stream.batch import Batch
from adaptd.stream.window import Window

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]

# Blocks before the drift that are looked at, and without which nothing can be said. One half tells
# what is usual, the other how much it varies.
MOST_BEFORE = 64
LEAST_BEFORE = 12
# Blocks after it that are enough to see that a sensor is broken.
OUTAGE_BLOCKS = 4


def diagnosis_of(
    window: Window,
    *,
    since_record: int,
    contract: Contract,
    block_records: int,
    predict: Predict,
) -> Diagnosis | None:
    """From the window's records before and since one; None where it holds too few of either.

    predict: the champion, x float32 [n, *shape] -> probabilities float32 [n, classes].
    """
    # The block before the date is left out: dates are often late by a few records.
    end = since_record - block_records
    first = max(window.first_record, end - MOST_BEFORE * block_records)
    if end - first < LEAST_BEFORE * block_records or (
        window.next_record - since_record < block_records
    ):
        return None
    before = _blocks(window.between(first, end), first, block_records, predict)
    recent = _blocks(
        window.between(since_record, window.next_record), since_record, block_records, predict
    )
    half = len(before) // 2
    profile = Profile(len(contract.classes))
    profile.fit(before[:half])
    for block in before[half:]:
        profile.take(block, is_reference=True)
    for block in recent:
        profile.take(block, is_reference=False)
    return diagnose(profile, since_record=since_record, shape=contract.shape)


def facts(diagnosis: Diagnosis, contract: Contract) -> dict[str, Any]:
    """The diagnosis as JSON values, channels by their names."""
    return {
        "kind": diagnosis.kind,
        "channels": [contract.features[place] for place in diagnosis.channels],
        "evidence": _plain(diagnosis.evidence),
    }


def _blocks(batch: Batch, first: int, size: int, predict: Predict) -> list[SignalBlock]:
    probabilities = predict(batch.x)
    hits, losses = score(probabilities, batch.target)
    return [
        SignalBlock(
            first + start,
            batch.x[start : start + size],
            probabilities=probabilities[start : start + size],
            target=batch.target[start : start + size],
            hits=hits[start : start + size],
            losses=losses[start : start + size],
        )
        for start in range(0, len(batch) - size + 1, size)
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value

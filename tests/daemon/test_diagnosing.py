import json

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.architecture import Contract
from adaptd.daemon.diagnosing import Diagnostician
from adaptd.observer.outages import Outages
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.window import Window

CONTRACT = Contract(features=("hum",), shape=(1, 64), classes=("low", "high"))
SIZE = 32


def predict(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """High where most of the power lies above a quarter of the frequencies."""
    power = np.abs(np.fft.rfft(x[:, 0], axis=1)) ** 2
    is_high = power[:, 9:].sum(axis=1) > power[:, :9].sum(axis=1)
    return np.stack([1.0 - 0.9 * is_high, 0.1 + 0.8 * is_high], axis=1).astype(np.float32)


def records(count: int, *, seed: int, high: float = 0.5) -> tuple[NDArray[np.float32], Batch]:
    rng = np.random.default_rng(seed)
    target = (rng.random(count) < high).astype(np.int64)
    frequency = np.where(target == 1, 14, 4) + rng.normal(0, 0.5, count)
    time = np.arange(64) / 64
    x = np.sin(2 * np.pi * (frequency[:, None] * time + rng.random((count, 1))))
    x = (x + 0.3 * rng.standard_normal((count, 64)))[:, None].astype(np.float32)
    return x, batch(x, target)


def batch(x: NDArray[np.float32], target: NDArray[np.int64]) -> Batch:
    numbers = np.arange(len(x))
    return Batch(
        x=x,
        target=target,
        ids=id_column(numbers),
        timestamps=numbers.astype(np.float64),
        positions=np.stack([np.zeros_like(numbers), numbers], axis=1),
    )


def kind_after(after: Batch, *, before: int = 1_600) -> str | None:
    window = Window(6_000, (1, 64))
    window.append(records(before, seed=0)[1])
    window.append(after)
    made = Diagnostician(
        window, contract=CONTRACT, outages=Outages(SIZE), block_records=SIZE, predict=predict
    )
    found = made.diagnosis(before)
    if found is None:
        return None
    json.dumps(made.facts(found), allow_nan=False)
    assert made.outage(before) == ("hum constant" if found.kind == "outage" else None)
    return found.kind


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("outage", lambda x: np.full_like(x, 2.0)),
        ("gain", lambda x: 3 * x),
        ("offset", lambda x: x + 2),
        ("noise", lambda x: x + np.random.default_rng(1).standard_normal(x.shape) * 0.9),
    ],
)
def test_what_a_sensor_does_is_told_apart(kind: str, change: object) -> None:
    assert callable(change)
    x, after = records(800, seed=1)
    changed = np.asarray(change(x), np.float32)
    assert kind_after(batch(changed, after.target)) == kind


def test_classes_in_other_shares_and_classes_that_swap_are_told_apart() -> None:
    assert kind_after(records(800, seed=2, high=0.9)[1]) == "prior"
    x, after = records(800, seed=3)
    assert kind_after(batch(x, 1 - after.target)) == "concept"


def test_where_nothing_has_changed_it_says_so() -> None:
    assert kind_after(records(800, seed=4)[1]) == "unclear"


def test_too_few_records_on_either_side_say_nothing() -> None:
    assert kind_after(records(800, seed=1)[1], before=SIZE * 12) is None
    assert kind_after(records(SIZE - 1, seed=1)[1]) is None

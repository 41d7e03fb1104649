"""What holds for every stream there is."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adaptd.space.operation import parse_operation
from benchmarks.streams import STREAMS, Records, Shift, load

_RECORDED = [name for name, shift in STREAMS.items() if not shift.synthetic]
_IMAGES = [name for name, shift in STREAMS.items() if shift.kind == "image"]

Part = tuple[str, NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Drawn:
    """A stream with seed 1."""

    shift: Shift
    records: Records
    data: Path


@pytest.fixture(scope="module", params=STREAMS)
def drawn(request: pytest.FixtureRequest) -> Drawn:
    """Each stream in turn. Only those that need recorded data ask for it: others run everywhere."""
    shift = STREAMS[request.param]
    data = Path("nowhere")
    if shift.name in (*_IMAGES, *_RECORDED):
        data = request.getfixturevalue("shared_directory")
    return Drawn(shift, load(shift, seed=1, data=data), data)


def _parts(records: Records) -> list[Part]:
    return [(name, part.x, part.target) for name, part in vars(records).items()]


def test_names_champions_and_controls_are_in_order() -> None:
    assert len(_RECORDED) == 4
    for name, shift in STREAMS.items():
        assert shift.name == name
        assert (shift.champion is not None) == (shift.kind == "sequence")
        if shift.champion is not None:
            parse_operation(shift.champion)
        if name.startswith("control-"):
            assert shift.control


def test_records_have_the_tables_shape_dtype_and_classes(drawn: Drawn) -> None:
    for part, x, target in _parts(drawn.records):
        assert x.dtype == np.float32, part
        assert target.dtype == np.int64, part
        assert x.shape == (len(target), *drawn.shift.shape), part
        assert np.isfinite(x).all(), part
    assert len(drawn.records.after) == 1_500
    if drawn.shift.synthetic:
        assert len(drawn.records.after_test) == 4_000


def test_every_class_is_about_as_frequent_as_any_other(drawn: Drawn) -> None:
    # Drawn classes to a fifth (3.5 standard deviations for four classes and 1,000 records). Parts
    # of recordings to a half: MNIST has an eighth more ones than its share to begin with, and
    # among 500 digits a class's share has a standard deviation of an eighth.
    is_recorded = drawn.shift.name in (*_IMAGES, *_RECORDED)
    tolerance = 0.5 if is_recorded else 0.2
    for part, _, target in _parts(drawn.records):
        counts = np.bincount(target, minlength=drawn.shift.classes)
        assert len(counts) == drawn.shift.classes, part
        share = counts / counts.mean()
        assert (abs(share - 1) < tolerance).all(), (part, share)


def test_no_record_stands_in_two_parts(drawn: Drawn) -> None:
    within = [{row.tobytes() for row in x} for _, x, _ in _parts(drawn.records)]
    assert len(set.union(*within)) == sum(map(len, within))


@pytest.mark.slow
def test_records_are_the_same_for_a_seed_and_others_for_another(drawn: Drawn) -> None:
    again, other = (load(drawn.shift, seed=seed, data=drawn.data) for seed in (1, 2))
    changed = []
    for (part, x, target), (_, x_again, target_again), (_, x_other, _) in zip(
        _parts(drawn.records), _parts(again), _parts(other), strict=True
    ):
        np.testing.assert_array_equal(x, x_again, err_msg=part)
        np.testing.assert_array_equal(target, target_again, err_msg=part)
        if not np.array_equal(x, x_other):
            changed.append(part)
    everything = ["before", "before_check", "after", "after_test"]
    assert changed == (everything if drawn.shift.synthetic else ["after"])

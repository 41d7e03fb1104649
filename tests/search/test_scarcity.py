"""How many labelled records a search needs."""

import pickle

import pytest

from adaptd.errors import PermanentError
from adaptd.search.scarcity import InsufficientData, require_records
from adaptd.space.spaces import baseline_for


@pytest.mark.parametrize(
    ("classes", "is_warm", "needed"),
    [
        (10, False, 10_000),
        (300, False, 12_000),
        (None, False, 10_000),
        (10, True, 400),
        (11, True, 440),
        (None, True, 400),
    ],
)
def test_one_record_less_than_needed_is_too_few(
    classes: int | None, is_warm: bool, needed: int
) -> None:
    require_records(needed, classes, is_warm=is_warm, fallback="a fixed network")
    with pytest.raises(InsufficientData) as raised:
        require_records(needed - 1, classes, is_warm=is_warm, fallback="a fixed network")
    error = raised.value
    assert isinstance(error, PermanentError)
    assert (error.count, error.needed, error.fallback) == (needed - 1, needed, "a fixed network")
    for part in (f"{needed - 1:,}", f"{needed:,}", "a fixed network"):
        assert part in str(error)
    assert "a fixed network" not in error.shortage


def test_all_three_bounds_can_be_set() -> None:
    require_records(50, 2, is_warm=False, fallback="", minimum_cold=50, per_class=25)
    require_records(30, 2, is_warm=True, fallback="", minimum_warm=30, per_class=15)
    with pytest.raises(InsufficientData, match="needs 60 labelled records"):
        require_records(50, 2, is_warm=False, fallback="", minimum_cold=50, per_class=30)


def test_the_message_names_the_network_to_train_instead() -> None:
    fallback = baseline_for((1, 64), classes=4).network
    with pytest.raises(InsufficientData) as raised:
        require_records(9_999, 4, is_warm=False, fallback=fallback)
    assert str(raised.value) == (
        "a search from nothing needs 10,000 labelled records (at least 10,000, and 40 for each of "
        "4 classes), got 9,999; instead of it take adaptd.space.baselines:resnet18"
    )


def test_it_crosses_from_one_process_to_another() -> None:
    with pytest.raises(InsufficientData) as raised:
        require_records(1, None, is_warm=True, fallback="what is deployed")
    again = pickle.loads(pickle.dumps(raised.value))
    assert str(again) == str(raised.value)
    assert again.needed == 400

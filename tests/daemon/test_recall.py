"""What brings an earlier release back."""

import pytest

from adaptd.daemon.recall import answered_before, may_reach


@pytest.mark.parametrize(
    ("accuracy", "records", "reaches"),
    [
        (0.90, 128, True),
        (0.86, 128, True),
        (0.80, 128, False),
        # The more records, the less is left to chance.
        (0.86, 2_000, False),
        (0.0, 0, False),
    ],
)
def test_a_short_trial_leaves_room_for_chance(accuracy: float, records: int, reaches: bool) -> None:
    assert may_reach(accuracy, records, 0.9) == reaches


def test_an_earlier_release_answers_what_it_was_proved_on_and_others_what_they_learnt() -> None:
    records = {"end_record": 900, "created_record": 5_000}
    assert answered_before("release-1", **records) == 5_000
    assert answered_before("reopened", **records) == 900

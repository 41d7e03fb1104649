from collections.abc import Mapping

from adaptd.stream.delayed_labels import DelayedLabels
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource


def made(records: int = 1_000, *, delay: int = 50) -> DelayedLabels:
    source = ScenarioSource(SCENARIOS["lag-shift"], seed=0, drift_at=10**6, records=records)
    return DelayedLabels(source, delay_records=delay)


def taken(labels: DelayedLabels, reached: int, *, is_over: bool = False) -> list[str]:
    positions: Mapping[int, int] = {0: reached}
    return [
        str(identity)
        for identity in labels.poll(
            maximum=100, records=positions, are_records_over=is_over
        ).labels.ids
    ]


def test_labels_keep_their_distance_behind_the_records() -> None:
    labels = made()
    assert taken(labels, 49) == []
    assert taken(labels, 53) == ["0", "1", "2"]
    assert taken(labels, 53) == []
    assert taken(labels, 500) == [str(number) for number in range(3, 103)]


def test_they_are_those_of_the_records() -> None:
    source = ScenarioSource(SCENARIOS["lag-shift"], seed=0, drift_at=10**6, records=100)
    poll = made(100).poll(maximum=100, records={0: 100}, are_records_over=True)
    assert (
        poll.labels.target.tolist()
        == source.poll(maximum=100, timeout_seconds=0).batch.target.tolist()
    )
    assert poll.is_exhausted


def test_after_the_last_record_all_that_are_left_come() -> None:
    labels = made(120)
    assert taken(labels, 120) == [str(number) for number in range(70)]
    assert not labels.poll(maximum=9, records={0: 120}, are_records_over=False).is_exhausted
    assert taken(labels, 120, is_over=True) == [str(number) for number in range(70, 120)]
    assert labels.poll(maximum=9, records={0: 120}, are_records_over=True).is_exhausted


def test_a_seek_goes_on_behind_what_was_taken() -> None:
    labels = made()
    labels.seek({0: 10})
    assert taken(labels, 62) == ["10", "11"]

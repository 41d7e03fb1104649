import numpy as np
import pytest

from adaptd.errors import SourceError
from adaptd.stream.scenario import SCENARIOS, generate
from adaptd.stream.scenario_source import START, ScenarioSource

LAG = SCENARIOS["lag-shift"]


def source(records: int | None = None) -> ScenarioSource:
    return ScenarioSource(LAG, seed=5, drift_at=30, records=records)


def test_polls_give_the_scenario_in_order() -> None:
    opened = source()
    polls = [opened.poll(maximum=size, timeout_seconds=0) for size in (20, 7, 33)]
    x, target = generate(LAG, seed=5, first=0, count=60, drift_at=30)
    np.testing.assert_array_equal(np.concatenate([poll.batch.x for poll in polls]), x)
    np.testing.assert_array_equal(np.concatenate([poll.batch.target for poll in polls]), target)
    assert [dict(poll.positions) for poll in polls] == [{0: 20}, {0: 27}, {0: 60}]
    assert polls[1].batch.positions.tolist() == [[0, number] for number in range(20, 27)]
    assert polls[1].batch.ids[0] == "20"
    assert polls[1].batch.timestamps[0] == START.timestamp() + 20


def test_a_seek_goes_on_with_the_record_that_is_not_yet_in_the_store() -> None:
    first = source()
    first.poll(maximum=20, timeout_seconds=0)
    again = source()
    again.seek({0: 20})
    np.testing.assert_array_equal(
        again.poll(maximum=30, timeout_seconds=0).batch.x,
        first.poll(maximum=30, timeout_seconds=0).batch.x,
    )
    again.seek({})
    assert again.poll(maximum=1, timeout_seconds=0).batch.ids[0] == "0"


def test_the_stream_ends_where_it_should() -> None:
    opened = source(records=50)
    assert opened.lag() == {0: 50}
    first = opened.poll(maximum=49, timeout_seconds=0)
    assert not first.is_exhausted
    assert opened.lag() == {0: 1}
    last = opened.poll(maximum=49, timeout_seconds=0)
    assert (len(last.batch), last.is_exhausted) == (1, True)
    beyond = opened.poll(maximum=49, timeout_seconds=0)
    assert (len(beyond.batch), beyond.is_exhausted, dict(beyond.positions)) == (0, True, {0: 50})


def test_an_endless_stream_never_ends_and_has_no_lag() -> None:
    opened = source()
    assert not opened.poll(maximum=1_000, timeout_seconds=0).is_exhausted
    assert opened.lag() == {}


@pytest.mark.parametrize("positions", [{1: 3}, {0: 1, 1: 3}, {0: -1}, {0: 51}])
def test_positions_of_another_source_are_refused(positions: dict[int, int]) -> None:
    with pytest.raises(SourceError, match="lag-shift"):
        source(records=50).seek(positions)

"""Whatever comes first, and however often: every record meets its first label once, in time."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.errors import StoreUnavailable
from adaptd.observer.joined import Joined, Tally
from adaptd.observer.label_join import LabelJoin
from adaptd.store import join_rows
from adaptd.store.database import Database
from adaptd.stream.batch import Batch, id_column
from adaptd.stream.labels import Labels

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SHAPE = (2, 3)
CLASSES = 4


def batch(ids: Sequence[str], times: Sequence[float]) -> Batch:
    """Records whose numbers are their time, so that each is known by what it holds."""
    count = len(ids)
    return Batch(
        x=np.broadcast_to(np.array(times, np.float32)[:, None, None], (count, *SHAPE)),
        target=np.full(count, -1, np.int64),
        ids=id_column(ids),
        timestamps=np.array(times, np.float64),
        positions=np.array([(1, int(time)) for time in times], np.int64).reshape(-1, 2),
    )


def labels(ids: Sequence[str], targets: Sequence[int], times: Sequence[float]) -> Labels:
    return Labels(
        ids=id_column(ids),
        target=np.array(targets, np.int64),
        times=np.array(times, np.float64),
        positions=np.array([(0, place) for place in range(len(ids))], np.int64).reshape(-1, 2),
    )


@dataclass
class Held:
    """A join and its store. Every `save` is followed by what a commit is followed by."""

    database: Database
    wait_seconds: float = 1_000
    maximum_records: int = 1_000
    memory_records: int = 1_000
    lookups: int = 0
    join: LabelJoin = field(init=False)

    def __post_init__(self) -> None:
        self.join = self.made()
        with self.database.read() as connection:
            self.join.restore(connection, None)

    def made(self) -> LabelJoin:
        return LabelJoin(
            stream="s",
            shape=SHAPE,
            classes=CLASSES,
            wait_seconds=self.wait_seconds,
            maximum_records=self.maximum_records,
            memory_records=self.memory_records,
            lookup=self._look_up,
        )

    def save(self) -> None:
        with self.database.write() as connection:
            self.join.save(connection)
        self.join.settle()

    def restart(self) -> None:
        """What is not saved is lost."""
        state = json.loads(json.dumps(self.join.state()))
        self.join = self.made()
        with self.database.read() as connection:
            self.join.restore(connection, state)

    def record(self, *ids: str, at: float, said: dict[str, int] | None = None) -> list[Joined]:
        """said: predictor -> the class it is sure of."""
        predictions = {
            name: np.eye(CLASSES, dtype=np.float32)[[target] * len(ids)]
            for name, target in (said or {}).items()
        }
        return self.join.put(batch(ids, [at] * len(ids)), predictions, at=NOW)

    def label(self, identity: str, target: int, *, at: float = np.nan) -> list[Joined]:
        return self.join.put_labels(labels([identity], [target], [at]))

    def _look_up(self, ids: Sequence[str]) -> list[join_rows.JoinRow]:
        self.lookups += 1
        with self.database.read() as connection:
            return join_rows.fetch(connection, "s", ids)


@pytest.fixture
def held(database: Database) -> Held:
    return Held(database)


def tally(held: Held) -> tuple[dict[str, int], dict[str, int]]:
    taken: Tally = held.join.take_tally()
    return (
        {fate: count for fate, count in taken.labels.items() if count},
        {fate: count for fate, count in taken.records.items() if count},
    )


def test_a_record_is_joined_with_what_was_predicted_when_it_came(held: Held) -> None:
    assert held.record("a", at=5, said={"one": 2, "two": 3}) == []
    (joined,) = held.label("a", 2, at=9)
    assert joined.batch.ids.tolist() == ["a"]
    assert joined.batch.target.tolist() == [2]
    assert joined.batch.timestamps.tolist() == [5]
    assert joined.batch.positions.tolist() == [[1, 5]]
    assert joined.batch.x.shape == (1, *SHAPE)
    assert (joined.batch.x == 5).all()
    assert joined.batch.x.dtype == np.float32
    assert {name: said.argmax(1).tolist() for name, said in joined.predictions.items()} == {
        "one": [2],
        "two": [3],
    }
    taken = held.join.take_tally()
    assert taken.delays == [4]
    assert dict(taken.labels) == {"joined": 1}


def test_a_label_may_come_first(held: Held) -> None:
    assert held.label("a", 1, at=3) == []
    (joined,) = held.record("a", at=7, said={"one": 0})
    assert joined.batch.target.tolist() == [1]
    assert joined.predictions["one"].argmax(1).tolist() == [0]
    # It was not late.
    assert held.join.take_tally().delays == [0]


def test_the_first_label_counts_and_others_are_told_apart(held: Held) -> None:
    held.record("a", at=1)
    held.label("a", 1)
    assert held.label("a", 1) == []
    assert held.label("a", 2) == []
    taken = held.join.take_tally()
    assert dict(taken.labels) == {"joined": 1, "duplicate": 1, "conflicting": 1}
    (conflict,) = taken.conflicts
    assert (conflict.id, conflict.first, conflict.target) == ("a", 1, 2)


def test_of_two_early_labels_the_first_counts_too(held: Held) -> None:
    held.label("a", 1, at=1)
    held.label("a", 2, at=1)
    (joined,) = held.record("a", at=2)
    assert joined.batch.target.tolist() == [1]
    assert tally(held)[0] == {"joined": 1, "conflicting": 1}


def test_a_record_of_an_id_that_has_come_is_left_out(held: Held) -> None:
    held.record("a", "a", at=1)
    held.label("a", 0)
    assert held.record("a", at=2) == []
    assert tally(held) == ({"joined": 1}, {"duplicate": 2})


def test_records_of_one_label_poll_that_others_predicted_come_apart(held: Held) -> None:
    held.record("a", at=1, said={"one": 0})
    held.record("b", at=2, said={"one": 0, "two": 1})
    held.record("c", at=3, said={"one": 0, "two": 1})
    held.record("d", at=4)
    joined = held.join.put_labels(labels(list("cbad"), [0, 1, 2, 3], [5, 5, 5, 5]))
    assert [(part.batch.ids.tolist(), sorted(part.predictions)) for part in joined] == [
        (["c", "b"], ["one", "two"]),
        (["a"], ["one"]),
        (["d"], []),
    ]


@pytest.mark.parametrize("is_swept", [False, True])
def test_what_waits_too_long_is_given_up(held: Held, *, is_swept: bool) -> None:
    held.record("a", at=0)
    held.label("b", 1, at=0)
    held.record("c", at=2_000)
    if is_swept:
        held.save()
        assert tally(held) == ({"unmatched": 1}, {"unlabelled": 1})
    assert held.label("a", 1) == []
    assert held.record("b", at=2_001) == []
    if not is_swept:
        assert tally(held) == ({"unmatched": 1}, {"unlabelled": 1})
    # From now on they are new.
    assert held.label("b", 1)[0].batch.ids.tolist() == ["b"]
    assert held.record("a", at=2_002)[0].batch.ids.tolist() == ["a"]


def test_while_a_source_is_behind_nothing_is_given_up(held: Held) -> None:
    held.join.is_behind = True
    # Labels of many days come before their records, and the other way round.
    held.record("a", at=0)
    held.label("b", 1, at=900_000)
    held.record("c", at=800_000)
    held.save()
    assert held.record("b", at=850_000)[0].batch.ids.tolist() == ["b"]
    assert held.label("a", 2)[0].batch.ids.tolist() == ["a"]
    held.join.is_behind = False
    held.record("d", at=850_001)
    held.save()
    assert tally(held) == ({"joined": 2}, {"unlabelled": 1})


def test_a_label_s_time_moves_no_clock(held: Held) -> None:
    # Records of the past, produced anew: their labels have the broker's time.
    for number in range(20):
        held.record(str(number), at=number)
        if number:
            assert held.label(str(number - 1), 1, at=10**9)
    held.save()
    assert tally(held) == ({"joined": 19}, {})


def test_a_record_out_of_order_waits_from_when_it_came(held: Held) -> None:
    held.record("new", at=10**6)
    held.record("old", at=0)
    held.save()
    (joined,) = held.label("old", 3)
    assert joined.batch.timestamps.tolist() == [0]


def test_a_lookup_that_fails_changes_nothing(database: Database) -> None:
    held = Held(database, memory_records=1)
    for number in range(5):
        held.record(str(number), at=number)
    held.save()

    def fail(_ids: Sequence[str]) -> list[join_rows.JoinRow]:
        raise StoreUnavailable("away")

    held.join._lookup = fail
    before = held.join.state()
    with pytest.raises(StoreUnavailable):
        held.label("0", 1)
    with pytest.raises(StoreUnavailable):
        held.record("9", at=9)
    assert held.join.state() == before
    held.join._lookup = held._look_up
    assert held.label("0", 1)[0].batch.ids.tolist() == ["0"]


def test_a_restart_goes_on_with_what_was_saved(held: Held) -> None:
    held.record("a", at=1, said={"one": 2})
    held.label("b", 3, at=1)
    held.record("c", at=1)
    held.label("c", 1)
    held.save()
    held.record("lost", at=1)
    held.restart()
    (joined,) = held.label("a", 2)
    assert joined.predictions["one"].argmax(1).tolist() == [2]
    assert (joined.batch.x == 1).all()
    assert held.record("b", at=2)[0].batch.target.tolist() == [3]
    assert held.record("c", at=2) == []
    assert held.record("lost", at=1) == []
    assert tally(held) == ({"joined": 2}, {"duplicate": 1})


def test_a_record_keeps_its_weight_until_its_label_comes(held: Held) -> None:
    def come(ids: str, weight: list[float] | None) -> list[Joined]:
        new = batch(ids, [1] * len(ids))
        if weight is not None:
            new = replace(new, weight=np.array(weight, np.float32))
        return held.join.put(new, {}, at=NOW)

    held.label("d", 1, at=1)
    # What waits from before the field was named has none.
    assert come("ae", None) == []
    (joined,) = come("bcd", [0.1, 2, 3])
    assert joined.batch.weight is not None
    assert joined.batch.weight.tolist() == [3]
    held.save()
    held.restart()
    (joined,) = held.join.put_labels(labels("bac", [0, 1, 2], [2, 2, 2]))
    np.testing.assert_array_equal(joined.batch.weight, np.array([0.1, 1, 2], np.float32))
    assert joined.batch.weight is not None
    assert joined.batch.weight.dtype == np.float32
    assert held.label("e", 1)[0].batch.weight is None


def test_a_transaction_that_failed_is_tried_again(held: Held) -> None:
    held.record("a", at=1)

    def fail() -> None:
        with held.database.write() as connection:
            held.join.save(connection)
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="full"):
        fail()
    held.label("a", 1)
    held.save()
    assert held.join.held == {"waiting": 0, "early": 0, "met": 1}
    with held.database.read() as connection:
        assert join_rows.counts(connection, "s") == held.join.held


def test_memory_is_bounded_and_the_rest_is_looked_up(database: Database) -> None:
    held = Held(database, memory_records=10)
    for number in range(100):
        held.record(str(number), at=number)
    held.save()
    assert len(held.join._rows) == 10
    assert held.lookups == 0
    (joined,) = held.label("3", 1)
    assert joined.batch.timestamps.tolist() == [3]
    assert held.record("4", at=200) == []
    assert held.lookups == 2
    assert tally(held) == ({"joined": 1}, {"duplicate": 1})


def test_the_store_is_bounded_too_and_the_oldest_go_first(database: Database) -> None:
    held = Held(database, maximum_records=10)
    for number in range(25):
        held.record(str(number), at=number)
    held.save()
    assert held.join.held == {"waiting": 10, "early": 0, "met": 0}
    assert tally(held) == ({}, {"unlabelled": 15})
    assert held.label("14", 1) == []
    assert held.label("15", 1)[0].batch.ids.tolist() == ["15"]


Step = tuple[str, int, int, int]
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["record", "label", "save", "restart"]),
        st.integers(0, 5),
        st.integers(0, CLASSES - 1),
        st.integers(0, 30),
    ),
    max_size=60,
)


@given(steps=_STEPS, memory=st.integers(1, 6))
def test_it_does_as_a_table_of_ids_would(
    steps: list[Step], memory: int, empty_database: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Saves, restarts and a small memory change nothing, and nothing is lost at a restart that was
    saved right before."""
    path = tmp_path_factory.mktemp("join") / "adaptd.db"
    path.write_bytes(empty_database)
    database = Database.open(path)
    try:
        held = Held(database, wait_seconds=100, memory_records=memory)
        held.record("first", at=0)
        seen: dict[str, tuple[str, float, int]] = {}
        clock = 0.0
        expected: list[tuple[str, int]] = []
        got: list[tuple[str, int]] = []
        for number, (kind, key, target, ahead) in enumerate(steps):
            identity = str(key)
            if kind in ("save", "restart"):
                held.save()
                if kind == "restart":
                    held.restart()
                continue
            time = number * 5.0 + ahead
            if kind == "record":
                clock = max(clock, time)
            state, since, first = seen.get(identity, ("", 0.0, 0))
            if state and since < clock - 100:
                state = ""
            joined: list[Joined]
            if kind == "record":
                joined = held.record(identity, at=time)
                if not state:
                    seen[identity] = ("waiting", clock, 0)
                elif state == "early":
                    expected.append((identity, first))
                    seen[identity] = ("met", clock, first)
            else:
                joined = held.label(identity, target, at=time)
                if not state:
                    seen[identity] = ("early", clock, target)
                elif state == "waiting":
                    expected.append((identity, target))
                    seen[identity] = ("met", clock, target)
            got += [
                (str(one), int(of))
                for part in joined
                for one, of in zip(part.batch.ids, part.batch.target, strict=True)
            ]
        assert got == expected
        held.save()
        assert len(held.join._rows) <= memory
        with database.read() as connection:
            assert join_rows.counts(connection, "s") == held.join.held
    finally:
        database.close()

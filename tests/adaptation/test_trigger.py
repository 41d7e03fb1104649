import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.adaptation.trigger import KINDS, Kind, Trigger, TriggerQueue


def trigger(
    kind: Kind = "drift", *, stream: str = "pump", record: int = 200, since_record: int = 150
) -> Trigger:
    return Trigger(kind, stream, record, since_record, "loss")


@given(
    st.builds(
        Trigger,
        kind=st.sampled_from(KINDS),
        stream=st.text(),
        record=st.integers(0, 2**62),
        since_record=st.integers(0, 2**62),
        detail=st.text(),
    )
)
def test_trigger_survives_json(trigger: Trigger) -> None:
    assert Trigger.from_document(json.loads(json.dumps(trigger.to_document()))) == trigger


@pytest.mark.parametrize(
    "change",
    [{"schema_version": 2}, {"kind": "whim"}, {"record": None}, {"record": "many"}],
)
def test_document_that_is_no_trigger_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"schema_version|kind|not a trigger|invalid literal"):
        Trigger.from_document({**trigger().to_document(), **change})


@pytest.mark.parametrize("key", ["kind", "stream", "record", "since_record", "detail"])
def test_document_without_a_key_is_refused_by_name(key: str) -> None:
    document = trigger().to_document()
    del document[key]
    with pytest.raises(ValueError, match=key):
        Trigger.from_document(document)


def test_kind_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="whim"):
        Trigger("whim", "pump", 1, 1)  # type: ignore[arg-type]


def test_triggers_of_one_kind_become_one_since_the_earlier_start() -> None:
    queue = TriggerQueue()
    assert queue.put(trigger(record=200, since_record=150))
    assert not queue.put(trigger(record=500, since_record=400))
    assert queue.take("pump") == trigger(record=500, since_record=150)
    assert queue.take("pump") is None


def test_drift_is_taken_before_a_person_and_a_person_before_the_schedule() -> None:
    queue = TriggerQueue()
    for kind in ("schedule", "manual", "drift"):
        assert queue.put(trigger(kind))
    assert [waiting.kind for waiting in queue.waiting("pump")] == ["drift", "manual", "schedule"]
    taken = [queue.take("pump") for _ in range(4)]
    assert [one and one.kind for one in taken] == ["drift", "manual", "schedule", None]


def test_streams_do_not_see_each_other() -> None:
    queue = TriggerQueue()
    queue.put(trigger(stream="pump"))
    assert queue.put(trigger(stream="fan"))
    assert queue.waiting("valve") == []
    assert queue.take("valve") is None
    queue.forget_before("fan", record=10**6)
    assert queue.take("fan") is None
    assert queue.take("pump") == trigger(stream="pump")


def test_forgotten_triggers_are_gone() -> None:
    queue = TriggerQueue()
    queue.put(trigger("drift", since_record=40))
    queue.put(trigger("schedule", since_record=80))
    queue.forget_before("pump", record=40)
    assert len(queue.waiting("pump")) == 2
    queue.forget_before("pump", record=41)
    assert [one.kind for one in queue.waiting("pump")] == ["schedule"]
    assert queue.put(trigger("drift"))


def test_no_trigger_is_lost_or_taken_twice_between_threads() -> None:
    queue = TriggerQueue()
    taken: list[Trigger] = []
    new: list[bool] = []
    start = threading.Barrier(3)

    def put(offset: int) -> None:
        start.wait()
        new.extend(
            queue.put(trigger(stream=f"s{number % 5}", record=offset + number))
            for number in range(2_000)
        )

    def take() -> None:
        start.wait()
        for number in range(4_000):
            one = queue.take(f"s{number % 5}")
            if one is not None:
                taken.append(one)

    threads = [
        threading.Thread(target=put, args=(0,)),
        threading.Thread(target=put, args=(10_000,)),
        threading.Thread(target=take),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left = [one for number in range(5) for one in queue.waiting(f"s{number}")]
    # Each trigger that began to wait was taken once or still waits; the others merged into one.
    assert len(new) == 4_000
    assert len(taken) + len(left) == sum(new)

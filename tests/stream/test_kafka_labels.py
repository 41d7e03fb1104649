import time
from itertools import count

import numpy as np
import orjson
import pytest

from adaptd.clock import SystemClock
from adaptd.errors import SourceError
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_labels import KafkaLabels
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.labels import LabelPoll
from adaptd.stream.schema import Schema
from tests.brokers import PATIENCE_SECONDS, make_topic, produce

_TOPICS = (f"labels-test-{number}" for number in count())


def made(
    schema: Schema, address: str, topic: str, *, wait: float = PATIENCE_SECONDS
) -> KafkaLabels:
    return KafkaLabels(
        schema,
        KafkaTopic(
            Cluster((address,)),
            topic,
            group=f"{topic}-readers",
            clock=SystemClock(),
            topic_wait_seconds=wait,
            key="labels.topic",
        ),
        clock=SystemClock(),
    )


def collected(labels: KafkaLabels, messages: int) -> list[LabelPoll]:
    polls: list[LabelPoll] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(len(poll.labels) + len(poll.rejects) for poll in polls) < messages:
        assert time.monotonic() < deadline, f"only {polls} came"
        polls.append(labels.poll(maximum=7, records={}, are_records_over=False))
    return polls


def test_labels_come_with_their_times_and_the_rest_with_its_reason(
    kafka_broker: str, schema: Schema
) -> None:
    topic = next(_TOPICS)
    make_topic(kafka_broker, topic, partitions=2)
    sent = [
        orjson.dumps({"id": "a", "target": "rough", "time": 12.5}),
        orjson.dumps({"id": "b", "target": "calm"}),
        orjson.dumps({"id": "c", "target": "stormy"}),
        orjson.dumps({"id": "d"}),
    ]
    before = time.time()
    produce(kafka_broker, topic, [(number % 2, value) for number, value in enumerate(sent)])
    labels = made(schema, kafka_broker, topic)
    polls = collected(labels, 4)
    labels.close()
    found = {
        str(identity): (int(target), float(at))
        for poll in polls
        for identity, target, at in zip(
            poll.labels.ids, poll.labels.target, poll.labels.times, strict=True
        )
    }
    assert found.keys() == {"a", "b"}
    assert found["a"] == (schema.place_of("rough"), 12.5)
    assert found["b"][0] == schema.place_of("calm")
    # The broker's, in milliseconds.
    assert before - 1 <= found["b"][1] <= time.time() + 1
    reasons = {reject.payload: reject.reason for poll in polls for reject in poll.rejects}
    assert reasons == {sent[2]: "unknown-class", sent[3]: "missing-field"}
    positions = np.concatenate([poll.labels.positions for poll in polls])
    assert sorted(map(tuple, positions.tolist())) == [(0, 0), (1, 0)]


def test_a_seek_goes_on_behind_what_was_taken(kafka_broker: str, schema: Schema) -> None:
    topic = next(_TOPICS)
    make_topic(kafka_broker, topic)
    produce(
        kafka_broker,
        topic,
        [(0, orjson.dumps({"id": str(number), "target": "calm"})) for number in range(20)],
    )
    first = made(schema, kafka_broker, topic)
    polls = collected(first, 7)
    first.close()
    second = made(schema, kafka_broker, topic)
    second.seek(polls[-1].positions)
    after = [str(one) for poll in collected(second, 13) for one in poll.labels.ids]
    second.close()
    assert after == [str(number) for number in range(7, 20)]


def test_a_topic_that_is_not_there_is_named_with_its_key(kafka_broker: str, schema: Schema) -> None:
    labels = made(schema, kafka_broker, "labels-test-nowhere", wait=0)
    with pytest.raises(SourceError, match=r"labels-test-nowhere.*labels\.topic"):
        labels.poll(maximum=7, records={}, are_records_over=False)
    labels.close()

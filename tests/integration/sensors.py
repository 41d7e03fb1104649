"""A sensor that fills a topic in the background; what it measures drifts."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaProducer

from adaptd.stream.scenario import SCENARIOS, generate

SCENARIO = SCENARIOS["sampling-rate"]
DRIFT_AT = 1_600
# Among each hundred records.
POISON = b"{no record"


@contextmanager
def sensor(broker: str, records: str, labels: str | None = None) -> Iterator[None]:
    """Fills the topics until the block ends. labels: None for records with their labels."""
    stop = threading.Event()
    sending = threading.Thread(target=_send, args=(broker, records, labels, stop))
    sending.start()
    yield
    stop.set()
    sending.join()


def _send(broker: str, records: str, labels: str | None, stop: threading.Event) -> None:
    producer = KafkaProducer(bootstrap_servers=broker, acks="all")
    first, count = 0, 100
    waiting: list[bytes] = []
    while not stop.is_set():
        x, y = generate(SCENARIO, seed=0, first=first, count=count, drift_at=DRIFT_AT)
        for place, label in enumerate(y):
            identity = {"id": str(first + place)}
            target = {"target": SCENARIO.classes[label]}
            numbers = {"x": x[place].tolist()}
            if labels is None:
                producer.send(records, json.dumps({**identity, **numbers, **target}).encode())
            else:
                producer.send(records, json.dumps({**identity, **numbers}).encode())
                waiting.append(json.dumps({**identity, **target}).encode())
        producer.send(records, POISON)
        if labels is not None and len(waiting) > 300:
            due, waiting = waiting[:-300], waiting[-300:]
            for message in [*due[::-1], POISON]:
                producer.send(labels, message)
        producer.flush()
        first += count
        time.sleep(0.25)
    producer.close()

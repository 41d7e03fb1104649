"""Benchmark `ingest`: what the daemon's way with a record costs, beside a bare client's.

Records of 64 numbers as JSON in a real topic. The bare client polls, parses with orjson, and makes
one NumPy array a poll; ours polls, decodes and checks, predicts with an exported tabular network,
and observes, with every signal on. Both read the same records in turns, so that the machine's moods
hit both. Beside it, how fast a recorded Parquet file becomes batches, and whether memory grows with
the records.
"""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adaptd.clock import SystemClock
from adaptd.config import AlarmConfig
from adaptd.observer.live_signals import LiveSignals
from adaptd.observer.observer import Observer
from adaptd.observer.predictor import Predictor
from adaptd.space.export import export
from adaptd.space.network import build, initial_architecture
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.replay import ReplaySource
from adaptd.stream.schema import Schema, features_of
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.broker import admin, apache, jars_in, running

# Records in the topic, each read once a round by both; rounds; rows of the recorded file, which is
# read as often as it takes to come to the records of the last column.
_SCALES: dict[Scale, tuple[int, int, int, int]] = {
    "full": (60_000, 9, 200_000, 10_000_000),
    "quick": (30_000, 5, 100_000, 1_000_000),
    "smoke": (2_000, 2, 5_000, 10_000),
}
FEATURES = 64
CLASSES = 10
_POLL_RECORDS = 500
# A client that has come to the end has asked for more: the broker holds its answer back for half a
# second, and whoever reads anew meanwhile waits for it.
_LONGEST_FETCH_SECONDS = 0.6
_NAMES = tuple(f"class-{place}" for place in range(CLASSES))
_SCHEMA = Schema((FEATURES,), _NAMES, features_of(FEATURES))
_TOPIC = "ingest"

TARGET_RATIO = 0.75
TARGET_PARQUET = 300_000
# Share of its size that memory may grow by over all records of the file.
TARGET_GROWTH = 0.05


def run(settings: Settings) -> Outcome:
    """Raises MissingDataError where there is no Kafka to start."""
    records, rounds, rows, replayed = _SCALES[settings.scale]
    jars = jars_in(settings.data)
    with TemporaryDirectory(prefix="adaptd-ingest-") as folder:
        directory = Path(folder)
        predictor = _champion(directory / "champion")
        with _filled_topic(jars, directory / "kafka", records) as address:
            rates = _both(address, records, rounds, predictor)
        parquet, growth = _replay(directory / "stream.parquet", rows, replayed)
    ratio = median(ours / bare for ours, bare in zip(rates["adaptd"], rates["bare"], strict=True))
    document = {
        "kafka_ratio_to_bare_client": ratio,
        "kafka_records_per_second": {name: median(of) for name, of in rates.items()},
        "kafka_rounds": {name: [round(rate) for rate in of] for name, of in rates.items()},
        "parquet_records_per_second": parquet,
        "memory_growth_over_records": {"records": replayed, "share": growth},
        "targets": {
            "kafka_ratio_to_bare_client": [TARGET_RATIO, ratio >= TARGET_RATIO],
            "parquet_records_per_second": [TARGET_PARQUET, parquet >= TARGET_PARQUET],
            "memory_growth": [TARGET_GROWTH, growth <= TARGET_GROWTH],
        },
    }
    return Outcome(document, partial(_draw, document=document))


def _champion(directory: Path) -> Predictor:
    architecture = initial_architecture(
        "adaptd.space.tabular:network", {"features": FEATURES, "classes": CLASSES}
    )
    export(build(architecture, seed=0), architecture, _SCHEMA.contract(), directory)
    return Predictor.load(directory, _SCHEMA.contract())


@contextmanager
def _filled_topic(jars: Path, directory: Path, records: int) -> Iterator[str]:
    """Address of a broker whose topic holds so many records."""
    directory.mkdir()
    with running(apache(jars, directory)) as broker:
        client = admin(broker.address)
        client.create_topics([NewTopic(_TOPIC, num_partitions=1, replication_factor=1)])
        client.close()
        producer = KafkaProducer(bootstrap_servers=broker.address, linger_ms=20)
        randomness = np.random.default_rng(0)
        for number in range(records):
            value = orjson.dumps(
                {
                    "id": f"r{number}",
                    "x": randomness.normal(size=FEATURES).tolist(),
                    "target": _SCHEMA.classes[number % CLASSES],
                    "time": 1.7e9 + number,
                }
            )
            producer.send(_TOPIC, value)
        producer.flush()
        producer.close()
        yield broker.address


def _both(address: str, records: int, rounds: int, predictor: Predictor) -> dict[str, list[float]]:
    """Records a second of each, round by round; `learning`: ours while signals learn."""
    consumer = KafkaConsumer(
        bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    partition = TopicPartition(_TOPIC, 0)
    consumer.assign([partition])
    source = KafkaSource(
        _SCHEMA,
        KafkaTopic(Cluster((address,)), _TOPIC, group="ingest", clock=SystemClock()),
        clock=SystemClock(),
    )

    def bare() -> None:
        consumer.seek(partition, 0)
        read = 0
        while read < records:
            polled = consumer.poll(timeout_ms=500, max_records=_POLL_RECORDS)
            for of_partition in polled.values():
                x = [orjson.loads(record.value)["x"] for record in of_partition]
                read += len(np.array(x, np.float32))

    # One for all rounds: the first, which does not count, is when signals learn what is ordinary.
    contract, alarm = _SCHEMA.contract(), AlarmConfig()
    observer = Observer(
        stream="ingest", contract=contract, alarm=alarm, signals=LiveSignals(contract, alarm)
    )
    observer.reset("0" * 64)
    seen = 0

    def ours() -> None:
        nonlocal seen
        source.seek({0: 0})
        read = 0
        while read < records:
            batch = source.poll(maximum=_POLL_RECORDS, timeout_seconds=0.5).batch
            if len(batch):
                probabilities = predictor.predict(batch.x)
                taken = 0
                while taken < len(batch):
                    rest = slice(taken, None)
                    taken += observer.see(
                        seen + taken, batch.x[rest], probabilities[rest], batch.timestamps[rest]
                    ).taken
                observer.observe(
                    batch, first_record=seen, probabilities=probabilities, at=datetime.now(UTC)
                )
                read += len(batch)
                seen += len(batch)

    rates: dict[str, list[float]] = {"bare": [], "adaptd": []}
    try:
        # Connections, caches and the broker's pages are warm before it counts.
        bare()
        rates["learning"] = [records / _seconds(ours)]
        for number in range(rounds):
            turns = [("bare", bare), ("adaptd", ours)]
            for name, read in turns if number % 2 else reversed(turns):
                rates[name].append(records / _seconds(read))
    finally:
        source.close()
        consumer.close()
    return rates


def _replay(path: Path, rows: int, records: int) -> tuple[float, float]:
    """Records a second into batches, and by which share memory grew over so many of them."""
    randomness = np.random.default_rng(0)
    columns = {
        f"x{place}": pa.array(randomness.normal(size=rows).astype(np.float32))
        for place in range(FEATURES)
    }
    target = pa.array(randomness.integers(0, CLASSES, rows).astype(np.int16))
    pq.write_table(pa.table({**columns, "target": target}), path)
    # Classes by their place, as recordings have them.
    read, seconds, first = 0, 0.0, 0
    while read < records:
        source = ReplaySource(path, _SCHEMA)
        started = time.perf_counter()
        is_over = False
        while not is_over:
            poll = source.poll(maximum=4_096, timeout_seconds=0)
            read += len(poll.batch)
            is_over = poll.is_exhausted
        seconds += time.perf_counter() - started
        source.close()
        first = first or _peak_bytes()
    return read / seconds, _peak_bytes() / first - 1


def _seconds(read: Callable[[], None]) -> float:
    time.sleep(_LONGEST_FETCH_SECONDS)
    started = time.perf_counter()
    read()
    return time.perf_counter() - started


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


def _draw(path: Path, *, document: dict[str, Any]) -> None:
    figure = Figure(figsize=(6, 3), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, rates in document["kafka_rounds"].items():
        if name == "learning":
            continue
        axes.plot(range(1, len(rates) + 1), rates, marker="o", label=name)
    axes.set(xlabel="round", ylabel="records a second", ylim=(0, None))
    axes.set_title(f"{document['kafka_ratio_to_bare_client']:.2f} of a bare client")
    axes.legend()
    figure.savefig(path)

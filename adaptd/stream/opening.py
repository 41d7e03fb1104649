"""From a stream's configuration to its source."""

from collections.abc import Callable
from dataclasses import replace

from adaptd.clock import Clock
from adaptd.config import (
    KafkaSourceConfig,
    PaceConfig,
    ReplaySourceConfig,
    ScenarioSourceConfig,
    StreamConfig,
)
from adaptd.errors import SourceError
from adaptd.stream.advisory_commits import Commits
from adaptd.stream.delayed_labels import DelayedLabels
from adaptd.stream.formats.opening import open_formats
from adaptd.stream.kafka import KafkaSource
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.kafka_labels import KafkaLabels
from adaptd.stream.kafka_topic import KafkaTopic
from adaptd.stream.labels import LabelSource
from adaptd.stream.pace import Paced
from adaptd.stream.replay import ReplaySource
from adaptd.stream.scenario import SCENARIOS
from adaptd.stream.scenario_source import ScenarioSource
from adaptd.stream.schema import Schema
from adaptd.stream.source import Source
from adaptd.stream.timed import Timed

# From a topic to how its positions are committed.
CommitsOf = Callable[[str], Commits]


def open_source(
    config: StreamConfig, *, clock: Clock, commits_of: CommitsOf | None = None
) -> Source:
    """The source that the configuration names, at its earliest record. Does not wait for a broker.

    commits_of: for topics of a group that has members; None: it has none.
    Raises SourceError if it can never be read as configured: no such file, no such column, or a
    record description that is not the scenario's.
    """
    schema = schema_of(config)
    match config.source:
        case ScenarioSourceConfig() as source:
            opened: Source = ScenarioSource(
                SCENARIOS[source.scenario],
                seed=source.seed,
                drift_at=source.drift_at,
                records=source.records,
            )
            return _paced(opened, source.pace, clock)
        case ReplaySourceConfig() as source:
            opened = ReplaySource(
                source.path,
                schema,
                is_followed=source.follow,
                needs_times=source.pace.speed is not None,
            )
            return _paced(opened, source.pace, clock)
        case KafkaSourceConfig() as source:
            return KafkaSource(
                schema,
                KafkaTopic(
                    cluster_of(source),
                    source.topic,
                    group=source.group,
                    clock=clock,
                    commits=commits_of and commits_of(source.topic),
                    partition_wait_seconds=source.partition_wait_seconds,
                ),
                clock=clock,
                has_targets=config.labels is None,
                maximum_ahead_seconds=_maximum_ahead_seconds(config),
            )


def open_labels(
    config: StreamConfig, *, clock: Clock, commits_of: CommitsOf | None = None
) -> LabelSource | None:
    """Where the labels come from that are not in the records; None for a stream without such.

    commits_of: as of `open_source`.
    """
    if config.labels is None:
        return None
    if isinstance(config.source, KafkaSourceConfig):
        name = config.labels.topic or ""
        topic = KafkaTopic(
            cluster_of(config.source),
            name,
            group=config.source.group,
            clock=clock,
            commits=commits_of and commits_of(name),
            partition_wait_seconds=config.source.partition_wait_seconds,
            key="labels.topic",
        )
        return KafkaLabels(
            schema_of(config),
            topic,
            clock=clock,
            maximum_ahead_seconds=_maximum_ahead_seconds(config),
        )
    # The stream once more, as fast as it is read: it is held to the pace of the records anyway.
    unpaced = config.source.model_copy(update={"pace": PaceConfig()})
    source = open_source(config.model_copy(update={"source": unpaced}), clock=clock)
    return DelayedLabels(source, delay_records=config.labels.delay_records or 1)


def cluster_of(source: KafkaSourceConfig) -> Cluster:
    """The cluster that a source's topic is in. Nothing is connected."""
    return Cluster(source.bootstrap_servers, tls=source.tls, sasl=source.sasl)


def schema_of(config: StreamConfig) -> Schema:
    """What the stream's records look like; of files only an Avro schema is read.

    Raises SourceError for a record description that is not the scenario's, or an Avro schema that
    does not suit it.
    """
    if isinstance(config.source, ScenarioSourceConfig):
        schema = SCENARIOS[config.source.scenario].schema
        if config.record is not None and Schema.of(config.record) != schema:
            raise SourceError(
                f"stream {config.name}: record describes other records than scenario "
                f"{config.source.scenario} gives (shape {list(schema.shape)}, classes "
                f"{', '.join(schema.classes)}). Leave record out."
            )
        return schema
    if config.record is None:
        raise SourceError(f"stream {config.name}: record (shape and classes) is needed")
    messages, labels = open_formats(config.record)
    return replace(Schema.of(config.record), format=messages, labels_format=labels)


def _maximum_ahead_seconds(config: StreamConfig) -> float | None:
    return None if config.record is None else config.record.maximum_ahead_seconds


def _paced(source: Source, pace: PaceConfig, clock: Clock) -> Source:
    if pace.speed is not None:
        return Timed(source, speed=pace.speed, from_record=pace.from_record, clock=clock)
    if pace.records_per_second is None:
        return source
    return Paced(
        source,
        records_per_second=pace.records_per_second,
        from_record=pace.from_record,
        clock=clock,
    )

"""The configuration tree. Every key has its unit and its reason in its description."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.alarm import AlarmConfig
from adaptd.config.delivery import PublishConfig, RejectConfig
from adaptd.config.episode import EpisodeConfig, TrialConfig
from adaptd.config.fault import at_key, at_variance
from adaptd.config.labels import LabelsConfig
from adaptd.config.members import MembersConfig
from adaptd.config.process import LogConfig, MetricsConfig, ServerConfig
from adaptd.config.record import RecordConfig
from adaptd.config.schedule import ScheduleConfig
from adaptd.config.section import Section
from adaptd.config.source import KafkaSourceConfig, ScenarioSourceConfig, SourceConfig
from adaptd.config.store import StoreConfig
from adaptd.config.topics import Topical, fault_of, topic_keys, topics_of
from adaptd.config.triggers import TriggersConfig
from adaptd.config.watch import WatchConfig
from adaptd.config.workers import WorkersConfig

# A depthwise kernel with an odd number of taps, so that it has a middle, and a dilation of at least
# 1; or another operation: a name, then numbers each behind a letter. Without leading zeros, so that
# an operation has one text. Whether there is one of that name shows when the model is built.
_DEPTHWISE = re.compile(r"dw k(?:[1-9][0-9]*)?[13579] d[1-9][0-9]*")
_OTHER = re.compile(r"(?!dw\b)[a-z][a-z0-9-]*( [a-z][1-9][0-9]*)*")

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Setting = bool | int | float | str


class ModelConfig(Section):
    """The architecture of release 1."""

    network: str | None = Field(
        default=None,
        pattern=r"^[\w.]+:\w+$",
        description="factory; None: adaptd's own for tables [features], sequences [channels, "
        "length] or images [channels, height, width]",
    )
    settings: dict[str, Setting] = Field(
        default={},
        description="passed to the factory beside classes and in_channels, or features for a table",
    )
    operation: str | None = Field(
        default=None,
        description="the operation on every edge; None: what the factory puts there, in adaptd's "
        "own network for the shape `dw k5 d1`, and `linear` over tables",
    )
    weights: Path | None = Field(
        default=None,
        description="of release 1: safetensors, or .pt as torch.save(network.state_dict()) writes "
        "it; None: it is trained on the first window",
    )

    @field_validator("operation")
    @classmethod
    def _is_operation(cls, operation: str | None) -> str | None:
        if operation is not None and not any(
            form.fullmatch(operation) for form in (_DEPTHWISE, _OTHER)
        ):
            raise ValueError(
                "expected 'dw k<odd number of taps> d<dilation>' such as 'dw k5 d1', or another "
                "operation such as 'linear' or 'lowrank r8'"
            )
        return operation


class InitialConfig(Section):
    """How release 1 is trained at first start."""

    records: int = Field(default=2_000, ge=100, description="the first window")
    steps: int = Field(default=600, ge=1, description="optimiser steps of 64 records")
    wall_seconds: float = Field(default=600, gt=0, description="the worker is killed after it")


class TrainingConfig(Section):
    """Where networks are trained; predictions are always the processor's."""

    device: str | None = Field(
        default=None,
        pattern=r"^(cpu|cuda(:[0-9]+)?)$",
        description="cpu, cuda, or cuda:1; None: CUDA where there is some that works, else cpu. "
        "The same seed gives the very same networks on cpu only",
    )


class ApprovalConfig(Section):
    """Who decides."""

    policy: Literal["operator", "automatic"] = Field(
        default="operator",
        description="automatic approves every proposal and signs as policy:automatic",
    )
    expires_records: int = Field(
        default=100_000, ge=1, description="records after which an undecided proposal expires"
    )
    maximum_forgetting_points: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="what forgets more of an old concept (in percentage points), or of which that "
        "cannot be measured, waits for a person whatever the policy. None: no limit",
    )


class CheckpointConfig(Section):
    """How often state and positions are written, together: what a kill costs is this much
    predicting again. Alarms, releases and a stop write at once."""

    seconds: float = Field(default=1.0, gt=0, description="at the latest")
    records: int = Field(default=20_000, ge=1, description="or after so many")


def _users_of(topic: str, source: KafkaSourceConfig, info: ValidationInfo) -> Iterator[str]:
    """Keys of the stream, as far as it is checked, that name the topic too."""
    if topic == source.topic:
        yield "source.topic"
    for name in ("publish", "rejects"):
        if (section := info.data.get(name)) is not None:
            of_section = topics_of(section, source.topic)
            yield from (f"{name}.{key}" for key, other in of_section.items() if other == topic)


class StreamConfig(Section):
    """One stream: its source, its model, and how the model is kept fitting.

    A section stands below those that it is checked against.
    """

    name: Name
    initial: InitialConfig = InitialConfig()
    source: SourceConfig
    record: RecordConfig | None = Field(default=None, validate_default=True)
    model: ModelConfig = ModelConfig()
    alarm: AlarmConfig = AlarmConfig()
    training: TrainingConfig = TrainingConfig()
    episode: EpisodeConfig = EpisodeConfig()
    trial: TrialConfig = TrialConfig()
    approval: ApprovalConfig = ApprovalConfig()
    watch: WatchConfig = WatchConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    triggers: TriggersConfig = TriggersConfig()
    publish: PublishConfig = Field(default=PublishConfig(), validate_default=True)
    rejects: RejectConfig = Field(default=RejectConfig(), validate_default=True)
    labels: LabelsConfig | None = Field(
        default=None, description="None: a record's class stands in the record"
    )
    checkpoint: CheckpointConfig = CheckpointConfig()
    window_records: int = Field(
        default=6_000,
        ge=100,
        validate_default=True,
        description="latest labelled records that are kept",
    )

    @field_validator("source")
    @classmethod
    def _holds_first_window(cls, source: SourceConfig, info: ValidationInfo) -> SourceConfig:
        initial = info.data.get("initial")
        if isinstance(source, ScenarioSourceConfig) and initial is not None:
            records = source.records
            if records is not None and records < initial.records:
                raise at_key("records", records, at_variance("initial.records", initial.records))
        return source

    @field_validator("source")
    @classmethod
    def _has_a_legal_topic(cls, source: SourceConfig) -> SourceConfig:
        if source.kind == "kafka" and (fault := fault_of(source.topic)) is not None:
            raise at_key("topic", source.topic, fault)
        return source

    @field_validator("record")
    @classmethod
    def _is_given(cls, record: RecordConfig | None, info: ValidationInfo) -> RecordConfig | None:
        source = info.data.get("source")
        if record is None and source is not None and source.kind != "scenario":
            raise ValueError(f"a {source.kind} source needs it (shape and classes)")
        if record is None or source is None or source.kind == "kafka":
            return record
        if record.format != "json":
            raise at_key(
                "format",
                record.format,
                f"only a kafka source has messages of another format, this one is of kind "
                f"{source.kind}; leave it out",
            )
        return record

    @field_validator("publish", "rejects")
    @classmethod
    def _suits_source(cls, section: Topical, info: ValidationInfo) -> Topical:
        source = info.data.get("source")
        if source is None:
            return section
        if source.kind != "kafka":
            for key in topic_keys(section):
                if (topic := getattr(section, key)) is not None:
                    raise at_key(
                        key,
                        topic,
                        f"only a kafka source has other topics, this one is of kind {source.kind}; "
                        "leave it out",
                    )
            return section
        for key, topic in topics_of(section, source.topic).items():
            fault, own = fault_of(topic), getattr(section, key)
            if fault is not None and own is None:
                fault += f"; where none is named it is {topic!r}, which is none"
            if topic == source.topic:
                fault = "the records are read from there (source.topic): name another topic"
            if fault is not None:
                raise at_key(key, own, fault)
        return section

    @field_validator("labels")
    @classmethod
    def _come_from_somewhere(
        cls, labels: LabelsConfig | None, info: ValidationInfo
    ) -> LabelsConfig | None:
        source = info.data.get("source")
        if labels is None or source is None:
            return labels
        if source.kind == "kafka":
            if labels.topic is None:
                raise ValueError("topic is needed for a kafka source")
            if labels.delay_records is not None:
                raise at_key(
                    "delay_records", labels.delay_records, "labels of a topic come when they come"
                )
            if (fault := fault_of(labels.topic)) is not None:
                raise at_key("topic", labels.topic, fault)
            for other in _users_of(labels.topic, source, info):
                raise at_key("topic", labels.topic, f"{other} is the same: name another topic")
            return labels
        if labels.topic is not None:
            raise at_key(
                "topic", labels.topic, f"only a kafka source has one, this is a {source.kind}"
            )
        if labels.delay_records is None:
            raise ValueError(f"delay_records is needed for a {source.kind} source")
        return labels

    @field_validator("window_records")
    @classmethod
    def _holds_training(cls, window_records: int, info: ValidationInfo) -> int:
        for name in ("initial", "episode"):
            section = info.data.get(name)
            if section is not None and window_records < section.records:
                raise at_variance(f"{name}.records", section.records)
        alarm, episode = info.data.get("alarm"), info.data.get("episode")
        if alarm is None or episode is None:
            return window_records
        has_signals = window_records >= alarm.reference_blocks * alarm.block_records
        if "outages" not in alarm.signals or not has_signals:
            return window_records
        # Of the last two blocks it is not known yet whether a sensor is broken.
        least = episode.minimum_records + 2 * alarm.block_records
        if window_records < least:
            raise ValueError(
                f"expected at least {least}, which is episode.minimum_records beside two blocks "
                f"(alarm.block_records) that are not learnt from yet"
            )
        return window_records


class Config(Section):
    """The whole configuration of one daemon."""

    schema_version: Literal[1] = 1
    state_directory: Path
    store: StoreConfig = StoreConfig()
    seed: int = Field(default=0, ge=0, description="root of all randomness")
    streams: tuple[StreamConfig, ...] = Field(min_length=1)
    workers: WorkersConfig = WorkersConfig()
    members: MembersConfig | None = Field(
        default=None, description="None: this process is alone with its store"
    )
    server: ServerConfig = ServerConfig()
    metrics: MetricsConfig = Field(default=MetricsConfig(), validate_default=True)
    log: LogConfig = LogConfig()

    @field_validator("metrics")
    @classmethod
    def _has_a_port_of_its_own(cls, metrics: MetricsConfig, info: ValidationInfo) -> MetricsConfig:
        server = info.data.get("server")
        if server is not None and server.enabled and 0 < server.port == metrics.port:
            raise at_key("port", metrics.port, "server.port is the same: name another port")
        return metrics

    @field_validator("members")
    @classmethod
    def _share_topics(
        cls, members: MembersConfig | None, info: ValidationInfo
    ) -> MembersConfig | None:
        for number, stream in enumerate(info.data.get("streams", ()) if members else ()):
            if stream.source.kind != "kafka":
                raise ValueError(
                    f"only kafka sources can be shared, streams.{number} is of kind "
                    f"{stream.source.kind}; leave members out"
                )
        return members

    @field_validator("streams")
    @classmethod
    def _differ(cls, streams: tuple[StreamConfig, ...]) -> tuple[StreamConfig, ...]:
        names = [stream.name for stream in streams]
        for number, name in enumerate(names):
            first = names.index(name)
            if first < number:
                raise at_key(
                    f"{number}.name", name, f"stream names must differ, streams.{first} has it too"
                )
        return streams

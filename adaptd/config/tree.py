"""The configuration tree. Every key has its unit and its reason in its description."""

import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.fault import at_key, at_variance
from adaptd.config.labels import LabelsConfig
from adaptd.config.members import MembersConfig
from adaptd.config.record import RecordConfig
from adaptd.config.schedule import ScheduleConfig
from adaptd.config.section import Section
from adaptd.config.source import ScenarioSourceConfig, SourceConfig
from adaptd.config.store import StoreConfig
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
        description="the operation on every edge; None: `dw k5 d1`, and `linear` over tables",
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


SignalGroup = Literal[
    "outages", "inputs", "outputs", "classes", "errors", "errors-of-classes", "calibration"
]
# The detectors of river that there are, see `adaptd.drift.river_detectors`.
DetectorName = Literal["adwin", "page-hinkley", "hddm-a", "hddm-w", "ddm", "eddm", "fhddm", "kswin"]


class AlarmConfig(Section):
    """When a drift is called.

    The loss is always watched, by `detector`; beside it the signals, each with its part of the
    budget `per_day`. They have to learn first what is ordinary: `reference_blocks` after the start,
    and after every release. A stream whose `window_records` are fewer has the loss alone.
    """

    block_records: int = Field(
        default=32, ge=8, description="records a block; detectors see blocks, never polls"
    )
    delta: float = Field(
        default=0.002, gt=0, lt=1, description="ADWIN's confidence; smaller alarms later and less"
    )
    warm_up_blocks: int = Field(
        default=10, ge=0, description="blocks after a release in which the loss raises no alarm"
    )
    detector: DetectorName = Field(
        default="adwin",
        description="adwin: on the loss of blocks, with delta; others: river's, on the errors of "
        "records, as river sets them",
    )
    signals: tuple[SignalGroup, ...] = Field(
        default=get_args(SignalGroup),
        description="what is watched beside the loss: without labels outages (a broken channel), "
        "inputs (moments, deciles, components, bands) and outputs (confidence, entropy, predicted "
        "classes); with labels classes (their shares), errors, errors-of-classes and calibration",
    )
    per_day: float = Field(
        default=1.0,
        gt=0,
        description="false alarms that all signals together may raise a day of event time, on "
        "average; of a stream without times that increase a day is 86,400 records",
    )
    reference_blocks: int = Field(
        default=160,
        ge=20,
        description="blocks after a release from which signals learn what is ordinary, the first "
        "quarter, and against which they compare, the rest; until then they raise no alarm",
    )
    stride_blocks: int = Field(
        default=16,
        ge=1,
        description="one block in so many is read while no signal is suspicious, all of them from "
        "then on; 1: every block, at several milliseconds each",
    )
    settle_blocks: int = Field(
        default=8,
        ge=1,
        description="blocks of labelled records since an unlabelled alarm from which it is "
        "diagnosed, and an episode may begin",
    )


class EpisodeConfig(Section):
    """The budget of one adaptation, the same for every remedy."""

    minimum_records: int = Field(
        default=400,
        ge=1,
        description="a reopening needs at least so many in all, and 40 times the number of classes",
    )
    records: int = Field(
        default=1_500,
        ge=100,
        validate_default=True,
        description="labelled records after the drift that remedies train on",
    )
    steps: int = Field(default=800, ge=20, description="optimiser steps of 64 records, per remedy")
    wall_seconds: float = Field(default=1_800, gt=0, description="the worker is killed after it")
    good_enough_points: float | None = Field(
        default=2.0,
        ge=0,
        le=100,
        description="after a drift, new weights that come so near to the accuracy before it (in "
        "percentage points) are enough: no architecture is searched. None: always search, at once",
    )
    macs_ratio: float = Field(
        default=1.1,
        ge=1,
        description="multiply-accumulates of any challenger over those of release 1",
    )
    replayable: int = Field(
        default=20,
        ge=0,
        description="latest episodes whose records of training and of trials are kept, so that "
        "`adaptd replay` can run them again; takes disk for so many times that many records",
    )

    @field_validator("records")
    @classmethod
    def _holds_minimum(cls, records: int, info: ValidationInfo) -> int:
        minimum = info.data.get("minimum_records", records)
        if records < minimum:
            raise at_variance("episode.minimum_records", minimum)
        return records


class TrainingConfig(Section):
    """Where networks are trained; predictions are always the processor's."""

    device: str | None = Field(
        default=None,
        pattern=r"^(cpu|cuda(:[0-9]+)?)$",
        description="cpu, cuda, or cuda:1; None: CUDA where there is some that works, else cpu. "
        "The same seed gives the very same networks on cpu only",
    )


class TrialConfig(Section):
    """The evidence a challenger needs, on records later than all training."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="bound on the chance that this stream ever proposes a challenger that is not "
        "better: its n-th trial spends 1 / (n (n + 1)) of it, so a half, a sixth, a twelfth, …",
    )
    minimum_records: int = Field(
        default=400,
        ge=1,
        description="seen before a proposal is made; it takes some, too, to tell how far "
        "consecutive records resemble each other",
    )
    maximum_records: int = Field(
        default=6_000,
        ge=1,
        validate_default=True,
        description="after them without evidence: inconclusive",
    )

    @field_validator("maximum_records")
    @classmethod
    def _holds_minimum(cls, maximum: int, info: ValidationInfo) -> int:
        minimum = info.data.get("minimum_records", maximum)
        if maximum < minimum:
            raise at_variance("trial.minimum_records", minimum)
        return maximum


class ApprovalConfig(Section):
    """Who decides."""

    policy: Literal["operator", "automatic"] = Field(
        default="operator",
        description="automatic approves every proposal and signs as policy:automatic",
    )
    expires_records: int = Field(
        default=100_000, ge=1, description="records after which an undecided proposal expires"
    )


class PublishConfig(Section):
    """Where events go, for Kafka: a topic for each kind. Others go to a file."""

    topic: str | None = Field(
        default=None, description="of release events; None: <source topic>.releases"
    )
    drift_topic: str | None = Field(
        default=None, description="of drift alarms; None: <source topic>.drift"
    )
    proposals_topic: str | None = Field(
        default=None,
        description="of proposals and what becomes of them; None: <source topic>.proposals",
    )
    watches_topic: str | None = Field(
        default=None,
        description="of watches over fresh releases and how they end; None: <source topic>.watches",
    )


class RejectConfig(Section):
    """What becomes of records that do not fit the schema. Each is counted by its reason and set
    aside with its bytes: in a topic, or in a file of the state directory."""

    topic: str | None = Field(
        default=None,
        description="Kafka topic they are sent to, for Kafka; None: <source topic>.dead-letters",
    )
    maximum_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="more bad ones among the latest stop the stream: then the schema is wrong",
    )
    window_records: int = Field(default=1_000, ge=1, description="how many the latest are")


class CheckpointConfig(Section):
    """How often state and positions are written, together: what a kill costs is this much
    predicting again. Alarms, releases and a stop write at once."""

    seconds: float = Field(default=1.0, gt=0, description="at the latest")
    records: int = Field(default=20_000, ge=1, description="or after so many")


Topical = PublishConfig | RejectConfig


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
    publish: PublishConfig = PublishConfig()
    rejects: RejectConfig = RejectConfig()
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
    def _has_broker(cls, section: Topical, info: ValidationInfo) -> Topical:
        source = info.data.get("source")
        if source is None or source.kind == "kafka":
            return section
        for key in ("topic", "drift_topic", "proposals_topic", "watches_topic"):
            topic = getattr(section, key, None)
            if topic is not None:
                raise at_key(
                    key,
                    topic,
                    f"only a kafka source has other topics, this one is of kind {source.kind}; "
                    "leave it out",
                )
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
        return window_records


class HttpConfig(Section):
    """Where a process listens. Loopback only, until the server has sign-in."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535, description="0: any free port, written to the log")


class ServerConfig(HttpConfig):
    """API and operator page."""

    enabled: bool = True
    port: int = Field(default=8_080, ge=0, le=65_535)

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        if host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("a loopback address, since the operator page has no sign-in yet")
        return host


class MetricsConfig(HttpConfig):
    """/metrics, /healthz and /readyz of the daemon. Read-only, so it may listen beyond loopback."""

    port: int = Field(default=9_464, ge=0, le=65_535)


class LogConfig(Section):
    """What is logged to standard error, and for whom: a person or a log collector."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


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
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()

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

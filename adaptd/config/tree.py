"""The configuration tree. Every key has its unit and its reason in its description."""

from pathlib import Path
from typing import Annotated, Literal

from apscheduler.triggers.cron import CronTrigger
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Setting = bool | int | float | str


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PaceConfig(_Section):
    """How fast a recorded or generated stream is let through."""

    records_per_second: float | None = Field(
        default=None, gt=0, description="None lets records through as fast as they are read"
    )


class ScenarioSourceConfig(_Section):
    """A generated stream with a known drift."""

    kind: Literal["scenario"]
    scenario: Literal["lag-shift", "sampling-rate"] = "lag-shift"
    seed: int = Field(default=0, ge=0)
    drift_at: int = Field(
        default=4_000, ge=0, description="number of the first record of the new concept"
    )
    records: int | None = Field(
        default=None, gt=0, description="where the stream ends; None: never"
    )
    pace: PaceConfig = PaceConfig()


class ReplaySourceConfig(_Section):
    """A recorded stream: a Parquet or CSV file with columns x0 … xn and target."""

    kind: Literal["replay"]
    path: Path
    pace: PaceConfig = PaceConfig()


class KafkaSourceConfig(_Section):
    """A topic of JSON records: {"id": …, "x": nested array of the record's shape, "target":
    class}."""

    kind: Literal["kafka"]
    bootstrap_servers: tuple[str, ...] = Field(min_length=1)
    topic: str = Field(min_length=1)
    group: str = Field(default="adaptd", min_length=1)


SourceConfig = Annotated[
    ScenarioSourceConfig | ReplaySourceConfig | KafkaSourceConfig, Field(discriminator="kind")
]


class RecordConfig(_Section):
    """What a record looks like. Scenarios know theirs, so it may be left out for them."""

    shape: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        min_length=1, description="of one record, without the batch axis: (channels, length)"
    )
    classes: tuple[str, ...] = Field(min_length=2, description="class names, in the model's order")
    features: tuple[str, ...] | None = Field(
        default=None, description="names of the channels; None: x0, x1, …"
    )

    @model_validator(mode="after")
    def _check(self) -> "RecordConfig":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("class names must differ from each other")
        if self.features is not None and len(self.features) != self.shape[0]:
            raise ValueError(
                f"features must name the {self.shape[0]} channels of shape {list(self.shape)}"
            )
        return self


class ModelConfig(_Section):
    """The architecture of release 1."""

    network: str = Field(default="adaptd.space.sequence:convnet", pattern=r"^[\w.]+:\w+$")
    settings: dict[str, Setting] = Field(
        default={}, description="passed to the factory beside in_channels and classes"
    )
    operation: str = Field(default="dw k5 d1", description="the operation on every edge")


class InitialConfig(_Section):
    """How release 1 is trained at first start."""

    records: int = Field(default=2_000, ge=100, description="the first window")
    steps: int = Field(default=600, ge=1, description="optimiser steps of 64 records")
    wall_seconds: float = Field(default=600, gt=0, description="the worker is killed after it")


class AlarmConfig(_Section):
    """When a drift is called."""

    block_records: int = Field(
        default=32, ge=8, description="records a block; detectors see blocks, never polls"
    )
    delta: float = Field(
        default=0.002, gt=0, lt=1, description="ADWIN's confidence; smaller alarms later and less"
    )
    warm_up_blocks: int = Field(
        default=10, ge=0, description="blocks after a release that raise no alarm"
    )


class EpisodeConfig(_Section):
    """The budget of one adaptation, the same for every remedy."""

    records: int = Field(
        default=1_500, ge=100, description="labelled records after the drift that remedies train on"
    )
    minimum_records: int = Field(
        default=400,
        ge=1,
        description="a reopening needs at least the larger of this and 40 records for each class",
    )
    steps: int = Field(default=800, ge=20, description="optimiser steps of 64 records, per remedy")
    wall_seconds: float = Field(default=1_800, gt=0, description="the worker is killed after it")
    macs_ratio: float = Field(
        default=1.1,
        ge=1,
        description="multiply-accumulates of any challenger over those of release 1",
    )


class TrialConfig(_Section):
    """The evidence a challenger needs, on records later than all training."""

    alpha: float = Field(
        default=0.05, gt=0, lt=1, description="bound on the chance of proposing a worse challenger"
    )
    minimum_records: int = Field(default=400, ge=1, description="seen before a proposal is made")
    maximum_records: int = Field(
        default=6_000, ge=1, description="after them without evidence: inconclusive"
    )

    @model_validator(mode="after")
    def _check(self) -> "TrialConfig":
        if self.maximum_records < self.minimum_records:
            raise ValueError("maximum_records must be at least minimum_records")
        return self


class ApprovalConfig(_Section):
    """Who decides."""

    policy: Literal["operator", "automatic"] = Field(
        default="operator",
        description="automatic approves every proposal and signs as policy:automatic",
    )
    expires_records: int = Field(
        default=100_000, ge=1, description="records after which an undecided proposal expires"
    )


class ScheduleConfig(_Section):
    """A periodic trigger beside the drift trigger: every so many seconds, or by cron, not both."""

    every_seconds: float | None = Field(default=None, gt=0)
    cron: str | None = Field(default=None, description="five fields, UTC")

    @model_validator(mode="after")
    def _check(self) -> "ScheduleConfig":
        if self.every_seconds is not None and self.cron is not None:
            raise ValueError("give every_seconds or cron, not both")
        if self.cron is not None:
            try:
                CronTrigger.from_crontab(self.cron, timezone="UTC")
            except ValueError as error:
                raise ValueError(f"cron must be five fields as of crontab(5): {error}") from error
        return self


class PublishConfig(_Section):
    """Where release events go beside the release directory."""

    topic: str | None = Field(
        default=None,
        description="Kafka topic of release events, for Kafka; None: <source topic>.releases",
    )


class StreamConfig(_Section):
    """One stream: its source, its model, and how the model is kept fitting."""

    name: Name
    source: SourceConfig
    record: RecordConfig | None = None
    model: ModelConfig = ModelConfig()
    initial: InitialConfig = InitialConfig()
    alarm: AlarmConfig = AlarmConfig()
    episode: EpisodeConfig = EpisodeConfig()
    trial: TrialConfig = TrialConfig()
    approval: ApprovalConfig = ApprovalConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    publish: PublishConfig = PublishConfig()
    window_records: int = Field(
        default=6_000, ge=100, description="latest labelled records that are kept"
    )

    @model_validator(mode="after")
    def _check(self) -> "StreamConfig":
        if self.record is None and self.source.kind != "scenario":
            raise ValueError(
                f"record (shape and classes) is needed for a {self.source.kind} source"
            )
        needed = max(self.initial.records, self.episode.records)
        if self.window_records < needed:
            raise ValueError(
                f"window_records must hold the {needed} records that training takes, "
                f"got {self.window_records}"
            )
        return self


class HttpConfig(_Section):
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


class LogConfig(_Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


class Config(_Section):
    """The whole configuration of one daemon."""

    schema_version: Literal[1] = 1
    state_directory: Path
    seed: int = Field(default=0, ge=0, description="root of all randomness")
    streams: tuple[StreamConfig, ...] = Field(min_length=1)
    server: ServerConfig = ServerConfig()
    metrics: MetricsConfig = MetricsConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _check(self) -> "Config":
        names = [stream.name for stream in self.streams]
        if len(set(names)) != len(names):
            raise ValueError(f"stream names must differ from each other, got {names}")
        return self

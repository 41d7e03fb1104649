"""Where a stream's records come from, and how fast."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adaptd.config.kafka import SaslConfig, TlsConfig
from adaptd.config.section import Section


class PaceConfig(Section):
    """How fast a recorded or generated stream is let through."""

    records_per_second: float | None = Field(
        default=None, gt=0, description="None lets records through as fast as they are read"
    )
    from_record: int = Field(
        default=0,
        ge=0,
        description="place in the source of the first record that is held to the pace; those "
        "before it come as fast as they are read",
    )
    speed: float | None = Field(
        default=None,
        gt=0,
        description="so many times as fast as the records' own times say: 1 is as they were "
        "recorded. In the place of records_per_second",
    )

    @model_validator(mode="after")
    def _is_one_pace(self) -> Self:
        if self.records_per_second is not None and self.speed is not None:
            raise ValueError("expected either records_per_second or speed")
        return self


ScenarioName = Literal[
    "lag-shift",
    "sampling-rate",
    "camera-swap",
    "class-prior-shift",
    "outage",
    "recurring",
    "gradual",
    "sea",
    "sine",
    "mixed",
    "stagger",
    "led",
    "agrawal",
    "random-rbf",
    "random-tree",
    "sea-recurring",
    "agrawal-gradual",
]


class ScenarioSourceConfig(Section):
    """A generated stream with a known drift."""

    kind: Literal["scenario"]
    scenario: ScenarioName = Field(
        default="lag-shift", description="`adaptd scenarios list` says what happens in each"
    )
    seed: int = Field(default=0, ge=0)
    drift_at: int = Field(
        default=4_000, ge=0, description="number of the first record of the new concept"
    )
    records: int | None = Field(
        default=None, gt=0, description="where the stream ends; None: never"
    )
    pace: PaceConfig = PaceConfig()


class ReplaySourceConfig(Section):
    """A recorded stream: a Parquet or CSV file with columns x0 … xn and target, or named as the
    features are with encoding fields; or a file of JSON lines; the latter two also compressed
    (.gz, .zst)."""

    kind: Literal["replay"]
    path: Path
    follow: bool = Field(
        default=False, description="whether the file grows: the stream does not end with it"
    )
    pace: PaceConfig = PaceConfig()


class KafkaSourceConfig(Section):
    """A topic of records: {"id": …, "x": nested array of the record's shape, "target": class} in
    JSON, unless `record` says otherwise."""

    kind: Literal["kafka"]
    bootstrap_servers: tuple[str, ...] = Field(min_length=1)
    topic: str = Field(min_length=1)
    group: str = Field(default="adaptd", min_length=1)
    partition_wait_seconds: float = Field(
        default=5.0,
        ge=0,
        description="how long records wait for a partition that has none, so that they are taken "
        "in the order of their timestamps; what it gives later is taken as it comes",
    )
    tls: TlsConfig | None = Field(default=None, description="None: no encryption")
    sasl: SaslConfig | None = Field(default=None, description="None: no sign-in")


SourceConfig = Annotated[
    ScenarioSourceConfig | ReplaySourceConfig | KafkaSourceConfig, Field(discriminator="kind")
]

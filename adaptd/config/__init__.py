"""The configuration: a typed tree read from one YAML file and the environment."""

from adaptd.config.kafka import SaslConfig, SecretConfig, TlsConfig
from adaptd.config.load import load, parse
from adaptd.config.source import (
    KafkaSourceConfig,
    PaceConfig,
    ReplaySourceConfig,
    ScenarioSourceConfig,
    SourceConfig,
)
from adaptd.config.tree import (
    AlarmConfig,
    ApprovalConfig,
    Config,
    EpisodeConfig,
    HttpConfig,
    InitialConfig,
    LogConfig,
    MetricsConfig,
    ModelConfig,
    PublishConfig,
    RecordConfig,
    RejectConfig,
    ScheduleConfig,
    ServerConfig,
    StreamConfig,
    TrialConfig,
)

__all__ = [
    "load",
    "parse",
    "Config",
    "StreamConfig",
    "SourceConfig",
    "ScenarioSourceConfig",
    "ReplaySourceConfig",
    "KafkaSourceConfig",
    "TlsConfig",
    "SaslConfig",
    "SecretConfig",
    "PaceConfig",
    "RecordConfig",
    "ModelConfig",
    "InitialConfig",
    "AlarmConfig",
    "EpisodeConfig",
    "TrialConfig",
    "ApprovalConfig",
    "ScheduleConfig",
    "PublishConfig",
    "RejectConfig",
    "HttpConfig",
    "ServerConfig",
    "MetricsConfig",
    "LogConfig",
]

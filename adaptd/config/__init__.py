"""The configuration: a typed tree read from one YAML file and the environment."""

from adaptd.config.alarm import AlarmConfig
from adaptd.config.delivery import PublishConfig, RejectConfig
from adaptd.config.episode import EpisodeConfig, TrialConfig
from adaptd.config.kafka import SaslConfig, SecretConfig, TlsConfig
from adaptd.config.load import load, parse
from adaptd.config.members import MembersConfig
from adaptd.config.process import HttpConfig, LogConfig, MetricsConfig, ServerConfig
from adaptd.config.record import AvroConfig, RecordConfig
from adaptd.config.schedule import ScheduleConfig
from adaptd.config.source import (
    KafkaSourceConfig,
    PaceConfig,
    ReplaySourceConfig,
    ScenarioSourceConfig,
    SourceConfig,
)
from adaptd.config.store import StoreConfig
from adaptd.config.topics import topics_of
from adaptd.config.tree import (
    ApprovalConfig,
    CheckpointConfig,
    Config,
    InitialConfig,
    ModelConfig,
    StreamConfig,
    TrainingConfig,
)
from adaptd.config.triggers import TriggersConfig
from adaptd.config.watch import WatchConfig
from adaptd.config.workers import WorkersConfig

__all__ = [
    "load",
    "parse",
    "topics_of",
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
    "AvroConfig",
    "ModelConfig",
    "InitialConfig",
    "AlarmConfig",
    "TrainingConfig",
    "EpisodeConfig",
    "TrialConfig",
    "ApprovalConfig",
    "WatchConfig",
    "ScheduleConfig",
    "TriggersConfig",
    "PublishConfig",
    "RejectConfig",
    "CheckpointConfig",
    "WorkersConfig",
    "MembersConfig",
    "StoreConfig",
    "HttpConfig",
    "ServerConfig",
    "MetricsConfig",
    "LogConfig",
]

"""What all streams of one daemon process share."""

import os
import socket
from dataclasses import dataclass

from adaptd.adaptation.executor import Executor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import Clock
from adaptd.daemon.health import Health
from adaptd.daemon.schedule import Schedule
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.telemetry import Metrics


@dataclass(frozen=True)
class Process:
    """The process's ways to the world. seed: the root of all randomness. is_shared: whether other
    processes work on the store's streams too."""

    seed: int
    state: StateDirectory
    database: Database
    queue: TriggerQueue
    schedule: Schedule
    executor: Executor
    is_shared: bool
    clock: Clock
    metrics: Metrics
    health: Health


def own_name() -> str:
    """This process as an owner of streams, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"

"""`Daemon`: every stream's loop, the schedule, the relay, health and the server, in one process."""

import os
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import structlog

from adaptd.adaptation.executor import LocalExecutor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import Clock, SystemClock
from adaptd.config import Config, StreamConfig
from adaptd.daemon.backoff import Backoff
from adaptd.daemon.context import StreamContext
from adaptd.daemon.health import Health, HealthServer
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.relay import Relay
from adaptd.daemon.schedule import Schedule
from adaptd.daemon.server_process import ServerProcess
from adaptd.daemon.stream_loop import StreamLoop
from adaptd.errors import TransientError
from adaptd.registry.publisher import FilePublisher, KafkaPublisher, Publisher
from adaptd.store import configurations, epochs, files
from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.stream.opening import open_source
from adaptd.telemetry import Metrics

log = structlog.get_logger()

# A round waits this long for records in all, so a stop is seen at least ten times a second.
ROUND_SECONDS = 0.1


@dataclass
class _Berth:
    """One stream's place in the daemon: its loop once its source could be opened."""

    config: StreamConfig
    backoff: Backoff
    loop: StreamLoop | None = None
    retry_at: float = float("-inf")


class Daemon:
    """Runs until it is told to stop. Everything it knows is in the state directory."""

    def __init__(
        self, config: Config, *, state: StateDirectory, clock: Clock | None = None
    ) -> None:
        self._config = config
        self._state = state
        self._clock = clock or SystemClock()
        self._queue = TriggerQueue()
        self.metrics = Metrics()
        self.health = Health(self._clock)

    def run(self, stop: threading.Event) -> None:
        """Blocks until `stop` is set, then ends within seconds with everything checkpointed.

        Raises StateDirectoryError where another daemon holds the directory or its version is newer,
        StaleEpochError where another owner took a stream, SourceError where a source can never
        be read,
        OSError where a port is taken.
        """
        with ExitStack() as stack:
            stack.enter_context(DaemonLock(self._state.lock))
            database = Database.open(self._state.database)
            stack.callback(database.close)
            with database.write() as connection:
                number = configurations.accept(
                    connection, self._config.model_dump(mode="json"), now=self._clock.now()
                )
            server = HealthServer(
                self.health,
                self.metrics,
                host=self._config.metrics.host,
                port=self._config.metrics.port,
            )
            stack.callback(server.close)
            log.info("daemon.started", configuration=number, metrics_port=server.port)
            relay = Relay(
                database=database,
                publishers={
                    stream.name: self._publisher(stream) for stream in self._config.streams
                },
                clock=self._clock,
            )
            stack.callback(relay.close)
            schedule = Schedule(database=database, queue=self._queue, clock=self._clock)
            stack.callback(schedule.close)
            for stream in self._config.streams:
                schedule.add(stream.name, stream.schedule)
            berths = [
                _Berth(stream, Backoff(np.random.default_rng([self._config.seed, index])))
                for index, stream in enumerate(self._config.streams)
            ]
            stack.callback(_close_all, berths)
            operator_server = ServerProcess(self._config, self._clock)
            stack.callback(operator_server.close)
            schedule.start()
            relay.start()
            self.health.clear("daemon")
            while not stop.is_set():
                if self._config.server.enabled:
                    operator_server.step()
                worked = [self._step(berth, database, len(berths)) for berth in berths]
                self.health.beat()
                if not any(worked):
                    stop.wait(ROUND_SECONDS)
            log.info("daemon.stopping")

    def _step(self, berth: _Berth, database: Database, streams: int) -> bool:
        """One round of a stream. False where it could not work and the round should not spin."""
        name = berth.config.name
        if self._clock.monotonic() < berth.retry_at:
            return False
        try:
            if berth.loop is None:
                berth.loop = self._open(berth.config, database)
            berth.loop.step(timeout_seconds=ROUND_SECONDS / streams)
        except TransientError as error:
            wait = berth.backoff.fail()
            berth.retry_at = self._clock.monotonic() + wait
            self.health.obstruct(name, str(error))
            log.warning("stream.unavailable", stream=name, error=str(error), retry_seconds=wait)
            return False
        berth.backoff.succeed()
        if berth.loop.is_store_available:
            self.health.clear(name)
        else:
            self.health.obstruct(name, "the store cannot be written")
        return not berth.loop.is_idle

    def _open(self, config: StreamConfig, database: Database) -> StreamLoop:
        source = open_source(config, clock=self._clock)
        for directory in (self._state.releases(config.name), self._state.episodes(config.name)):
            files.sweep(directory)
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with database.write() as connection:
            epoch = epochs.acquire(
                connection, stream=config.name, owner=owner, now=self._clock.now()
            )
        context = StreamContext(
            config=config,
            seed=self._config.seed,
            state=self._state,
            database=database,
            ledger=Ledger(config.name, epoch),
            queue=self._queue,
            executor=LocalExecutor(self._clock),
            clock=self._clock,
            metrics=self.metrics,
        )
        return StreamLoop(context, source=source)

    def _publisher(self, stream: StreamConfig) -> Publisher:
        if stream.source.kind == "kafka":
            topic = stream.publish.topic or f"{stream.source.topic}.releases"
            return KafkaPublisher(",".join(stream.source.bootstrap_servers), topic)
        return FilePublisher(self._state.events)


def _close_all(berths: list[_Berth]) -> None:
    for berth in berths:
        if berth.loop is not None:
            berth.loop.close()

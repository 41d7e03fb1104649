"""`Daemon`: every stream's loop, the schedule, the relay, health and the server, in one process."""

import os
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import structlog
from sqlalchemy import Connection

from adaptd.adaptation.execution.local import LocalExecutor
from adaptd.adaptation.executor import Executor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.clock import Clock, SystemClock
from adaptd.config import Config, StreamConfig
from adaptd.daemon.backoff import Backoff
from adaptd.daemon.context import StreamContext
from adaptd.daemon.health import Health, HealthServer
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.posts import EventPost, LetterPost, Post
from adaptd.daemon.relay import Relay
from adaptd.daemon.schedule import Schedule
from adaptd.daemon.server_process import ServerProcess
from adaptd.daemon.slot import StreamSlot
from adaptd.daemon.stream_loop import StreamLoop
from adaptd.registry.dead_letter_office import DeadLetterOffice, FileOffice, KafkaOffice
from adaptd.registry.publisher import FilePublisher, KafkaPublisher, Publisher
from adaptd.store import configurations, epochs, files
from adaptd.store.database import Database
from adaptd.store.directory import DaemonLock, StateDirectory
from adaptd.stream.opening import cluster_of, open_labels, open_source
from adaptd.telemetry import Metrics

log = structlog.get_logger()

# A round waits this long for records in all, so a stop is seen at least ten times a second.
ROUND_SECONDS = 0.1


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

        A stream that fails for good is out of service and shown so; the others go on.
        Raises StateDirectoryError where another daemon holds the directory, its version is newer,
        or its database is damaged or gone, StaleEpochError where another owner took a stream, the
        last stream's PermanentError where none is left, OSError where a port is taken.
        """
        with ExitStack() as stack:
            stack.enter_context(DaemonLock(self._state.lock))
            self._state.check_database()
            database = Database.open(self._state.database)
            stack.callback(database.close)
            with database.write() as connection:
                number = configurations.accept(
                    connection, self._config.model_dump(mode="json"), now=self._clock.now()
                )
                owned = {
                    stream.name: self._own(connection, stream.name)
                    for stream in self._config.streams
                }
            server = HealthServer(
                self.health,
                self.metrics,
                host=self._config.metrics.host,
                port=self._config.metrics.port,
            )
            stack.callback(server.close)
            log.info("daemon.started", configuration=number, metrics_port=server.port)
            relay = Relay(
                [
                    post
                    for stream in self._config.streams
                    for post in self._posts(stream, epoch=owned[stream.name])
                ],
                database=database,
                clock=self._clock,
                on_trouble=self._show_relay,
            )
            stack.callback(relay.close)
            workers = LocalExecutor(self._config.workers, clock=self._clock)
            slots = [
                StreamSlot(
                    stream,
                    open_loop=partial(
                        self._open,
                        database=database,
                        epoch=owned[stream.name],
                        executor=workers,
                    ),
                    backoff=Backoff(np.random.default_rng([self._config.seed, index])),
                    clock=self._clock,
                    health=self.health,
                )
                for index, stream in enumerate(self._config.streams)
            ]
            for slot in slots:
                stack.callback(slot.close)
            # Closed before the loops: all workers keep where they stand at one time.
            stack.callback(workers.close)
            # Closed before the loops, so that no trigger comes after their last checkpoint.
            schedule = Schedule(database=database, queue=self._queue, clock=self._clock)
            stack.callback(schedule.close)
            for stream in self._config.streams:
                schedule.add(stream.name, stream.schedule)
            operator_server = ServerProcess(self._config, self._clock)
            stack.callback(operator_server.close)
            schedule.start()
            relay.start()
            self.health.clear("daemon")
            while not stop.is_set():
                if self._config.server.enabled:
                    operator_server.step()
                self._round(slots, stop)
                self.metrics.show_workers(
                    count=workers.count, busy=workers.busy, waiting=workers.waiting
                )
            log.info("daemon.stopping")

    def _round(self, slots: Sequence[StreamSlot], stop: threading.Event) -> None:
        has_waited = [slot.step(timeout_seconds=ROUND_SECONDS / len(slots)) for slot in slots]
        self.health.beat()
        failures = [slot.failure for slot in slots if slot.failure is not None]
        if len(failures) == len(slots):
            raise failures[-1]
        if not any(has_waited):
            stop.wait(ROUND_SECONDS)

    def _own(self, connection: Connection, stream: str) -> int:
        # Once in the life of a process: a stream that another one has taken over since must not be
        # taken back by trying again.
        owner = f"{socket.gethostname()}:{os.getpid()}"
        return epochs.acquire(connection, stream=stream, owner=owner, now=self._clock.now())

    def _open(
        self, config: StreamConfig, *, database: Database, epoch: int, executor: Executor
    ) -> StreamLoop:
        ledger = Ledger(config.name, epoch)
        ledger.verify(database)
        for directory in (self._state.releases(config.name), self._state.episodes(config.name)):
            files.sweep(directory)
        context = StreamContext(
            config=config,
            seed=self._config.seed,
            state=self._state,
            database=database,
            ledger=ledger,
            queue=self._queue,
            executor=executor,
            clock=self._clock,
            metrics=self.metrics,
        )
        with ExitStack() as stack:
            source = open_source(config, clock=self._clock)
            stack.callback(source.close)
            labels = open_labels(config, clock=self._clock)
            if labels is not None:
                stack.callback(labels.close)
            loop = StreamLoop(context, source=source, labels=labels)
            stack.pop_all()
        return loop

    def _show_relay(self, trouble: str | None) -> None:
        if trouble is None:
            self.health.clear("relay")
        else:
            self.health.obstruct("relay", trouble)

    def _posts(self, stream: StreamConfig, *, epoch: int) -> tuple[Post, ...]:
        publisher: Publisher = FilePublisher(self._state.events)
        office: DeadLetterOffice = FileOffice(
            self._state.dead_letters(stream.name),
            sources={"records": stream.source.kind, "labels": "labels"},
        )
        if stream.source.kind == "kafka":
            cluster, topic = cluster_of(stream.source), stream.source.topic
            publisher = KafkaPublisher(
                cluster,
                {
                    "release": stream.publish.topic or f"{topic}.releases",
                    "drift": stream.publish.drift_topic or f"{topic}.drift",
                    "proposal": stream.publish.proposals_topic or f"{topic}.proposals",
                    "watch": stream.publish.watches_topic or f"{topic}.watches",
                },
            )
            office = KafkaOffice(
                cluster,
                stream.rejects.topic or f"{topic}.dead-letters",
                sources={
                    "records": topic,
                    "labels": (stream.labels and stream.labels.topic) or "labels",
                },
            )
        ledger = Ledger(stream.name, epoch)
        return EventPost(ledger, publisher), LetterPost(ledger, office)

"""`Tenure`: one stream for as long as this process owns it."""

from contextlib import ExitStack
from functools import partial

import numpy as np
import structlog

from adaptd.config import StreamConfig, topics_of
from adaptd.daemon.backoff import Backoff
from adaptd.daemon.compute_origin import ComputeOrigin
from adaptd.daemon.context import StreamContext
from adaptd.daemon.ledger import Ledger
from adaptd.daemon.posts import EventPost, LetterPost, Post
from adaptd.daemon.process import Process, own_name
from adaptd.daemon.relay import Relay
from adaptd.daemon.slot import StreamSlot
from adaptd.daemon.stream_loop import StreamLoop
from adaptd.errors import PermanentError
from adaptd.registry.dead_letter_office import DeadLetterOffice, FileOffice, KafkaOffice
from adaptd.registry.publisher import FilePublisher, KafkaPublisher, Publisher
from adaptd.store import epochs, files
from adaptd.stream.opening import CommitsOf, cluster_of, open_labels, open_source

log = structlog.get_logger()


class Tenure:
    """What only an owner runs: the stream's loop with its worker, its relay, its schedule.

    It has one epoch. A stream that another process has taken over since is not taken back by trying
    again: only the next tenure has another one.
    """

    def __init__(
        self, config: StreamConfig, process: Process, *, commits_of: CommitsOf | None = None
    ) -> None:
        """Begins it. commits_of: as of `open_source`. Raises StoreUnavailable."""
        self.stream = config.name
        self._process = process
        now = process.clock.now()
        with process.database.write() as connection:
            self.epoch = epochs.acquire(connection, stream=config.name, owner=own_name(), now=now)
            origin = ComputeOrigin.now(connection, config.name, process.executor, now=now)
        log.info("stream.owned", stream=config.name, epoch=self.epoch, owner=own_name())
        process.metrics.owned.labels(config.name).set(1)
        with ExitStack() as stack:
            stack.callback(process.metrics.disown, config.name)
            stack.callback(process.queue.forget, config.name)
            relay = Relay(
                _posts(config, process, epoch=self.epoch),
                database=process.database,
                clock=process.clock,
                on_trouble=self._show_relay,
            )
            stack.callback(process.health.clear, self._relay_part)
            stack.callback(relay.close)
            self._slot = StreamSlot(
                config,
                open_loop=partial(
                    _open,
                    process=process,
                    epoch=self.epoch,
                    compute_origin=origin,
                    commits_of=commits_of,
                ),
                backoff=Backoff(np.random.default_rng([process.seed, self.epoch])),
                clock=process.clock,
                health=process.health,
            )
            stack.callback(process.health.clear, config.name)
            stack.callback(self._slot.close)
            # Closed before the loop, so that no trigger comes after its last checkpoint.
            process.schedule.add(config.name, config.schedule, epoch=self.epoch)
            stack.callback(process.schedule.remove, config.name)
            relay.start()
            self._stack = stack.pop_all()

    def step(self, *, timeout_seconds: float) -> bool:
        """As `StreamSlot.step`."""
        return self._slot.step(timeout_seconds=timeout_seconds)

    @property
    def failure(self) -> PermanentError | None:
        """Why the stream is out of service; None where it is not."""
        return self._slot.failure

    def end(self) -> None:
        """Ends the worker, checkpoints what is whole, and lets go of the stream: whoever owns it
        next goes on from there. Raises StaleEpochError where somebody does already."""
        self._stack.close()
        log.info("stream.let_go", stream=self.stream, epoch=self.epoch)

    @property
    def _relay_part(self) -> str:
        return f"relay of {self.stream}"

    def _show_relay(self, trouble: str | None) -> None:
        if trouble is None:
            self._process.health.clear(self._relay_part)
        else:
            self._process.health.obstruct(self._relay_part, trouble)


def _open(
    config: StreamConfig,
    *,
    process: Process,
    epoch: int,
    compute_origin: ComputeOrigin,
    commits_of: CommitsOf | None,
) -> StreamLoop:
    ledger = Ledger(config.name, epoch)
    ledger.verify(process.database)
    for directory in (process.state.releases(config.name), process.state.episodes(config.name)):
        files.sweep(directory)
    context = StreamContext(
        config=config,
        seed=process.seed,
        state=process.state,
        database=process.database,
        ledger=ledger,
        queue=process.queue,
        executor=process.executor,
        is_shared=process.is_shared,
        compute_origin=compute_origin,
        clock=process.clock,
        metrics=process.metrics,
    )
    with ExitStack() as stack:
        source = open_source(config, clock=process.clock, commits_of=commits_of)
        stack.callback(source.close)
        labels = open_labels(config, clock=process.clock, commits_of=commits_of)
        if labels is not None:
            stack.callback(labels.close)
        loop = StreamLoop(context, source=source, labels=labels)
        stack.pop_all()
    return loop


def _posts(stream: StreamConfig, process: Process, *, epoch: int) -> tuple[Post, ...]:
    publisher: Publisher = FilePublisher(process.state.events)
    office: DeadLetterOffice = FileOffice(
        process.state.dead_letters(stream.name),
        sources={"records": stream.source.kind, "labels": "labels"},
    )
    if stream.source.kind == "kafka":
        cluster, topic = cluster_of(stream.source), stream.source.topic
        topics = topics_of(stream.publish, topic)
        publisher = KafkaPublisher(
            cluster,
            {
                "release": topics["topic"],
                "drift": topics["drift_topic"],
                "proposal": topics["proposals_topic"],
                "watch": topics["watches_topic"],
            },
        )
        office = KafkaOffice(
            cluster,
            topics_of(stream.rejects, topic)["topic"],
            sources={
                "records": topic,
                "labels": (stream.labels and stream.labels.topic) or "labels",
            },
        )
    ledger = Ledger(stream.name, epoch)
    return EventPost(ledger, publisher), LetterPost(ledger, office)

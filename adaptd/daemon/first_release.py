"""Release 1: trained on the first window, at first start only."""

import structlog

from adaptd.adaptation.job import INITIAL, Job, Result
from adaptd.architecture import Architecture, Contract
from adaptd.daemon.context import StreamContext
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.errors import WorkerFailed
from adaptd.registry import progress
from adaptd.registry.releases import Release
from adaptd.stream.segment import write_segment
from adaptd.stream.window import Window

log = structlog.get_logger()


class FirstRelease:
    """Waits for the first window, has it learnt, publishes. Begins anew after a kill: it lost
    nothing."""

    def __init__(
        self,
        context: StreamContext,
        *,
        contract: Contract,
        window: Window,
        desk: ReleaseDesk,
    ) -> None:
        self._context = context
        self._contract = contract
        self._window = window
        self._desk = desk
        self._is_training = False

    @property
    def wants_records(self) -> bool:
        """False once the first window is full: with no champion there is nothing to observe yet."""
        return self._window.next_record < self._context.config.initial.records

    def step(self) -> Release | None:
        """Goes on; the release once it is published. Raises WorkerFailed if the training failed."""
        if self.wants_records:
            return None
        if not self._is_training:
            self._start()
            return None
        report = self._context.executor.poll()
        if report.progress is not None:
            document = report.progress.model_dump()
            self._context.ledger.put_progress(
                lambda connection: progress.report(
                    connection,
                    stream=self._context.stream,
                    episode_id=None,
                    document=document,
                    now=self._context.clock.now(),
                )
            )
        return self._publish(report.result) if report.result is not None else None

    def _start(self) -> None:
        config, model = self._context.config.initial, self._context.config.model
        directory = self._context.state.episodes(self._context.stream) / INITIAL
        directory.mkdir(parents=True, exist_ok=True)
        digest, path = write_segment(directory, self._window.between(0, config.records))
        self._context.executor.start(
            Job(
                kind="initial",
                stream=self._context.stream,
                seed=self._context.seed_for("initial", 0),
                architecture=Architecture(
                    model.network,
                    {
                        "in_channels": self._contract.shape[0],
                        "classes": len(self._contract.classes),
                        **model.settings,
                    },
                ).to_document(),
                operation=model.operation,
                contract=self._contract.to_document(),
                records=path,
                records_digest=digest,
                output=directory / "members",
                steps=config.steps,
            ),
            wall_seconds=config.wall_seconds,
        )
        self._is_training = True
        log.info("initial.training", stream=self._context.stream, records=config.records)

    def _publish(self, result: Result) -> Release:
        if INITIAL not in result.members:
            raise WorkerFailed(f"the first training gave no network: {result.refused}")
        member = result.members[INITIAL]
        architecture = Architecture.from_document(member.architecture)
        directory = (
            self._context.state.episodes(self._context.stream) / INITIAL / "members" / INITIAL
        )
        now = self._context.clock.now()
        digest = self._desk.seal(
            directory,
            architecture=architecture,
            parent=None,
            episode=None,
            evidence={"training_records": [0, self._context.config.initial.records]},
            now=now,
        )
        installed = self._desk.install(directory, digest=digest)
        published: list[Release] = []
        self._context.ledger.commit(
            self._context.database,
            lambda connection: published.append(
                self._desk.promote(
                    connection,
                    digest=digest,
                    architecture=architecture,
                    directory=installed,
                    macs=member.macs,
                    episode=None,
                    expected=None,
                    now=now,
                )
            ),
            lambda connection: progress.clear(connection, self._context.stream),
        )
        return published[0]

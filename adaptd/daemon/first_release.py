"""Release 1: trained on the first window, or given; at first start only."""

import shutil
from pathlib import Path
from typing import Any, Literal

import structlog

from adaptd.adaptation.job import INITIAL, Job, Result
from adaptd.architecture import Architecture, Contract
from adaptd.config import ModelConfig
from adaptd.daemon.assignment import Assignment
from adaptd.daemon.class_shares import counts_of
from adaptd.daemon.context import StreamContext
from adaptd.daemon.release_desk import ReleaseDesk
from adaptd.errors import ConfigError
from adaptd.registry import progress
from adaptd.registry.releases import Release
from adaptd.store.files import sha256_of
from adaptd.stream.segment import write_segment
from adaptd.stream.window import Window

log = structlog.get_logger()

# Axes of a record -> factory of adaptd's own network.
_OWN = {
    1: "adaptd.space.tabular:network",
    2: "adaptd.space.sequence:convnet",
    3: "adaptd.space.image:convnet",
}
# Records that a named model is tried on, long before there are enough to learn from.
_PROBED = 32
# Over tables, and over all other records.
_TABULAR_OPERATION, _OPERATION = "linear", "dw k5 d1"


class FirstRelease:
    """Waits for the first window, has it learnt, publishes. A model that somebody has named is
    checked meanwhile. After a kill it asks for the same again, and the worker goes on from where it
    stood."""

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
        self._directory = context.state.episodes(context.stream) / INITIAL
        self._assignment = Assignment(context)
        self._members = self._directory / context.owned("members")
        self._checked = self._directory / context.owned("check")
        self._result: Result | None = None
        self._digest: str | None = None
        self._is_checked = False

    @property
    def wants_records(self) -> bool:
        """False once the first window is full: with no champion there is nothing to observe yet."""
        return len(self._window) < self._context.config.initial.records

    def step(self) -> Release | None:
        """Goes on; the release once it is published.

        Raises WorkerFailed if the training ended without a result: the next step begins it again.
        Raises ConfigError, before a record is read, if a network has to be named; JobError if the
        configured model can never be built or trained; StoreUnavailable with the result kept for
        the next step.
        """
        if self._assignment.kind == "check":
            self._end_check()
            return None
        if self.wants_records:
            self._check()
            return None
        if self._result is None and not self._assignment.is_running:
            self._start("initial", records=self._directory, output=self._members)
            log.info(
                "initial.training",
                stream=self._context.stream,
                records=self._context.config.initial.records,
            )
        elif self._result is None:
            self._result = self._poll()
        return None if self._result is None else self._publish(self._result)

    def _check(self) -> None:
        """Long before the first window is full: whether the model that somebody has named can be
        built, and takes the stream's records and the weights."""
        network = self._network()
        is_named = self._context.config.model != ModelConfig()
        if is_named and not self._is_checked and len(self._window) >= _PROBED:
            log.info("initial.check", stream=self._context.stream, network=network)
            self._start("check", records=self._checked, output=self._checked / "output")

    def _end_check(self) -> None:
        self._is_checked = self._assignment.poll().result is not None
        if self._is_checked:
            shutil.rmtree(self._checked, ignore_errors=True)

    def _network(self) -> str:
        return self._context.config.model.network or own_network(self._contract.shape)

    def close(self) -> None:
        """Ends the training, which keeps where it stands."""
        self._assignment.cancel()

    def _poll(self) -> Result | None:
        report = self._assignment.poll()
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
        return report.result

    def _start(self, kind: Literal["check", "initial"], *, records: Path, output: Path) -> None:
        config, model = self._context.config.initial, self._context.config.model
        network, first = self._network(), self._window.first_record
        try:
            weights_digest = None if model.weights is None else sha256_of(model.weights)
        except OSError as error:
            raise ConfigError(
                f"stream {self._context.stream}: model.weights: {model.weights}: {error.strerror}"
            ) from error
        count = config.records if kind == "initial" else _PROBED
        digest, path = write_segment(records, self._window.between(first, first + count))
        self._assignment.start(
            Job(
                kind=kind,
                stream=self._context.stream,
                seed=self._context.seed_for("initial", 0),
                architecture=Architecture(
                    network,
                    {**sizes(self._contract), **model.settings},
                ).to_document(),
                operation=model.operation or usual_operation(network, self._contract.shape),
                weights=model.weights,
                weights_digest=weights_digest,
                contract=self._contract.to_document(),
                records=path,
                records_digest=digest,
                output=output,
                steps=config.steps,
                device=self._context.config.training.device,
                epoch=self._context.ledger.epoch,
            ),
            wall_seconds=config.wall_seconds,
        )

    def _publish(self, result: Result) -> Release:
        member = result.members[INITIAL]
        architecture = Architecture.from_document(member.architecture)
        stream, now = self._context.stream, self._context.clock.now()
        first = self._window.first_record
        end = first + self._context.config.initial.records
        if self._digest is None:
            self._digest = self._desk.seal(
                self._members / INITIAL,
                architecture=architecture,
                parent=None,
                episode=None,
                evidence=self._evidence(first, end),
                now=now,
            )
        digest = self._digest
        installed = self._desk.install(self._members / INITIAL, digest=digest)
        published: list[Release] = []
        self._context.ledger.transact(
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
        )
        self._context.ledger.put_progress(lambda connection: progress.clear(connection, stream))
        return published[0]

    def _evidence(self, first: int, end: int) -> dict[str, Any]:
        weights = self._context.config.model.weights
        if weights is not None:
            return {"given_weights": weights.name}
        return {
            "training_records": [first, end - 1],
            "training_classes": counts_of(
                self._window.between(first, end).target, len(self._contract.classes)
            ),
        }


def own_network(shape: tuple[int, ...]) -> str:
    """The factory of adaptd's own network for records of a shape, without the batch axis.

    Raises ConfigError where there is none: nobody has said which network it shall be.
    """
    if len(shape) not in _OWN:
        raise ConfigError(
            f"model.network: is needed for records of shape {list(shape)}: adaptd has networks of "
            "its own for tables [features], sequences [channels, length] and images [channels, "
            "height, width]"
        )
    return _OWN[len(shape)]


def usual_operation(network: str, shape: tuple[int, ...]) -> str | None:
    """What stands on every edge of release 1 where nobody says it; None for what its factory puts
    there, in any network but adaptd's own for the shape."""
    if network != _OWN.get(len(shape)):
        return None
    return _TABULAR_OPERATION if len(shape) == 1 else _OPERATION


def sizes(contract: Contract) -> dict[str, int]:
    """What every factory is given: how many numbers or channels a record has, and classes."""
    channels = "features" if len(contract.shape) == 1 else "in_channels"
    return {channels: contract.shape[0], "classes": len(contract.classes)}

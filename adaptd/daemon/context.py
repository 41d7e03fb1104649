"""What the parts of one stream's loop share."""

from dataclasses import dataclass
from pathlib import Path

from numpy.random import SeedSequence

from adaptd.adaptation.executor import Executor
from adaptd.adaptation.trigger import TriggerQueue
from adaptd.architecture.canonical import digest_of
from adaptd.clock import Clock
from adaptd.config import StreamConfig
from adaptd.daemon.compute_origin import ComputeOrigin
from adaptd.daemon.ledger import Ledger
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory
from adaptd.telemetry import Metrics


@dataclass(frozen=True)
class StreamContext:
    """One stream's configuration and its ways to the world. seed: the root of all randomness.
    is_shared: whether other processes may own the stream before and after this one. compute_origin:
    None where this is the first loop that counts its workers."""

    config: StreamConfig
    seed: int
    state: StateDirectory
    database: Database
    ledger: Ledger
    queue: TriggerQueue
    executor: Executor
    clock: Clock
    metrics: Metrics
    is_shared: bool = False
    compute_origin: ComputeOrigin | None = None

    @property
    def stream(self) -> str:
        return self.config.name

    def seed_for(self, role: str, record: int) -> int:
        """A seed that depends on the root, the stream, the role and a record number, and on
        nothing else."""
        entropy = int(digest_of([self.stream, role, record])[:16], 16)
        return int(SeedSequence([self.seed, entropy]).generate_state(1)[0])

    def owned(self, folder: str) -> str:
        """A folder of the worker's, by a name that is this owner's own where others may be: the
        worker of an earlier one may still be writing, while that is stopped."""
        return f"{folder}-{self.ledger.epoch}" if self.is_shared else folder

    def relative(self, path: Path) -> str:
        """A path as the store keeps it: the state directory may be moved."""
        return path.relative_to(self.state.path).as_posix()

    def absolute(self, path: str) -> Path:
        """The way back."""
        return self.state.path / path

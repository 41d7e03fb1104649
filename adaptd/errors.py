"""One small tree of errors. The top split is the retry policy: permanent says so and stops,
transient retries."""


class AdaptdError(Exception):
    """Root of every error that adaptd raises on purpose; its text is meant for a person."""


class PermanentError(AdaptdError):
    """Trying again will not help: report it and stop."""


class TransientError(AdaptdError):
    """The world may recover: retry with backoff."""


class ConfigError(PermanentError):
    """A configuration names something wrong: file, key, value seen, value expected. Exit code 2."""


class StateDirectoryError(PermanentError):
    """The state directory is of a newer version, damaged, or held by another daemon."""


class NotFoundError(PermanentError):
    """No row or file of that name exists."""


class ConflictError(PermanentError):
    """A compare-and-set lost: the state is no longer the one that was seen."""


class StaleEpochError(PermanentError):
    """A newer owner has taken the stream over; this process must stop writing."""


class ArtifactError(PermanentError):
    """A release's files do not match their manifest."""


class NotReplayable(PermanentError):
    """An episode cannot be run again: nothing was tried in it, or what it takes is not kept."""


class JobError(PermanentError):
    """A job can never be done as it was asked for (no such network, training diverged).

    cpu_seconds: user and system, that finding out has taken; None where unknown.
    """

    def __init__(self, text: str, *, cpu_seconds: float | None = None) -> None:
        super().__init__(text)
        self.cpu_seconds = cpu_seconds


class SourceError(PermanentError):
    """A stream's source can never be read as configured (no such file, no such column)."""


class SourceUnavailable(TransientError):
    """A stream's source cannot be reached now."""


class StoreUnavailable(TransientError):
    """The store cannot be written now (disk full, locked); the stream pauses."""


class StoreUncertain(StoreUnavailable):
    """The store went away while it committed: what was written may be there or not, so whoever
    wrote it begins again from what the store holds."""


class DeliveryBehind(StoreUnavailable):
    """So much waits for delivery that no more may; the stream pauses until some of it has gone."""


class WorkerFailed(TransientError):
    """A worker process ended without a result; the text says why.

    cause: "start" no process could be had, "crash" it ended by itself or by a signal, "error" it
    said why, "hang", "memory" and "wall" it was killed at that limit, "ended" somebody asked it to.
    cpu_seconds: user and system, of this and all earlier attempts at the job; None where unknown.
    has_progressed: whether it has kept a checkpoint that the next attempt goes on from.
    """

    def __init__(
        self,
        text: str,
        *,
        cause: str = "crash",
        cpu_seconds: float | None = None,
        has_progressed: bool = False,
    ) -> None:
        super().__init__(text)
        self.cause = cause
        self.cpu_seconds = cpu_seconds
        self.has_progressed = has_progressed

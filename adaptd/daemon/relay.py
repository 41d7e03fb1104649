"""Carries what waits in the store to its receivers: at least once, in order."""

import threading
from collections.abc import Callable, Sequence

import structlog

from adaptd.clock import Clock
from adaptd.daemon.posts import Post
from adaptd.errors import StaleEpochError, TransientError
from adaptd.store.database import Database

log = structlog.get_logger()

# How often the store is looked at, and how long a post rests after its receiver failed.
LOOK_SECONDS = 0.5
REST_SECONDS = 5.0

# A receiver may be waiting for a broker; what it could not send is still in the store.
STOP_SECONDS = 1.0


def say_nothing(trouble: str | None) -> None:
    """For those who do not ask how the relay is."""
    del trouble


class Relay:
    """Sends from a thread of its own, so that a broker that is down never holds a stream up.

    Each post keeps its order; one whose receiver fails rests, and the others go on.
    """

    def __init__(
        self,
        posts: Sequence[Post],
        *,
        database: Database,
        clock: Clock,
        on_trouble: Callable[[str | None], None] = say_nothing,
    ) -> None:
        """on_trouble: called, from the relay's thread, with what is wrong when something fails that
        no receiver is expected to fail with, and with None once all of it has been sent after all.
        A receiver that cannot be reached is no such trouble: it is logged and tried again.
        """
        self._posts = tuple(posts)
        self._database = database
        self._clock = clock
        self._on_trouble = on_trouble
        self._rests_until: dict[Post, float] = {}
        self._troubles: dict[Post, str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="adaptd-relay", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def close(self) -> None:
        """Sends nothing more and closes each post, unless one is stuck in a call."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            for post in self._posts:
                post.close()

    def send(self) -> int:
        """Sends what waits now and returns how much that was; what is of streams that are no longer
        configured stays.

        A post stops at the first that fails and rests for REST_SECONDS. Nothing is raised: failures
        are logged with their post.
        """
        return sum(
            self._try(post)
            for post in self._posts
            if self._clock.monotonic() >= self._rests_until.get(post, float("-inf"))
        )

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.send()

    def _try(self, post: Post) -> int:
        try:
            sent = post.send(self._database, self._clock, self._stop.is_set)
        except TransientError as error:
            self._rest(post)
            log.warning(
                "relay.failed",
                stream=post.stream,
                kind=post.kind,
                error=str(error),
                retry_seconds=REST_SECONDS,
            )
        except StaleEpochError as error:
            # The stream's own loop finds out too, and ends the daemon.
            self._stop.set()
            log.error("relay.stopped", stream=post.stream, kind=post.kind, error=str(error))
        # The outermost loop of this thread: if it ended here, nobody would see that it stays.
        except Exception as error:
            self._rest(post)
            log.exception(
                "relay.broken", stream=post.stream, kind=post.kind, retry_seconds=REST_SECONDS
            )
            self._report(post, f"{post.kind} of stream {post.stream} cannot be sent: {error!r}")
        else:
            self._report(post, None)
            return sent
        return 0

    def _rest(self, post: Post) -> None:
        self._rests_until[post] = self._clock.monotonic() + REST_SECONDS

    def _report(self, post: Post, trouble: str | None) -> None:
        before = dict(self._troubles)
        if trouble is None:
            self._troubles.pop(post, None)
        else:
            self._troubles[post] = trouble
        if self._troubles != before:
            self._on_trouble("; ".join(self._troubles.values()) or None)

"""`EvidenceFeed`: lets trials and watches count what no broken sensor has spoiled."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from adaptd.daemon.context import StreamContext
from adaptd.observer.answers import Answers
from adaptd.observer.outages import Outages
from adaptd.observer.runs import runs
from adaptd.registry import scores

SCHEMA_VERSION = 1


class EvidenceFeed:
    """Holds answers back until it is known whether a sensor was broken when their records came:
    what an e-process has counted cannot be taken back.

    A record is passed on when so many labelled ones have come after it that this is known, two
    blocks of them, so that the same records count however they were polled; and not before as many
    records have come at all, where its label came before those of earlier ones.
    """

    def __init__(
        self,
        context: StreamContext,
        *,
        outages: Outages,
        count: Sequence[Callable[[Answers], None]],
    ) -> None:
        """count: whoever counts, in that order."""
        self._context = context
        self._outages = outages
        self._most_held = outages.known_after
        self._count = tuple(count)
        self._held: deque[Answers] = deque()

    def put(self, answers: Answers) -> None:
        """Takes those of the labelled records that come next."""
        if not len(answers):
            return
        self._held.append(answers)
        # Numbers may have gaps, of records that nobody predicted.
        excess = sum(map(len, self._held)) - self._most_held
        while excess > 0:
            part = self._held[0]
            is_undecided = self._outages.are_undecided(part.positions[:excess])
            count = int(is_undecided.argmax()) if is_undecided.any() else len(is_undecided)
            self._held.popleft()
            if count < len(part):
                self._held.appendleft(part[count:])
            self._pass_on(part[:count])
            if count < len(is_undecided):
                # Those after it wait for it, so that they are counted in their order.
                break
            excess -= count

    def flush(self) -> None:
        """The stream has ended: no more will be known of what is held."""
        while self._held:
            self._pass_on(self._held.popleft())

    def state(self) -> dict[str, Any]:
        """As JSON values, exact."""
        return {
            "schema_version": SCHEMA_VERSION,
            "held": [answers.state() for answers in self._held],
        }

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Goes on where `state` was taken; None is of a version that held nothing back."""
        if state is not None:
            self._held.extend(Answers.restored(held) for held in state["held"])

    def _pass_on(self, answers: Answers) -> None:
        is_broken = self._outages.are_broken(answers.positions)
        for run in runs(~is_broken):
            for count in self._count:
                count(answers[run])
        stream = self._context.stream
        for run in runs(is_broken):
            first, end = answers.first_record + run.start, answers.first_record + run.stop
            self._context.metrics.broken_records.labels(stream).inc(end - first)
            self._context.ledger.add(
                partial(scores.mark_broken, stream=stream, first=first, end=end)
            )

"""`AlarmDesk`: alarms are recorded, told, and ask for an episode."""

from collections.abc import Callable

import structlog

from adaptd.adaptation.trigger import Trigger
from adaptd.daemon.context import StreamContext
from adaptd.drift.alarm import Alarm
from adaptd.registry import alarms
from adaptd.registry.alarms import Numbering

log = structlog.get_logger()

# Of a signal, as the store keeps it; that of a class has the name of the class in it.
NAME_LENGTH = 64


class AlarmDesk:
    """Of one stream."""

    def __init__(self, context: StreamContext, *, family_of: Callable[[str], str]) -> None:
        """family_of: what metrics call a signal."""
        self._context = context
        self._family_of = family_of

    def tell(self, alarm: Alarm, numbering: Numbering = "labelled") -> None:
        """Records it, in the next transaction, and says so."""
        stream, now = self._context.stream, self._context.clock.now()
        self._context.ledger.add(
            lambda connection: alarms.add(
                connection,
                stream=stream,
                signal=alarm.signal[:NAME_LENGTH],
                record=alarm.record,
                since_record=alarm.since_record,
                statistic=alarm.statistic,
                now=now,
                numbering=numbering,
            ),
            is_urgent=True,
        )
        self._context.metrics.alarms.labels(stream, self._family_of(alarm.signal)).inc()
        log.warning(
            "drift.alarm",
            stream=stream,
            signal=alarm.signal,
            record=alarm.record,
            since_record=alarm.since_record,
            statistic=alarm.statistic,
        )

    def ask(self, alarm: Alarm) -> None:
        """An episode is to answer it."""
        stream = self._context.stream
        self._context.metrics.drift_active.labels(stream).set(1)
        self._context.queue.put(
            Trigger(
                kind="drift",
                stream=stream,
                record=alarm.record,
                since_record=alarm.since_record,
                detail=alarm.signal,
            )
        )

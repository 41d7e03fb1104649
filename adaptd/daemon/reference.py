"""How accurate a champion was before a drift: what a remedy is to bring back."""

from sqlalchemy import Connection

from adaptd.adaptation.trigger import Trigger
from adaptd.registry import scores
from adaptd.registry.releases import Release

# Enough for an accuracy within 3 points.
REFERENCE_RECORDS = 1_000


def reference_accuracy(connection: Connection, champion: Release, trigger: Trigger) -> float | None:
    """Over the latest records before it, without those of a broken sensor; None where there are
    none, or no drift."""
    if trigger.kind != "drift":
        return None
    return scores.accuracy_before(
        connection,
        champion.stream,
        trigger.since_record,
        release_digest=champion.digest,
        records=REFERENCE_RECORDS,
    )

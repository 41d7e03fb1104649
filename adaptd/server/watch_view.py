"""`WatchView`: a release's watch as pages and commands show it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adaptd.registry.releases import Release
from adaptd.registry.watches import Watch
from adaptd.server.wording import count, e_value, percent

# State -> what a person calls it, and the chip that it has.
STATES = {
    "watching": ("watched", "busy"),
    "kept": ("kept", "approved"),
    "rolled-back": ("rolled back", "rejected"),
    "drift": ("ended by a drift", "expired"),
    "superseded": ("ended by the next release", "expired"),
    "ended": ("ended", "expired"),
    "damaged": ("no way back", "rejected"),
}


@dataclass(frozen=True)
class WatchView:
    """title: what has become of it. chip: its kind. number, predecessor: of the two releases; back:
    of the release that the predecessor came back as. records: counted, of at most `maximum`."""

    watch: Watch
    title: str
    chip: str
    number: str
    predecessor: str
    back: str | None
    records: int
    maximum: int
    summary: str


def views(watches: Iterable[Watch], releases: Iterable[Release]) -> dict[str, WatchView]:
    """Digest of a release -> its watch."""
    numbers = {release.digest: str(release.number) for release in releases}
    return {watch.release_digest: _view(watch, numbers) for watch in watches}


def state_of(watch: Watch) -> str:
    """`watching`, or how it has ended."""
    return watch.outcome or "watching"


def document(watch: Watch) -> dict[str, Any]:
    """One watch, as the API and `adaptd watches --json` give it."""
    return {
        "release_digest": watch.release_digest,
        "predecessor_digest": watch.predecessor_digest,
        "state": state_of(watch),
        "reason": watch.reason,
        "rollback_digest": watch.rollback_digest,
        "begun_at": watch.begun_at,
        "ended_at": watch.ended_at,
        "evidence": watch.evidence,
    }


def _view(watch: Watch, numbers: Mapping[str, str]) -> WatchView:
    state, evidence = state_of(watch), watch.evidence
    title, chip = STATES.get(state, (state, "expired"))
    number, predecessor = (
        numbers.get(digest, "?") for digest in (watch.release_digest, watch.predecessor_digest)
    )
    back = None if watch.rollback_digest is None else numbers.get(watch.rollback_digest, "?")
    accuracy = evidence["accuracy"]
    seen = (
        f"On the same {count(evidence['records'])} records release {number} was right on "
        f"{percent(accuracy['released'])}, release {predecessor} before it on "
        f"{percent(accuracy['predecessor'])}. The e-value that it is worse has reached "
        f"{e_value(math.exp(min(evidence['log_e_value'], 690)))}; at {1 / evidence['alpha']:.4g} "
        "it is rolled back."
    )
    return WatchView(
        watch=watch,
        title=title,
        chip=chip,
        number=number,
        predecessor=predecessor,
        back=back,
        records=evidence["records"],
        maximum=evidence["maximum_records"],
        summary=seen if evidence["records"] else "No record has been predicted by both yet.",
    )

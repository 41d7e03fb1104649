"""`Breaker`: tells a schema that has changed from records that are poison."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.errors import SourceError
from adaptd.stream.reject import Reject


class Breaker:
    """Looks at the latest `records` of a stream, good and bad.

    what: they are, for people, such as records.
    maximum_share: of bad ones among them that is still poison; 1 never breaks. schema_digest: of
    what they are held against.
    """

    def __init__(
        self,
        *,
        records: int,
        maximum_share: float,
        schema_digest: str = "",
        what: str = "records",
    ) -> None:
        self._what = what
        self._maximum_share = maximum_share
        self._schema_digest = schema_digest
        self._reasons: deque[str | None] = deque(maxlen=records)
        self._bad = 0

    def note(self, fit: NDArray[np.int64], rejects: Sequence[Reject]) -> None:
        """Takes what one poll gave, in its order in the source.

        fit: int64 [n, 2], (partition, offset) of what fits.

        Raises SourceError where more than the share of a full look-back is bad: most records do not
        fit, so what is wrong is the schema, here or there, and not they.
        """
        if not rejects and self._bad == 0:
            # Nearly every poll.
            self._reasons.extend([None] * len(fit))
            return
        seen = [(int(partition), int(offset), "") for partition, offset in fit]
        seen += [(reject.partition, reject.offset, reject.reason) for reject in rejects]
        for _, _, reason in sorted(seen):
            if len(self._reasons) == self._reasons.maxlen and self._reasons[0]:
                self._bad -= 1
            self._reasons.append(reason or None)
            self._bad += bool(reason)
            if self._bad > self._maximum_share * (self._reasons.maxlen or 1):
                raise self._broken(rejects[-1])

    def state(self) -> dict[str, Any]:
        """Plain JSON values; `restore` takes them."""
        bad = [[place, reason] for place, reason in enumerate(self._reasons) if reason]
        return {"schema_digest": self._schema_digest, "records": len(self._reasons), "bad": bad}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state` was taken, so that a process which is started again and again lets
        no more pass than one; begins anew where the schema is another."""
        if state["schema_digest"] != self._schema_digest:
            return
        reasons: list[str | None] = [None] * state["records"]
        for place, reason in state["bad"]:
            reasons[place] = reason
        self._reasons.clear()
        self._reasons.extend(reasons)
        self._bad = sum(reason is not None for reason in self._reasons)

    def _broken(self, latest: Reject) -> SourceError:
        found = Counter(reason for reason in self._reasons if reason).most_common()
        reasons = ", ".join(f"{reason} {count}" for reason, count in found)
        return SourceError(
            f"{self._bad} of the latest {len(self._reasons)} {self._what} do not fit the schema "
            f"({reasons}), more than rejects.maximum_share of rejects.window_records allows. The "
            f"stream stops here, at partition {latest.partition}, offset {latest.offset}: "
            f"{latest.detail}. Correct record in the configuration, or whoever writes the records; "
            "with rejects.maximum_share: 1 those that are there already are set aside."
        )

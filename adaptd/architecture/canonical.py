"""One way to write a document, so that equal documents have equal digests."""

import hashlib
import json
from typing import Any


def canonical_json(document: Any) -> str:
    """JSON with sorted keys and no spaces. Raises ValueError for NaN and infinity, TypeError for
    odd objects."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(document: Any) -> str:
    """Lower-case hex sha256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()

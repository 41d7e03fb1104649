"""What the members of a trial have forgotten of concepts that are over."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adaptd.adaptation.trial import DEPLOYED
from adaptd.daemon.lineup import Lineup
from adaptd.observer.score import score
from adaptd.registry.old_concepts import OldConcept, forgotten_points
from adaptd.stream.batch import Batch
from adaptd.stream.reservoir import to_judge

# Of a plan and of a proposal's evidence.
OLD_CONCEPTS = "old_concepts"

# Records that are predicted at once, as in a poll.
_CHUNK_RECORDS = 256


def measured(
    lineup: Lineup, samples: Iterable[tuple[OldConcept, Batch | None]]
) -> list[dict[str, Any]]:
    """How the champion and the members of the trial, all of them loaded, answer old concepts.

    Plain values, one document a concept: accuracy, of each of them as a fraction of `records`;
    lost, gained: records that the champion has right and the member wrong, and the reverse. None of
    the records is ever rehearsed. The accuracy of the champion less that of a member is what
    replacing the one by the other forgets; with its sign turned, backward transfer. A sample that
    cannot be read has 0 records and no accuracies.
    Sources: Lopez-Paz & Ranzato 2017, "Gradient Episodic Memory for Continual Learning" (backward
    transfer); Chaudhry et al. 2018, "Riemannian Walk for Incremental Learning" (forgetting, there
    against the best of all earlier models: `accuracy_then` is that of the concept's own).
    """
    return [_measured(lineup, concept, sample) for concept, sample in samples]


def _measured(lineup: Lineup, concept: OldConcept, sample: Batch | None) -> dict[str, Any]:
    judged = Batch.empty(()) if sample is None else to_judge(sample)
    hits = _hits(lineup, judged)
    own = hits.get(DEPLOYED, np.empty(0, np.bool_))
    return {
        "release": concept.release,
        "first_record": concept.first_record,
        "last_record": concept.end_record - 1,
        "digest": concept.digest,
        "accuracy_then": concept.accuracy,
        "records": len(judged),
        "accuracy": {name: float(column.mean()) for name, column in hits.items()},
        "lost": {name: int((own & ~column).sum()) for name, column in hits.items()},
        "gained": {name: int((~own & column).sum()) for name, column in hits.items()},
    }


def _hits(lineup: Lineup, batch: Batch) -> dict[str, NDArray[np.bool_]]:
    """Member -> bool [n]; empty for no record."""
    champion = lineup.release
    if champion is None:
        raise RuntimeError("a trial needs a champion")
    parts: dict[str, list[NDArray[np.bool_]]] = {}
    for start in range(0, len(batch), _CHUNK_RECORDS):
        chunk = batch[start : start + _CHUNK_RECORDS]
        hits = {who: score(said, chunk.target)[0] for who, said in lineup.predict(chunk.x).items()}
        members = lineup.of_members(hits)
        if members is None:
            raise RuntimeError("every member that is loaded predicts")
        for name, column in {DEPLOYED: hits[champion.digest], **members}.items():
            parts.setdefault(name, []).append(column)
    return {name: np.concatenate(columns) for name, columns in parts.items()}


def over_limit(
    concepts: Iterable[Mapping[str, Any]], challenger: str, *, maximum_points: float | None
) -> str | None:
    """Why what a challenger forgets is more than is allowed, in words; None where it is not.

    concepts: of `measured`. maximum_points: percentage points of any concept; None: no limit.
    """
    if maximum_points is None:
        return None
    for concept in concepts:
        if challenger not in concept["accuracy"]:
            return f"what is forgotten of the concept of release {concept['release']} is not known"
        points = forgotten_points(
            lost=concept["lost"][challenger],
            gained=concept["gained"][challenger],
            records=concept["records"],
        )
        if points > maximum_points:
            return (
                f"{points:.1f} points are forgotten of the concept of release "
                f"{concept['release']}, {maximum_points:g} are allowed"
            )
    return None

"""What a proposal's challenger has forgotten of old concepts, in rows that an operator reads."""

import math
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from adaptd.registry.old_concepts import forgotten_points
from adaptd.server.wording import ABSENT, NO_BREAK, count, points

DEPLOYED = "deployed"


class OldConcept(BaseModel):
    """How the members of a trial answer records that were kept of a concept that is over.

    release: the one that was champion while it lasted, between records first_record and
    last_record; accuracy_then: of it, over what it was sampled from. records: how many they were
    compared on, 0 where the sample could not be read; accuracy: member -> fraction of them; lost,
    gained: member -> how many of them only the champion has right, or only the member.
    """

    model_config = ConfigDict(frozen=True)

    release: int
    first_record: int
    last_record: int
    accuracy_then: FiniteFloat
    records: int = Field(ge=0)
    accuracy: dict[str, FiniteFloat] = {}
    lost: dict[str, int] = {}
    gained: dict[str, int] = {}

    def forgotten(self, challenger: str) -> float | None:
        """The champion's accuracy less the challenger's, in points; None where it is unknown."""
        if not self.records or challenger not in self.lost or challenger not in self.gained:
            return None
        return forgotten_points(
            lost=self.lost[challenger], gained=self.gained[challenger], records=self.records
        )


@dataclass(frozen=True)
class ForgettingRow:
    """One old concept. then, champion, challenger: accuracies; forgotten: points with their
    standard error, above 0 where the challenger is worse; is_worse: by more than two of these."""

    title: str
    records: int
    then: float
    champion: float | None
    challenger: float | None
    forgotten: str
    is_worse: bool


def rows(concepts: tuple[OldConcept, ...], challenger: str) -> tuple[ForgettingRow, ...]:
    """One for each concept, in their order."""
    return tuple(_row(concept, challenger) for concept in concepts)


def _row(concept: OldConcept, challenger: str) -> ForgettingRow:
    forgotten = concept.forgotten(challenger)
    error = _standard_error(concept, challenger)
    return ForgettingRow(
        title=f"release {concept.release}, records {count(concept.first_record)} to "
        f"{count(concept.last_record)}",
        records=concept.records,
        then=concept.accuracy_then,
        champion=concept.accuracy.get(DEPLOYED),
        challenger=concept.accuracy.get(challenger),
        forgotten=ABSENT
        if forgotten is None
        else f"{points(forgotten / 100)}{NO_BREAK}±{NO_BREAK}{error:.1f}",
        is_worse=forgotten is not None and forgotten > 2 * error,
    )


def _standard_error(concept: OldConcept, challenger: str) -> float:
    """Of the difference of two accuracies on the same records, in points: only those count on which
    the two differ (McNemar 1947)."""
    lost, gained = concept.lost.get(challenger, 0), concept.gained.get(challenger, 0)
    if not concept.records:
        return 0.0
    variance = lost + gained - (lost - gained) ** 2 / concept.records
    return 100 * math.sqrt(max(0.0, variance)) / concept.records


def limit(
    concepts: tuple[OldConcept, ...], challenger: str, *, maximum_points: float | None
) -> tuple[bool, str] | None:
    """Whether the limit holds that a policy is bound by, and that in words; None without one."""
    if maximum_points is None or not concepts:
        return None
    forgotten = [concept.forgotten(challenger) for concept in concepts]
    known = [one for one in forgotten if one is not None]
    allowed = f"a policy may approve at most {maximum_points:g}{NO_BREAK}points"
    if len(known) < len(forgotten):
        return False, f"What is forgotten of an old concept could not be measured; {allowed}."
    most = max(known)
    said = f"{max(0.0, most):.1f}{NO_BREAK}points of accuracy on an old concept are forgotten"
    return most <= maximum_points, f"{said}; {allowed}."

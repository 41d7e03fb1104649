"""`Evidence`: what a proposal rests on, in the words and rows that an operator decides by."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from adaptd.server import costs
from adaptd.server.costs import Cost
from adaptd.server.forgetting import OldConcept, limit
from adaptd.server.remembrance import Distilled, Rehearsed
from adaptd.server.wording import (
    ABSENT,
    count,
    e_value,
    member,
    odds,
    percent,
    points,
)

# What changes the architecture.
REOPENED = "reopened"
WIDER = "reopened-wider"
DEPLOYED = "deployed"
# What keeps it, the cheapest first. The first two came later than the others, and the very first
# is not always to be had.
CORRECTED = "prior-corrected"
LATE_COMERS = (CORRECTED, "recalibrated")
WEIGHTS_ONLY = (*LATE_COMERS, "fine-tuned", "shrink-perturbed", "retrained")
# From so many records as one on it is worth a sentence.
RESEMBLING = 1.5
RANDOM = "random-neighbour"
# What the chance beside an e-value is of.
CHANCE = (
    "Chance: if the challenger were not more often right than that rival, an e-value as large "
    "would be seen with at most this chance, however long one looks. Records as one: so many "
    "consecutive records counted as one, since they may resemble each other."
)
WIDENED = "widened"


class Drift(BaseModel):
    """The alarm that began it, and the record the change is dated to."""

    model_config = ConfigDict(frozen=True)

    signal: str
    record: int
    since_record: int


class Diagnosed(BaseModel):
    """What kind of drift it looks like, and in which channels."""

    model_config = ConfigDict(frozen=True)

    kind: str
    channels: tuple[str, ...] = ()


class AlphaBudget(BaseModel):
    """Where the test stands among those of its stream. stream: the alpha that all of them share;
    test: its number, from 1; spent_before: the sum over those before it; spent: by this test, of
    which each of several trials has a part; None where there was one only."""

    model_config = ConfigDict(frozen=True)

    stream: float = Field(gt=0, lt=1)
    test: int = Field(ge=1)
    spent_before: float = Field(ge=0)
    spent: float | None = Field(default=None, gt=0, lt=1)


class Evidence(BaseModel):
    """The evidence document of a proposal. Keys it does not know are passed over.

    records: paired records that count, from first_record on; accuracy: member -> fraction of them;
    e_value: rival -> e-value against it (None: beyond what a float holds); records_as_one: rival ->
    so many consecutive records were counted as one. challenger: which member is proposed. alpha: of
    its claim; trial_alpha: of the whole test, and alpha_budget: None in what was written before
    there was such.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1]
    records: int = Field(gt=0)
    first_record: int
    accuracy: dict[str, FiniteFloat]
    e_value: dict[str, float | None]
    challenger: str = REOPENED
    alpha: float = Field(gt=0, lt=1)
    trial_alpha: float | None = Field(default=None, gt=0, lt=1)
    alpha_budget: AlphaBudget | None = None
    records_as_one: dict[str, FiniteFloat] = {}
    champion_architecture: dict[str, Any] = {}
    challenger_architecture: dict[str, Any] = {}
    edits: tuple[str, ...] = ()
    macs: Cost | None = None
    parameters: Cost | None = None
    latency_seconds: Cost | None = None
    supernet_memory_ratio: float | None = None
    drift: Drift | None = None
    diagnosis: Diagnosed | None = None
    trigger: str = ""
    training_records: tuple[int, int] | None = None
    given_weights: str | None = None
    left_out_records: int = 0
    held_back_records: int = 0
    rehearsal: Rehearsed | None = None
    distillation: Distilled | None = None
    old_concepts: tuple[OldConcept, ...] = ()
    maximum_forgetting_points: float | None = None
    phase_seconds: dict[str, float] = {}
    skipped: dict[str, str] = {}

    @property
    def last_record(self) -> int:
        return self.first_record + self.records - 1

    @property
    def needed(self) -> float:
        """The e-value that has to be reached."""
        return 1 / self.alpha

    @property
    def is_reopened(self) -> bool:
        """Whether a new architecture is proposed, and not new weights alone."""
        return self.challenger in (REOPENED, WIDER)

    @property
    def is_recalled(self) -> bool:
        """Whether an earlier release is proposed again."""
        return self.challenger.startswith("release-")

    @property
    def rivals(self) -> tuple[str, ...]:
        """Whom the challenger must beat, each of them."""
        if not self.is_reopened:
            return (DEPLOYED,)
        cheaper = (REOPENED,) if self.challenger == WIDER else ()
        return tuple(
            name
            for name in (*WEIGHTS_ONLY, *cheaper, DEPLOYED)
            if name not in LATE_COMERS or name in self.accuracy
        )


@dataclass(frozen=True)
class MemberRow:
    """One member of the trial. accuracy: fraction; difference: the challenger's lead, in points."""

    name: str
    title: str
    accuracy: float
    difference: str
    is_challenger: bool
    is_best_rival: bool


@dataclass(frozen=True)
class RivalRow:
    """The test against one of the rivals. chance: of so large a value, see `CHANCE`. as_one: so
    many consecutive records counted as one, since they resemble each other."""

    title: str
    value: str
    is_passed: bool
    chance: str
    as_one: str


@dataclass(frozen=True)
class Check:
    """Something an operator would look for, and whether it holds."""

    holds: bool
    text: str


def read(document: Any) -> Evidence | None:
    """The evidence in a proposal's document; None where it cannot be understood."""
    try:
        return Evidence.model_validate(document)
    except ValidationError:
        return None


def summary(evidence: Evidence) -> str:
    """One sentence: the challenger beside the best of the other kind and the deployed model."""
    challenger = evidence.accuracy.get(evidence.challenger)
    text = (
        f"Right on {percent(challenger)} of {count(evidence.records)} records "
        f"({count(evidence.first_record)} to {count(evidence.last_record)})"
    )
    others = []
    if evidence.is_recalled:
        text = f"{member(evidence.challenger).capitalize()}, as it was. {text}"
    elif not evidence.is_reopened:
        kept = "The deployed weights" if evidence.challenger == CORRECTED else "New weights"
        text = f"{kept}, {member(evidence.challenger)}, the same architecture. {text}"
        others += [
            f"{kind} architecture reached {percent(evidence.accuracy[name])}"
            for name, kind in ((REOPENED, "a new"), (WIDER, "a wider"))
            if name in evidence.accuracy
        ]
    elif (remedy := _most_accurate(evidence, WEIGHTS_ONLY)) is not None:
        others.append(
            f"the best weights-only remedy ({member(remedy)}) reached "
            f"{percent(evidence.accuracy[remedy])}"
        )
    if evidence.challenger == WIDER and REOPENED in evidence.accuracy:
        others.append(f"a narrower architecture {percent(evidence.accuracy[REOPENED])}")
    if DEPLOYED in evidence.accuracy:
        others.append(f"the deployed model {percent(evidence.accuracy[DEPLOYED])}")
    return f"{text}, where {' and '.join(others)}." if others else f"{text}."


def best_rival(evidence: Evidence) -> str | None:
    """The most accurate of the rivals; None if none was measured."""
    return _most_accurate(evidence, evidence.rivals)


def _most_accurate(evidence: Evidence, names: tuple[str, ...]) -> str | None:
    measured = [name for name in names if name in evidence.accuracy]
    return max(measured, key=lambda name: evidence.accuracy[name], default=None)


def members(evidence: Evidence) -> tuple[MemberRow, ...]:
    """Every member of the trial, most accurate first."""
    challenger = evidence.accuracy.get(evidence.challenger)
    rival = best_rival(evidence)
    return tuple(
        MemberRow(
            name=name,
            title=f"challenger: {member(name)}" if name == evidence.challenger else member(name),
            accuracy=accuracy,
            difference=ABSENT
            if challenger is None or name == evidence.challenger
            else points(challenger - accuracy),
            is_challenger=name == evidence.challenger,
            is_best_rival=name == rival,
        )
        for name, accuracy in sorted(
            evidence.accuracy.items(),
            key=lambda item: (-item[1], item[0] != evidence.challenger),
        )
    )


def rivals(evidence: Evidence) -> tuple[RivalRow, ...]:
    """The e-value against each rival, and what it means."""
    return tuple(_rival_row(evidence, name) for name in evidence.rivals)


def _rival_row(evidence: Evidence, name: str) -> RivalRow:
    if name not in evidence.e_value:
        return RivalRow(member(name), ABSENT, False, "not measured", ABSENT)
    stored = evidence.e_value[name]
    value = float("inf") if stored is None else stored
    as_one = evidence.records_as_one.get(name, 1.0)
    return RivalRow(
        member(name),
        e_value(value),
        is_passed=value >= evidence.needed,
        chance="no evidence" if value <= 1 else f"at most {odds(value)}",
        as_one=ABSENT if as_one < RESEMBLING else f"{as_one:.1f}",
    )


def budget(evidence: Evidence) -> str | None:
    """What the test was allowed of the stream's alpha, in words; None where it is not told."""
    shared = evidence.alpha_budget
    if shared is None:
        return None
    spent = shared.spent or evidence.trial_alpha or evidence.alpha
    left = shared.stream - shared.spent_before - spent
    return (
        f"All tests of the stream share alpha = {shared.stream:g}, the chance that any of them "
        f"errs. This is test {count(shared.test)}: {shared.spent_before:.3g} was spent before it, "
        f"{spent:.3g} is spent by it, "
        + (f"{left:.3g} is left." if left > 0 else "nothing is left, since alpha was lowered.")
    )


def costs_of(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """What a prediction takes: title, and the amounts in words."""
    return tuple(costs.facts(evidence.macs, evidence.parameters, evidence.latency_seconds))


def left_out(evidence: Evidence) -> str | None:
    """Which remedies could not be had, and why; None where all could."""
    told = (f"{member(name)} ({reason})" for name, reason in evidence.skipped.items())
    return "; ".join(told) or None


def checks(evidence: Evidence, *, is_champion_current: bool | None) -> tuple[Check, ...]:
    """What must hold for the evidence to be worth a release, each with its numbers.

    is_champion_current: whether the model that it was compared with still is champion; None where
    that is no longer asked.
    """
    whom = (
        "the deployed model"
        if not evidence.is_reopened
        else "each weights-only remedy and against the deployed model"
        if evidence.challenger == REOPENED
        else "each weights-only remedy, the narrower architecture and the deployed model"
    )
    result = [
        Check(
            all(row.is_passed for row in rivals(evidence)),
            f"The e-value against {whom} must reach {evidence.needed:.4g}, one over "
            f"alpha = {evidence.alpha:g}.",
        ),
        _frozen_before(evidence),
    ]
    result += [
        Check(*kept)
        for kept in costs.checks(evidence.macs, evidence.parameters, evidence.latency_seconds)
    ]
    if evidence.is_reopened:
        result.append(_against_unsearched(evidence))
    bound = limit(
        evidence.old_concepts,
        evidence.challenger,
        maximum_points=evidence.maximum_forgetting_points,
    )
    if bound is not None:
        result.append(Check(*bound))
    if is_champion_current is not None:
        result.append(
            Check(
                is_champion_current,
                "The model that it was compared with is still the champion."
                if is_champion_current
                else "Another release has become champion since, and was not compared with it.",
            )
        )
    return tuple(result)


def _frozen_before(evidence: Evidence) -> Check:
    if evidence.given_weights is not None:
        return Check(
            True,
            f"Its weights were given in the file {evidence.given_weights}, before the stream's "
            "first release.",
        )
    if evidence.training_records is None:
        return Check(False, "The records that it was trained on are not named.")
    first, last = evidence.training_records
    holds = last < evidence.first_record
    trained = f"Every remedy was trained on records {count(first)} to {count(last)}"
    counted = f"the first record that counts is {count(evidence.first_record)}"
    if holds:
        return Check(True, f"{trained} and frozen; {counted}.")
    return Check(False, f"{trained}, but {counted}: the evidence overlaps the training.")


def _against_unsearched(evidence: Evidence) -> Check:
    is_wider = evidence.challenger == WIDER
    name = WIDENED if is_wider else RANDOM
    rival, challenger = (evidence.accuracy.get(one) for one in (name, evidence.challenger))
    if rival is None or challenger is None:
        missing = "wider network" if is_wider else "random neighbour"
        return Check(False, f"No {missing} was measured beside it.")
    edit = "The same width without a search" if is_wider else "A random edit"
    reached = f"{edit}, of equal training, reached {percent(rival)}"
    if challenger > rival:
        beyond = "width alone" if is_wider else "changing anything at all"
        lead = points(challenger - rival)
        return Check(True, f"{reached}, so the search was worth {lead} beyond {beyond}.")
    return Check(False, f"{reached}: as good as what the search found.")

from datetime import UTC, datetime
from typing import Any

import pytest

from adaptd.daemon.replay.comparison import Comparison, compare
from adaptd.daemon.replay.rerun import Rerun
from adaptd.registry.trials import TrialRow

MADE_BY = {
    "training": {"torch": "2.13.0", "numpy": "2.5.0"},
    "trial": {"onnxruntime": "1.27.0", "numpy": "2.5.0"},
}
EVIDENCE: dict[str, Any] = {
    "records": 300,
    "winner": "retrained",
    "verdict": "better",
    "accuracy": {"deployed": 0.5, "retrained": 0.75},
    "e_value": {"deployed": 123.0},
}
Members = dict[str, dict[str, str | None]]


def members(architecture: str, weights: str) -> Members:
    return {"retrained": {"architecture": architecture * 64, "weights": weights * 64}}


MEMBERS = members("a", "b")


def row(number: int = 1, **changes: Any) -> TrialRow:
    made_by = {**MADE_BY, **changes.pop("made_by", {})}
    now = datetime(2026, 1, 1, tzinfo=UTC)
    fields: dict[str, Any] = {
        "episode_id": "E",
        "stream": "s",
        "kind": "weights",
        "terms": {},
        "members": MEMBERS,
        "first_record": 0,
        "end_record": 300,
        "counted": {},
        "evidence": EVIDENCE,
        "begun_at": now,
        "ended_at": now,
    }
    return TrialRow(number=number, made_by=made_by, **{**fields, **changes})


def compared(*rows: TrialRow, now: Members = MEMBERS, **evidence: Any) -> Comparison:
    return compare([Rerun(one, now, MADE_BY, {**EVIDENCE, **evidence}) for one in rows])


def test_what_comes_out_as_it_was_is_the_same_in_every_line() -> None:
    found = compared(row())
    assert found.is_same
    assert all(line.is_same for line in found.lines)
    assert found.sentence == "Same architecture, same verdict."
    assert {line.what for line in found.lines} == {
        "architecture",
        "weights",
        "accuracy",
        "e-value",
        "records",
        "winner",
        "verdict",
    }


def test_weights_that_differ_are_said_and_do_not_count() -> None:
    other = members("a", "c")
    found = compared(row(made_by={"training": {"torch": "2.12.0"}}), now=other)
    assert found.is_same
    assert found.sentence == (
        "Same architecture, same verdict, though not to the bit; "
        "to blame: torch 2.12.0 then, 2.13.0 now."
    )


def test_another_architecture_is_blamed_on_the_training() -> None:
    other = members("z", "c")
    made_by = {"training": {"torch": "2.12.0"}, "trial": {"onnxruntime": "1.26.0"}}
    found = compared(row(made_by=made_by), now=other)
    assert not found.is_same
    assert not found.is_same_architecture
    assert found.sentence == (
        "NOT the same architecture, same verdict; to blame: torch 2.12.0 then, 2.13.0 now."
    )


@pytest.mark.parametrize("evidence", [{"verdict": "inconclusive"}, {"winner": None}])
def test_another_verdict_of_the_same_networks_is_blamed_on_the_trial(
    evidence: dict[str, Any],
) -> None:
    made_by = {"training": {"torch": "2.12.0"}, "trial": {"onnxruntime": "1.26.0"}}
    found = compared(row(made_by=made_by), **evidence)
    assert not found.is_same
    assert found.is_same_architecture
    assert found.sentence == (
        "Same architecture, NOT the same verdict; to blame: onnxruntime 1.26.0 then, 1.27.0 now."
    )


def test_the_first_trial_that_differs_is_to_blame_for_those_after_it() -> None:
    second = row(2, made_by={"trial": {"numpy": "2.4.0"}})
    first = row(1, made_by={"trial": {"onnxruntime": "1.26.0"}})
    found = compared(first, second, verdict="inconclusive")
    assert found.blame == "to blame: onnxruntime 1.26.0 then, 1.27.0 now"


def test_a_version_that_made_no_difference_is_told() -> None:
    found = compared(row(made_by={"training": {"torch": "2.12.0"}}))
    assert found.is_same
    assert found.blame is None
    assert found.sentence == (
        "Same architecture, same verdict, in spite of torch 2.12.0 then, 2.13.0 now."
    )


def test_an_e_value_may_differ_in_its_last_digits() -> None:
    assert compared(row(), e_value={"deployed": 123.0 * (1 + 1e-12)}).blame is None
    assert compared(row(), e_value={"deployed": 124.0}).blame is not None


def test_evidence_against_others_than_recorded_is_another() -> None:
    found = compared(row(), e_value={"fine-tuned": 123.0})
    (line,) = [line for line in found.lines if line.what == "e-value"]
    assert (line.recorded, line.replayed, line.is_same) == (None, 123.0, False)

from typing import Any

import pytest

from adaptd.server import evidence as evidence_of
from adaptd.server.evidence import Evidence
from adaptd.server.part_rows import PartRow, parts
from adaptd.server.wording import ABSENT, NO_BREAK, member

Document = dict[str, Any]


def parsed(document: Document, **changes: Any) -> Evidence:
    evidence = evidence_of.read({**document, **changes})
    assert evidence is not None
    return evidence


def failing(evidence: Evidence, *, is_champion_current: bool = True) -> list[str]:
    checks = evidence_of.checks(evidence, is_champion_current=is_champion_current)
    return [check.text.replace(NO_BREAK, " ") for check in checks if not check.holds]


def test_summary_names_the_best_weights_only_remedy(evidence_document: Document) -> None:
    text = evidence_of.summary(parsed(evidence_document)).replace(NO_BREAK, " ")
    assert text == (
        "Right on 93.1 % of 1,000 records (6,017 to 7,016), where the best weights-only remedy "
        "(deployed architecture, retrained) reached 58.2 % and the deployed model 31.1 %."
    )


def test_members_come_most_accurate_first_with_the_lead_over_each(
    evidence_document: Document,
) -> None:
    rows = evidence_of.members(parsed(evidence_document))
    assert [row.name for row in rows] == [
        "reopened",
        "random-neighbour",
        "retrained",
        "shrink-perturbed",
        "fine-tuned",
        "deployed",
    ]
    assert [row.name for row in rows if row.is_best_rival] == ["retrained"]
    assert rows[2].difference.startswith("+34.9")


def test_an_e_value_is_explained_as_a_chance(evidence_document: Document) -> None:
    rows = evidence_of.rivals(parsed(evidence_document))
    assert all(row.is_passed for row in rows)
    chances = {row.title: row.chance for row in rows}
    assert chances[member("retrained")] == "at most 1 in 125,000"


def test_new_weights_have_to_beat_what_is_deployed_and_nobody_else(
    evidence_document: Document,
) -> None:
    document = {
        **evidence_document,
        "challenger": "retrained",
        "e_value": {"deployed": 400.0},
        "alpha": 0.0025,
        "trial_alpha": 0.02,
    }
    evidence = parsed(document)
    assert [row.title for row in evidence_of.rivals(evidence)] == [member("deployed")]
    assert evidence_of.best_rival(evidence) == "deployed"
    first, *others = evidence_of.checks(evidence, is_champion_current=None)
    assert first.holds
    assert "against the deployed model must reach 400" in first.text
    assert not any("random" in check.text for check in others)
    text = evidence_of.summary(evidence)
    assert text.startswith("New weights, deployed architecture, retrained, the same architecture.")
    assert "a new architecture reached" in text
    (marked,) = [row for row in evidence_of.members(evidence) if row.is_challenger]
    assert marked.name == "retrained"


def test_a_recalibrated_model_is_a_rival_where_there_was_one(evidence_document: Document) -> None:
    document = {
        **evidence_document,
        "accuracy": {**evidence_document["accuracy"], "recalibrated": 0.4},
        "e_value": {**evidence_document["e_value"], "recalibrated": 1e6},
    }
    titles = [row.title for row in evidence_of.rivals(parsed(document))]
    assert titles[0] == member("recalibrated") != "recalibrated"


def test_a_wider_architecture_has_to_beat_the_narrower_one_and_shows_its_width(
    evidence_document: Document,
) -> None:
    wider = {**evidence_document["challenger_architecture"], "settings": {"width": 99}}
    document = {
        **evidence_document,
        "challenger": "reopened-wider",
        "accuracy": {**evidence_document["accuracy"], "reopened-wider": 0.8, "widened": 0.5},
        "e_value": {**evidence_document["e_value"], "reopened": 1e6, "reopened-wider": 1.0},
        "challenger_architecture": wider,
    }
    evidence = parsed(document)
    assert "reopened" in evidence.rivals
    first, *others = shown(evidence)
    assert (first.part, first.after, first.is_changed) == ("width", "99", True)
    assert len(others) == len(shown(parsed(evidence_document)))
    assert "a narrower architecture" in evidence_of.summary(evidence)
    texts = [check.text for check in evidence_of.checks(evidence, is_champion_current=None)]
    assert any("beyond width alone" in text for text in texts)
    (marked,) = [row for row in evidence_of.members(evidence) if row.is_challenger]
    assert marked.title == f"challenger: {member('reopened-wider')}"


def test_records_that_count_less_are_named(evidence_document: Document) -> None:
    as_one = {row.title: row.as_one for row in evidence_of.rivals(parsed(evidence_document))}
    assert as_one[member("retrained")] == "3.2"
    assert as_one[member("fine-tuned")] == as_one[member("deployed")] == ABSENT


def test_budget_is_told_in_words(evidence_document: Document) -> None:
    text = evidence_of.budget(parsed(evidence_document))
    assert text is not None
    assert "share alpha = 0.6" in text
    assert "test 3: 0.45 was spent before it, 0.05 is spent by it, 0.1 is left." in text
    shared = evidence_document["alpha_budget"]
    lowered = evidence_of.budget(parsed(evidence_document, alpha_budget={**shared, "stream": 0.01}))
    assert lowered is not None
    assert "nothing is left" in lowered


def test_evidence_from_before_there_was_a_budget_is_still_read(evidence_document: Document) -> None:
    del evidence_document["alpha_budget"], evidence_document["records_as_one"]
    evidence = parsed(evidence_document)
    assert evidence_of.budget(evidence) is None
    assert all(row.is_passed for row in evidence_of.rivals(evidence))


@pytest.mark.parametrize("rival", ["fine-tuned", "retrained", "shrink-perturbed", "deployed"])
def test_every_rival_must_be_beaten(evidence_document: Document, rival: str) -> None:
    values = evidence_document["e_value"]
    weak = parsed(evidence_document, e_value={**values, rival: 19.9})
    assert [row.title for row in evidence_of.rivals(weak) if not row.is_passed] == [member(rival)]
    assert any("must reach 20" in text for text in failing(weak))
    rest = {name: value for name, value in values.items() if name != rival}
    missing = parsed(evidence_document, e_value=rest)
    assert any("must reach 20" in text for text in failing(missing))


def test_a_deployed_model_that_did_best_is_the_rival_to_beat(evidence_document: Document) -> None:
    accuracy = {**evidence_document["accuracy"], "deployed": 0.95}
    evidence = parsed(evidence_document, accuracy=accuracy)
    assert evidence_of.best_rival(evidence) == "deployed"
    text = evidence_of.summary(evidence).replace(NO_BREAK, " ")
    assert "retrained) reached 58.2 % and the deployed model 95.0 %" in text


def test_an_e_value_beyond_floats_passes(evidence_document: Document) -> None:
    evidence = parsed(evidence_document, e_value=dict.fromkeys(evidence_document["e_value"]))
    assert [row.value for row in evidence_of.rivals(evidence)] == ["∞"] * 4
    assert failing(evidence) == []


def test_good_evidence_has_nothing_to_look_at(evidence_document: Document) -> None:
    assert failing(parsed(evidence_document)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training_records": [4_001, 6_017]}, "overlaps the training"),
        ({"training_records": None}, "not named"),
        ({"macs": {"champion": 100, "challenger": 130, "cap": 110}}, "the cap is 110"),
        ({"parameters": {"champion": 10, "challenger": 13, "cap": 12}}, "the cap is 12"),
        ({"latency_seconds": {"challenger": 0.003, "cap": 0.002}}, "takes 3 ms"),
        ({"accuracy": {"reopened": 0.7, "random-neighbour": 0.7, "retrained": 0.6}}, "as good as"),
        ({"accuracy": {"reopened": 0.7, "retrained": 0.6}}, "No random neighbour"),
    ],
)
def test_what_undermines_the_evidence_is_said(
    evidence_document: Document, changes: Document, said: str
) -> None:
    assert any(said in text for text in failing(parsed(evidence_document, **changes)))


def test_weights_that_were_given_were_there_before_whatever_counts(
    evidence_document: Document,
) -> None:
    given = parsed(evidence_document, training_records=None, given_weights="theirs.pt")
    assert failing(given) == []
    told = [check.text for check in evidence_of.checks(given, is_champion_current=True)]
    assert any("given in the file theirs.pt" in text for text in told)


def test_a_champion_that_was_replaced_is_said(evidence_document: Document) -> None:
    texts = failing(parsed(evidence_document), is_champion_current=False)
    assert len(texts) == 1
    assert "Another release has become champion" in texts[0]


def shown(evidence: evidence_of.Evidence) -> tuple[PartRow, ...]:
    return parts(evidence.champion_architecture, evidence.challenger_architecture)


def test_edges_that_change_come_first(evidence_document: Document) -> None:
    rows = shown(parsed(evidence_document))
    assert [row.is_changed for row in rows] == [True] * 3 + [False] * 3
    assert (rows[0].part, rows[0].before, rows[0].after) == (
        "cells.0.edges.0",
        "dw k5 d1",
        "dw k9 d4",
    )


@pytest.mark.parametrize(
    "document",
    [None, [], {}, {"schema_version": 2}, {"schema_version": 1, "records": 0}, "evidence"],
)
def test_a_document_that_is_no_evidence_reads_as_none(document: Any) -> None:
    assert evidence_of.read(document) is None

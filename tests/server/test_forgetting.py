"""Forgetting as an operator reads it."""

from typing import Any

import pytest
from rich.console import Console

from adaptd.cli.proposal_output import print_one
from adaptd.clock import FakeClock
from adaptd.server.forgetting import OldConcept, limit, rows
from adaptd.server.proposal_view import view
from adaptd.server.wording import ABSENT, NO_BREAK
from adaptd.store.database import Database


def document(*, deployed: int, reopened: int, both: int, records: int = 200) -> dict[str, Any]:
    """So many records right, by the one, by the other, by both."""
    return {
        "release": 3,
        "first_record": 1_000,
        "last_record": 4_999,
        "accuracy_then": 0.912,
        "records": records,
        "accuracy": {"deployed": deployed / records, "reopened": reopened / records},
        "lost": {"deployed": 0, "reopened": deployed - both},
        "gained": {"deployed": 0, "reopened": reopened - both},
    }


def concept(**counts: int) -> OldConcept:
    return OldConcept.model_validate(document(**counts))


UNREADABLE = OldConcept(release=2, first_record=0, last_record=9, accuracy_then=0.9, records=0)


def test_a_row_has_both_accuracies_and_their_difference_with_its_error() -> None:
    (row,) = rows((concept(deployed=180, reopened=150, both=145),), "reopened")
    assert row.title == "release 3, records 1,000 to 4,999"
    assert (row.then, row.champion, row.challenger) == (0.912, 0.9, 0.75)
    # 35 lost and 5 gained: sqrt(40 - 30 * 30 / 200) / 200.
    assert row.forgotten.replace(NO_BREAK, " ") == "+15.0 points ± 3.0"
    assert row.is_worse


@pytest.mark.parametrize(
    ("reopened", "both", "is_worse"), [(150, 145, True), (178, 170, False), (190, 178, False)]
)
def test_a_difference_that_may_be_chance_is_not_marked(
    reopened: int, both: int, is_worse: bool
) -> None:
    (row,) = rows((concept(deployed=180, reopened=reopened, both=both),), "reopened")
    assert row.is_worse == is_worse


def test_what_could_not_be_measured_is_a_dash() -> None:
    (row,) = rows((UNREADABLE,), "reopened")
    assert (row.champion, row.challenger, row.forgotten) == (None, None, ABSENT)
    assert not row.is_worse


def test_without_a_limit_nothing_has_to_hold() -> None:
    bad = (concept(deployed=180, reopened=0, both=0),)
    assert limit(bad, "reopened", maximum_points=None) is None
    assert limit((), "reopened", maximum_points=5) is None


def test_the_worst_concept_counts() -> None:
    concepts = (
        concept(deployed=180, reopened=180, both=180),
        concept(deployed=180, reopened=150, both=150),
    )
    assert limit(concepts, "reopened", maximum_points=15) == (
        True,
        "15.0\xa0points of accuracy on an old concept are forgotten; "
        "a policy may approve at most 15\xa0points.",
    )
    found = limit(concepts, "reopened", maximum_points=10)
    assert found is not None
    assert not found[0]
    unknown = limit((*concepts, UNREADABLE), "reopened", maximum_points=100)
    assert unknown is not None
    assert not unknown[0]


def test_page_and_terminal_show_what_is_forgotten(
    client: Any, story: Any, database: Database, evidence_document: dict[str, Any]
) -> None:
    story.start("press-5")
    champion = story.release("press-5", "d4" * 32)
    proposal = story.propose(
        "press-5",
        digest="e5" * 32,
        champion=champion.digest,
        evidence={
            **evidence_document,
            "old_concepts": [document(deployed=180, reopened=150, both=145)],
            "maximum_forgetting_points": 10.0,
            "held_back_records": 1_037,
            "rehearsal": {"count": 1_000, "share": 0.25},
            "distillation": {"weight": 0.5, "temperature": 2.0},
        },
    )
    page = client.get(f"/proposals/{proposal.id}").text.replace(NO_BREAK, " ")
    assert "without 1,037 that forgetting is measured on" in page
    console = Console(width=200)
    with console.capture() as capture, database.read() as connection:
        print_one(console, view(connection, proposal, now=FakeClock().now()))
    printed = capture.get().replace(NO_BREAK, " ")
    for text in (page, printed):
        assert "release 3, records 1,000 to 4,999" in text
        assert "+15.0 points ± 3.0" in text
        assert "a policy may approve at most 10 points" in text
        assert "25.0 % of each batch rehearsed from 1,000 records of old concepts" in text
        assert "distilled from the champion with weight 0.5 at temperature 2" in text


def test_a_proposal_from_before_there_was_a_reservoir_shows_none(client: Any, drifted: Any) -> None:
    assert "Forgetting" not in client.get(f"/proposals/{drifted.proposal.id}").text

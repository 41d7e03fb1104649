"""What a person sees of the watch over a release."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from adaptd.registry import watches
from adaptd.server.changes import version_of
from adaptd.server.watch_view import STATES
from adaptd.server.wording import NO_BREAK

STREAM = "press-4"
FIRST, SECOND, THIRD = "a1" * 32, "b2" * 32, "c3" * 32


def evidence(**changes: Any) -> dict[str, Any]:
    return {
        "records": 640,
        "first_record": 9_000,
        "accuracy": {"released": 0.71, "predecessor": 0.943},
        "log_e_value": 2.5,
        "records_as_one": 1.0,
        "alpha": 0.01,
        "minimum_records": 400,
        "maximum_records": 6_000,
        "verdict": "watching",
        **changes,
    }


@pytest.fixture
def watched(story: Any) -> Any:
    """Release 2 is watched beside release 1."""
    story.start(STREAM)
    story.release(STREAM, FIRST)
    story.release(STREAM, SECOND, expected=FIRST)
    with story.database.write() as connection:
        watches.begin(
            connection,
            stream=STREAM,
            release_digest=SECOND,
            predecessor_digest=FIRST,
            evidence=evidence(),
            now=story.clock.now(),
        )
    return story


def roll_back(story: Any) -> None:
    story.release(STREAM, THIRD, expected=SECOND)
    with story.database.write() as connection:
        watches.end(
            connection,
            SECOND,
            outcome="rolled-back",
            reason="it was <b>worse</b>",
            evidence=evidence(verdict="worse", log_e_value=4.8),
            rollback_digest=THIRD,
            now=story.clock.now(),
        )


def page(client: TestClient) -> str:
    response = client.get(f"/streams/{STREAM}")
    assert response.status_code == 200
    text: str = response.text.replace(NO_BREAK, " ")
    return text


def test_a_watch_that_runs_is_on_the_page(client: TestClient, watched: Any) -> None:
    text = page(client)
    assert "Watch over release 2" in text
    assert "release 2 is watched" in text
    assert "640 of 6,000 records" in text
    assert "release 2 was right on 71.0 %, release 1 before it on 94.3 %" in text
    assert "has reached 12.2; at 100 it is rolled back" in text
    assert f"adaptd watches end {STREAM}" in text


def test_a_watch_without_a_record_yet_says_so(client: TestClient, watched: Any) -> None:
    empty = evidence(records=0, accuracy={"released": None, "predecessor": None}, log_e_value=0.0)
    with watched.database.write() as connection:
        watches.report(connection, SECOND, evidence=empty)
    assert "No record has been predicted by both yet." in page(client)


def test_a_rollback_is_on_the_page_with_its_reason(client: TestClient, watched: Any) -> None:
    roll_back(watched)
    text = page(client)
    assert "Watch over release" not in text
    assert '<span class="chip rejected">rolled back</span>' in text
    assert "release 1 came back as 3" in text
    assert "release 1 brought back" in text
    assert "it was &lt;b&gt;worse&lt;/b&gt;" in text


def test_the_api_has_the_watches(client: TestClient, watched: Any) -> None:
    roll_back(watched)
    (stream,) = client.get("/api/v1/state").json()["streams"]
    (watch,) = stream["watches"]
    assert (watch["state"], watch["release_digest"], watch["rollback_digest"]) == (
        "rolled-back",
        SECOND,
        THIRD,
    )
    assert watch["evidence"]["accuracy"]["predecessor"] == 0.943


def test_an_open_page_hears_of_a_watch(watched: Any) -> None:
    def version() -> str:
        with watched.database.read() as connection:
            return version_of(connection)

    seen = [version()]
    with watched.database.write() as connection:
        watches.report(connection, SECOND, evidence=evidence(records=700))
    seen.append(version())
    with watched.database.write() as connection:
        watches.end(connection, SECOND, outcome="kept", reason="", now=watched.clock.now())
    seen.append(version())
    assert len(set(seen)) == 3


def test_every_outcome_has_its_words() -> None:
    assert list(STATES) == ["watching", *watches.OUTCOMES]

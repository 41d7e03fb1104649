import asyncio
from pathlib import Path
from typing import Any

import pytest

from adaptd.clock import FakeClock
from adaptd.registry import requests, schedules
from adaptd.server.changes import UNAVAILABLE, Changes
from adaptd.server.visible_store import VisibleStore
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory


@pytest.fixture
def changes(database: Database, clock: FakeClock, tmp_path: Path) -> Changes:
    return Changes(VisibleStore(database, StateDirectory(tmp_path)), clock)


def test_what_a_page_would_show_changes_the_version(
    changes: Changes, story: Any, clock: FakeClock, evidence_document: dict[str, Any]
) -> None:
    seen = [changes.version()]

    def expect_new() -> None:
        clock.advance(1)
        version = changes.version()
        assert version not in seen
        seen.append(version)

    story.start("press-4")
    expect_new()
    champion = story.release("press-4", "a1" * 32)
    expect_new()
    story.score("press-4", champion.digest, first=0, blocks=1, accuracy=0.9)
    expect_new()
    proposal = story.propose(
        "press-4", digest="c3" * 32, champion=champion.digest, evidence=evidence_document
    )
    expect_new()
    story.report("press-4", None, phase="trial", step=1, steps=2, loss=None)
    expect_new()
    story.move(proposal.id, expected="awaiting", to="expired")
    expect_new()
    story.waits("press-4")
    expect_new()
    story.waits("press-4", reason="budget")
    expect_new()
    with story.database.write() as connection:
        schedules.ran(connection, "press-4", at=clock.now(), next_due=None)
    expect_new()
    with story.database.write() as connection:
        requests.ask(
            connection,
            stream="press-4",
            actor="user:ada",
            reason="",
            is_over_budget=False,
            now=clock.now(),
        )
    expect_new()


def test_a_store_at_rest_keeps_its_version(
    changes: Changes, drifted: Any, clock: FakeClock
) -> None:
    version = changes.version()
    clock.advance(60)
    assert changes.version() == version


def test_the_store_is_read_at_most_once_a_second(
    changes: Changes, story: Any, clock: FakeClock
) -> None:
    version = changes.version()
    story.start("press-4")
    clock.advance(0.9)
    assert changes.version() == version
    clock.advance(0.2)
    assert changes.version() != version


def test_a_store_that_goes_away_is_a_change_and_its_return_another(
    changes: Changes, tmp_path: Path, clock: FakeClock
) -> None:
    version = changes.version()
    (tmp_path / "adaptd.db").rename(tmp_path / "elsewhere.db")
    clock.advance(1)
    assert changes.version() == UNAVAILABLE
    (tmp_path / "elsewhere.db").rename(tmp_path / "adaptd.db")
    clock.advance(1)
    assert changes.version() == version


def test_a_page_hears_of_what_it_has_missed_and_then_of_what_is_new(
    changes: Changes, story: Any, clock: FakeClock
) -> None:
    async def listen() -> list[str]:
        events = changes.events(seen="an older version")
        heard = [await anext(events)]
        story.start("press-4")
        clock.advance(1)
        heard.append(await anext(events))
        changes.close()
        heard.extend([event async for event in events])
        return heard

    first, second = asyncio.run(listen())
    assert first.startswith("id: ")
    assert "\nevent: change\n" in first
    assert first != second


def test_a_page_that_is_up_to_date_hears_nothing(changes: Changes) -> None:
    async def listen() -> list[str]:
        events = changes.events(seen=changes.version())
        asyncio.get_running_loop().call_later(0.1, changes.close)
        return [event async for event in events]

    assert asyncio.run(listen()) == []

"""The form that asks for an episode, and the queue on the stream's page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from adaptd.clock import FakeClock
from adaptd.registry import requests, schedules, usage
from adaptd.registry.requests import Request
from adaptd.server.wording import NO_BREAK
from adaptd.store.database import Database

ORIGIN = "http://127.0.0.1:8080"
STREAM = "press-4"
PATH = f"/streams/{STREAM}/requests"

Token = Callable[[str], str]


@pytest.fixture
def ask(client: TestClient, drifted: Any, token: Token) -> Callable[..., Response]:
    def send(**fields: str) -> Response:
        data = {"token": token(f"/streams/{STREAM}"), "reason": "new\r\nbearing ", **fields}
        response: Response = client.post(PATH, data=data, headers={"origin": ORIGIN})
        return response

    return send


def waiting(database: Database) -> list[Request]:
    with database.read() as connection:
        return requests.waiting(connection, STREAM)


def test_asking_is_a_303_to_the_page_that_shows_what_waits(
    client: TestClient, ask: Callable[..., Response], database: Database
) -> None:
    response = ask()
    assert response.status_code == 303
    assert response.headers["location"] == f"/streams/{STREAM}#triggers"
    (request,) = waiting(database)
    assert (request.actor, request.reason, request.is_over_budget) == (
        "operator@loopback",
        "new\nbearing",
        False,
    )
    text = client.get(f"/streams/{STREAM}").text
    assert "operator@loopback asks: new\nbearing" in text
    assert "the daemon has not seen it yet" in text


def test_asking_twice_adds_nothing_and_says_so(
    ask: Callable[..., Response], database: Database
) -> None:
    ask()
    second = ask()
    assert second.status_code == 200
    assert "Nothing was added." in second.text
    assert len(waiting(database)) == 1


def test_a_box_lets_it_go_over_the_budget(ask: Callable[..., Response], database: Database) -> None:
    ask(over_budget="true")
    assert [one.is_over_budget for one in waiting(database)] == [True]


def test_a_form_of_elsewhere_asks_for_nothing(
    client: TestClient, ask: Callable[..., Response], database: Database
) -> None:
    assert ask(token="forged").status_code == 403
    foreign = client.post(PATH, data={}, headers={"origin": "http://elsewhere.example"})
    assert foreign.status_code == 403
    assert waiting(database) == []


def test_a_reason_without_an_end_is_refused(
    ask: Callable[..., Response], database: Database
) -> None:
    response = ask(reason="x" * 2_001)
    assert response.status_code == 422
    assert "2,000" in response.text
    assert waiting(database) == []


def test_before_the_first_release_there_is_no_form_and_asking_is_refused(
    client: TestClient, story: Any, token: Token, drifted: Any
) -> None:
    story.start("press-5")
    assert "Ask for an episode" not in client.get("/streams/press-5").text
    data = {"token": token(f"/streams/{STREAM}")}
    response = client.post("/streams/press-5/requests", data=data, headers={"origin": ORIGIN})
    assert response.status_code == 409
    assert "no release yet" in response.text
    none = client.post("/streams/none/requests", data=data, headers={"origin": ORIGIN})
    assert none.status_code == 404


def test_the_page_says_what_waits_why_and_until_when(
    client: TestClient, story: Any, drifted: Any, clock: FakeClock, database: Database
) -> None:
    six = clock.now().replace(hour=6, minute=0, second=0)
    story.waits(STREAM, "drift", until=six)
    with database.write() as connection:
        schedules.expect(
            connection, STREAM, next_due=six + timedelta(hours=2), timing="0 8 * * * (UTC)"
        )
        usage.add(connection, stream=STREAM, day=usage.day_of(clock.now()), cpu_seconds=43.25)
    text = client.get(f"/streams/{STREAM}").text.replace(NO_BREAK, " ")
    assert "drift (loss) at record 4,320" in text
    assert "<td>quiet hours</td><td>2026-01-01 06:00:00 UTC</td>" in text
    assert "0 8 * * * (UTC); not run yet, next due" in text
    assert "43.2 s of processor time" in text


def test_a_stream_where_something_waits_is_not_steady(client: TestClient, story: Any) -> None:
    story.start("press-5")
    story.release("press-5", "e5" * 32)
    assert ">steady</span>" in client.get("/").text
    story.waits("press-5")
    assert ">a trigger waits</span>" in client.get("/").text

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from adaptd.registry import decisions, proposals
from adaptd.server.wording import NO_BREAK
from adaptd.store.database import Database

ORIGIN = "http://127.0.0.1:8080"
VOID = frozenset({"meta", "link", "input", "br", "img"})

Token = Callable[[str], str]


class Balance(HTMLParser):
    """Finds tags that are not closed where they should be, ids used twice, and inline style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.problems: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self._look(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if "id" in names:
            self.ids.append(names["id"] or "")
        if "style" in names or tag == "style" or any(name.startswith("on") for name in names):
            self.inline.append(f"{tag} at {self.getpos()}")


def text_of(response: Response) -> str:
    return response.text.replace(NO_BREAK, " ")


def decide(
    client: TestClient, drifted: Any, token: str, *, path: str | None = None, **fields: str
) -> Response:
    data = {
        "token": token,
        "digest": drifted.proposal.digest,
        "verdict": "approve",
        "comment": "The sensor was replaced.",
        **fields,
    }
    response: Response = client.post(
        path or f"/proposals/{drifted.proposal.id}/decision", data=data, headers={"origin": ORIGIN}
    )
    return response


def state_of(database: Database, drifted: Any) -> str:
    with database.read() as connection:
        return proposals.get(connection, drifted.proposal.id).state


@pytest.mark.parametrize("path", ["/", "/streams/press-4", "/proposals/{id}", "/streams/none"])
def test_pages_are_well_formed_and_have_nothing_inline(
    client: TestClient, drifted: Any, path: str
) -> None:
    text = client.get(path.format(id=drifted.proposal.id)).text
    page = Balance(text)
    assert page.problems == []
    assert page.open == []
    assert page.inline == []
    assert len(page.ids) == len(set(page.ids))
    assert re.findall(r"<script(?! src=\"/static/app.js\" defer></script>)", text) == []


def test_the_first_page_shows_every_stream(client: TestClient, story: Any, drifted: Any) -> None:
    story.start("press-5")
    text = text_of(client.get("/"))
    assert "One proposal awaits a decision" in text
    assert 'href="/streams/press-4"' in text
    assert 'href="/streams/press-5"' in text
    assert "waiting for the first window" in text


def test_an_empty_store_says_what_to_do(client: TestClient) -> None:
    assert "adaptd run" in client.get("/").text


def test_the_stream_page_shows_champion_plot_and_evidence(client: TestClient, drifted: Any) -> None:
    text = text_of(client.get("/streams/press-4"))
    assert "release 1" in text
    assert text.count('role="img"') == 2
    assert "alarm: loss" in text
    assert "Right on 93.1 % of 1,000 records" in text
    assert "random one-edit neighbour" in text
    assert "at most 1 in 125,000" in text
    assert "This is test 3: 0.45 was spent before it, 0.05 is spent by it, 0.1 is left." in text
    assert "alarmed at record 4,320 and dates the change to record 4,000" in text
    assert drifted.proposal.digest in text
    assert "(2 min ago)" in text


def test_an_episode_is_listed_with_the_beginning_of_its_id(
    client: TestClient, drifted: Any
) -> None:
    page = client.get("/streams/press-4").text
    assert f"<code>{drifted.proposal.episode_id[:12]}</code>" in page


def test_the_signals_beside_the_loss_say_what_is_broken_and_what_was(
    client: TestClient, story: Any
) -> None:
    story.start("press-4")
    assert "Signals beside the loss" not in client.get("/streams/press-4").text
    story.signals("press-4")
    text = client.get("/streams/press-4").text
    assert "0.50 alarms a day of event time so far" in text
    assert "sensor" not in text
    story.signals("press-4", broken={"hum": "stuck"}, latest_outage=[4_000, 4_319])
    assert "A sensor is broken: hum stuck." in client.get("/streams/press-4").text
    story.signals("press-4", latest_outage=[4_000, 4_415])
    text = client.get("/streams/press-4").text
    assert "Records 4,000 to 4,415, as they came, are the latest" in text
    (stream,) = client.get("/api/v1/state").json()["streams"]
    assert stream["signals"]["latest_outage"] == [4_000, 4_415]


def test_an_alarm_whose_numbers_count_records_as_they_came_is_listed_and_not_plotted(
    client: TestClient, drifted: Any, story: Any
) -> None:
    before = text_of(client.get(f"/streams/{drifted.stream}"))
    story.clock.advance(1)
    story.alarm(
        drifted.stream, record=3_900, since=3_800, signal="input-bands", numbering="arrived"
    )
    after = text_of(client.get(f"/streams/{drifted.stream}"))
    assert "input-bands" in after
    assert "3,800, as they came" in after
    assert "alarm: input-bands" not in after
    assert after.count("alarm: loss") == before.count("alarm: loss") > 0
    assert "as they came" not in before


def test_a_running_search_shows_phase_and_progress(client: TestClient, story: Any) -> None:
    story.start("press-4")
    story.release("press-4", "a1" * 32)
    episode = story.episode("press-4", state="searching", kind="schedule")
    story.report("press-4", episode, phase="search", step=120, steps=200, loss=0.834)
    text = client.get("/streams/press-4").text
    assert "Searching: 120 of 200, loss 0.834" in text
    assert '<progress max="200" value="120">' in text
    assert "begun by the schedule" in text


def test_a_release_shows_in_the_plot_and_says_what_changed(client: TestClient, story: Any) -> None:
    story.start("press-4")
    first = story.release("press-4", "a1" * 32)
    longer = first.architecture.with_operations({"cells.0.edges.0": "dw k9 d4"})
    second = story.release(
        "press-4", "b2" * 32, architecture=longer, expected=first.digest, macs=1_290_240
    )
    story.release("press-4", "c3" * 32, architecture=longer, expected=second.digest)
    story.score("press-4", first.digest, first=0, blocks=10, accuracy=0.9)
    story.score("press-4", second.digest, first=320, blocks=10, accuracy=0.9)
    text = client.get("/streams/press-4").text
    assert '<g class="mark release">' in text
    assert ">release 2</text>" in text
    assert "cells.0.edges.0: dw k5 d1 becomes dw k9 d4" in text
    assert "weights only" in text


def test_approving_is_a_303_to_the_proposal_that_shows_the_decision(
    client: TestClient, drifted: Any, token: Token, database: Database
) -> None:
    response = decide(client, drifted, token("/streams/press-4"))
    assert response.status_code == 303
    assert response.headers["location"] == f"/proposals/{drifted.proposal.id}"
    text = client.get(response.headers["location"]).text
    assert "Approved by operator@loopback" in text
    assert "The sensor was replaced." in text
    assert "<form" not in text
    with database.read() as connection:
        (decision,) = decisions.listing(connection)
        decisions.verify_chain(connection)
    assert (decision.verdict, decision.actor) == ("approve", "operator@loopback")
    assert decision.digest == drifted.proposal.digest
    assert state_of(database, drifted) == "approved"


def test_rejecting_keeps_the_champion(
    client: TestClient, drifted: Any, token: Token, database: Database
) -> None:
    response = decide(client, drifted, token("/streams/press-4"), verdict="reject")
    assert response.status_code == 303
    assert state_of(database, drifted) == "rejected"
    text = client.get("/streams/press-4").text
    assert "Nothing awaits a decision." in text
    assert ">rejected</span>" in text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"comment": " \r\n "}, "Say in the comment why"),
        ({"comment": "x" * 2_001}, "it has 2,001"),
        ({"verdict": "perhaps"}, "Choose Approve or Reject"),
    ],
)
def test_a_form_that_can_be_mended_comes_back_with_what_was_written(
    client: TestClient,
    drifted: Any,
    token: Token,
    *,
    database: Database,
    fields: dict[str, str],
    sentence: str,
) -> None:
    response = decide(client, drifted, token("/streams/press-4"), **fields)
    assert response.status_code == 422
    assert sentence in response.text
    assert "<form" in response.text
    if "comment" not in fields:
        assert "The sensor was replaced.</textarea>" in response.text
    assert state_of(database, drifted) == "awaiting"


def test_a_decision_on_another_digest_is_a_conflict(
    client: TestClient, drifted: Any, token: Token, database: Database
) -> None:
    response = decide(client, drifted, token("/streams/press-4"), digest="ff" * 32)
    assert response.status_code == 409
    assert "The form showed the challenger ffffffffffff" in response.text
    assert state_of(database, drifted) == "awaiting"


def test_a_second_decision_is_a_conflict_that_names_the_first(
    client: TestClient, drifted: Any, token: Token, database: Database
) -> None:
    held = token("/streams/press-4")
    decide(client, drifted, held, verdict="reject")
    response = decide(client, drifted, held)
    assert response.status_code == 409
    assert "already rejected by operator@loopback at 2026-01-01" in response.text
    assert state_of(database, drifted) == "rejected"


def test_an_expired_proposal_is_a_conflict(
    client: TestClient, story: Any, drifted: Any, token: Token
) -> None:
    held = token("/streams/press-4")
    story.move(drifted.proposal.id, expected="awaiting", to="expired")
    response = decide(client, drifted, held)
    assert response.status_code == 409
    assert "expired" in response.text
    assert "expired without a decision" in client.get(f"/proposals/{drifted.proposal.id}").text


def test_an_unknown_proposal_or_stream_is_not_found(
    client: TestClient, drifted: Any, token: Token
) -> None:
    assert client.get("/proposals/none").status_code == 404
    assert client.get("/streams/none").status_code == 404
    held = token("/streams/press-4")
    assert decide(client, drifted, held, path="/proposals/none/decision").status_code == 404


@pytest.mark.parametrize("forged", ["", "made.up"])
def test_a_form_without_our_token_decides_nothing(
    client: TestClient, drifted: Any, token: Token, database: Database, forged: str
) -> None:
    token("/streams/press-4")
    response = decide(client, drifted, forged)
    assert response.status_code == 403
    assert "Nothing was decided" in response.text
    assert state_of(database, drifted) == "awaiting"


def test_a_form_without_our_cookie_decides_nothing(
    client: TestClient, drifted: Any, token: Token, database: Database
) -> None:
    held = token("/streams/press-4")
    client.cookies.clear()
    assert decide(client, drifted, held).status_code == 403
    assert state_of(database, drifted) == "awaiting"


def test_the_cookie_is_strict_and_one_for_all_tabs(client: TestClient, drifted: Any) -> None:
    first = client.get("/streams/press-4")
    cookie = first.headers["set-cookie"]
    assert cookie.startswith("adaptd-form-8080=")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    second = client.get("/streams/press-4")
    assert second.headers["set-cookie"] == cookie


def test_everything_from_records_is_escaped(
    client: TestClient, story: Any, token: Token, evidence_document: dict[str, Any]
) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    story.start("press-4")
    champion = story.release("press-4", "a1" * 32)
    story.score("press-4", champion.digest, first=0, blocks=20, accuracy=0.9)
    story.alarm("press-4", record=320, since=300, signal=hostile)
    evidence_document |= {
        "trigger": hostile,
        "accuracy": {**evidence_document["accuracy"], hostile: 0.1},
        "phase_seconds": {hostile: 1.0},
        "drift": {"signal": hostile, "record": 1, "since_record": 0},
        "challenger_architecture": {"operations": {hostile: hostile}},
    }
    proposal = story.propose(
        "press-4", digest="c3" * 32, champion=champion.digest, evidence=evidence_document
    )
    held = token("/streams/press-4")
    client.post(
        f"/proposals/{proposal.id}/decision",
        data={"token": held, "digest": proposal.digest, "verdict": "reject", "comment": hostile},
        headers={"origin": ORIGIN},
    )
    for path in ("/", "/streams/press-4", f"/proposals/{proposal.id}"):
        text = client.get(path).text
        assert "<img" not in text
        assert "&lt;img" in text
    missing = client.get(f"/streams/{hostile}")
    assert missing.status_code == 404
    assert "<img" not in missing.text


def test_unreadable_evidence_can_be_rejected_but_not_approved(
    client: TestClient, story: Any, token: Token, database: Database
) -> None:
    story.start("press-4")
    champion = story.release("press-4", "a1" * 32)
    proposal = story.propose(
        "press-4", digest="c3" * 32, champion=champion.digest, evidence={"schema_version": 9}
    )
    text = client.get("/streams/press-4").text
    assert "cannot be read" in text
    assert 'value="approve"' not in text
    data = {"token": token("/streams/press-4"), "digest": proposal.digest, "comment": "Unclear."}
    path = f"/proposals/{proposal.id}/decision"
    headers = {"origin": ORIGIN}
    approve = client.post(path, data={**data, "verdict": "approve"}, headers=headers)
    assert approve.status_code == 409
    reject = client.post(path, data={**data, "verdict": "reject"}, headers=headers)
    assert reject.status_code == 303


def test_a_champion_that_moved_on_is_pointed_out(
    client: TestClient, story: Any, drifted: Any
) -> None:
    story.release("press-4", "dd" * 32, expected=drifted.champion.digest)
    assert "Another release has become champion since" in client.get("/streams/press-4").text


@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/healthz", "/streams/press-4"])
def test_a_store_that_is_gone_is_a_503_in_a_sentence(
    client: TestClient, drifted: Any, tmp_path: Path, path: str
) -> None:
    (tmp_path / "adaptd.db").rename(tmp_path / "elsewhere.db")
    response = client.get(path)
    assert response.status_code == 503
    assert "is not there" in response.text
    assert response.headers["retry-after"] == "2"
    assert not (tmp_path / "adaptd.db").exists()


def test_a_locked_store_is_a_503_and_decides_nothing(
    drifted: Any, database: Database, tmp_path: Path, clock: Any
) -> None:
    from adaptd.server.app import create_app
    from adaptd.store.directory import StateDirectory

    impatient = Database.attach(tmp_path / "adaptd.db", busy_timeout_seconds=0.05)
    app = create_app(database=impatient, state=StateDirectory(tmp_path), clock=clock)
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
        text = client.get("/streams/press-4").text
        held = text.split('name="token" value="', 1)[1].split('"', 1)[0]
        with database.write():
            response = decide(client, drifted, held)
    impatient.close()
    assert response.status_code == 503
    assert "Nothing was changed" in response.text
    assert state_of(database, drifted) == "awaiting"

from typing import Any

import pytest
from fastapi.testclient import TestClient


def test_an_empty_store_has_no_streams(client: TestClient) -> None:
    response = client.get("/api/v1/state")
    assert response.headers["content-type"] == "application/json"
    document = response.json()
    assert document["schema_version"] == 1
    assert document["streams"] == []


def test_state_tells_all_that_is_known_of_a_stream(client: TestClient, drifted: Any) -> None:
    (stream,) = client.get("/api/v1/state").json()["streams"]
    assert stream["stream"] == drifted.stream
    assert stream["champion"]["number"] == 1
    assert stream["champion"]["digest"] == drifted.champion.digest
    assert stream["champion"]["macs"] == 1_204_224
    assert stream["champion"]["architecture"]["operations"]["cells.0.edges.0"] == "dw k5 d1"
    assert stream["accuracy"]["records"] == 1_000
    assert 0.25 < stream["accuracy"]["value"] < 0.37
    assert len(stream["accuracy_series"]) == 157
    assert stream["accuracy_series"][0]["first_record"] == 2_016
    assert stream["episode"]["state"] == "proposed"
    assert [alarm["record"] for alarm in stream["alarms"]] == [4_320]
    assert [item["id"] for item in stream["proposals"]] == [drifted.proposal.id]
    assert stream["proposals"][0]["evidence"]["accuracy"]["reopened"] == 0.931
    assert [release["number"] for release in stream["releases"]] == [1]


def test_a_running_phase_shows_its_progress(client: TestClient, story: Any) -> None:
    story.start("press-4")
    story.release("press-4", "a1" * 32)
    episode = story.episode("press-4", state="searching")
    story.report("press-4", episode, phase="search", step=120, steps=200, loss=0.8)
    (stream,) = client.get("/api/v1/state").json()["streams"]
    assert stream["episode"]["state"] == "searching"
    assert stream["episode"]["progress"]["phase"] == "search"
    assert stream["episode"]["progress"]["step"] == 120


def test_a_stream_is_known_before_its_first_release(client: TestClient, story: Any) -> None:
    story.start("press-4")
    story.report("press-4", None, phase="initial", step=3, steps=600, loss=1.2)
    (stream,) = client.get("/api/v1/state").json()["streams"]
    assert stream["champion"] is None
    assert stream["accuracy"]["value"] is None
    assert stream["progress"]["phase"] == "initial"


def test_proposals_can_be_narrowed(client: TestClient, story: Any, drifted: Any) -> None:
    def ids(query: str) -> list[str]:
        document = client.get(f"/api/v1/proposals{query}").json()
        return [item["id"] for item in document["proposals"]]

    assert ids("") == [drifted.proposal.id]
    assert ids("?state=awaiting&stream=press-4") == [drifted.proposal.id]
    assert ids("?stream=other") == []
    story.move(drifted.proposal.id, expected="awaiting", to="expired")
    assert ids("?state=awaiting") == []
    assert ids("?state=expired") == [drifted.proposal.id]


def test_a_proposal_comes_with_its_evidence(client: TestClient, drifted: Any) -> None:
    document = client.get(f"/api/v1/proposals/{drifted.proposal.id}").json()
    assert document["digest"] == drifted.proposal.digest
    assert document["evidence"] == drifted.proposal.evidence
    assert document["decision"] is None


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/proposals/none", 404),
        ("/api/v1/nothing", 404),
        ("/api/v1/proposals?state=odd", 422),
    ],
)
def test_errors_are_a_sentence_in_json(client: TestClient, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    assert response.json()["detail"].endswith(".")


def test_nothing_is_written_by_the_api(client: TestClient, drifted: Any) -> None:
    response = client.post(
        f"/api/v1/proposals/{drifted.proposal.id}", headers={"origin": "http://127.0.0.1:8080"}
    )
    assert response.status_code == 405


ORIGIN = {"origin": "http://127.0.0.1:8080"}


def test_what_waits_is_told_with_why_and_until_when(
    client: TestClient, story: Any, drifted: Any
) -> None:
    story.waits(drifted.stream, "drift", reason="cool-down", until_time=4_600.5)
    document = client.get(f"/api/v1/streams/{drifted.stream}/triggers").json()
    (waiting,) = document["waiting"]
    assert document["stream"] == drifted.stream
    assert (waiting["kind"], waiting["reason"], waiting["until_time"]) == (
        "drift",
        "cool-down",
        4_600.5,
    )
    assert document["schedule"] is None
    (stream,) = client.get("/api/v1/state").json()["streams"]
    assert stream["triggers"]["waiting"] == document["waiting"]


def test_asking_is_accepted_once_and_shows_who_asked(client: TestClient, drifted: Any) -> None:
    path = f"/api/v1/streams/{drifted.stream}/requests"
    first = client.post(path, json={"reason": "new bearing"}, headers=ORIGIN)
    assert first.status_code == 202
    assert first.json()["is_new"]
    request = first.json()["request"]
    assert (request["actor"], request["reason"]) == ("operator@loopback", "new bearing")
    second = client.post(path, json={}, headers=ORIGIN)
    assert second.status_code == 202
    assert not second.json()["is_new"]
    assert second.json()["request"] == request
    over = client.post(path, json={"over_budget": True}, headers=ORIGIN)
    assert over.json()["is_new"]
    (waiting,) = client.get(f"/api/v1/streams/{drifted.stream}/triggers").json()["waiting"]
    assert waiting["reason"] == "unseen"
    assert waiting["is_over_budget"]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (("none", {}), 404),
        (("press-5", {}), 409),
        (("press-4", {"reason": "x" * 2_001}), 422),
        (("press-4", {"reason": 1}), 422),
        (("press-4", {"urgent": True}), 422),
    ],
)
def test_asking_for_what_cannot_be_is_refused_in_a_sentence(
    client: TestClient, story: Any, drifted: Any, asked: tuple[str, dict[str, Any]], status: int
) -> None:
    stream, body = asked
    story.start("press-5")
    response = client.post(f"/api/v1/streams/{stream}/requests", json=body, headers=ORIGIN)
    assert response.status_code == status
    assert response.json()["detail"].endswith(".")
    document = client.get("/api/v1/streams/press-4/triggers").json()
    assert document["waiting"] == []


def test_another_origin_may_not_ask(client: TestClient, drifted: Any) -> None:
    path = f"/api/v1/streams/{drifted.stream}/requests"
    for headers in ({}, {"origin": "http://elsewhere.example"}):
        assert client.post(path, json={}, headers=headers).status_code == 403


def test_the_triggers_of_a_stream_that_is_none_are_not_found(client: TestClient) -> None:
    assert client.get("/api/v1/streams/none/triggers").status_code == 404

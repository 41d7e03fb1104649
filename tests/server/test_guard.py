import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse

from adaptd.server.guard import LOOPBACK_NAMES, MAXIMUM_BODY_BYTES, Guard, host_name

ORIGIN = "http://127.0.0.1:8080"
DECISION = "/proposals/any/decision"


@pytest.fixture
def guarded() -> TestClient:
    """The guard alone, around an application that answers everything."""
    return TestClient(Guard(PlainTextResponse("inside")), base_url=ORIGIN)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8080", "localhost:9", "LOCALHOST", "[::1]", "[::1]:8080"]
)
def test_loopback_names_are_answered(guarded: TestClient, host: str) -> None:
    assert guarded.get("/", headers={"host": host}).text == "inside"


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example:8080",
        "127.0.0.1.rebound.example",
        "localhost.rebound.example",
        "user@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1:port",
        "0.0.0.0:8080",
        "",
    ],
)
def test_any_other_host_is_refused(guarded: TestClient, host: str) -> None:
    response = guarded.get("/", headers={"host": host})
    assert response.status_code == 421
    assert "127.0.0.1" in response.text


@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/static/app.css", "/events"])
def test_no_path_is_open_to_another_host(client: TestClient, path: str) -> None:
    assert client.get(path, headers={"host": "rebound.example"}).status_code == 421


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=30))
def test_a_host_is_loopback_only_if_it_is_written_so(host: str) -> None:
    name = host_name(host)
    if name in LOOPBACK_NAMES:
        assert host.lower().startswith((name, f"[{name}]"))
        rest = host.lower().removeprefix(f"[{name}]").removeprefix(name)
        assert rest == "" or rest[0] == ":"


@pytest.mark.parametrize("path", ["/", "/api/v1/state", "/static/app.js", "/nowhere", "/healthz"])
def test_every_response_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_pages_are_not_kept_and_files_are_asked_about(client: TestClient) -> None:
    assert client.get("/").headers["cache-control"] == "no-store"
    file = client.get("/static/app.css")
    assert file.headers["cache-control"] == "no-cache"
    assert "etag" in file.headers


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://rebound.example", "http://127.0.0.1:9999", "https://127.0.0.1:8080"],
)
def test_a_write_from_another_origin_is_refused(guarded: TestClient, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    response = guarded.post(DECISION, data={"verdict": "approve"}, headers=headers)
    assert response.status_code == 403


def test_a_write_from_our_own_page_passes(guarded: TestClient) -> None:
    response = guarded.post(DECISION, data={"verdict": "approve"}, headers={"origin": ORIGIN})
    assert response.text == "inside"


def test_a_body_of_excessive_or_unknown_size_is_refused(guarded: TestClient) -> None:
    large = guarded.post(
        DECISION, content=b"x" * (MAXIMUM_BODY_BYTES + 1), headers={"origin": ORIGIN}
    )
    assert large.status_code == 413
    unknown = guarded.post(DECISION, content=iter([b"x"]), headers={"origin": ORIGIN})
    assert unknown.status_code == 411


def test_an_error_of_ours_carries_the_headers_too(app: FastAPI) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("not meant for readers")

    client = TestClient(app, base_url=ORIGIN, raise_server_exceptions=False)
    response = client.get("/broken")
    assert response.status_code == 500
    assert "not meant for readers" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]

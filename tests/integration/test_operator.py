"""A person decides: on the page, or at the command line."""

import http.cookiejar
import json
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from typing import Any

import pytest

from adaptd.registry import decisions
from adaptd.store.database import Database
from tests.integration.conftest import STREAM, DaemonMaker, RunningDaemon

pytestmark = pytest.mark.slow


def proposals(running: RunningDaemon, *arguments: str) -> str:
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "adaptd", "proposals"),
            *arguments,
            *("--state", str(running.state.path)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def awaiting(running: RunningDaemon) -> dict[str, Any]:
    running.wait_for_event("proposal.created")
    found: dict[str, Any] = running.wait_for(
        lambda: next(iter(json.loads(proposals(running, "list", "--json"))["proposals"]), None),
        name="proposal",
    )
    return found


def test_a_kill_while_a_proposal_waits_costs_nothing_and_a_person_approves(
    daemon: DaemonMaker,
) -> None:
    running = daemon(approval={"policy": "operator"}).start()
    proposal = awaiting(running)
    running.end(signal.SIGKILL)
    running.start()
    running.wait_for_event("episode.resumed", state="proposed")
    assert len(running.releases()) == 1
    proposals(running, "approve", proposal["id"], "--comment", "better on every count")
    running.wait_for_event("release.published", number=2)
    assert running.end(signal.SIGTERM) == 0
    assert running.releases()[0].digest == proposal["digest"]


def test_a_rejection_ends_the_episode_and_keeps_the_champion(daemon: DaemonMaker) -> None:
    running = daemon(approval={"policy": "operator"}).start()
    proposal = awaiting(running)
    proposals(running, "reject", proposal["id"], "--comment", "not today")
    closed = running.wait_for_event("episode.closed")
    assert closed["outcome"] == "rejected"
    assert running.end(signal.SIGTERM) == 0
    assert len(running.releases()) == 1


def test_an_approval_on_the_page_publishes(daemon: DaemonMaker) -> None:
    running = daemon(approval={"policy": "operator"}, server=True).start()
    url = running.wait_for_event("server.listening")["url"].rstrip("/")
    proposal = awaiting(running)
    browser = urllib.request.build_opener(
        urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    with browser.open(f"{url}/api/v1/state", timeout=30) as answer:
        assert STREAM in answer.read().decode()
    with browser.open(f"{url}/streams/{STREAM}", timeout=30) as answer:
        page = answer.read().decode()
    form = page[page.index("<form") : page.index("</form>")]
    action = re.findall(r'action="([^"]+)"', form)[0]
    fields = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', form))
    fields |= {"verdict": "approve", "comment": "seen on the page"}
    request = urllib.request.Request(
        f"{url}{action}",
        data=urllib.parse.urlencode(fields).encode(),
        headers={"Origin": url},
    )
    with browser.open(request, timeout=30) as answer:
        assert answer.status == 200
    running.wait_for_event("release.published", number=2)
    assert running.end(signal.SIGTERM) == 0
    database = Database.attach(running.state.database)
    with database.read() as connection:
        decisions.verify_chain(connection)
        (decision,) = decisions.listing(connection)
    database.close()
    assert decision.digest == proposal["digest"]
    assert decision.comment == "seen on the page"

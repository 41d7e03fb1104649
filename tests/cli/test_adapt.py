"""Asking at the command line."""

import os
import pwd

from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import requests
from adaptd.registry.requests import Request
from adaptd.store.database import Database
from tests.cli.conftest import STREAM, Call


def waiting(store: Database) -> list[Request]:
    with store.read() as connection:
        return requests.waiting(connection, STREAM)


def test_asking_is_signed_by_the_account_and_says_what_it_did(
    call: Call, observed: Database
) -> None:
    done = call("adapt", STREAM, "--reason", " new bearing ")
    login = pwd.getpwuid(os.getuid()).pw_name
    assert done.exit_code == 0
    assert f"is asked for by user:{login}." in done.output
    (request,) = waiting(observed)
    assert (request.actor, request.reason, request.is_over_budget) == (
        f"user:{login}",
        "new bearing",
        False,
    )
    again = call("adapt", STREAM)
    assert again.exit_code == 0
    assert "Nothing was added." in again.output
    assert len(waiting(observed)) == 1


def test_over_budget_is_asked_for_by_name(call: Call, observed: Database) -> None:
    call("adapt", STREAM)
    assert "over the budget if need be" in call("adapt", STREAM, "--over-budget").output
    assert [one.is_over_budget for one in waiting(observed)] == [False, True]


def test_what_cannot_be_is_one_line(call: Call, store: Database) -> None:
    assert isinstance(call("adapt", "none").exception, NotFoundError)
    assert isinstance(call("adapt", STREAM).exception, ConflictError)


def test_a_reason_without_an_end_is_wrong_usage(call: Call, observed: Database) -> None:
    done = call("adapt", STREAM, "--reason", "x" * 2_001)
    assert done.exit_code == 2
    assert "2,000" in done.output

"""What waits, at the command line."""

import json
from typing import Any

from adaptd.errors import NotFoundError
from adaptd.store.database import Database
from tests.cli.conftest import STREAM, Call


def test_what_waits_is_printed_and_the_words_of_a_person_are_not_read_as_markup(
    call: Call, observed: Database
) -> None:
    assert "No trigger waits." in call("triggers").output
    call("adapt", STREAM, "--reason", "[bold]now[/bold]")
    text = call("triggers").output
    assert "asks: [bold]now[/bold]" in text
    assert "the daemon has not seen it yet" in text
    assert "none" in text.splitlines()[-1]


def test_what_waits_is_had_as_json(call: Call, observed: Database) -> None:
    call("adapt", STREAM, "--reason", "new bearing")
    document: dict[str, Any] = json.loads(call("triggers", "--json", "--stream", STREAM).output)
    (stream,) = document["streams"]
    assert document["schema_version"] == 1
    assert stream["stream"] == STREAM
    assert [(one["kind"], one["detail"]) for one in stream["waiting"]] == [
        ("manual", "new bearing")
    ]
    assert isinstance(call("triggers", "--stream", "none").exception, NotFoundError)

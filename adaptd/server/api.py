"""The JSON interface. It reads, and takes requests for episodes; decisions are taken on the page or
by the command line."""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from adaptd.clock import Clock
from adaptd.errors import NotFoundError
from adaptd.registry import decisions, proposals, requests
from adaptd.registry.requests import MAXIMUM_REASON
from adaptd.server import stream_state, trigger_state
from adaptd.server.decision import ACTOR
from adaptd.server.visible_store import VisibleStore

ProposalState = Literal["awaiting", "approved", "rejected", "expired", "published"]


class Wanted(BaseModel):
    """An episode that is asked for. over_budget: though today's compute is used up."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=MAXIMUM_REASON)
    over_budget: bool = False


def create_router(store: VisibleStore, clock: Clock) -> APIRouter:
    """`/api/v1/…`. Every document has a `schema_version`; times are ISO 8601 in UTC.

    Errors are {"detail": sentence}: 404 for what is not there, 503 while the store cannot be read.
    """
    router = APIRouter(prefix="/api/v1", default_response_class=Response)

    @router.get("/state")
    def state() -> Response:
        """All streams: champion, accuracy, episode, alarms, proposals, releases, decisions."""
        now = clock.now()
        with store.read() as connection:
            states = [
                stream_state.read(connection, name, now=now)
                for name in stream_state.streams(connection)
            ]
        return _json(stream_state.document(states, now=now))

    @router.get("/proposals")
    def list_proposals(stream: str | None = None, state: ProposalState | None = None) -> Response:
        """Proposals with their evidence, newest first."""
        with store.read() as connection:
            found = proposals.listing(connection, stream, state=state)
        return _json(
            {
                "schema_version": stream_state.SCHEMA_VERSION,
                "proposals": [stream_state.proposal_document(item) for item in found],
            }
        )

    @router.get("/proposals/{identifier}")
    def show_proposal(identifier: str) -> Response:
        """One proposal with its evidence and, once there is one, its decision."""
        with store.read() as connection:
            proposal = proposals.get(connection, identifier)
            decided = [
                stream_state.decision_document(item)
                for item in decisions.listing(connection, proposal.stream)
                if item.proposal_id == proposal.id
            ]
        return _json(
            {
                "schema_version": stream_state.SCHEMA_VERSION,
                **stream_state.proposal_document(proposal),
                "decision": decided[0] if decided else None,
            }
        )

    @router.get("/streams/{name}/triggers")
    def show_triggers(name: str) -> Response:
        """What waits for an episode of a stream, why and until when; its schedule and compute."""
        with store.read() as connection:
            if name not in stream_state.streams(connection):
                raise NotFoundError(f"there is no stream {name!r} here")
            found = trigger_state.read(connection, name, now=clock.now())
        return _json(
            {
                "schema_version": stream_state.SCHEMA_VERSION,
                "stream": name,
                **trigger_state.document(found),
            }
        )

    @router.post("/streams/{name}/requests", status_code=202)
    def ask(name: str, wanted: Wanted) -> Response:
        """Asks for an episode, as an operator does on the page; `Origin` must be this server's own
        address.

        202 with the request: `is_new` is false where one waits already, which is then the one that
        is shown. 409 before the stream's first release.
        """
        with store.write() as connection:
            answer = requests.ask(
                connection,
                stream=name,
                actor=ACTOR,
                reason=wanted.reason.strip(),
                is_over_budget=wanted.over_budget,
                now=clock.now(),
            )
        return _json(
            {
                "schema_version": stream_state.SCHEMA_VERSION,
                "is_new": answer.is_new,
                "request": trigger_state.request_document(answer.request),
            },
            status=202,
        )

    return router


def _json(document: Mapping[str, Any], *, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")

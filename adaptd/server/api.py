"""The JSON interface. It only reads: decisions are taken on the page or by the command line."""

from collections.abc import Mapping
from typing import Any, Literal

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from adaptd.clock import Clock
from adaptd.registry import decisions, proposals
from adaptd.server import stream_state
from adaptd.server.visible_store import VisibleStore

ProposalState = Literal["awaiting", "approved", "rejected", "expired", "published"]


def create_router(store: VisibleStore, clock: Clock) -> APIRouter:
    """`/api/v1/…`. Every document has a `schema_version`; times are ISO 8601 in UTC.

    Errors are {"detail": sentence}: 404 for what is not there, 503 while the store cannot be read.
    """
    router = APIRouter(prefix="/api/v1", default_response_class=Response)

    @router.get("/state")
    def state() -> Response:
        """All streams: champion, accuracy, episode, alarms, proposals, releases, decisions."""
        with store.read() as connection:
            states = [
                stream_state.read(connection, name) for name in stream_state.streams(connection)
            ]
        return _json(stream_state.document(states, now=clock.now()))

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

    return router


def _json(document: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")

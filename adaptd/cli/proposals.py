"""`adaptd proposals`: what awaits a decision, the decision, and whether the decisions hold."""

import json
from typing import Annotated, Literal

import typer
from sqlalchemy import Connection

from adaptd.cli.account import account
from adaptd.cli.console import open_console
from adaptd.cli.location import ConfigOption, StateOption, attached, place_in
from adaptd.cli.proposal_output import SCHEMA_VERSION, document, print_list, print_one
from adaptd.clock import SystemClock
from adaptd.errors import ConflictError, NotFoundError
from adaptd.registry import decisions, proposals
from adaptd.registry.decisions import Decision
from adaptd.registry.proposals import Proposal
from adaptd.server.proposal_view import view

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="List, show, approve and reject proposed releases; check the decisions that were made. "
    "Works while the daemon runs.",
)

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The proposal's id, or the beginning of it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CommentOption = Annotated[
    str,
    typer.Option("--comment", help="Why. It is kept with the decision for good."),
]
DigestOption = Annotated[
    str | None,
    typer.Option(
        "--digest", help="The challenger's digest that you looked at; any other is refused."
    ),
]


@app.command("list")
def list_(
    config: ConfigOption = None,
    state: StateOption = None,
    stream: Annotated[str | None, typer.Option("--stream", help="Only of this stream.")] = None,
    is_all: Annotated[
        bool, typer.Option("--all", help="Settled ones too, not only those that await a decision.")
    ] = False,
    is_json: JsonOption = False,
) -> None:
    """Proposals that await a decision, or all of them."""
    with attached(place_in(config, state)) as database, database.read() as connection:
        found = proposals.listing(connection, stream, state=None if is_all else "awaiting")
        made = decisions.listing(connection, stream)
    if is_json:
        documents = [document(item, _of(item, made)) for item in found]
        typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, "proposals": documents}, indent=2))
    elif found:
        print_list(open_console(), found)
    else:
        typer.echo("No proposals." if is_all else "No proposal awaits a decision.")


@app.command()
def show(
    proposal_id: IdArgument,
    config: ConfigOption = None,
    state: StateOption = None,
    is_json: JsonOption = False,
) -> None:
    """One proposal with its evidence."""
    with attached(place_in(config, state)) as database, database.read() as connection:
        found = _find(connection, proposal_id)
        shown = view(connection, found, now=SystemClock().now())
    if is_json:
        typer.echo(json.dumps(document(found, shown.decision), indent=2))
    else:
        print_one(open_console(), shown)


@app.command()
def approve(
    proposal_id: IdArgument,
    comment: CommentOption,
    config: ConfigOption = None,
    state: StateOption = None,
    digest: DigestOption = None,
) -> None:
    """Approve a proposal. The running daemon publishes it, or the next one that starts."""
    decided = _decide(
        proposal_id, "approve", config=config, state=state, comment=comment, digest=digest
    )
    typer.echo(f"Approved {decided.proposal_id} as {decided.actor}. The daemon publishes it.")


@app.command()
def reject(
    proposal_id: IdArgument,
    comment: CommentOption,
    config: ConfigOption = None,
    state: StateOption = None,
    digest: DigestOption = None,
) -> None:
    """Reject a proposal. The champion stays."""
    decided = _decide(
        proposal_id, "reject", config=config, state=state, comment=comment, digest=digest
    )
    typer.echo(f"Rejected {decided.proposal_id} as {decided.actor}. The champion stays.")


@app.command()
def verify(config: ConfigOption = None, state: StateOption = None) -> None:
    """Check that no decision was changed, removed or put in between since it was made.

    Exits 1 and names the first one that does not fit. What was cut off the end only shows beside
    the latest hash, which this prints: keep it elsewhere.
    """
    with attached(place_in(config, state)) as database, database.read() as connection:
        decisions.verify_chain(connection)
        made = decisions.listing(connection)
    if made:
        holds = "1 decision holds" if len(made) == 1 else f"{len(made)} decisions hold"
        typer.echo(f"{holds}. The latest has the hash {made[-1].hash}.")
    else:
        typer.echo("No decisions.")


def _decide(
    proposal_id: str,
    verdict: Literal["approve", "reject"],
    *,
    config: ConfigOption,
    state: StateOption,
    comment: str,
    digest: str | None,
) -> Decision:
    if not comment.strip():
        raise typer.BadParameter("--comment: say why, in a few words")
    with attached(place_in(config, state)) as database, database.write() as connection:
        found = _find(connection, proposal_id)
        if found.state != "awaiting":
            made = _of(found, decisions.listing(connection, found.stream))
            by = "" if made is None else f" ({made.verdict} by {made.actor})"
            raise ConflictError(
                f"proposal {found.id} is {found.state}{by} and no longer awaits a decision"
            )
        return decisions.decide(
            connection,
            proposal_id=found.id,
            digest=found.digest if digest is None else digest,
            verdict=verdict,
            actor=account(),
            comment=comment.strip(),
            now=SystemClock().now(),
        )


def _find(connection: Connection, prefix: str) -> Proposal:
    # ULIDs of one second share their first ten signs, so a prefix may well fit several.
    found = [
        item for item in proposals.listing(connection) if item.id.startswith(prefix.strip().upper())
    ]
    if not found:
        raise NotFoundError(
            f"no proposal's id begins with {prefix!r}; `adaptd proposals list --all` shows them"
        )
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} proposals' ids begin with {prefix!r}: "
            f"{', '.join(item.id for item in found)}; give more of it"
        )
    return found[0]


def _of(proposal: Proposal, made: list[Decision]) -> Decision | None:
    return next((decision for decision in made if decision.proposal_id == proposal.id), None)

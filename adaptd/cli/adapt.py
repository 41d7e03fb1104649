"""`adaptd adapt`: a person asks for an episode."""

from typing import Annotated

import typer

from adaptd.cli.account import account
from adaptd.cli.location import ConfigOption, StateOption, attached, place_in
from adaptd.clock import SystemClock
from adaptd.registry import requests
from adaptd.server.trigger_wording import answered

app = typer.Typer(add_completion=False)


@app.command()
def adapt(
    stream: Annotated[str, typer.Argument(metavar="STREAM", help="Name of the stream.")],
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why. The episode keeps it, with who asked.")
    ] = "",
    is_over_budget: Annotated[
        bool, typer.Option("--over-budget", help="Even if the day's compute budget is used up.")
    ] = False,
    config: ConfigOption = None,
    state: StateOption = None,
) -> None:
    """Ask for an episode of the stream now, without a drift: it trains the remedies on the latest
    records and searches around the champion. Nothing is proposed unless it is proved better.

    The running daemon begins it, or the next one that starts. It does not wait for a cool-down;
    `adaptd triggers` says what else it waits for. While one waits, asking again adds nothing.
    """
    with attached(place_in(config, state)) as database, database.write() as connection:
        try:
            answer = requests.ask(
                connection,
                stream=stream,
                actor=account(),
                reason=reason.strip(),
                is_over_budget=is_over_budget,
                now=SystemClock().now(),
            )
        except ValueError as error:
            raise typer.BadParameter(f"--reason: {error}") from error
    typer.echo(answered(answer))

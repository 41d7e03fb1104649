"""`adaptd`: the entry point, and how errors end."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from adaptd import __version__
from adaptd.cli.lazy import LazyGroup
from adaptd.errors import AdaptdError, ConfigError

EXAMPLES = """\
Examples:

  adaptd demo                                  the whole loop, in three minutes

  adaptd run -c configs/quickstart.yaml        the daemon

  adaptd inspect my.module:factory --shape 3,32,32

                                               what could change in a network of yours

  adaptd search lag-shift --from RELEASE --out DIR

                                               one search, without the daemon

  adaptd drift FILE --picture drift.png        what would have alarmed, and when

  adaptd replay EPISODE -c FILE                a past episode again: the same outcome?
  adaptd adapt STREAM -c FILE --reason "new bearing"

                                               an episode now, without a drift

  adaptd proposals list -c FILE                what awaits a decision

  adaptd proposals approve ID -c FILE --comment "looked at the evidence"
"""

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"adaptd {__version__}")
        raise typer.Exit


@app.callback(epilog=EXAMPLES)
def _root(
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Watch a deployed model on its stream; when the data drifts, search a better architecture
    around it, prove it on live records, and release it once it is approved.
    """
    # As `python -m` has it, so that a network needs not be installed; last, so that nothing there
    # stands in for what is. Workers inherit it.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def main() -> None:
    """Runs the command line and exits: 0 done, 1 failed, 2 wrong usage or configuration."""
    try:
        app()
    except AdaptdError as error:
        typer.echo(f"adaptd: {error}", err=True)
        sys.exit(2 if isinstance(error, ConfigError) else 1)


if __name__ == "__main__":
    main()

"""`adaptd inspect`: what could change in a network, before any stream is set up for it."""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from adaptd.architecture import Architecture
from adaptd.cli.console import open_console
from adaptd.cli.inspect_output import print_inspection
from adaptd.cli.network_options import setting, sizes
from adaptd.errors import ArtifactError, ConfigError

app = typer.Typer(add_completion=False)

# What the import or the call of a factory may raise that is not ours.
_FACTORY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


@app.command()
def inspect(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="FACTORY",
            help="package.module:name of what makes the network; also from this directory.",
        ),
    ],
    *,
    shape: Annotated[
        str, typer.Option("--shape", metavar="C,…", help="One record's sizes, such as 3,32,32.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="The factory's settings; repeat it."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Try whether these fit: safetensors, or a state dict."
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", help="Records of the training step that is predicted.")
    ] = 64,
    edges: Annotated[
        list[str] | None,
        typer.Option("--edge", metavar="NAME", help="Only this layer, in detail; repeat it."),
    ] = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which layers of a network can be opened and to what, what a search would cost in memory,
    and why the other layers stay as they are. Trains nothing.
    """
    record = sizes(shape)
    if batch < 1:
        raise ConfigError(f"--batch {batch}: expected at least 1 record")
    try:
        architecture = Architecture(factory, dict(map(setting, settings or ())))
    except ValueError as error:
        raise ConfigError(f"FACTORY: {error}") from error
    network = _build(architecture)
    # By name, since this room must stay without torch.
    if weights is not None:
        try:
            import_module("adaptd.space.weights").load_weights(network, weights)
        except ArtifactError as error:
            raise ConfigError(f"--weights: {_line(error)}") from error
    try:
        inspection = import_module("adaptd.space.inspection").inspect(
            network, record, batch=batch, only=edges
        )
    except ValueError as error:
        raise ConfigError(f"{factory}: {_line(error)}") from error
    document = {
        "factory": factory,
        "settings": dict(architecture.settings),
        **inspection.to_document(),
    }
    if is_json:
        typer.echo(json.dumps(document, indent=2))
    else:
        print_inspection(open_console(), document, is_detailed=edges is not None)


def _build(architecture: Architecture) -> Any:
    room = import_module("adaptd.space.network")
    try:
        return room.build(architecture)
    except _FACTORY_ERRORS as error:
        # Ours name the factory; others are told by their class.
        is_ours = isinstance(error, ImportError | ValueError) and architecture.network in str(error)
        told = (
            _line(error)
            if is_ours
            else (
                f"{architecture.network} with {dict(architecture.settings)} failed: "
                f"{type(error).__name__}: {_line(error)}"
            )
        )
        raise ConfigError(f"FACTORY: {told}") from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())

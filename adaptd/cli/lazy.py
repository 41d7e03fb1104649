"""`LazyGroup`: a command group that imports a command's module only when that command runs."""

from importlib import import_module
from typing import Any, ClassVar

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

# Command -> its line in the help. The command `name` is the `app` of the module adaptd.cli.<name>.
COMMANDS: dict[str, str] = {
    "demo": "Show the whole loop on a generated stream with a known drift.",
    "run": "Run the daemon: observe streams, adapt their models, serve the page.",
    "serve": "Run the server alone: API and operator page over a state directory.",
    "inspect": "Show what could change in a network, and what opening it would cost.",
    "search": "Search for a better architecture around a network, on records of a stream.",
    "drift": "Replay a recording: what would have alarmed when, and what drift it looks like.",
    "replay": "Run a past episode again and compare: same architecture, same verdict?",
    "scenarios": "List the generated streams there are.",
    "stream": "Send a recorded stream to a topic.",
    "backup": "Copy a daemon's state directory while it runs.",
    "restore": "Put a backup in the place of a state directory.",
    "repair": "Drop damaged files from the window, where no backup has them.",
    "adapt": "Ask for an episode of a stream now, without a drift.",
    "triggers": "Show what waits for an episode, why and until when; schedules and compute.",
    "proposals": "List, show, approve and reject proposed releases; check the decisions.",
    "watches": "List the watches over fresh releases, or end one.",
}


class LazyGroup(TyperGroup):
    """Knows its commands by name and help line; loads the one that is asked for.

    So `adaptd --help` costs no import of the daemon, whose libraries take seconds and memory.
    """

    commands_by_name: ClassVar[dict[str, str]] = COMMANDS

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, line in self.commands_by_name.items():
            self.add_command(TyperCommand(name=name, help=line))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command in place of its name and help line."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.commands_by_name:
            command = get_command(import_module(f"adaptd.cli.{name}").app)
        return name, command, rest

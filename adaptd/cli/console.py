"""Tables for a terminal, and the same as plain aligned text where none is."""

from rich import box
from rich.console import Console
from rich.table import Table

# Columns of plain text: room for two digests in a row, so that nothing is cut or wrapped in a file.
PLAIN_COLUMNS = 200


def open_console() -> Console:
    """Standard output, as wide as the terminal, or wide enough for any row in a file or pipe."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_COLUMNS)


def open_table(console: Console, *columns: str, title: str | None = None) -> Table:
    """An empty table: ruled in a terminal, plain columns elsewhere. The title stands above it."""
    return Table(
        *columns,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        show_header=any(columns),
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
    )

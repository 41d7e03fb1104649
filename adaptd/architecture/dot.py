"""An architecture as a Graphviz text; to write one needs no Graphviz."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from adaptd.architecture.outline import Described, Entry, Mark, outline

# Marks are words in the label and a frame of another kind, so that they survive a grey print.
_FRAMES: dict[Mark, str] = {
    "same": "",
    "changed": ', penwidth=3, fillcolor="#fdf0d2"',
    "added": ', penwidth=3, fillcolor="#dff3e6"',
    "removed": ', style="filled,dashed", fillcolor="#fbe6e4"',
}


def to_dot(
    architecture: Described, compared_with: Described | None = None, *, order: Sequence[str] = ()
) -> str:
    """The architecture as one Graphviz digraph: a node for each edge, a cluster for each group.

    A node is named by its edge and labelled with its operation; the settings stand in the label of
    the graph. Nodes follow one another as in `outline`, tied by invisible arrows: what flows from
    edge to edge is known to the network alone, so no arrow is drawn. compared_with: the
    architecture before; what differs is marked `changed: old -> new`, `added` or `removed`.
    Raises ValueError if the two are of different networks.
    """
    drawn = outline(architecture, compared_with, order=order)
    lines = [_label(drawn.network), *(_label(_setting(entry)) for entry in drawn.settings)]
    # \l ends a line and sets it to the left.
    heading = "".join(f"{line}\\l" for line in lines)
    return "\n".join(
        [
            "digraph architecture {",
            f'  graph [label="{heading}", '
            "labelloc=t, labeljust=l, ranksep=0.15, fontname=Courier];",
            '  node [shape=box, style=filled, fillcolor="#ffffff", fontname=Courier];',
            *(
                line
                for number, group in enumerate(drawn.groups)
                for line in _cluster(number, group.prefix, group.entries)
            ),
            *(
                f"  {_quoted(one.name)} -> {_quoted(next_one.name)} [style=invis];"
                for one, next_one in pairwise(drawn.edges)
            ),
            "}",
            "",
        ]
    )


def _cluster(number: int, prefix: str, entries: tuple[Entry, ...]) -> Iterator[str]:
    nodes = (
        f'{_quoted(entry.name)} [label="{_label(entry.name)}\\n{_label(_operation(entry))}"'
        f"{_FRAMES[entry.mark]}];"
        for entry in entries
    )
    if not prefix:
        yield from (f"  {node}" for node in nodes)
        return
    yield f"  subgraph cluster_{number} {{"
    yield f'    label="{_label(prefix)}";'
    yield from (f"    {node}" for node in nodes)
    yield "  }"


def _operation(entry: Entry) -> str:
    match entry.mark:
        case "changed":
            return f"changed: {entry.before} -> {entry.after}"
        case "added":
            return f"added: {entry.after}"
        case "removed":
            return f"removed: {entry.before}"
        case _:
            return str(entry.after)


def _setting(entry: Entry) -> str:
    if entry.mark == "same":
        return f"{entry.name} = {entry.after}"
    return f"{entry.name}: {_operation(entry)}"


def _quoted(name: str) -> str:
    # Graphviz undoes only \" in a name, but pairs of backslashes keep the last one off the quote.
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _label(text: str) -> str:
    # In labels Graphviz also resolves \n, \l, \N and the like, and entities of HTML.
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")

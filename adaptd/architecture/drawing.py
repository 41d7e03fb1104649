"""An architecture as a picture: SVG that needs no style sheet, script or font of its own."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from adaptd.architecture.architecture import Architecture
from adaptd.architecture.canonical import digest_of
from adaptd.architecture.edit import diff
from adaptd.architecture.outline import Entry, Mark, Outline, outline, printable

# Pixels. Shown at its own width, the text is of 14 px, the size of a page's code.
WIDTH = 800
_MARGIN = 16
_GAP = 10
_PADDING = 12
_FONT_SIZE = 14
_LINE = 19
_HEADING = 28

# Share of the font size; monospaced fonts in use lie between 0.60 and 0.62.
_ADVANCE = 0.62

# More boxes in a row leave too little room for an edge of two dots.
_MOST_COLUMNS = 4

_INK = "#16202a"
_QUIET = "#4a5866"
_MONOSPACE = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@dataclass(frozen=True)
class _Frame:
    fill: str
    stroke: str
    width: float
    dashes: str = ""


# Told apart by thickness and dashes too, so that colour is never needed.
_FRAMES: dict[Mark, _Frame] = {
    "same": _Frame("#ffffff", "#8895a1", 1),
    "changed": _Frame("#fdf0d2", "#8a5a00", 3),
    "added": _Frame("#dff3e6", "#1a7040", 3),
    "removed": _Frame("#fbe6e4", "#b3261e", 2, "6 4"),
}


def to_svg(
    architecture: Architecture,
    compared_with: Architecture | None = None,
    *,
    order: Sequence[str] = (),
) -> str:
    """The architecture as an SVG document, 800 px wide and as high as it needs.

    Settings first, then the edges in boxes, in the order and groups of `outline`. compared_with:
    the architecture before; what differs says `was` and `now`, `new` or `gone` and has a thick or
    dashed frame. Title and description tell a screen reader the same. Styled by attributes alone,
    so it may stand inline under a strict content security policy, beside others of its kind. Text
    too long for the whole width is shortened in its middle; the description has all of it.
    Raises ValueError if the two are of different networks.
    """
    drawn = outline(architecture, compared_with, order=order)
    key = digest_of(
        [side.to_document() for side in (architecture, compared_with) if side is not None]
    )[:16]
    body, height = _body(drawn)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="title-{key}" aria-describedby="desc-{key}" '
            f'font-family="{_MONOSPACE}" font-size="{_FONT_SIZE}" fill="{_INK}">',
            f'<title id="title-{key}">{escape(_title(drawn))}</title>',
            f'<desc id="desc-{key}">{escape(_description(drawn, architecture, compared_with))}'
            "</desc>",
            f'<rect width="{WIDTH}" height="{height}" fill="#f6f7f8"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _title(drawn: Outline) -> str:
    edges = _number(len([entry for entry in drawn.edges if entry.mark != "removed"]), "edge")
    if not drawn.compares:
        return f"{drawn.network}, {edges}"
    return f"{drawn.network}, {edges}, {_number(len(drawn.edits), 'edit')}"


def _description(drawn: Outline, after: Architecture, before: Architecture | None) -> str:
    sentences = []
    if before is not None:
        edits = "; ".join(printable(str(edit)) for edit in diff(before, after))
        sentences.append(f"Edits: {edits or 'none'}.")
    for what, entries in (("Settings", drawn.settings), ("Operations", drawn.edges)):
        stated = [f"{entry.name}: {entry.after}" for entry in entries if entry.after is not None]
        if stated:
            sentences.append(f"{what}: {'; '.join(stated)}.")
    return " ".join(sentences)


def _body(drawn: Outline) -> tuple[list[str], int]:
    panels = [
        *([("settings", drawn.settings)] if drawn.settings else []),
        *((group.prefix or "top level", group.entries) for group in drawn.groups),
    ]
    columns = _columns([line for _, entries in panels for e in entries for line in _lines(e)])
    elements: list[str] = []
    top = _MARGIN
    for line, weight in ((drawn.network, "bold"), (_summary(drawn), "normal")):
        top += _LINE
        elements.append(_text(line, _MARGIN, top, WIDTH - 2 * _MARGIN, weight=weight))
    top += _GAP
    for heading, entries in panels:
        panel, height = _panel(heading, entries, top, columns)
        elements.extend(panel)
        top += height + _GAP
    return elements, top - _GAP + _MARGIN


def _summary(drawn: Outline) -> str:
    edges = _number(len([entry for entry in drawn.edges if entry.mark != "removed"]), "edge")
    if not drawn.compares:
        return edges
    if not drawn.edits:
        return f"{edges}, no edits"
    return (
        f"{edges}, {_number(len(drawn.edits), 'edit')}. "
        "Thick frame: changed or new. Dashed frame: gone."
    )


def _panel(heading: str, entries: Sequence[Entry], top: int, columns: int) -> tuple[list[str], int]:
    elements: list[str] = []
    bottom = top + _HEADING
    for first in range(0, len(entries), columns):
        row = entries[first : first + columns]
        height = max(len(_lines(entry)) for entry in row) * _LINE + _PADDING
        for column, entry in enumerate(row):
            left = _MARGIN + _PADDING + column * (_box_width(columns) + _GAP)
            elements.extend(_box(entry, left, bottom, height, _box_width(columns)))
        bottom += height + _GAP
    height = bottom - _GAP + _PADDING - top
    return [
        f'<rect x="{_MARGIN}" y="{top}" width="{WIDTH - 2 * _MARGIN}" height="{height}" rx="6" '
        'fill="#eef1f3" stroke="#d9dfe3"/>',
        _text(
            heading,
            _MARGIN + _PADDING,
            top + _LINE,
            WIDTH - 2 * (_MARGIN + _PADDING),
            weight="bold",
            ink=_QUIET,
        ),
        *elements,
    ], height


def _box(entry: Entry, left: int, top: int, height: int, width: int) -> Iterator[str]:
    frame = _FRAMES[entry.mark]
    dashes = f' stroke-dasharray="{frame.dashes}"' if frame.dashes else ""
    yield (
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="4" '
        f'fill="{frame.fill}" stroke="{frame.stroke}" stroke-width="{frame.width}"{dashes}/>'
    )
    for number, line in enumerate(_lines(entry)):
        yield _text(
            line,
            left + _PADDING,
            top + _LINE * (number + 1),
            width - 2 * _PADDING,
            weight="bold" if number == 0 else "normal",
        )


def _lines(entry: Entry) -> tuple[str, ...]:
    match entry.mark:
        case "changed":
            return entry.name, f"was {entry.before}", f"now {entry.after}"
        case "added":
            return entry.name, f"new {entry.after}"
        case "removed":
            return entry.name, f"gone {entry.before}"
        case _:
            return entry.name, str(entry.after)


def _columns(lines: Sequence[str]) -> int:
    """As many as let every line be shown whole."""
    longest = max(map(_text_width, lines), default=0)
    return next(
        (
            columns
            for columns in range(_MOST_COLUMNS, 1, -1)
            if longest <= _box_width(columns) - 2 * _PADDING
        ),
        1,
    )


def _box_width(columns: int) -> int:
    return (WIDTH - 2 * (_MARGIN + _PADDING) - (columns - 1) * _GAP) // columns


def _text(text: str, left: int, baseline: int, width: int, *, weight: str, ink: str = _INK) -> str:
    return (
        f'<text x="{left}" y="{baseline}" font-weight="{weight}" fill="{ink}">'
        f"{escape(_shortened(text, width))}</text>"
    )


def _shortened(text: str, width: int) -> str:
    # The ends of a dotted name tell more than its middle.
    kept, half = text, int(width / (_ADVANCE * _FONT_SIZE)) // 2
    while _text_width(kept) > width:
        kept = f"{text[:half]}…{text[len(text) - half :]}"
        half -= 1
    return kept


def _text_width(text: str) -> float:
    cells = sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
    return cells * _ADVANCE * _FONT_SIZE


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"

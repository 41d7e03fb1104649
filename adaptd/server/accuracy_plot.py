"""`AccuracyPlot`: accuracy over the stream as geometry; the template draws it as SVG."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from adaptd.server.wording import count, percent

# Records that one point of the line looks back on: blocks alone (32 records) jump by ten points.
WINDOW_RECORDS = 512

MarkKind = Literal["alarm", "release", "proposal"]

_Scale = Callable[[float], float]

# Advance of one character of the label font (12 px), and the height of a row of labels.
CHARACTER_WIDTH = 6.7
LABEL_ROW_HEIGHT = 16
LABEL_ROWS = 3


@dataclass(frozen=True)
class Block:
    """One block of the series: where it begins, its size, its hits, and whose predictions."""

    first_record: int
    records: int
    hits: int
    release_digest: str


@dataclass(frozen=True)
class Mark:
    """A vertical line at a record."""

    kind: MarkKind
    record: int
    label: str


@dataclass(frozen=True)
class Span:
    """A shaded stretch of the stream: from the dated change to the release that answered it."""

    first_record: int
    last_record: int


@dataclass(frozen=True)
class Tick:
    """A mark of an axis, in pixels along it, with its text."""

    position: float
    label: str


@dataclass(frozen=True)
class PlacedMark:
    """A vertical line in pixels, and where its label begins or ends, clear of the others."""

    kind: MarkKind
    x: float
    label: str
    label_x: float
    label_y: float
    anchor: Literal["start", "end"]


@dataclass(frozen=True)
class Rectangle:
    """A shaded stretch in pixels, as high as the plot."""

    x: float
    width: float


@dataclass(frozen=True)
class AccuracyPlot:
    """In pixels of the view box, rounded to tenths, so that the same scores give the same SVG.

    lines: one SVG point list for each release, so that no line joins two models.
    dots: (x, y) of each block. summary: what the plot says, in words.
    """

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    lines: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[PlacedMark, ...]
    spans: tuple[Rectangle, ...]
    summary: str


def draw(
    blocks: Sequence[Block],
    *,
    marks: Iterable[Mark] = (),
    spans: Iterable[Span] = (),
    width: int = 960,
    height: int = 300,
) -> AccuracyPlot | None:
    """The plot of the blocks, which come in stream order; None if there are none.

    Marks and spans outside the blocks are left out or clipped.
    """
    if not blocks:
        return None
    first = blocks[0].first_record
    end = blocks[-1].first_record + blocks[-1].records
    shown = sorted(
        (mark for mark in marks if first <= mark.record <= end), key=lambda mark: mark.record
    )
    left, right = 52.0, width - 12.0
    bottom = height - 44.0
    low = _lowest(blocks)

    def x(record: float) -> float:
        return round(left + (right - left) * (record - first) / (end - first), 1)

    placed = _place(shown, x, left=left, right=right)
    top = max((mark.label_y for mark in placed), default=0.0) + LABEL_ROW_HEIGHT

    def y(accuracy: float) -> float:
        return round(bottom - (bottom - top) * (accuracy - low) / (1 - low), 1)

    runs = _runs(blocks)
    smooth = [[(x(r), y(a)) for r, a in _moving_accuracy(run)] for run in runs]
    return AccuracyPlot(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        lines=tuple(" ".join(f"{px:g},{py:g}" for px, py in line) for line in smooth),
        dots=tuple((x(b.first_record + b.records / 2), y(b.hits / b.records)) for b in blocks),
        x_ticks=tuple(
            Tick(x(record), count(record)) for record in _round_numbers(first, end, width // 110)
        ),
        y_ticks=tuple(
            Tick(y(tenth / 10), f"{10 * tenth}")
            for tenth in range(round(10 * low), 11)
            if tenth % 2 == 0
        ),
        marks=placed,
        spans=tuple(_clip(spans, x, first=first, end=end)),
        summary=_summary(runs, shown, first=first, end=end),
    )


def _lowest(blocks: Sequence[Block]) -> float:
    # From zero, unless all is so good that zero would flatten the line.
    worst = min(block.hits / block.records for block in blocks)
    return 0.0 if worst < 0.5 else 0.4


def _runs(blocks: Sequence[Block]) -> list[list[Block]]:
    """Stretches of consecutive blocks by one release."""
    runs: list[list[Block]] = []
    for block in blocks:
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.release_digest == block.release_digest
            and last.first_record + last.records == block.first_record
        ):
            runs[-1].append(block)
        else:
            runs.append([block])
    return runs


def _moving_accuracy(run: Sequence[Block]) -> list[tuple[int, float]]:
    """(record, accuracy over the latest WINDOW_RECORDS records of this run) after each block."""
    result = []
    start = records = hits = 0
    for block in run:
        records += block.records
        hits += block.hits
        while records - run[start].records >= WINDOW_RECORDS:
            records -= run[start].records
            hits -= run[start].hits
            start += 1
        result.append((block.first_record + block.records, hits / records))
    return result


def _round_numbers(first: int, end: int, at_most: int) -> list[int]:
    """Round record numbers from first to end, at most so many and at least one if there is one."""
    raw = max((end - first) / max(at_most, 1), 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= raw)
    return list(range(-(-first // step) * step, end + 1, step))


def _place(
    marks: Sequence[Mark], x: _Scale, *, left: float, right: float
) -> tuple[PlacedMark, ...]:
    """Labels go beside their lines, in the first row where they do not run into another."""
    free_from = [left] * LABEL_ROWS
    placed = []
    for mark in marks:
        position = x(mark.record)
        length = CHARACTER_WIDTH * len(mark.label) + 8
        fits_right = position + length <= right
        begin = position if fits_right else position - length
        row = next(
            (row for row in range(LABEL_ROWS) if free_from[row] <= begin),
            min(range(LABEL_ROWS), key=lambda row: free_from[row]),
        )
        free_from[row] = begin + length
        placed.append(
            PlacedMark(
                mark.kind,
                position,
                mark.label,
                label_x=round(position + (5 if fits_right else -5), 1),
                label_y=14.0 + LABEL_ROW_HEIGHT * row,
                anchor="start" if fits_right else "end",
            )
        )
    return tuple(placed)


def _clip(spans: Iterable[Span], x: _Scale, *, first: int, end: int) -> Iterable[Rectangle]:
    for span in spans:
        begin, stop = max(span.first_record, first), min(span.last_record, end)
        if begin < stop:
            yield Rectangle(x(begin), round(x(stop) - x(begin), 1))


def _summary(
    runs: Sequence[Sequence[Block]], marks: Sequence[Mark], *, first: int, end: int
) -> str:
    latest = _moving_accuracy(runs[-1])[-1][1]
    lowest = min(accuracy for run in runs for _, accuracy in _moving_accuracy(run))
    highest = max(accuracy for run in runs for _, accuracy in _moving_accuracy(run))
    text = (
        f"Records {count(first)} to {count(end - 1)}: accuracy between {percent(lowest)} and "
        f"{percent(highest)}, now {percent(latest)}."
    )
    if marks:
        text += " " + "; ".join(f"{m.label} at record {count(m.record)}" for m in marks) + "."
    return text

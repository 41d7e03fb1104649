from hypothesis import given
from hypothesis import strategies as st

from adaptd.server.accuracy_plot import Block, Mark, Span, draw


def blocks(count: int, *, first: int = 0, hits: int = 30, digest: str = "one") -> list[Block]:
    return [Block(first + 32 * index, 32, hits, digest) for index in range(count)]


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]


def test_no_blocks_give_no_plot() -> None:
    assert draw([]) is None


def test_no_line_joins_two_releases_or_leaps_over_a_gap() -> None:
    series = blocks(5) + blocks(5, first=160, digest="two") + blocks(5, first=640, digest="two")
    plot = draw(series)
    assert plot is not None
    assert [len(points(line)) for line in plot.lines] == [5, 5, 5]


def test_the_line_forgets_what_is_older_than_its_window() -> None:
    plot = draw(blocks(40, hits=32) + blocks(40, first=1_280, hits=0))
    assert plot is not None
    line = points(plot.lines[0])
    assert line[39][1] == plot.top
    # 16 blocks of 32 records fill the window.
    assert line[54][1] < plot.bottom
    assert line[55][1] == plot.bottom


def test_lines_stand_where_their_record_is() -> None:
    plot = draw(blocks(100), marks=[Mark("alarm", 1_600, "alarm: loss")])
    assert plot is not None
    (mark,) = plot.marks
    assert mark.x == (plot.left + plot.right) / 2


def test_marks_outside_the_series_are_left_out_and_spans_are_clipped() -> None:
    plot = draw(
        blocks(10, first=1_000),
        marks=[Mark("alarm", 10, "early"), Mark("release", 9_999, "late")],
        spans=[Span(0, 1_160), Span(0, 500)],
    )
    assert plot is not None
    assert plot.marks == ()
    assert [(span.x, round(span.width)) for span in plot.spans] == [
        (plot.left, round((plot.right - plot.left) / 2))
    ]


def test_labels_of_neighbouring_marks_do_not_share_a_row() -> None:
    marks = [Mark("alarm", 1_000, "alarm: loss"), Mark("release", 1_010, "release 2")]
    plot = draw(blocks(100), marks=marks)
    assert plot is not None
    assert len({mark.label_y for mark in plot.marks}) == 2


def test_a_label_at_the_right_edge_turns_inward() -> None:
    plot = draw(blocks(100), marks=[Mark("proposal", 3_200, "proposal")])
    assert plot is not None
    assert plot.marks[0].anchor == "end"


def test_the_summary_says_what_the_line_shows() -> None:
    plot = draw(blocks(20, hits=16), marks=[Mark("alarm", 320, "alarm: loss")])
    assert plot is not None
    assert "now 50.0" in plot.summary
    assert "alarm: loss at record 320" in plot.summary


series_of_blocks = st.lists(
    st.tuples(st.integers(1, 64), st.floats(0, 1), st.sampled_from(["one", "two"])), min_size=1
)


@given(series_of_blocks, st.lists(st.integers(-100, 5_000)), st.sampled_from([420, 960]))
def test_everything_lies_inside_the_frame(
    series: list[tuple[int, float, str]], records: list[int], width: int
) -> None:
    first = 0
    made = []
    for size, share, digest in series:
        made.append(Block(first, size, round(share * size), digest))
        first += size
    marks = [Mark("alarm", record, "alarm") for record in records]
    plot = draw(made, marks=marks, width=width)
    assert plot is not None
    drawn = [point for line in plot.lines for point in points(line)]
    for x, y in drawn:
        assert plot.left <= x <= plot.right
        assert plot.top <= y <= plot.bottom
    assert all(plot.left <= mark.x <= plot.right for mark in plot.marks)
    assert all(plot.left <= tick.position <= plot.right for tick in plot.x_ticks)
    assert len(plot.x_ticks) <= width // 110 + 1
    assert len(plot.dots) == len(made)
    assert draw(made, marks=marks, width=width) == plot

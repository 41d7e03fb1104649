import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.nas201.encoding import EDGES, OPERATIONS, Cell, from_text, to_text

TEXT = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|none~1|skip_connect~2|"


def test_the_text_lists_the_edges_by_the_node_they_end_in() -> None:
    cell = (
        "avg_pool_3x3", "nor_conv_1x1", "skip_connect", "nor_conv_3x3", "none", "skip_connect",
    )  # fmt: skip
    assert from_text(TEXT) == cell
    assert to_text(cell) == TEXT


@given(st.tuples(*[st.sampled_from(OPERATIONS)] * EDGES))
def test_there_and_back_is_the_same_cell(cell: Cell) -> None:
    assert from_text(to_text(cell)) == cell


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT.replace("~2", "~1"),
        TEXT.replace("none", "nought"),
        TEXT.replace("|none~1", ""),
        f"{TEXT} ",
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cell|operation"):
        from_text(text)


def test_a_cell_of_another_size_or_with_an_unknown_operation_has_no_text() -> None:
    with pytest.raises(ValueError, match="6 operations, got 5"):
        to_text(("none",) * 5)
    with pytest.raises(ValueError, match="no operation 'conv'"):
        to_text(("none",) * 5 + ("conv",))

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.stream.batch import Batch
from adaptd.stream.window import Window
from tests.stream.conftest import batch_of


def numbers(batch: Batch) -> list[int]:
    return [int(value) for value in batch.x[:, 0, 0]]


def filled(window: Window, sizes: list[int]) -> Window:
    for size in sizes:
        window.append(batch_of(size, first=window.next_record))
    return window


@given(
    sizes=st.lists(st.integers(0, 30), max_size=12),
    capacity=st.integers(1, 60),
    start=st.integers(0, 100),
    data=st.data(),
)
def test_a_window_holds_the_latest_records_by_number(
    sizes: list[int], capacity: int, start: int, data: st.DataObject
) -> None:
    window = filled(Window(capacity, (2, 3), next_record=start), sizes)
    end = start + sum(sizes)
    first = max(start, end - capacity)
    assert (window.first_record, window.next_record, len(window)) == (first, end, end - first)
    lower = data.draw(st.integers(first, end))
    upper = data.draw(st.integers(lower, end))
    assert numbers(window.between(lower, upper)) == list(range(lower, upper))


def test_append_says_which_record_came_first() -> None:
    window = Window(10, (2, 3))
    assert window.append(batch_of(3)) == 0
    assert window.append(batch_of(2, first=3)) == 3


def test_records_that_are_gone_or_yet_to_come_are_refused() -> None:
    window = filled(Window(4, (2, 3)), [3, 3])
    for wrong in ((1, 4), (3, 7), (5, 4)):
        with pytest.raises(ValueError, match="holds 2 to 6"):
            window.between(*wrong)


def test_records_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        Window(4, (3, 2)).append(batch_of(1))


def test_what_nobody_can_ask_for_is_not_kept() -> None:
    window = filled(Window(4, (2, 3)), [3] * 50)
    assert sum(len(batch) for _, batch in window._parts) < 4 + 3


def parts(*spans: tuple[int, int]) -> list[tuple[int, Batch]]:
    return [(first, batch_of(end - first, first=first)) for first, end in spans]


def test_a_restored_window_leaves_out_what_came_after_the_checkpoint() -> None:
    window = Window.restored(10, (2, 3), parts((4, 8), (8, 13), (13, 15)), next_record=11)
    assert (window.first_record, window.next_record) == (4, 11)
    assert numbers(window.between(4, 11)) == list(range(4, 11))
    assert window.append(batch_of(1, first=11)) == 11


def test_a_window_without_segments_starts_at_the_next_record() -> None:
    window = Window.restored(10, (2, 3), [], next_record=7)
    assert (window.first_record, window.next_record, len(window)) == (7, 7, 0)


def test_gaps_between_segments_are_refused() -> None:
    with pytest.raises(ValueError, match="expected record 8, got 9"):
        Window.restored(10, (2, 3), parts((4, 8), (9, 12)), next_record=12)
    with pytest.raises(ValueError, match="end before record 8"):
        Window.restored(10, (2, 3), parts((4, 8)), next_record=12)

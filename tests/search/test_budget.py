"""What a search may spend."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptd.errors import JobError
from adaptd.search.budget import Budget, limited_threads


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("memory=1.05,steps=2000", Budget(1.05, 2000, None)),
        ("wall=600", Budget(None, None, 600.0)),
        (" cores = 2 , wall = 0.5 , memory = 2", Budget(2.0, None, 0.5, 2)),
        ("steps=1", Budget(None, 1, None)),
    ],
)
def test_a_budget_is_read_from_text(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@given(
    st.none() | st.floats(0.01, 1e6),
    st.integers(1, 10**9) | st.floats(1e-3, 1e9),
    st.integers(1, 512),
)
def test_what_a_budget_writes_it_reads(
    memory: float | None, spent: int | float, cores: int
) -> None:
    if isinstance(spent, int):
        budget = Budget(memory, spent, None, cores)
    else:
        budget = Budget(memory, None, spent, cores)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got '', expected steps=COUNT or wall=SECONDS"),
        ("memory=1.05", "expected exactly one of steps and wall, got steps=None, wall=None"),
        ("steps=10,wall=5", "expected exactly one of steps and wall, got steps=10, wall=5"),
        ("steps=10,steps=20", "steps is given twice"),
        ("steps=10,time=5", "got 'time=5', expected steps=COUNT or wall=SECONDS"),
        ("steps=many", "steps=many: expected a whole number of at least 1"),
        ("steps=1.5", r"steps=1\.5: expected a whole number of at least 1"),
        ("steps=0", "steps=0: expected a whole number of at least 1"),
        ("steps=10,cores=0", "cores=0: expected a whole number of at least 1"),
        ("steps=10,cores=99999", "cores=99999: expected at most 1024"),
        ("wall=-3", "wall=-3.0: expected a number above 0"),
        ("wall=soon", "wall=soon: expected a number above 0"),
        ("memory=nan,steps=5", "memory=nan: expected a number above 0"),
        ("memory=inf,steps=5", "memory=inf: expected a number above 0"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_expected(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^budget '{text}': {message}"):
        Budget.parse(text)


def test_only_what_is_bounded_is_named() -> None:
    assert Budget(memory_ratio=1.05, steps=100) == Budget.parse("memory=1.05,steps=100")
    assert Budget(wall_seconds=60) == Budget.parse("wall=60")


def test_a_given_number_of_steps_is_never_measured() -> None:
    def measure() -> float:
        raise AssertionError("measured")

    assert Budget(None, 2000, None).resolve(measure) == 2000


def test_seconds_become_steps_by_the_median_of_those_after_the_warm_up() -> None:
    seconds = iter([9.0, 5.0, 2.0, 2.0, 30.0, 2.0, 1.0])
    # 51 s go into measuring, 49 are left.
    assert Budget(None, None, 100.0).resolve(lambda: next(seconds)) == 24
    assert list(seconds) == []


def test_a_wall_budget_that_leaves_no_step_is_refused_at_once() -> None:
    measured: list[float] = []

    def measure() -> float:
        measured.append(4.0)
        return 4.0

    with pytest.raises(JobError, match=r"wall=6.0 leaves no step .*: 2 steps .* took 8 s"):
        Budget(None, None, 6.0).resolve(measure)
    assert len(measured) == 2
    with pytest.raises(JobError, match=r"wall=30.0 leaves no step"):
        Budget(None, None, 30.0).resolve(measure)


def test_a_step_that_takes_no_time_is_no_measurement() -> None:
    with pytest.raises(ValueError, match=r"more than 0 s, got 0\.0 s"):
        Budget(None, None, 6.0).resolve(lambda: 0.0)


def test_threads_are_limited_and_given_back_even_after_an_error() -> None:
    before = torch.get_num_threads()
    other = before + 1

    def fail() -> None:
        with limited_threads(other):
            assert torch.get_num_threads() == other
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="cores=0"), limited_threads(0):
        pass

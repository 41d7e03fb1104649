"""A choice that keeps to limits."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from adaptd.search.choice import Option, best_within
from adaptd.search.limit import Limit, kind_of


def test_a_limit_counts_its_own_edges_and_operations() -> None:
    limit = Limit(frozenset({"skip", "identity"}), frozenset({"a", "b"}), 1)
    assert limit.uses(("a", "b", "c"), "skip") == 2
    assert limit.uses(("c",), "identity") == 0
    assert limit.uses(("a",), "dw k3 d1") == 0
    assert str(limit) == "at most 1 identity or skip on a, b"
    assert kind_of("dw k3 d1") == "dw"


@st.composite
def limited_options(draw: st.DrawFn) -> tuple[dict[str, list[Option]], int, list[int]]:
    limits = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    groups = draw(st.integers(1, 4))
    uses = st.tuples(*(st.integers(0, 2) for _ in limits))
    options = {
        f"group {place}": [
            Option(f"operation {number}", float(score), macs, used)
            for number, (score, macs, used) in enumerate(
                draw(
                    st.lists(
                        st.tuples(st.integers(-20, 20), st.integers(0, 30), uses),
                        min_size=1,
                        max_size=4,
                    )
                )
            )
        ]
        for place in range(groups)
    }
    return options, draw(st.integers(0, 100)), limits


@given(case=limited_options())
def test_the_best_of_all_that_keep_to_cap_and_limits_is_found(
    case: tuple[dict[str, list[Option]], int, list[int]],
) -> None:
    options, cap, limits = case

    def keeps(combination: tuple[Option, ...]) -> bool:
        return sum(option.macs for option in combination) <= cap and all(
            sum(option.uses[place] for option in combination) <= most
            for place, most in enumerate(limits)
        )

    fitting = [
        (sum(option.score for option in combination), -sum(option.macs for option in combination))
        for combination in itertools.product(*options.values())
        if keeps(combination)
    ]
    chosen = best_within(options, cap, limits=limits)
    if chosen is None:
        assert not fitting
        return
    picked = tuple(
        next(option for option in options[group] if option.operation == operation)
        for group, operation in chosen.items()
    )
    assert keeps(picked)
    outcome = (sum(option.score for option in picked), -sum(option.macs for option in picked))
    assert outcome == max(fitting)

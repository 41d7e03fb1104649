import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture, compound, diff, scaled, with_edges

NET = Architecture(
    "a.b:c",
    {"width": 16, "depth": 3, "resolution": 64, "classes": 5},
    {"cells.0": "dw k3 d1", "cells.1": "dw k5 d1", "cells.2": "dw k5 d4"},
)
FACTORS = st.floats(min_value=0.01, max_value=100)


def sizes(architecture: Architecture) -> tuple[object, ...]:
    return tuple(architecture.settings[name] for name in ("width", "depth", "resolution"))


@pytest.mark.parametrize(
    ("factor", "width"), [(1.1, 16), (1.125, 20), (1.5, 24), (0.9, 16), (0.5, 8), (0.01, 4)]
)
def test_width_goes_to_the_nearest_multiple_of_four(factor: float, width: int) -> None:
    assert sizes(scaled(NET, width=factor)) == (width, 3, 64)


def test_width_goes_to_the_multiple_that_is_asked_for() -> None:
    assert sizes(scaled(NET, width=1.1, width_multiple=1))[0] == 18
    assert sizes(scaled(NET, width=1.6, width_multiple=8))[0] == 24


@pytest.mark.parametrize(("factor", "depth"), [(1.01, 4), (2.0, 6), (0.5, 2), (0.01, 1)])
def test_depth_is_rounded_up(factor: float, depth: int) -> None:
    assert sizes(scaled(NET, depth=factor)) == (16, depth, 64)


def test_an_error_of_floats_adds_no_layer() -> None:
    # 1.1 ** 2 is 1.2100000000000002, and 1.1 itself lies above 11 / 10.
    hundred = Architecture("a.b:c", {"depth": 100})
    assert scaled(hundred, depth=1.1).settings["depth"] == 110
    assert scaled(hundred, depth=1.1**2).settings["depth"] == 121


@pytest.mark.parametrize(("factor", "resolution"), [(1.15, 74), (0.5, 32), (0.001, 1)])
def test_resolution_goes_to_the_nearest_whole_number(factor: float, resolution: int) -> None:
    assert sizes(scaled(NET, resolution=factor)) == (16, 3, resolution)


@given(FACTORS, FACTORS, FACTORS)
def test_scaling_touches_its_settings_alone_and_stays_a_document(
    width: float, depth: float, resolution: float
) -> None:
    after = scaled(NET, width=width, depth=depth, resolution=resolution)
    assert Architecture.from_json(after.to_json()) == after
    assert all(type(size) is int and size >= 1 for size in sizes(after))
    assert after.operations == NET.operations
    assert after.settings["classes"] == 5
    assert after.settings.keys() == NET.settings.keys()


@given(FACTORS, FACTORS)
def test_a_larger_factor_never_gives_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    smaller, larger = (
        scaled(NET, width=factor, depth=factor, resolution=factor) for factor in (low, high)
    )
    for name in ("width", "depth", "resolution"):
        assert smaller.settings[name] <= larger.settings[name]  # type: ignore[operator]


def test_a_factor_of_one_neither_needs_nor_rounds_its_setting() -> None:
    odd = Architecture("a.b:c", {"width": 17, "depth": "deep"})
    assert scaled(odd) == odd


def test_missing_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"cannot scale depth, resolution: .*\['width'\]"):
        scaled(Architecture("a.b:c", {"width": 16}), width=2, depth=2, resolution=2)


@pytest.mark.parametrize("value", [True, 16.0, "16", 0, -4])
def test_a_setting_that_is_no_size_is_refused(value: bool | float | str) -> None:
    with pytest.raises(ValueError, match="setting width must be a whole number above 0"):
        scaled(Architecture("a.b:c", {"width": value}), width=2)


@pytest.mark.parametrize("factor", [0, -1.0, math.inf, math.nan])
def test_a_factor_that_leads_nowhere_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="factor of depth"):
        scaled(NET, depth=factor)


def test_a_multiple_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="width_multiple"):
        scaled(NET, width=2, width_multiple=0)


def test_compound_scaling_gives_alpha_to_depth_beta_to_width_gamma_to_resolution() -> None:
    large = Architecture("a.b:c", {"width": 1000, "depth": 1000, "resolution": 1000})
    assert sizes(compound(large, 1)) == (1100, 1200, 1150)
    assert sizes(compound(large, 2, width_multiple=1)) == (1210, 1440, 1322)
    assert sizes(compound(large, 1, alpha=3, beta=2, gamma=1)) == (2000, 3000, 1000)


def test_compound_scaling_by_nothing_changes_nothing_and_by_less_shrinks() -> None:
    assert compound(NET, 0) == NET
    assert sizes(compound(NET, -4)) == (12, 2, 37)


def test_compound_scaling_needs_only_what_it_changes() -> None:
    wide = Architecture("a.b:c", {"width": 16})
    assert compound(wide, 3, alpha=1, gamma=1).settings == {"width": 20}
    with pytest.raises(ValueError, match="cannot scale depth, resolution"):
        compound(wide, 3)


@pytest.mark.parametrize("value", [0.9, math.nan])
def test_a_base_below_one_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="alpha must be at least 1"):
        compound(NET, 1, alpha=value)
    with pytest.raises(ValueError, match="beta must be at least 1"):
        compound(NET, 1, beta=value)
    with pytest.raises(ValueError, match="gamma must be at least 1"):
        compound(NET, 1, gamma=value)


@pytest.mark.parametrize("phi", [1e6, -1e6, math.nan, math.inf])
def test_a_phi_out_of_range_is_refused(phi: float) -> None:
    with pytest.raises(ValueError, match=r"phi|factor"):
        compound(NET, phi)


def test_operations_are_fitted_to_the_edges_that_there_are() -> None:
    fitted = with_edges(scaled(NET, depth=1.3), ["cells.1", "cells.2", "cells.3"], "dw k7 d1")
    assert dict(fitted.operations) == {
        "cells.1": "dw k5 d1",
        "cells.2": "dw k5 d4",
        "cells.3": "dw k7 d1",
    }
    assert [str(edit) for edit in diff(NET, fitted)] == [
        "setting depth: 3 becomes 4",
        "cells.0: removed, it held dw k3 d1",
        "cells.3: added with dw k7 d1",
    ]
    assert with_edges(NET, NET.operations, "dw k7 d1") == NET

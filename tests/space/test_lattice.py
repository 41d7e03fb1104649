"""Where taps lie, and how several kernels are computed as few."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adaptd.space.lattice import (
    Lattice,
    Support,
    distinct_places,
    places_of,
    transplant,
)

CPU = torch.device("cpu")

lattices = st.integers(1, 2).flatmap(
    lambda axes: st.builds(
        Lattice,
        st.tuples(*[st.integers(1, 5)] * axes),
        st.tuples(*[st.integers(1, 4)] * axes),
    )
)


def of_axes(axes: int) -> st.SearchStrategy[list[Lattice]]:
    one = st.builds(
        Lattice, st.tuples(*[st.integers(1, 5)] * axes), st.tuples(*[st.integers(1, 4)] * axes)
    )
    return st.lists(one, min_size=1, max_size=5)


@given(lattices)
def test_taps_lie_evenly_about_the_middle_and_end_at_the_reach(lattice: Lattice) -> None:
    assert len(set(lattice.positions)) == lattice.count
    for axis, (taps, distance) in enumerate(zip(lattice.taps, lattice.dilation, strict=True)):
        along = sorted({position[axis] for position in lattice.positions})
        assert along == list(range(along[0], along[0] + distance * taps, distance))
        assert 0 <= along[0] + along[-1] <= 1, "of an even span one more lies to the right"
    assert lattice.reach == max(map(abs, (step for place in lattice.positions for step in place)))


@given(lattices)
def test_positions_are_ordered_as_a_weight_of_torch_is(lattice: Lattice) -> None:
    axes = [
        sorted({place[axis] for place in lattice.positions}) for axis in range(len(lattice.taps))
    ]
    assert list(lattice.positions) == list(product(*axes))


@pytest.mark.parametrize(
    ("taps", "dilation"), [((0,), (1,)), ((3,), (0,)), ((3, 3), (1,)), ((-1,), (1,))]
)
def test_impossible_lattices_cannot_be_made(
    taps: tuple[int, ...], dilation: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="must be at least 1, and one of each an axis"):
        Lattice(taps, dilation)


def test_the_taps_of_a_matrix_are_one() -> None:
    assert Lattice((), ()).positions == ((),)
    assert Support.of([Lattice((), ())] * 2).positions == ((),)


def test_the_union_holds_each_position_once() -> None:
    several = [Lattice((taps,), (distance,)) for taps, distance in ((3, 1), (5, 1), (9, 1), (5, 4))]
    assert Support.of(several).positions == tuple(
        (offset,) for offset in (-8, -4, -3, -2, -1, 0, 1, 2, 3, 4, 8)
    )


@given(st.integers(1, 2).flatmap(of_axes))
def test_the_planned_convolutions_compute_each_tap_exactly_once(several: list[Lattice]) -> None:
    support = Support.of(several)
    assert set(support.positions) == {place for one in several for place in one.positions}
    computed: list[tuple[int, ...]] = []
    for lattice, index in zip(support.lattices, distinct_places(support, CPU), strict=True):
        places = range(len(support.positions)) if index is None else index.tolist()
        for position, place in zip(lattice.positions, places, strict=True):
            if place < len(support.positions):
                assert support.positions[place] == position
                computed.append(position)
    assert sorted(computed) == list(support.positions)


def test_dense_kernels_become_one_convolution_and_a_far_one_its_own() -> None:
    dense = [Lattice((5, 3), (1, 1)), Lattice((1, 5), (1, 1)), Lattice((3, 3), (2, 2))]
    assert Support.of(dense).lattices == (Lattice((5, 5), (1, 1)),)
    far = Lattice((3, 3), (6, 6))
    assert Support.of([*dense, far]).lattices == (Lattice((5, 5), (1, 1)), far)


def test_taps_of_one_dilation_that_do_not_coincide_are_all_there() -> None:
    two, three = Lattice((2,), (8,)), Lattice((3,), (8,))
    assert Support.of([two, three]).lattices == (two, three)


def test_a_place_is_the_index_of_a_position() -> None:
    lattice = Lattice((3,), (2,))
    assert places_of(lattice, ((-2,), (0,), (1,))) == (0, 1, 3)


def test_an_index_made_in_inference_mode_serves_a_gradient() -> None:
    near, far = Lattice((3,), (19,)), Lattice((5,), (19,))
    kernel = torch.randn(2, 2, 3, requires_grad=True)
    with torch.inference_mode():
        transplant(kernel, near.positions, far.positions)
    moved = transplant(kernel, near.positions, far.positions)
    (gradient,) = torch.autograd.grad(moved.sum(), kernel)
    torch.testing.assert_close(gradient, torch.ones(2, 2, 3))


def test_a_transplanted_kernel_keeps_shared_taps_and_has_zeros_elsewhere() -> None:
    near, far = Lattice((3,), (1,)), Lattice((5,), (2,))
    kernel = torch.randn(2, 3, 3)
    wider = transplant(kernel, near.positions, far.positions)
    torch.testing.assert_close(wider[..., 2], kernel[..., 1])
    assert not wider[..., [0, 1, 3, 4]].any()
    torch.testing.assert_close(transplant(wider, far.positions, ((0,),))[..., 0], kernel[..., 1])

"""Training a plain network."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from adaptd.errors import PermanentError
from adaptd.search.training import (
    Rehearsal,
    Samples,
    TrainingDiverged,
    accuracy,
    descend,
    minibatches,
    optimiser_for,
    rate_at,
    train,
    weighted_places,
)


def samples_of(n: int, *, seed: int = 0) -> Samples:
    """The class is the sign of the mean."""
    x = torch.randn(n, 1, 8, generator=torch.Generator().manual_seed(seed))
    return Samples(x, (x.mean((1, 2)) > 0).long())


def small_network(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))


def test_samples_need_a_target_each_and_at_least_one() -> None:
    with pytest.raises(ValueError, match="got 3 and 2"):
        Samples(torch.zeros(3, 1), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one"):
        Samples(torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64))


def test_each_pass_shows_every_record_at_most_once_in_a_new_order() -> None:
    samples = Samples(torch.arange(150.0)[:, None], torch.arange(150))
    batches = minibatches(samples, torch.Generator().manual_seed(0))
    passes = [[next(batches), next(batches)] for _ in range(3)]
    assert all(len(batch) == 64 for one in passes for batch in one)
    shown = [torch.cat([batch.target for batch in one]) for one in passes]
    assert all(max(Counter(one.tolist()).values()) == 1 for one in shown)
    assert not torch.equal(shown[0], shown[1])
    assert all(torch.equal(batch.x[:, 0].long(), batch.target) for one in passes for batch in one)


def test_fewer_records_than_a_batch_make_one_of_all() -> None:
    batch = next(minibatches(samples_of(10), torch.Generator().manual_seed(0)))
    assert len(batch) == 10


def test_the_rate_warms_up_peaks_and_falls_to_a_fiftieth() -> None:
    rates = [rate_at(step, 1_000, 1.0) for step in range(1_001)]
    assert rates[0] == pytest.approx(1 / 20)
    assert max(rates) == pytest.approx(1, abs=0.01)
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 50)


def test_training_learns_what_can_be_learnt() -> None:
    network = small_network()
    before = accuracy(network, samples_of(500, seed=1))
    train(network, samples_of(512), steps=150, seed=0)
    assert before < 0.8
    assert accuracy(network, samples_of(500, seed=1)) > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_one_others() -> None:
    first, again, other = small_network(), small_network(), small_network()
    train(first, samples_of(200), steps=10, seed=3)
    train(again, samples_of(200), steps=10, seed=3)
    train(other, samples_of(200), steps=10, seed=4)
    torch.testing.assert_close(again.state_dict(), first.state_dict(), atol=0, rtol=0)
    assert not torch.equal(next(other.parameters()), next(first.parameters()))


def test_progress_comes_after_every_step_with_its_loss() -> None:
    seen: list[tuple[int, float]] = []
    train(
        small_network(),
        samples_of(128),
        steps=5,
        seed=0,
        progress=lambda step, loss: seen.append((step, loss)),
    )
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5]
    assert all(0 < loss < 5 for _, loss in seen)


def test_a_loss_that_is_not_finite_stops_for_good_and_names_the_step() -> None:
    samples = samples_of(64)
    samples.x[3, 0, 0] = float("nan")
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(TrainingDiverged, match="the loss is nan at step 0") as caught:
        train(network, samples, steps=5, seed=0)
    assert isinstance(caught.value, PermanentError)
    torch.testing.assert_close(network.state_dict(), before, atol=0, rtol=0)


def test_a_step_moves_only_what_its_optimiser_holds() -> None:
    network = small_network()
    first, *others = network.parameters()
    before = [other.detach().clone() for other in others]
    start = first.detach().clone()
    descend(network, samples_of(64), optimiser_for([first]), rate=0.01, step=0)
    assert not torch.equal(first, start)
    torch.testing.assert_close([other.detach() for other in others], before, atol=0, rtol=0)
    assert all(other.grad is None for other in others)


def test_accuracy_is_the_share_of_hits_and_keeps_the_mode() -> None:
    class Sign(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not self.training
            mean = x.mean((1, 2))
            return torch.stack([-mean, mean], 1)

    samples = samples_of(1_100)
    target = samples.target.clone()
    target[:275] = 1 - target[:275]
    network = Sign()
    assert accuracy(network, Samples(samples.x, target)) == pytest.approx(0.75)
    assert network.training


def marked(count: int, first: int = 0) -> Samples:
    """Records that are known by their one value."""
    values = torch.arange(first, first + count).float()
    return Samples(values[:, None], torch.zeros(count, dtype=torch.int64))


def rehearsing(count: int, kept: int, share: float) -> Samples:
    return replace(marked(count), rehearsal=Rehearsal(marked(kept, first=1_000), share))


@pytest.mark.parametrize(
    ("count", "kept", "share", "rehearsed"),
    [(200, 500, 0.25, 16), (200, 500, 0.001, 0), (200, 5, 0.5, 5), (10, 500, 0.99, 9)],
)
def test_a_share_of_each_batch_is_rehearsed(
    count: int, kept: int, share: float, rehearsed: int
) -> None:
    size = min(64, count)
    batches = minibatches(rehearsing(count, kept, share), torch.Generator().manual_seed(0))
    for _ in range(20):
        values = next(batches).x.flatten()
        assert len(values) == size
        assert int((values >= 1_000).sum()) == rehearsed
        assert len(set(values.tolist())) == size


def test_all_new_records_still_come_in_each_pass() -> None:
    batches = minibatches(rehearsing(192, 500, 0.25), torch.Generator().manual_seed(0))
    seen = torch.cat([next(batches).x.flatten() for _ in range(4)])
    new = seen[seen < 1_000]
    assert len(new) == len(set(new.tolist())) == 192
    assert len(set(seen[seen >= 1_000].tolist())) > 50


def test_what_is_rehearsed_is_divided_with_the_records() -> None:
    samples = rehearsing(100, 31, 0.5)
    one, other = samples.divided(torch.arange(100).flip(0), 40)
    assert one.x.flatten().tolist() == [float(value) for value in range(99, 59, -1)]
    assert one.rehearsal is not None
    assert other.rehearsal is not None
    parts = [set(part.samples.x.flatten().tolist()) for part in (one.rehearsal, other.rehearsal)]
    assert parts[0].isdisjoint(parts[1])
    assert len(parts[0] | parts[1]) == 31
    assert len(parts[0]) == 12
    tiny, rest = rehearsing(100, 1, 0.5).divided(torch.arange(100), 50)
    assert [tiny.rehearsal is None, rest.rehearsal is None].count(True) == 1


def test_without_rehearsal_no_number_more_is_drawn() -> None:
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    with_none = minibatches(marked(200), generators[0])
    with_too_little = minibatches(rehearsing(200, 500, 0.001), generators[1])
    for _ in range(10):
        assert torch.equal(next(with_none).x, next(with_too_little).x)
    assert torch.equal(*(generator.get_state() for generator in generators))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_batch_is_never_rehearsed_as_a_whole(share: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        Rehearsal(marked(3), share)


def weighted(weights: list[float], *, first: int = 0) -> Samples:
    return replace(marked(len(weights), first), weight=torch.tensor(weights))


@pytest.mark.parametrize(
    "weight",
    [
        torch.ones(2),
        torch.ones(3, 1),
        *(torch.tensor([1, 1, bad]) for bad in (0.0, -1.0, float("nan"), float("inf"))),
    ],
)
def test_a_weight_is_above_zero_and_there_is_one_a_record(weight: Tensor) -> None:
    with pytest.raises(ValueError, match="a weight for each record"):
        replace(marked(3), weight=weight)


def test_weights_go_with_their_records() -> None:
    samples = weighted([1, 2, 3, 4])
    one, other = samples.divided(torch.tensor([3, 0, 2, 1]), 2)
    for part, expected in (
        (samples.at(torch.tensor([2, 0])), [3, 1]),
        (one, [4, 1]),
        (other, [3, 2]),
        (one.followed_by(other), [4, 1, 3, 2]),
        (marked(2).followed_by(one), [1, 1, 4, 1]),
    ):
        assert part.weight is not None
        assert part.weight.tolist() == expected
    assert marked(2).followed_by(marked(1)).weight is None


@given(
    weights=st.lists(st.floats(2**-20, 2**20, width=32), min_size=1, max_size=60),
    count=st.integers(1, 200),
    seed=st.integers(0, 2**31),
)
def test_each_record_is_drawn_as_often_as_its_weight_wants_to_within_one(
    weights: list[float], count: int, seed: int
) -> None:
    weight = torch.tensor(weights)
    places = weighted_places(weight, count, torch.Generator().manual_seed(seed))
    assert len(places) == count
    expected = weight.double() * count / weight.double().sum()
    drawn = torch.bincount(places, minlength=len(weight))
    assert bool(((drawn - expected).abs() < 1 + 1e-6).all())


@given(
    count=st.integers(1, 500),
    weight=st.floats(2**-100, 2**100, width=32),
    seed=st.integers(0, 2**31),
)
def test_records_that_weigh_the_same_are_each_drawn_once(
    count: int, weight: float, seed: int
) -> None:
    weights = torch.full((count,), weight)
    places = weighted_places(weights, count, torch.Generator().manual_seed(seed))
    assert sorted(places.tolist()) == list(range(count))


def test_over_many_passes_shares_are_those_of_the_weights() -> None:
    # 150 records of mean weight 1.5, of which a pass of 150 shows 128 in two batches.
    batches = minibatches(weighted([1, 2, 1.5] * 50), torch.Generator().manual_seed(0))
    drawn = [next(batches) for _ in range(400)]
    assert all(len(batch) == 64 and batch.weight is None for batch in drawn)
    kinds = torch.bincount(torch.cat([batch.x for batch in drawn]).flatten().long() % 3)
    # Of 25,600; the standard deviation of each is below 40, as if they were drawn one by one: 84.
    torch.testing.assert_close(
        kinds / kinds.sum(), torch.tensor([2 / 9, 4 / 9, 3 / 9]), atol=0.012, rtol=0
    )


def test_without_weights_batches_are_what_they_were_before_there_were_any() -> None:
    samples, generator = marked(100), torch.Generator().manual_seed(4)
    batches = minibatches(samples, torch.Generator().manual_seed(4))
    for _ in range(5):
        order = torch.randperm(100, generator=generator)
        assert torch.equal(next(batches).x, samples.x[order[:64]])
    kept = Rehearsal(samples, 0.5).draw(7, torch.Generator().manual_seed(4))
    order = torch.randperm(100, generator=torch.Generator().manual_seed(4))
    assert torch.equal(kept.x, samples.x[order[:7]])


def test_rehearsed_records_are_drawn_by_their_weights_too() -> None:
    kept = weighted([1, 3] * 20, first=1_000)
    samples = replace(weighted([1] * 200), rehearsal=Rehearsal(kept, 0.25))
    batches = minibatches(samples, torch.Generator().manual_seed(0))
    odd = 0
    for _ in range(100):
        batch = next(batches)
        assert batch.weight is None
        rehearsed = batch.x[batch.x >= 1_000]
        assert len(rehearsed) == 16
        odd += int((rehearsed % 2).sum())
    # Three in four of each 16, to within one.
    assert odd == pytest.approx(1_200, abs=100)


def margin(outputs: Tensor, target: Tensor) -> Tensor:
    return functional.multi_margin_loss(outputs, target)


@pytest.mark.parametrize("loss", [functional.cross_entropy, margin])
@pytest.mark.parametrize("heavier", [0, 1])
def test_where_records_contradict_each_other_the_heavier_ones_win(
    heavier: int, loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    x = samples_of(100).x.repeat(2, 1, 1)
    target = torch.arange(2).repeat_interleave(100)
    weight = torch.where(target == heavier, 3.0, 1.0)
    network = small_network()
    train(network, Samples(x, target, weight=weight), steps=150, seed=0, loss=loss)
    outputs = network(x[:100]).detach()
    assert bool((outputs.argmax(1) == heavier).all())
    if loss is functional.cross_entropy:
        # The minimum of the weighted risk: three to one.
        assert float(outputs.softmax(1)[:, heavier].mean()) == pytest.approx(0.75, abs=0.05)

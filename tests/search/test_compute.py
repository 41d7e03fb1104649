"""Where networks are trained: what a search computes with lies where its network and records do."""

import pytest
import torch

from adaptd.search.compute import checked_device, precision, usual_device
from adaptd.space import MERGED, SOFT, Relaxation, Supernet
from tests.search.conftest import MakeProblem


def test_the_usual_device_is_there() -> None:
    assert torch.empty(1, device=usual_device()).device.type == usual_device().type


def test_a_problem_that_is_there_is_left_as_it_is(make_problem: MakeProblem) -> None:
    problem = make_problem()
    assert problem.to(torch.device("cpu")) is problem


@pytest.mark.parametrize("relaxation", [MERGED, SOFT], ids=["merged", "soft"])
def test_a_supernet_computes_where_its_network_is(
    make_problem: MakeProblem, relaxation: Relaxation
) -> None:
    problem = make_problem()
    supernet = Supernet.reopen(
        problem.network, problem.reopening, edges=problem.edges, relaxation=relaxation
    ).train()
    # The one other device that is everywhere: its tensors know their shape and hold no numbers.
    elsewhere = torch.device("meta")
    supernet, samples = supernet.to(elsewhere), problem.samples.to(elsewhere)
    batch = samples.at(torch.arange(8))
    # Raises where tensors of two devices meet.
    problem.task.loss(supernet(batch.x), batch.target).backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in supernet.parameters()]
    assert all(one is not None and one.device.type == "meta" for one in gradients)


def test_weights_that_change_are_seen_by_the_next_step() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    with precision("bf16", torch.device("cpu")):
        layer.weight.data.fill_(1)
        first = layer(torch.ones(1, 2)).detach()
        layer.weight.data.fill_(2)
        second = layer(torch.ones(1, 2)).detach()
    assert (first.dtype, float(first), float(second)) == (torch.bfloat16, 2, 4)
    assert layer(torch.ones(1, 2)).dtype == torch.float32


def test_another_precision_is_refused() -> None:
    with pytest.raises(KeyError), precision("int3", torch.device("cpu")):
        pass


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "meta"])
def test_a_device_that_does_not_compute_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        checked_device(name)
    assert checked_device("cpu") == torch.device("cpu")


def test_a_card_that_does_not_work_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if torch.cuda.is_available():
        pytest.skip("here is one that works")
    # As where a driver shows a card that this torch has no kernels for.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.warns(UserWarning, match="CUDA is not used"):
        assert usual_device() == torch.device("cpu")

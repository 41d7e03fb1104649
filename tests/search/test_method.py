"""The table of methods."""

import pytest
import torch

from adaptd.search.candidates import tied
from adaptd.search.method import METHODS, search
from adaptd.search.problem import Moment
from adaptd.search.training import accuracy
from adaptd.space import build
from tests.search.conftest import MakeProblem


@pytest.mark.parametrize("name", METHODS)
def test_every_method_runs_and_gives_a_plain_network_of_its_architecture(
    make_problem: MakeProblem, name: str
) -> None:
    problem, moments = make_problem(), []
    before = {key: value.clone() for key, value in problem.network.state_dict().items()}

    def watch(moment: Moment) -> None:
        moments.append(moment)

    found = search(problem, name, watch=watch)
    assert found is not None
    fresh = build(found.architecture)
    fresh.load_state_dict(found.network.state_dict())
    x = problem.samples.x
    torch.testing.assert_close(fresh.eval()(x), found.network.eval()(x))
    assert 0 <= accuracy(found.network, problem.samples) <= 1
    assert found.steps == problem.steps
    assert [moment.step for moment in moments] == sorted({moment.step for moment in moments})
    assert moments[-1].step == problem.steps
    assert all(moment.steps == problem.steps for moment in moments)
    for key, value in problem.network.state_dict().items():
        assert torch.equal(value, before[key]), f"the deployed network's {key} moved"


@pytest.mark.parametrize("name", ["darts-1st", "darts-2nd"])
def test_darts_never_ends_with_a_zero(make_problem: MakeProblem, name: str) -> None:
    problem = make_problem()
    reopening = tied(problem.edges, dict.fromkeys(problem.edges, ("zero", "dw k3 d1")))
    found = search(make_problem(reopening=reopening, caps=()), name)
    assert found is not None
    assert all("zero" in weights for weights in found.alphas.values())
    assert "zero" not in found.architecture.operations.values()


def test_an_unknown_name_is_an_error(make_problem: MakeProblem) -> None:
    with pytest.raises(KeyError, match="drats"):
        search(make_problem(), "drats")


def test_names_are_those_of_the_rows_and_summaries_one_line() -> None:
    for name, method in METHODS.items():
        assert method.name == name
        assert method.summary
        assert "\n" not in method.summary


def test_warm_methods_are_those_that_inherit_weights() -> None:
    assert not METHODS["darts-1st"].is_warm
    assert METHODS["bounded"].is_warm
    assert METHODS["race"].is_warm

import copy

import numpy as np
import pytest
import torch
from torch import nn

from adaptd.search.prior_correction import correct_priors
from adaptd.space import build
from adaptd.space.network import initial_architecture

OLD, NEW = (0.5, 0.3, 0.2), (0.1, 0.2, 0.7)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def test_probabilities_become_those_of_the_new_shares() -> None:
    before = network()
    after, x = copy.deepcopy(before), torch.randn(50, 4)
    correct_priors(after, old=OLD, new=NEW, probe=x)
    said = before(x).softmax(dim=1).detach().numpy()
    by_bayes = said * np.array(NEW) / np.array(OLD)
    by_bayes /= by_bayes.sum(axis=1, keepdims=True)
    assert after(x).softmax(dim=1).detach().numpy() == pytest.approx(by_bayes, abs=1e-5)
    # And back, which only the bias has to be moved for.
    correct_priors(after, old=NEW, new=OLD, probe=x)
    assert after(x).detach().numpy() == pytest.approx(before(x).detach().numpy(), abs=1e-5)


def test_the_head_of_a_network_of_our_own_is_found_and_its_mode_stays() -> None:
    settings = {"in_channels": 1, "classes": 3, "width": 8}
    made = build(
        initial_architecture("adaptd.space.sequence:convnet", settings, operation="dw k5 d1")
    )
    untouched = copy.deepcopy(made).eval()
    x = torch.randn(8, 1, 32)
    correct_priors(made, old=OLD, new=NEW, probe=x)
    assert made.training
    shift = made.eval()(x) - untouched(x)
    assert torch.allclose(shift, shift[:1].expand_as(shift), atol=1e-5)
    assert int(shift[0].argmax()) == 2


class _Turned(nn.Module):
    """Whose last layer's outcome is turned round."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outcome: torch.Tensor = -self.head(x)
        return outcome


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3)), "LayerNorm"),
        (nn.Linear(4, 3, bias=False), "no bias"),
        (nn.Linear(4, 2), "2 outputs"),
        (_Turned(), "not what gives the logits"),
        (nn.ReLU(), "NoneType"),
    ],
)
def test_a_network_that_cannot_be_corrected_stays_as_it_was(made: nn.Module, reason: str) -> None:
    before = copy.deepcopy(made.state_dict())
    with pytest.raises(ValueError, match=reason):
        correct_priors(made, old=OLD, new=NEW, probe=torch.randn(8, 4))
    assert all(torch.equal(one, before[name]) for name, one in made.state_dict().items())


@pytest.mark.parametrize(("old", "new"), [((0.5, 0.5), NEW), ((1.0, 0.0, 0.0), NEW)])
def test_shares_that_are_none_are_refused(old: tuple[float, ...], new: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="shares"):
        correct_priors(network(), old=old, new=new, probe=torch.randn(8, 4))

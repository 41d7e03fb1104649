"""Which layers can be opened, and the reason why others cannot."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from adaptd.space.network import build, initial_architecture
from adaptd.space.openable import openable_edges, survey

SEQUENCE = (3, 16)


class Calling(nn.Module):
    """Two convolutions, `first` and `second`, called as the function says."""

    def __init__(self, call: Callable[["Calling", Tensor], Tensor]) -> None:
        super().__init__()
        self.first = nn.Conv1d(3, 8, 3, padding=1)
        self.second = nn.Conv1d(8, 8, 3, padding=1)
        self.call = call

    def forward(self, x: Tensor) -> Tensor:
        return self.call(self, x)


def refused(network: nn.Module, shape: tuple[int, ...] = SEQUENCE) -> dict[str, str]:
    return {one.name: one.reason for one in survey(network, shape).refused}


def test_plain_layers_are_openable_with_what_enters_them() -> None:
    network = nn.Sequential(nn.Conv1d(3, 8, 3, stride=2), nn.Flatten(), nn.Linear(56, 4))
    found = survey(network, SEQUENCE)
    assert {name: one.shape for name, one in found.openable.items()} == {"0": (3, 16), "2": (56,)}
    assert found.refused == ()
    assert list(openable_edges(network, SEQUENCE)) == ["0", "2"]


def test_positions_beside_the_batch_belong_to_the_shape() -> None:
    found = survey(nn.Sequential(nn.Linear(16, 4)), (3, 16)).openable["0"]
    assert (found.shape, found.rows) == ((3, 16), 1)


def test_frames_folded_into_the_batch_are_rows_of_a_record() -> None:
    def call(self: Calling, x: Tensor) -> Tensor:
        n, frames, *rest = x.shape
        answers: Tensor = self.second(self.first(x.reshape(n * frames, *rest)))
        return answers.reshape(n, frames, 8, 16)

    found = survey(Calling(call), (5, 3, 16)).openable
    assert [(one.shape, one.rows) for one in found.values()] == [((3, 16), 5), ((8, 16), 5)]


def test_a_layer_called_otherwise_than_once_with_one_tensor_is_refused() -> None:
    twice = Calling(lambda self, x: self.second(self.second(self.first(x))))
    assert refused(twice) == {"second": "is called 2 times in one forward pass"}
    never = Calling(lambda self, x: self.first(x))
    assert refused(never) == {"second": "is never called in a forward pass in evaluation mode"}
    keyword = Calling(lambda self, x: self.second(input=self.first(x)))
    assert refused(keyword) == {"second": "is not called with one tensor alone"}
    single = Calling(lambda self, x: torch.stack([self.first(one) for one in x]))
    assert refused(single)["first"] == "is called without a batch axis, on [3, 16]"


def test_a_network_that_uses_a_layer_beside_calling_it_keeps_it() -> None:
    reads = Calling(lambda self, x: self.second(self.first(x)) * self.second.weight.mean())
    assert list(openable_edges(reads, SEQUENCE)) == ["first"]
    assert refused(reads)["second"].startswith(
        "the network does not run with it open: AttributeError: 'MixedEdge' object has no attribute"
    )

    def call(self: Calling, x: Tensor) -> Tensor:
        answers: Tensor = self.second(self.first(x))
        return answers * (2 if type(self.first) is nn.Conv1d else 1)

    assert refused(Calling(call)) == {"first": "the network answers otherwise with it open"}


def test_a_layer_that_is_used_only_in_training_is_tried_there() -> None:
    def call(self: Calling, x: Tensor) -> Tensor:
        penalty = self.second.weight.square().sum() if self.training else 0
        answers: Tensor = self.second(self.first(x))
        return answers + penalty

    assert list(openable_edges(Calling(call), SEQUENCE)) == ["first"]


def test_shared_parameters_and_shared_modules_name_the_other_holder() -> None:
    network = nn.Sequential(nn.Conv1d(8, 8, 1), nn.ReLU(), nn.Conv1d(8, 8, 1), nn.Conv1d(8, 8, 1))
    network[2].weight = network[0].weight
    assert refused(network, (8, 16)) == {
        "0": "shares its parameter 'weight' with '2'",
        "2": "shares its parameter 'weight' with '0'",
    }
    network.add_module("again", network[3])
    assert refused(network, (8, 16))["3"] == "is the same module as 'again'"


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            nn.Conv1d(3, 8, 3, padding=1, padding_mode="circular"),
            "padding mode 'circular' cannot be merged",
        ),
        (
            nn.Conv1d(3, 8, 4, padding="same"),
            "'same' padding of an even kernel is not symmetric",
        ),
        (
            nn.ConvTranspose1d(3, 8, 3),
            "is none of Conv1d, Conv2d and Linear, the layers that can be opened",
        ),
        (spectral_norm(nn.Conv1d(3, 8, 3)), "computes its weight from other parameters"),
        (
            parametrizations.weight_norm(nn.Conv1d(3, 8, 3)),
            "is a subclass of Conv1d, which may compute something else",
        ),
    ],
    ids=["circular", "even-same", "transposed", "spectral-norm", "parametrised"],
)
def test_a_layer_that_is_no_plain_one_is_refused(layer: nn.Module, reason: str) -> None:
    assert refused(nn.Sequential(layer, nn.ReLU())) == {"0": reason}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_network_that_cannot_be_copied_is_told_so() -> None:
    with pytest.raises(
        ValueError, match=r"the network cannot be copied: RuntimeError: .*weight_norm"
    ):
        survey(nn.Sequential(weight_norm(nn.Conv1d(3, 8, 3))), SEQUENCE)


def test_a_layer_that_is_frozen_is_refused() -> None:
    network = Calling(lambda self, x: self.second(self.first(x)))
    network.first.weight.requires_grad_(False)
    found = survey(network, SEQUENCE)
    assert list(found.openable) == ["second"]
    assert [(one.name, one.reason) for one in found.refused] == [
        ("first", "is frozen (requires_grad=False)")
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_numbers_other_than_float32_are_told(dtype: torch.dtype) -> None:
    network = Calling(lambda self, x: self.second(self.first(x))).to(dtype)
    with pytest.raises(ValueError, match=f"numbers are {dtype}, expected torch.float32"):
        survey(network, SEQUENCE)


def test_a_layer_with_hooks_is_refused() -> None:
    network = nn.Sequential(nn.Conv1d(3, 8, 3), nn.Conv1d(8, 8, 3))
    network[1].register_forward_hook(lambda *_: None)
    assert refused(network) == {"1": "has hooks, which would be lost"}


def test_lazy_layers_are_refused_until_they_are_initialised() -> None:
    network = nn.Sequential(nn.LazyConv1d(8, 3), nn.Conv1d(8, 4, 3))
    reason = "is lazy and not initialised yet: send one record through the network first"
    assert refused(network) == {"0": reason}
    network(torch.zeros(1, *SEQUENCE))
    assert list(openable_edges(network, SEQUENCE)) == ["0", "1"]


def test_a_layer_that_is_the_network_is_refused() -> None:
    assert refused(nn.Linear(16, 2), (16,)) == {
        "": "is the network itself: wrap it, e.g. in nn.Sequential"
    }


class Tokens(nn.Module):
    """A transformer's encoder layer with learned positions, norms and scales around it."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, 6, 8))
        self.scale = nn.Parameter(torch.ones(8, 1))
        self.enter = nn.Linear(3, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.norm = nn.LayerNorm((6, 8))
        self.act = nn.PReLU(6)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.enter(x) + self.positions
        answer: Tensor = self.act(self.norm(self.layer(tokens))) @ self.scale
        return answer


def test_norms_and_scales_are_neither_openable_nor_refused() -> None:
    found = survey(Tokens(), (6, 3))
    assert list(found.openable) == ["enter"]
    assert {one.name: one.kind for one in found.refused} == {
        "": "Tokens",
        "layer.self_attn": "MultiheadAttention",
        # In evaluation torch takes a shorter way that reads their weights.
        "layer.linear1": "Linear",
        "layer.linear2": "Linear",
    }
    assert found.refused[0].reason == (
        "holds 'positions' itself, not in a Conv1d, Conv2d or Linear"
    )


def test_a_network_that_marks_its_edges_has_no_others() -> None:
    architecture = initial_architecture(
        "adaptd.space.sequence:convnet", {"in_channels": 3, "classes": 4}
    )
    found = survey(build(architecture), (3, 32))
    assert list(found.openable) == list(architecture.operations)
    assert found.refused == ()


class Noisy(nn.Module):
    """Counts its calls in a buffer in either mode, and drops out in either."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 3)
        self.norm = nn.BatchNorm1d(8)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return functional.dropout(self.norm(self.conv(x)), training=True)


def test_the_network_and_the_random_numbers_stay_as_they_were() -> None:
    network = Noisy()
    network.norm.eval()
    state = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    assert list(openable_edges(network, SEQUENCE)) == ["conv"]
    torch.testing.assert_close(network.state_dict(), state, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
    assert (network.training, network.norm.training) == (True, False)
    assert not network.conv._forward_hooks


def test_a_record_that_does_not_fit_is_named_with_the_error() -> None:
    with pytest.raises(
        ValueError, match=r"does not take records of shape \[4, 16\]: RuntimeError: .*3 channels"
    ):
        survey(nn.Sequential(nn.Conv1d(3, 8, 3)), (4, 16))

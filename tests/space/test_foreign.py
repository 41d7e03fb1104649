"""Networks of others, opened wherever an inspection says so, and led back to plain torch."""

from collections.abc import Mapping

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture
from adaptd.space.alternatives import candidates_for
from adaptd.space.network import build
from adaptd.space.openable import Openable, survey
from adaptd.space.supernet import Reopening, Supernet
from tests.networks import FOREIGN, Foreign

# Name -> what cannot be opened and how the reason begins.
REFUSED: Mapping[str, Mapping[str, str]] = {
    "tied": {
        "features.1": "shares its parameter 'weight' with 'features.3'",
        "features.3": "shares its parameter 'weight' with 'features.1'",
    },
    "twice_called": {"features.1.conv": "is called 2 times"},
    "idle": {"features.1.unused": "is never called"},
    "reflecting": {"features.0": "padding mode 'reflect'", "features.2": "padding mode 'reflect'"},
    "transposed": {"4": "is none of"},
    "recurrent": {"lstm": "is none of"},
    "bilinear": {"head": "is none of"},
}

# The deepest take seconds for each round of candidates.
_LARGE = {name for name in FOREIGN if name.startswith(("residual", "mobile", "unet"))}
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name in _LARGE else []) for name in FOREIGN]

# Numbers of layers that are opened, by network; the others' is 4.
_LAYERS = {"residual": 21, "mobile": 17, "unet": 11}

# Modules that a discretised edge may be of, beside torch's own.
_OURS = {"BlockLinear", "DiagonalLinear"}


def deployed(foreign: Foreign) -> nn.Module:
    """With running statistics as training leaves them."""
    network = build(Architecture(foreign.factory, foreign.settings), seed=1)
    with torch.no_grad():
        network(records(foreign, 16))
    return network.eval()


def records(foreign: Foreign, count: int) -> Tensor:
    return torch.randn(count, *foreign.shape, generator=torch.Generator().manual_seed(count))


def candidates(openable: Mapping[str, Openable]) -> dict[str, tuple[str, ...]]:
    return {name: candidates_for(one.edge, one.shape, one.shape) for name, one in openable.items()}


def reopened(network: nn.Module, openable: Mapping[str, Openable]) -> Supernet:
    return Supernet.reopen(
        network,
        Reopening(candidates(openable), {name: name for name in openable}),
        edges={name: one.edge for name, one in openable.items()},
    )


def turned(choices: Mapping[str, tuple[str, ...]], turn: int) -> dict[str, str]:
    """On each edge another candidate at every turn, on neighbours of unlike kinds."""
    return {
        name: texts[(turn + place) % len(texts)]
        for place, (name, texts) in enumerate(choices.items())
    }


@pytest.mark.parametrize("name", FOREIGN)
def test_all_layers_are_openable_but_those_with_a_reason(name: str) -> None:
    foreign = FOREIGN[name]
    network = deployed(foreign)
    found = survey(network, foreign.shape)
    expected = REFUSED.get(name, {})
    assert [one.name for one in found.refused] == list(expected)
    for one in found.refused:
        assert one.reason.startswith(expected[one.name])
    layers = [
        path
        for path, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear) and path not in expected
    ]
    assert list(found.openable) == layers
    family = next((family for family in _LAYERS if name.startswith(family)), None)
    if family is not None:
        assert len(layers) == _LAYERS[family]


@pytest.mark.parametrize("name", NAMES)
def test_with_every_candidate_open_the_network_answers_as_before(name: str) -> None:
    foreign = FOREIGN[name]
    network = deployed(foreign)
    supernet = reopened(network, survey(network, foreign.shape).openable)
    x = records(foreign, 4)
    with torch.no_grad():
        torch.testing.assert_close(supernet(x), network(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_folds_into_a_plain_network(name: str) -> None:
    foreign = FOREIGN[name]
    network = deployed(foreign)
    openable = survey(network, foreign.shape).openable
    choices = candidates(openable)
    x = records(foreign, 4)
    for turn in range(max(map(len, choices.values()))):
        chosen = turned(choices, turn)
        supernet = reopened(network, openable)
        supernet.equalise()
        mixed = supernet(x)
        supernet.fold(chosen)
        torch.testing.assert_close(supernet(x), mixed, atol=1e-4, rtol=1e-4)
        supernet.anneal(0)
        folded = supernet(x)
        plain = supernet.discretise()
        torch.testing.assert_close(plain(x), folded, atol=1e-5, rtol=1e-5)
        assert {
            type(module).__name__
            for module in plain.modules()
            if type(module).__module__.startswith("adaptd")
        } <= _OURS
        # The same network is made anew from its document and takes the weights.
        again = build(Architecture(foreign.factory, foreign.settings, chosen)).eval()
        again.load_state_dict(plain.state_dict())
        torch.testing.assert_close(again(x), folded, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [1, 4])
@pytest.mark.parametrize(
    "name", ["plain_cnn", "plain_cnn_1d", "residual", "mobile", "unet", "unet_1d", "perceptron"]
)
def test_a_discretised_network_becomes_onnx(name: str, turn: int) -> None:
    foreign = FOREIGN[name]
    network = deployed(foreign)
    openable = survey(network, foreign.shape).openable
    supernet = reopened(network, openable)
    supernet.fold(turned(candidates(openable), turn))
    supernet.anneal(0)
    plain = supernet.discretise().eval()
    program = torch.onnx.export(
        plain,
        (records(foreign, 2),),
        dynamo=True,
        input_names=["x"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        verbose=False,
    )
    assert program is not None
    session = onnxruntime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = records(foreign, 5)
    (answers,) = session.run(None, {"x": x.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(answers), plain(x), atol=1e-4, rtol=1e-4)

"""Fixed baselines; and that the networks which other tests bring are what they say."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture, Setting
from adaptd.space.baselines import mobilenet_v3, residual_mlp, resnet18
from adaptd.space.baselines.mobilenet import round_channels
from adaptd.space.network import build
from adaptd.space.standardise import fit_standardisation
from tests.networks import FOREIGN, Foreign

# Name -> factory, settings, shape of a record: small instances.
_SMALL: Mapping[str, tuple[str, Mapping[str, Setting], tuple[int, ...]]] = {
    "resnet18": ("resnet18", {"in_channels": 3, "width": 8}, (3, 16, 16)),
    "resnet18_large_stem": (
        "resnet18",
        {"in_channels": 3, "width": 8, "stem": "large"},
        (3, 64, 48),
    ),
    "resnet18_1d": ("resnet18", {"in_channels": 2, "width": 8, "axes": 1}, (2, 33)),
    "mobilenet_v3": ("mobilenet_v3", {"in_channels": 3, "multiplier": 0.25}, (3, 64, 48)),
    "residual_mlp": ("residual_mlp", {"in_channels": 12, "width": 16, "blocks": 3}, (12,)),
}
every_baseline = pytest.mark.parametrize("name", _SMALL)
every_foreign = pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)


def baseline(name: str, *, seed: int = 0) -> nn.Module:
    factory, settings, _ = _SMALL[name]
    architecture = Architecture(f"adaptd.space.baselines:{factory}", {**settings, "classes": 5})
    return build(architecture, seed=seed)


def records(shape: tuple[int, ...], count: int = 6) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0))


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def without_gradient(network: nn.Module, x: Tensor) -> list[str]:
    """Parameters that a training step would leave where they are."""
    network.train()(x).square().sum().backward()
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]


@every_baseline
def test_a_baseline_gives_one_row_of_finite_float32_a_record(name: str) -> None:
    network = baseline(name).eval()
    for count in (1, 6):
        answers = network(records(_SMALL[name][2], count))
        assert answers.shape == (count, 5)
        assert answers.dtype == torch.float32
        assert bool(answers.isfinite().all())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (3, 1, 1)),
        ("resnet18", (3, 7, 30)),
        ("resnet18_large_stem", (3, 1, 1)),
        ("resnet18_1d", (2, 1)),
        ("resnet18_1d", (2, 100)),
        ("mobilenet_v3", (3, 1, 1)),
        ("mobilenet_v3", (3, 33, 90)),
    ],
)
def test_a_convolutional_baseline_takes_any_size(name: str, shape: tuple[int, ...]) -> None:
    assert baseline(name).eval()(records(shape)).shape == (6, 5)


def test_a_regression_of_one_target_is_one_output() -> None:
    network = residual_mlp(in_channels=12, targets=1).eval()
    assert network(records((12,))).shape == (6, 1)


@pytest.mark.parametrize(
    ("outputs", "stem", "expected"),
    [
        (1000, "large", 11_689_512),  # the published weights for ImageNet
        (10, "large", 11_181_642),
        (10, "small", 11_173_962),  # the usual variant for CIFAR-10
    ],
)
def test_resnet18_has_the_published_number_of_parameters(
    outputs: int, stem: str, expected: int
) -> None:
    network = resnet18(in_channels=3, classes=outputs, stem=stem)
    assert parameter_count(network) == expected


def test_mobilenet_v3_has_the_published_number_of_parameters() -> None:
    assert parameter_count(mobilenet_v3(in_channels=3, classes=1000)) == 2_542_856


def test_residual_mlp_has_the_parameters_of_its_formula() -> None:
    features, width, hidden, blocks, outputs = 7, 20, 30, 3, 4
    network = residual_mlp(
        in_channels=features, classes=outputs, width=width, blocks=blocks, expansion=1.5
    )
    block = 2 * width + (width * hidden + hidden) + (hidden * width + width)
    assert parameter_count(network) == (
        (features * width + width) + blocks * block + 2 * width + (width * outputs + outputs)
    )


@pytest.mark.parametrize(("stem", "after_stem"), [("small", 64), ("large", 16)])
def test_resnet18_halves_the_resolution_three_times_after_its_stem(
    stem: str, after_stem: int
) -> None:
    network = resnet18(in_channels=3, classes=2, width=4, stem=stem)
    sizes: list[tuple[int, ...]] = []
    for module in (network.get_submodule("stem"), network.get_submodule("stages")):
        module.register_forward_hook(lambda _, __, output: sizes.append(tuple(output.shape[1:])))
    network(records((3, 64, 64)))
    assert sizes == [(4, after_stem, after_stem), (32, after_stem // 8, after_stem // 8)]


@pytest.mark.parametrize(
    ("channels", "rounded"), [(1, 8), (11, 16), (12, 16), (18, 24), (24, 24), (72, 72), (90, 88)]
)
def test_channels_are_rounded_to_eights_and_never_lose_more_than_a_tenth(
    channels: float, rounded: int
) -> None:
    assert round_channels(channels) == rounded


@every_baseline
def test_a_gradient_reaches_every_parameter_of_a_baseline(name: str) -> None:
    assert without_gradient(baseline(name), records(_SMALL[name][2])) == []


@pytest.mark.parametrize(
    "name",
    [
        name if name == "residual_mlp" else pytest.param(name, marks=pytest.mark.slow)
        for name in _SMALL
    ],
)
def test_a_baseline_learns(name: str) -> None:
    network = baseline(name)
    x = records(_SMALL[name][2], 10)
    labels = torch.arange(10) % 5
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        losses = []
        for _ in range(10):
            loss = nn.functional.cross_entropy(network(x), labels)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@every_baseline
def test_a_record_is_judged_alone_in_evaluation_and_with_its_batch_in_training(name: str) -> None:
    network, x = baseline(name), records(_SMALL[name][2])
    network(x)  # running statistics other than the initial ones
    network.eval()
    torch.testing.assert_close(network(x)[2:4], network(x[2:4]), atol=1e-5, rtol=1e-5)
    network.train()
    assert not torch.allclose(network(x)[2:4], network(x[2:4]), atol=1e-3)


@pytest.mark.parametrize("name", ["mobilenet_v3", "residual_mlp"])
def test_dropout_acts_in_training_only(name: str) -> None:
    network, x = baseline(name), records(_SMALL[name][2])
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


@every_baseline
def test_the_seed_decides_the_weights_of_a_baseline(name: str) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (baseline(name, seed=seed) for seed in (3, 3, 4))
    for left, right in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(left, right)
    x = records(_SMALL[name][2])
    assert not torch.equal(first.eval()(x), other.eval()(x))
    assert torch.equal(torch.random.get_rng_state(), state)


@every_baseline
def test_records_are_taken_raw(name: str) -> None:
    network = baseline(name).eval()
    standard = records(_SMALL[name][2], 50)
    others = tuple(axis for axis in range(standard.ndim) if axis != 1)
    standard = (standard - standard.mean(others, keepdim=True)) / standard.std(
        others, correction=0, keepdim=True
    )
    raw = 300 + 40 * standard
    expected = network(standard)
    fit_standardisation(network, raw)
    torch.testing.assert_close(network(raw), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::FutureWarning")  # from inside torch.export
@every_baseline
def test_a_baseline_exports_to_onnx_for_any_batch(name: str, tmp_path: Path) -> None:
    shape = _SMALL[name][2]
    network = baseline(name)
    network(records(shape))  # running statistics other than the initial ones
    assert_exports(network.eval(), shape, tmp_path / "model.onnx")


def assert_exports(network: nn.Module, shape: tuple[int, ...], path: Path) -> None:
    torch.onnx.export(
        network,
        (records(shape, 2),),
        path,
        dynamo=True,
        input_names=["x"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for count in (1, 6):
        x = records(shape, count)
        (answers,) = session.run(None, {"x": x.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(answers, network(x).numpy(), atol=1e-4)


@pytest.mark.parametrize("value", [0, -1, 2.0, "3", True])
@pytest.mark.parametrize(
    ("factory", "setting"),
    [
        ("resnet18", "in_channels"),
        ("resnet18", "width"),
        ("mobilenet_v3", "in_channels"),
        ("residual_mlp", "in_channels"),
        ("residual_mlp", "width"),
        ("residual_mlp", "blocks"),
    ],
)
def test_a_count_that_is_none_is_refused(factory: str, setting: str, value: Setting) -> None:
    settings: dict[str, Setting] = {"in_channels": 3, "classes": 5, setting: value}
    with pytest.raises(ValueError, match=f"{factory} needs {setting} .*got {value!r}"):
        build(Architecture(f"adaptd.space.baselines:{factory}", settings))


@pytest.mark.parametrize(
    ("factory", "setting", "value"),
    [
        ("resnet18", "axes", 3),
        ("resnet18", "axes", True),
        ("resnet18", "stem", "7x7"),
        ("mobilenet_v3", "multiplier", 0.0),
        ("mobilenet_v3", "multiplier", math.nan),
        ("mobilenet_v3", "multiplier", math.inf),
        ("mobilenet_v3", "multiplier", "1"),
        ("mobilenet_v3", "dropout", 1.0),
        ("residual_mlp", "expansion", -1.0),
        ("residual_mlp", "hidden_dropout", -0.1),
        ("residual_mlp", "residual_dropout", "none"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_value(
    factory: str, setting: str, value: Setting
) -> None:
    settings: dict[str, Setting] = {"in_channels": 3, "classes": 5, setting: value}
    with pytest.raises(ValueError, match=f"{factory} needs {setting} .*got {value!r}"):
        build(Architecture(f"adaptd.space.baselines:{factory}", settings))


def foreign_network(foreign: Foreign) -> nn.Module:
    return build(Architecture(foreign.factory, foreign.settings))


@every_foreign
def test_a_foreign_network_answers_in_the_shape_it_is_listed_with(foreign: Foreign) -> None:
    network = foreign_network(foreign)
    size = foreign.shape[1:] if foreign.is_dense else ()
    assert network(records(foreign.shape, 4)).shape == (4, foreign.outputs, *size)


@every_foreign
def test_a_gradient_reaches_every_used_parameter_of_a_foreign_network(foreign: Foreign) -> None:
    idle = [
        name
        for name in without_gradient(foreign_network(foreign), records(foreign.shape, 4))
        if "unused" not in name
    ]
    assert idle == []


def test_foreign_networks_know_nothing_of_this_project() -> None:
    source = Path(__file__).parents[1].joinpath("networks.py").read_text(encoding="utf-8")
    assert "adaptd" not in source


def test_each_trouble_maker_makes_its_trouble() -> None:
    tied = foreign_network(FOREIGN["tied"])
    assert tied.get_parameter("features.1.weight") is tied.get_parameter("features.3.weight")

    twice = foreign_network(FOREIGN["twice_called"])
    calls: list[int] = []
    twice.get_submodule("features.1.conv").register_forward_hook(lambda *_: calls.append(1))
    twice(records(FOREIGN["twice_called"].shape))
    assert len(calls) == 2

    idle = foreign_network(FOREIGN["idle"])
    unused = without_gradient(idle, records(FOREIGN["idle"].shape))
    assert unused == ["features.1.unused.weight", "features.1.unused.bias"]

    modes = [
        module.padding_mode
        for module in foreign_network(FOREIGN["reflecting"]).modules()
        if isinstance(module, nn.Conv2d)
    ]
    assert modes == ["reflect", "reflect"]

    for name, kind in (
        ("transposed", nn.ConvTranspose2d),
        ("recurrent", nn.LSTM),
        ("bilinear", nn.Bilinear),
    ):
        modules = foreign_network(FOREIGN[name]).modules()
        assert any(isinstance(module, kind) for module in modules), name


@pytest.mark.parametrize("factory", ["resnet18", "mobilenet_v3", "residual_mlp"])
def test_it_classifies_or_regresses(factory: str) -> None:
    network = f"adaptd.space.baselines:{factory}"
    for answers, told in (
        ({"classes": 1}, "classes >= 2, got 1"),
        ({"targets": 0}, "targets >= 1, got 0"),
        ({}, "either classes or targets"),
    ):
        with pytest.raises(ValueError, match=f"{factory} needs {told}"):
            build(Architecture(network, {"in_channels": 3, **answers}))

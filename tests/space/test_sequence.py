"""The network for streams of sequences."""

from pathlib import Path

import pytest
import torch

from adaptd.architecture import Architecture, Contract
from adaptd.space.cost import edge_shapes
from adaptd.space.edges import edges_of
from adaptd.space.export import export, load_network
from adaptd.space.heads import fit_targets
from adaptd.space.network import build, initial_architecture
from adaptd.space.sequence import convnet
from adaptd.space.standardise import fit_standardisation

NETWORK = "adaptd.space.sequence:convnet"


def test_logits_come_one_row_a_record_whatever_the_length() -> None:
    network = convnet(in_channels=3, classes=5, width=4)
    for length in (2, 16, 33):
        assert network(torch.randn(7, 3, length)).shape == (7, 5)


def test_its_edges_are_named_by_cell() -> None:
    assert list(edges_of(convnet(in_channels=1, classes=2))) == [
        f"cells.{cell}.edges.{edge}" for cell in range(2) for edge in range(3)
    ]


def test_a_record_is_judged_alone_in_evaluation() -> None:
    network = convnet(in_channels=1, classes=3, width=4).eval()
    x = torch.randn(6, 1, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]))


@pytest.mark.parametrize(
    "settings",
    [
        {"in_channels": 0, "classes": 2},
        {"in_channels": 1, "classes": 1},
        {"in_channels": 1},
        {"in_channels": 1, "classes": 2, "targets": 1},
        {"in_channels": 1, "targets": 0},
        {"in_channels": 1, "classes": 2, "width": 0},
        {"in_channels": 1, "classes": 2, "depth": 0},
        {"in_channels": 1, "classes": 2, "resolution": 1},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="convnet needs"):
        convnet(**settings)


def test_the_tensors_of_a_classifier_keep_the_names_and_shapes_that_releases_were_stored_with() -> (
    None
):
    shapes = {
        name: tuple(one.shape)
        for name, one in convnet(in_channels=2, classes=3, width=4).state_dict().items()
    }
    norm = {
        "weight": (4,),
        "bias": (4,),
        "running_mean": (4,),
        "running_var": (4,),
        "num_batches_tracked": (),
    }
    expected: dict[str, tuple[int, ...]] = {"standardise.mean": (2, 1), "standardise.scale": (2, 1)}

    def add(prefix: str, **tensors: tuple[int, ...]) -> None:
        expected.update({f"{prefix}.{name}": shape for name, shape in tensors.items()})

    add("stem.0", weight=(4, 2, 3))
    add("stem.1", **norm)
    for cell in range(2):
        for edge in range(3):
            add(f"cells.{cell}.edges.{edge}.depthwise", weight=(4, 1, 3))
            add(f"cells.{cell}.edges.{edge}.pointwise", weight=(4, 4, 1))
            add(f"cells.{cell}.edges.{edge}.norm", **norm)
    add("reduction.1", weight=(4, 4, 2))
    add("reduction.2", **norm)
    add("norm", **norm)
    add("head", weight=(3, 4), bias=(3,))
    assert shapes == expected
    assert list(shapes) == list(expected), "the optimiser's state is kept by order"


def test_a_greater_depth_adds_edges_and_renames_none() -> None:
    shallow, deep = (
        list(edges_of(convnet(in_channels=1, classes=2, width=4, depth=depth))) for depth in (1, 3)
    )
    assert deep[: len(shallow)] == shallow
    assert len(deep) == 3 * len(shallow)


def test_the_cells_of_a_stage_work_at_its_length() -> None:
    network = convnet(in_channels=1, classes=2, width=4, depth=2)
    lengths = [
        edge_shapes(network, [f"cells.{cell}.edges.0"], (1, 20))[f"cells.{cell}.edges.0"][1]
        for cell in range(4)
    ]
    assert lengths == [20, 10, 20, 10]


def test_a_record_is_resampled_to_the_resolution_before_all_else() -> None:
    network = convnet(in_channels=1, classes=2, width=4, resolution=12).eval()
    assert edge_shapes(network, ["cells.0.edges.0"], (1, 40)) == {"cells.0.edges.0": (4, 12)}
    ramp = torch.linspace(0, 1, 7).view(1, 1, -1)
    finer = torch.nn.functional.interpolate(ramp, size=12, mode="linear")
    torch.testing.assert_close(network(ramp), network(finer))


def test_a_regression_in_any_units_is_learnt() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 2, 16, generator=generator)
    target = 1e4 + 300 * x[:, :, :8].mean(2)
    network = build(Architecture(NETWORK, {"in_channels": 2, "targets": 2, "width": 8}))
    fit_standardisation(network, x)
    fit_targets(network, target)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.mse_loss(network(x), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * float(target.var(0).mean()) < losses[0]


@pytest.mark.slow
def test_a_deep_resampling_regressor_exports(tmp_path: Path) -> None:
    settings = {"in_channels": 2, "targets": 2, "width": 4, "depth": 2, "resolution": 24}
    architecture = initial_architecture(NETWORK, settings, "dw k3 d1")
    network = build(architecture)
    raw = 500 + 30 * torch.randn(40, 2, 33, generator=torch.Generator().manual_seed(0))
    fit_standardisation(network, raw)
    fit_targets(network, 1e5 * raw[:, :, 0])
    export(network, architecture, Contract(("a", "b"), (2, 33), ("y0", "y1")), tmp_path)
    loaded, _ = load_network(tmp_path)
    torch.testing.assert_close(loaded(raw), network.eval()(raw))

import pytest

from adaptd.architecture import Architecture
from adaptd.search.widening import widest
from adaptd.space.cost import count_macs, count_parameters
from adaptd.space.network import build, initial_architecture

SEQUENCE = ("adaptd.space.sequence:convnet", {"in_channels": 1, "classes": 4, "width": 8}, (1, 64))
TABLE = ("adaptd.space.tabular:network", {"features": 16, "classes": 3, "width": 16}, (16,))
IMAGE = ("adaptd.space.image:convnet", {"in_channels": 1, "classes": 4, "width": 4}, (1, 16, 16))


def width(architecture: Architecture) -> int:
    stated = architecture.settings["width"]
    assert isinstance(stated, int)
    return stated


@pytest.mark.parametrize("case", [SEQUENCE, TABLE, IMAGE], ids=["sequence", "table", "image"])
def test_it_is_as_wide_as_the_cap_allows(
    case: tuple[str, dict[str, int], tuple[int, ...]],
) -> None:
    network, settings, shape = case
    deployed = initial_architecture(network, settings)
    cap = 4 * count_macs(deployed, shape)
    found = widest(deployed, shape, macs=cap)
    assert found is not None
    assert found.operations == deployed.operations
    assert width(found) > width(deployed)
    wider = {**found.settings, "width": width(found) + 4}
    assert count_macs(found, shape) <= cap
    assert count_macs(Architecture(network, wider, found.operations), shape) > cap


def test_a_width_that_nobody_has_set_is_the_factory_s() -> None:
    network, settings, shape = SEQUENCE
    without = {name: value for name, value in settings.items() if name != "width"}
    deployed = initial_architecture(network, without)
    found = widest(deployed, shape, macs=4 * count_macs(deployed, shape))
    assert found is not None
    assert width(found) > 16


def test_a_cap_without_room_for_four_channels_has_room_for_fewer() -> None:
    network, settings, shape = SEQUENCE
    deployed = initial_architecture(network, settings)
    found = widest(deployed, shape, macs=1.8 * count_macs(deployed, shape))
    assert found is not None
    assert width(found) == 10


def test_it_has_no_more_parameters_than_are_allowed() -> None:
    network, settings, shape = SEQUENCE
    deployed = initial_architecture(network, settings)
    macs = 4 * count_macs(deployed, shape)
    allowed = 2 * count_parameters(build(deployed))
    found = widest(deployed, shape, macs=macs, parameters=allowed)
    freely = widest(deployed, shape, macs=macs)
    assert found is not None
    assert freely is not None
    assert count_parameters(build(found)) <= allowed
    assert width(deployed) < width(found) < width(freely)
    assert widest(deployed, shape, macs=macs, parameters=allowed / 2) is None


def test_where_the_cap_has_no_room_or_there_is_no_width_nothing_is_wider() -> None:
    network, settings, shape = SEQUENCE
    deployed = initial_architecture(network, settings)
    assert widest(deployed, shape, macs=count_macs(deployed, shape)) is None
    assert widest(Architecture("torch.nn:Identity"), (4,), macs=1e9) is None

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptd.architecture import Architecture

DIGEST = "dc3807eb461723555fb9e0e3068584889545c4b457be5e43656465d741b14201"

NAMES = st.text(alphabet="abc.01", min_size=1, max_size=8)
SETTINGS = st.dictionaries(
    NAMES,
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    max_size=4,
)
ARCHITECTURES = st.builds(
    Architecture,
    st.just("pack.module:factory"),
    SETTINGS,
    st.dictionaries(NAMES, st.sampled_from(["dw k3 d1", "dw k5 d4"]), max_size=5),
)


@given(ARCHITECTURES)
def test_json_round_trip_keeps_value_and_digest(architecture: Architecture) -> None:
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)
    assert again.digest == architecture.digest


def test_it_can_be_copied_and_pickled() -> None:
    architecture = Architecture("acme:net", {"width": 8}, {"a": "dw k3 d1"})
    for other in (copy.deepcopy(architecture), pickle.loads(pickle.dumps(architecture))):
        assert other == architecture
        assert other.digest == architecture.digest
        assert type(other.operations) is type(architecture.operations)


def test_order_of_keys_changes_nothing() -> None:
    one = Architecture("a.b:c", {"x": 1, "y": 2}, {"e0": "dw k3 d1", "e1": "dw k5 d1"})
    other = Architecture("a.b:c", {"y": 2, "x": 1}, {"e1": "dw k5 d1", "e0": "dw k3 d1"})
    assert one == other
    assert one.digest == other.digest


def test_digest_is_stable_across_versions() -> None:
    # Releases carry it: a change here would make every published release unknown.
    architecture = Architecture("a.b:c", {"width": 16}, {"e0": "dw k3 d1"})
    assert architecture.digest == DIGEST


def test_another_operation_is_another_value() -> None:
    before = Architecture("a.b:c", {}, {"e0": "dw k3 d1"})
    after = before.with_operations({"e0": "dw k5 d1"})
    assert after != before
    assert after.digest != before.digest
    assert before.operations["e0"] == "dw k3 d1"


def test_unknown_edge_is_named() -> None:
    with pytest.raises(KeyError, match="e9"):
        Architecture("a.b:c", {}, {"e0": "dw k3 d1"}).with_operations({"e9": "dw k5 d1"})


def test_operations_cannot_be_changed_in_place() -> None:
    architecture = Architecture("a.b:c", {}, {"e0": "dw k3 d1"})
    with pytest.raises(TypeError):
        architecture.operations["e0"] = "dw k5 d1"  # type: ignore[index]


@pytest.mark.parametrize("network", ["", "factory", "module:", ":factory"])
def test_network_without_module_or_factory_is_refused(network: str) -> None:
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        Architecture(network)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema_version": 2}, "schema_version"),
        ({"network": 3}, "network"),
        ({"settings": {"x": [1]}}, "settings"),
        ({"operations": {"e0": 1}}, "operations"),
        ({"operations": None}, "operations"),
    ],
)
def test_odd_document_is_refused_by_name(change: dict[str, object], named: str) -> None:
    document = {**Architecture("a.b:c", {}, {"e0": "dw k3 d1"}).to_document(), **change}
    with pytest.raises(ValueError, match=named):
        Architecture.from_json(json.dumps(document))


@pytest.mark.parametrize("text", ["[]", "1", '"x"', "{", "null"])
def test_text_that_is_no_architecture_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Architecture.from_json(text)

"""Operations, their texts and their register."""
# ruff: noqa: ARG002 - operations that stand anywhere

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from types import ModuleType

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import adaptd.space
from adaptd.space.kernels import Depthwise
from adaptd.space.operation import (
    Operation,
    operation,
    parse_operation,
    registered_operations,
)
from adaptd.space.site import Site

ADAPTD = {
    name: kind
    for name, kind in registered_operations().items()
    if kind.__module__.startswith(adaptd.space.__name__)
}
INTEGERS = st.integers(1, 40)


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """Of any class that is registered; numbers that its class refuses are drawn again."""
    kind = draw(st.sampled_from(list(ADAPTD.values())))
    values: dict[str, object] = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if one.type in (bool, "bool"):
            values[one.name] = draw(st.booleans())
        elif one.type in (int, "int"):
            values[one.name] = draw(INTEGERS)
        else:
            values[one.name] = tuple(draw(st.lists(INTEGERS, min_size=1, max_size=2)))
    try:
        return kind(**values)
    except ValueError:
        assume(False)
        raise


@given(operations())
def test_text_and_operation_are_one_to_one(one: Operation) -> None:
    parsed = parse_operation(str(one))
    assert parsed == one
    assert hash(parsed) == hash(one)
    assert type(parsed) is type(one)
    assert str(parsed) == str(one)


@given(operations(), operations())
def test_operations_are_equal_where_their_texts_are(one: Operation, other: Operation) -> None:
    assert (one == other) == (str(one) == str(other))


# Texts that are nearly right beside texts that are not at all.
WORDS = st.sampled_from(
    ["dw", "conv", "lowconv", "identity", "k3", "k5x3", "k3x3", "k03", "d1", "d2x1", "r2", "", "k"]
)


@given(st.one_of(st.text(max_size=12), st.lists(WORDS, max_size=4).map(" ".join)))
def test_whatever_is_read_is_written_the_same(text: str) -> None:
    try:
        parsed = parse_operation(text)
    except ValueError:
        return
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "dw",
        "dw k5",
        "dw k05 d1",
        "dw k5 d01",
        "dw  k5 d1",
        "dw k5 d1 ",
        "dw k5 d1\n",
        "dw k\u0665 d1",
        "dw k5x3 d1",
        "dw d1 k5",
    ],
)
def test_a_text_of_another_form_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError, match="'dw k<taps> d<dilation>'"):
        parse_operation(text)


@pytest.mark.parametrize("text", ["", "k5 d1", "DW k5 d1", "pool"])
def test_an_unknown_name_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"no operation is called .* known: .*'dw'"):
        parse_operation(text)


def test_a_second_text_of_an_operation_is_refused_with_the_first() -> None:
    with pytest.raises(ValueError, match=r"'conv k3x3 d1' is written 'conv k3 d1'"):
        parse_operation("conv k3x3 d1")


def test_an_impossible_operation_is_refused_with_its_text_and_reason() -> None:
    with pytest.raises(ValueError, match=r"'dw k4 d1': taps must be odd and at least 1, got 4"):
        parse_operation("dw k4 d1")
    with pytest.raises(ValueError, match=r"'dw k5 d0': dilation must be at least 1, got 0"):
        parse_operation("dw k5 d0")


class _Anywhere(Operation):
    def fits(self, site: Site) -> bool:
        return True

    def build(self, site: Site) -> nn.Module:
        return nn.Identity()


def test_fields_are_the_text() -> None:
    @operation("test-text")
    @dataclass(frozen=True)
    class Texted(_Anywhere):
        sizes: tuple[int, ...] = field(metadata={"letter": "s"})
        count: int = field(metadata={"letter": "n"})
        odd: bool = False
        even: bool = False

    assert Texted.usage() == "test-text s<sizes> n<count> [odd] [even]"
    for one in (Texted((3, 5), 2), Texted((1,), 0, odd=True), Texted((1,), 0, even=True)):
        assert parse_operation(str(one)) == one
    assert str(Texted((3, 5), 2, odd=True, even=True)) == "test-text s3x5 n2 odd even"
    with pytest.raises(ValueError, match="expected 'test-text"):
        parse_operation("test-text s3 n1 even odd")


def test_a_name_is_one_classs_own() -> None:
    with pytest.raises(ValueError, match=r"'dw' is already adaptd\.space\.kernels\.Depthwise"):

        @operation("dw")
        @dataclass(frozen=True)
        class Other(_Anywhere):
            pass

    assert registered_operations()["dw"] is Depthwise
    with pytest.raises(ValueError, match="is a lower-case word, got 'My op'"):
        operation("My op")(Depthwise)


def test_a_class_without_a_text_is_refused_as_it_is_registered() -> None:
    with pytest.raises(ValueError, match="Plain must be a dataclass"):

        @operation("test-plain")
        class Plain(_Anywhere):
            pass

    with pytest.raises(ValueError, match=r"field 'taps' of Nameless must be a bool or have"):

        @operation("test-nameless")
        @dataclass(frozen=True)
        class Nameless(_Anywhere):
            taps: int = 3

    assert not {"test-plain", "test-nameless"} & registered_operations().keys()


USERS = """
from dataclasses import dataclass, field
from torch import nn
from adaptd.space import Operation, operation

@operation("test-users")
@dataclass(frozen=True)
class Users(Operation):
    taps: int = field(metadata={"letter": "k"})

    def fits(self, site):
        return True

    def build(self, site):
        return nn.Conv1d(4, 4, self.taps)
"""


@pytest.fixture(scope="module")
def imported_twice(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[ModuleType, ModuleType]]:
    """A user's file, imported under two names, as with `python -m` it is."""
    path = tmp_path_factory.mktemp("users") / "users.py"
    path.write_text(USERS)
    modules = []
    for name in ("users_of_test", "again_of_test"):
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        modules.append(module)
    yield modules[0], modules[1]
    for module in modules:
        del sys.modules[module.__name__]


def test_a_users_module_may_be_imported_twice(
    imported_twice: tuple[ModuleType, ModuleType],
) -> None:
    first, second = (module.Users(5) for module in imported_twice)
    assert type(first) is not type(second)
    assert registered_operations()["test-users"] is type(second)
    assert first == second == parse_operation("test-users k5")
    assert len({first, second}) == 1
    assert first != imported_twice[1].Users(3)


def test_a_users_module_may_be_reloaded(imported_twice: tuple[ModuleType, ModuleType]) -> None:
    _, module = imported_twice
    before = module.Users(5)
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    module.__spec__.loader.exec_module(module)
    assert type(parse_operation("test-users k5")) is module.Users is not type(before)
    assert parse_operation("test-users k5") == before


def test_macs_are_counted_where_an_operation_does_not_say_and_draw_no_random_number() -> None:
    @operation("test-counted")
    @dataclass(frozen=True)
    class Counted(_Anywhere):
        def build(self, site: Site) -> nn.Module:
            return nn.Conv1d(4, 4, 3, padding=1)

    site = adaptd.space.cell.CellSite(1, 4)
    state = torch.get_rng_state()
    assert Counted().macs(site, (4, 10)) == 4 * 4 * 3 * 10
    assert torch.equal(torch.get_rng_state(), state)

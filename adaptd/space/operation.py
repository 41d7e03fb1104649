"""`Operation`: what may stand on an edge, and the register of all there are."""
# ruff: noqa: ARG002 - what one operation needs of its site another one does not

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, final

import torch
from torch import Tensor, nn

from adaptd.space.lattice import Lattice
from adaptd.space.seeds import seeded
from adaptd.space.site import Site
from adaptd.space.trace import traced_macs

_OPERATIONS: dict[str, type["Operation"]] = {}
_Registered = TypeVar("_Registered", bound=type["Operation"])

# No leading zeros, so that each operation has one text and equal architectures have equal digests.
_NUMBERS = re.compile(r"([a-z])((?:0|[1-9][0-9]*)(?:x(?:0|[1-9][0-9]*))*)")


class Operation(ABC):
    """One operation, independent of where it stands; a frozen dataclass, registered by name.

    Its fields are its text: `Depthwise(taps=5, dilation=4)` reads `dw k5 d4`. A field is an int or
    a tuple of ints with `metadata={"letter": "k"}`, or a bool, whose own name is written where it
    is true.
    """

    name: ClassVar[str]

    @abstractmethod
    def fits(self, site: Site) -> bool:
        """Whether it can stand there."""

    @abstractmethod
    def build(self, site: Site) -> nn.Module:
        """A fresh module that takes what the site takes and gives what it must give."""

    def macs(self, site: Site, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates on one record.

        shape: of what enters, [channels, *axes], without the batch axis. Unless an operation knows
        better, it is built and counted, once for each site and shape.
        """
        return _built_macs(self, site, shape)

    @final
    def equals(self, other: object) -> bool:
        """Whether both have the same text: what `==` means between registered operations.

        Not their class: that of a module which is imported again is another one.
        """
        return isinstance(other, Operation) and str(self) == str(other)

    @final
    def text_hash(self) -> int:
        """Fits `equals`."""
        return hash(str(self))

    def __str__(self) -> str:
        words = [self.name]
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if isinstance(value, bool):
                words += [field.name] if value else []
            else:
                numbers = value if isinstance(value, tuple) else (value,)
                words.append(field.metadata["letter"] + "x".join(map(str, numbers)))
        return " ".join(words)

    @classmethod
    def parse(cls, words: list[str]) -> "Operation":
        """The operation of this class that the words after its name describe.

        Raises ValueError with what is expected.
        """
        values: dict[str, Any] = {}
        left = list(words)
        for field in fields(cls):  # type: ignore[arg-type]
            if field.type in (bool, "bool"):
                values[field.name] = bool(left) and left[0] == field.name
                left = left[1:] if values[field.name] else left
                continue
            match = _NUMBERS.fullmatch(left[0]) if left else None
            if match is None or match[1] != field.metadata["letter"]:
                raise ValueError(f"expected {cls.usage()!r}")
            numbers = tuple(map(int, match[2].split("x")))
            is_tuple = field.type not in (int, "int")
            if not is_tuple and len(numbers) > 1:
                raise ValueError(f"expected one number after {match[1]!r}, as in {cls.usage()!r}")
            values[field.name] = numbers if is_tuple else numbers[0]
            left = left[1:]
        if left:
            raise ValueError(f"expected {cls.usage()!r}")
        return cls(**values)

    @classmethod
    def usage(cls) -> str:
        """How its text reads, e.g. `dw k<taps> d<dilation>`."""
        return " ".join(
            [cls.name]
            + [
                f"[{field.name}]"
                if field.type in (bool, "bool")
                else f"{field.metadata['letter']}<{field.name}>"
                for field in fields(cls)  # type: ignore[arg-type]
            ]
        )


class LinearOperation(Operation):
    """An operation that is one kernel between the shared parts of its site, so that it merges.

    The mixture of several is one convolution (or matrix) whose kernel is their weighted sum.
    """

    @abstractmethod
    def lattice(self, site: Site) -> Lattice:
        """Where its taps are."""

    @abstractmethod
    def kernel_module(self, site: Site) -> nn.Module:
        """A fresh plain module whose parameters make the kernel, without bias or norm.

        Where the site has a bias, it is given to the module (to the last part of a `Sequential`) as
        its parameter `bias`, which must then be added as torch's own layers do.
        """

    @abstractmethod
    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        """Of such a module: float [outputs, inputs / groups, taps], differentiable."""

    @abstractmethod
    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        """Sets the module's parameters to the nearest that the operation can be to the kernel."""

    @property
    def is_free(self) -> bool:
        """Whether every kernel on its lattice is one of its own."""
        return False

    def build(self, site: Site) -> nn.Module:
        module = self.kernel_module(site)
        return site.fresh_frame().assemble(self, module)

    def grown(self) -> "LinearOperation | None":
        """One more tap on either side, None for an operation that cannot grow."""
        return None


class FreeOperation(LinearOperation):
    """One whose kernel is a parameter `weight` [outputs, inputs / groups, *taps] as it stands."""

    @property
    def is_free(self) -> bool:
        return True

    def kernel(self, site: Site, module: nn.Module) -> Tensor:
        weight = module.get_parameter("weight")
        return weight.flatten(2) if weight.ndim > 2 else weight.unsqueeze(2)

    def project(self, site: Site, module: nn.Module, kernel: Tensor) -> None:
        with torch.no_grad():
            weight = module.get_parameter("weight")
            weight.copy_(kernel.reshape(weight.shape))


def operation(name: str) -> Callable[[_Registered], _Registered]:
    """Registers a class of operations: `@operation("name")` above its `@dataclass(frozen=True)`.

    name: lower-case letters, digits, hyphens. A class that is defined again, as when its module is
    reloaded or imported under a second name, takes the place of the first; operations of both are
    equal where their texts are.
    Raises ValueError for a name that another class has, or a field that has no text.
    """

    def register(registered: _Registered) -> _Registered:
        if re.fullmatch(r"[a-z][a-z0-9_-]*", name) is None:
            raise ValueError(f"an operation's name is a lower-case word, got {name!r}")
        known = _OPERATIONS.get(name)
        if known is not None and not _is_same_definition(known, registered):
            raise ValueError(f"operation {name!r} is already {known.__module__}.{known.__name__}")
        _require_text(registered)
        registered.name = name
        # A dataclass compares classes and fields.
        registered.__eq__ = Operation.equals  # type: ignore[method-assign, assignment]
        registered.__hash__ = Operation.text_hash  # type: ignore[method-assign, assignment]
        _OPERATIONS[name] = registered
        return registered

    return register


def registered_operations() -> dict[str, type[Operation]]:
    """Name -> class, by name."""
    return dict(sorted(_OPERATIONS.items()))


def parse_operation(text: str) -> Operation:
    """The operation that a text names, e.g. `dw k5 d4`. Raises ValueError with what is expected."""
    name, *words = text.split(" ")
    known = _OPERATIONS.get(name)
    if known is None:
        raise ValueError(
            f"no operation is called {name!r}, got {text!r}; known: {list(_OPERATIONS)}"
        )
    try:
        parsed = known.parse(words)
    except ValueError as error:
        raise ValueError(f"operation {text!r}: {error}") from error
    if str(parsed) != text:
        raise ValueError(f"operation {text!r} is written {str(parsed)!r}")
    return parsed


# typed: equal operations can be of two classes, see `operation`.
@lru_cache(maxsize=4096, typed=True)
def _built_macs(operation: Operation, site: Site, shape: tuple[int, ...]) -> int:
    with seeded(0):
        return traced_macs(operation.build(site), shape)


def _is_same_definition(one: type, other: type) -> bool:
    """Whether both come from the same place of the same file."""
    if one.__qualname__ != other.__qualname__:
        return False
    if one.__module__ == other.__module__:
        return True
    files = [getattr(sys.modules.get(kind.__module__), "__file__", None) for kind in (one, other)]
    return files[0] is not None and files[0] == files[1]


def _require_text(registered: type[Operation]) -> None:
    if "__dataclass_fields__" not in vars(registered):
        raise ValueError(
            f"{registered.__name__} must be a dataclass: @operation(...) stands above "
            "@dataclass(frozen=True)"
        )
    for field in fields(registered):  # type: ignore[arg-type]
        letter = field.metadata.get("letter")
        is_flag = field.type in (bool, "bool")
        if not is_flag and (letter is None or re.fullmatch("[a-z]", letter) is None):
            raise ValueError(
                f"field {field.name!r} of {registered.__name__} must be a bool or have "
                'metadata={"letter": ...}, one lower-case letter'
            )

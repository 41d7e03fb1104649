"""Which layers of a network can be opened, and why the others cannot."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from adaptd.architecture import Architecture, Setting
from adaptd.space.edges import LAYERS, Edge, read_edge, tied_parameters
from adaptd.space.network import build
from adaptd.space.placed import Placed
from adaptd.space.settled import floats_of
from adaptd.space.supernet import Reopening, Supernet
from adaptd.space.trace import Hook, trace

# Norms whose parameters may have several axes; the others are known by theirs, see `_has_kernel`.
_NORMS = (nn.LayerNorm, nn.RMSNorm)

# What code that is not ours may raise when it is given a shape, or a module, that it does not
# expect. Anything else is a defect, which its traceback should show.
FORWARD_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)

# What the import or the call of somebody's factory may raise.
FACTORY_ERRORS = (*FORWARD_ERRORS, ImportError, NameError, OSError, SyntaxError)

# Share of the largest answer: a merged kernel sums in another order.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Openable:
    """An edge that can be opened. shape: of what enters, without the batch axis.

    rows: how many of these one record is; more than 1 where the network folds positions or frames
    into the batch.
    """

    edge: Edge
    shape: tuple[int, ...]
    rows: int


@dataclass(frozen=True)
class Refusal:
    """A module that cannot be opened. kind: its class. reason: a clause, for a person."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Survey:
    """Every layer that holds a kernel or a matrix is either openable or refused, by name."""

    openable: Mapping[str, Openable]
    refused: tuple[Refusal, ...]


def made_architecture(
    network: str, settings: Mapping[str, Setting], shape: tuple[int, ...], *, seed: int = 0
) -> Architecture:
    """What the factory makes, by the edges that can be opened: the others stay as it makes them,
    and nobody needs to name them.

    Raises ImportError or ValueError, and whatever somebody's factory raises (`FACTORY_ERRORS`).
    """
    found = openable_edges(build(Architecture(network, settings), seed=seed), shape)
    if not found:
        raise ValueError(f"{network}: no layer can be opened; see `adaptd inspect`")
    return Architecture(network, settings, {name: str(of.operation) for name, of in found.items()})


def logits_of(network: nn.Module, shape: tuple[int, ...]) -> int:
    """How many a record of this shape gets. Raises ValueError where its answer is no vector of two
    or more, and whatever somebody's network raises."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        answer = network(torch.zeros(1, *shape))
    network.train(was_training)
    if not isinstance(answer, Tensor) or answer.ndim != 2 or answer.shape[1] < 2:
        seen = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ValueError(f"expected logits [n, classes] of two classes or more, got {seen}")
    return answer.shape[1]


def openable_edges(network: nn.Module, shape: tuple[int, ...]) -> dict[str, Edge]:
    """Name -> edge of the layers that can be opened, in the order of the network.

    Fewer than `edges_of`, which does not run the network. Raises ValueError as `survey` does.
    """
    return {name: found.edge for name, found in survey(network, shape).openable.items()}


def survey(network: nn.Module, shape: tuple[int, ...]) -> Survey:
    """Runs one record of zeros through a copy of the network and looks at every layer.

    shape: of a record, without the batch axis. Of a network that marks its edges, only those are
    looked at. Each edge has been opened, alone or with all others, and the network's answer stayed.
    Raises ValueError, naming shape and error, if the network cannot take such a record.
    """
    with torch.random.fork_rng(devices=[]):
        uninitialised = {
            name
            for name, module in network.named_modules()
            if any(map(is_lazy, module.parameters(recurse=False)))
        }
        running = working_copy(network)
        for one in floats_of(running):
            if one.dtype != torch.float32:
                raise ValueError(
                    f"the network's numbers are {one.dtype}, expected torch.float32: "
                    "network.float() makes them so"
                )
        calls = _calls(running, shape)
        reasons: dict[str, str] = {}
        found: dict[str, Openable] = {}
        for name, reason in _static_reasons(running, uninitialised):
            if reason is not None:
                reasons[name] = reason
                continue
            module = running.get_submodule(name)
            outcome = _dynamic_reason(module, calls.get(name, ()))
            if isinstance(outcome, str):
                reasons[name] = outcome
            else:
                rows, *entering = outcome
                found[name] = Openable(read_edge(name, module), tuple(entering), rows)
        for name, reason in _failing(running, shape, found):
            reasons[name] = reason
            del found[name]
    kinds = {name: type(module).__name__ for name, module in network.named_modules()}
    refused = tuple(Refusal(name, kinds[name], reasons[name]) for name in kinds if name in reasons)
    return Survey(found, refused)


def working_copy(network: nn.Module) -> nn.Module:
    """A copy to run and measure. Raises ValueError for a network that cannot be copied."""
    try:
        return copy.deepcopy(network)
    except FORWARD_ERRORS as error:
        raise ValueError(f"the network cannot be copied: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The error's class and text without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def tensors_of(outcome: Any) -> Iterator[Tensor]:
    """The floating-point tensors of a network's answer, which may be nested."""
    match outcome:
        case Tensor():
            if outcome.is_floating_point():
                yield outcome
        case Mapping():
            for part in outcome.values():
                yield from tensors_of(part)
        case tuple() | list():
            for part in outcome:
                yield from tensors_of(part)


@dataclass(frozen=True)
class _Call:
    """One call of a layer: the shape of its only positional argument, None if it had another."""

    shape: tuple[int, ...] | None


def _calls(network: nn.Module, shape: tuple[int, ...]) -> dict[str, tuple[_Call, ...]]:
    calls: dict[str, list[_Call]] = {}

    def note(name: str) -> Hook:
        def hook(_layer: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
            is_plain = len(inputs) == 1 and isinstance(inputs[0], Tensor)
            calls.setdefault(name, []).append(_Call(tuple(inputs[0].shape) if is_plain else None))

        return hook

    layers = [
        (module, note(name))
        for name, module in network.named_modules()
        if isinstance(module, (*LAYERS, Placed))
    ]
    try:
        trace(network, shape, layers)
    except FORWARD_ERRORS as error:
        raise ValueError(
            f"the network does not take records of shape {list(shape)}: {one_line(error)}"
        ) from error
    return {name: tuple(made) for name, made in calls.items()}


def _static_reasons(
    network: nn.Module, uninitialised: set[str]
) -> Iterator[tuple[str, str | None]]:
    """What the modules themselves tell: name and reason, None where nothing speaks against it."""
    modules = dict(network.named_modules())
    is_marked = any(isinstance(module, Placed) for module in modules.values())
    aliases, holders = _aliases(network), _holders(network)
    opaque: tuple[str, ...] = ()
    for name, module in modules.items():
        if name.startswith(opaque) or not (
            isinstance(module, Placed) if is_marked else _has_kernel(module)
        ):
            continue
        try:
            read_edge(name, module)
        except ValueError as error:
            if isinstance(module, LAYERS) or _is_of_torch(module):
                # What such a module holds is part of the same layer.
                opaque = (*opaque, f"{name}.")
            reason: str | None = _class_reason(module) or str(error)
        else:
            reason = _state_reason(name, module, aliases, holders)
        if name in uninitialised:
            reason = "is lazy and not initialised yet: send one record through the network first"
        yield name, reason


def _has_kernel(module: nn.Module) -> bool:
    """Whether it holds a matrix or more, so not only what scales and shifts channels."""
    if isinstance(module, LAYERS):
        return True
    if isinstance(module, _NORMS):
        return False
    return any(map(_is_kernel, module.parameters(recurse=False)))


def _is_kernel(parameter: nn.Parameter) -> bool:
    return is_lazy(parameter) or sum(length > 1 for length in parameter.shape) > 1


def _is_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.nn.")


def _class_reason(module: nn.Module) -> str | None:
    if type(module) in LAYERS:
        return None
    for layer in LAYERS:
        if isinstance(module, layer):
            return f"is a subclass of {layer.__name__}, which may compute something else"
    if _is_of_torch(module):
        return "is none of Conv1d, Conv2d and Linear, the layers that can be opened"
    own = [name for name, one in module.named_parameters(recurse=False) if _is_kernel(one)]
    return f"holds {_quoted(own)} itself, not in a Conv1d, Conv2d or Linear"


def _state_reason(
    name: str,
    module: nn.Module,
    aliases: Mapping[int, tuple[str, ...]],
    holders: Mapping[int, tuple[str, ...]],
) -> str | None:
    if not name:
        return "is the network itself: wrap it, e.g. in nn.Sequential"
    others = [other for other in aliases[id(module)] if other != name]
    if others:
        return f"is the same module as {_quoted(others)}"
    if type(module) in LAYERS and "weight" not in dict(module.named_parameters(recurse=False)):
        return "computes its weight from other parameters"
    own = {path for path, _ in module.named_modules(prefix=name)}
    for path, parameter in module.named_parameters():
        sharing = [other for other in holders.get(id(parameter), ()) if other not in own]
        if sharing:
            return f"shares its parameter {path!r} with {_quoted(sharing)}"
    return _use_reason(module)


def _use_reason(module: nn.Module) -> str | None:
    """What somebody has done with it that opening it would undo."""
    if not all(parameter.requires_grad for parameter in module.parameters()):
        return "is frozen (requires_grad=False)"
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        return "has hooks, which would be lost"
    return None


def _dynamic_reason(module: nn.Module, calls: tuple[_Call, ...]) -> str | tuple[int, ...]:
    """What running the network tells: a reason, or the shape of what enters, batch axis and all."""
    if not calls:
        return "is never called in a forward pass in evaluation mode"
    if len(calls) > 1:
        return f"is called {len(calls)} times in one forward pass"
    entered = calls[0].shape
    if entered is None:
        return "is not called with one tensor alone"
    if isinstance(module, nn.Conv1d | nn.Conv2d) and len(entered) != len(module.kernel_size) + 2:
        return f"is called without a batch axis, on {list(entered)}"
    if isinstance(module, nn.Linear) and len(entered) < 2:
        return f"is called without a batch axis, on {list(entered)}"
    return entered


def _failing(
    network: nn.Module, shape: tuple[int, ...], found: Mapping[str, Openable]
) -> list[tuple[str, str]]:
    """The edges with which open the network fails or answers otherwise, each with the reason."""
    if not found:
        return []
    expected = _answer(network.eval(), shape)
    try:
        # A copy, whose running statistics may move.
        _answer(copy.deepcopy(network).train(), shape)
        is_trainable = True
    except FORWARD_ERRORS:
        is_trainable = False

    def reason_with(names: Iterable[str]) -> str | None:
        try:
            opened = _opened(network, {name: found[name].edge for name in names})
            answer = _answer(opened.eval(), shape)
            if is_trainable:
                _answer(opened.train(), shape)
        except FORWARD_ERRORS as error:
            return f"the network does not run with it open: {one_line(error)}"
        return None if _are_same(answer, expected) else "the network answers otherwise with it open"

    if reason_with(found) is None:
        return []
    alone = ((name, reason_with((name,))) for name in found)
    return [(name, reason) for name, reason in alone if reason is not None]


def _opened(network: nn.Module, edges: Mapping[str, Edge]) -> nn.Module:
    candidates = {name: (str(edge.operation),) for name, edge in edges.items()}
    reopening = Reopening(candidates, {name: name for name in edges})
    return Supernet.reopen(network, reopening, edges=edges)


def _answer(network: nn.Module, shape: tuple[int, ...]) -> list[Tensor]:
    """To two random records, always with the same random numbers."""
    torch.manual_seed(0)
    # Two, because batch norm cannot be trained on one.
    x = torch.randn(2, *shape).to(next(network.parameters()).device)
    with torch.no_grad():
        return list(tensors_of(network(x)))


def _are_same(answer: list[Tensor], expected: list[Tensor]) -> bool:
    return len(answer) == len(expected) and all(
        one.shape == other.shape
        and torch.allclose(
            one,
            other,
            rtol=0,
            atol=_TOLERANCE * max(1e-6, float(other.abs().nan_to_num().max())),
            equal_nan=True,
        )
        for one, other in zip(answer, expected, strict=True)
        if other.numel()
    )


def _aliases(network: nn.Module) -> dict[int, tuple[str, ...]]:
    """Id of a module -> all names under which the network holds it."""
    return _names_by_id(network.named_modules(remove_duplicate=False))


def _holders(network: nn.Module) -> dict[int, tuple[str, ...]]:
    """Id of a parameter that several modules hold -> their names."""
    tied = tied_parameters(network)
    return _names_by_id(
        (name, parameter)
        for name, module in network.named_modules()
        for parameter in module.parameters(recurse=False)
        if id(parameter) in tied
    )


def _names_by_id(named: Iterable[tuple[str, object]]) -> dict[int, tuple[str, ...]]:
    names: dict[int, tuple[str, ...]] = {}
    for name, thing in named:
        names[id(thing)] = (*names.get(id(thing), ()), name)
    return names


def _quoted(names: list[str]) -> str:
    return " and ".join(map(repr, names))

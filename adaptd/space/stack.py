"""`Stack`: several networks of one structure, computed as one.

At the size of our networks a call into torch costs about as much as the arithmetic it does; a stack
makes each call once for all its members. The members' records lie one after the other along the
batch axis, so that everything without parameters is computed as it stands. Layers with parameters
are replaced: the usual ones by one product for all members, all others by a loop over the members.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adaptd.space.operation import Operation
from adaptd.space.stacked_layers import Layer, Loop, are_depthwise, stacked_layer

# What `nn.Module` keeps apart, and what is compared one by one instead.
_REGISTRIES = frozenset({"_parameters", "_buffers", "_modules"})

# [n, channels, length]: kept channel-major, as the layers of short sequences are.
_SEQUENCE_AXES = 3

# Standard deviation, as a share of each weight, that makes equal networks differ; and the share of
# an output that may be rounding, some 1e-6 of it. What is mixed up differs by about the noise.
_NOISE = 0.1
_TOLERANCE = 1e-3


class Unstackable(ValueError):
    """Networks that cannot be computed as one; the text says why."""


class Stack:
    """Networks of one structure, in training mode; they stay as they are until `unstack`.

    Two modules have the same structure if their types, plain attributes (an `Operation` only says
    what a module is made of and is not compared), parameters' and buffers' shapes and children are
    the same. A part in which the networks differ runs once for each of them. Outside of modules
    that have parameters or buffers, records must not affect each other, nor chance the outcome, and
    forward must leave no trace: `check` finds the first two.
    Raises Unstackable if the networks differ as wholes, have tied or frozen parameters, share
    tensors, or if most of their layers would have to run once for each.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        _require_independence(networks)
        self._networks = tuple(networks)
        self._layers: dict[str, Layer] = {}
        self.module = copy.deepcopy(networks[0])
        if self._replacement(self.module, "") is not None:
            raise Unstackable("the networks differ as wholes, not in some of their parts")
        loops = [layer for layer in self._layers.values() if isinstance(layer, Loop)]
        if len(loops) > len(self._layers) / 2:
            raise Unstackable(
                f"{len(loops)} of {len(self._layers)} layers would run once for each network"
            )

        # Share of the layers that run once for each network, whose time stacking does not spare.
        self.looped_share = len(loops) / max(1, len(self._layers))
        # All that is to be trained; each holds numbers of one member or of all. A member without a
        # tap that another one has holds a zero there, whose gradient is zero.
        self.parameters = list(self.module.parameters())

    def __call__(self, x: Tensor) -> Tensor:
        """Every member's output for the same records, [members, *output]."""
        members = len(self._networks)
        if x.ndim == _SEQUENCE_AXES:
            repeated = x.transpose(0, 1).repeat(1, members, 1).transpose(0, 1)
        else:
            repeated = x.repeat(members, *(1,) * (x.ndim - 1))
        outcome: Tensor = self.module(repeated)
        return outcome.reshape(members, len(x), *outcome.shape[1:])

    def check(self, x: Tensor) -> None:
        """Compares networks like the members with a stack of them on these records.

        Their weights are the members' with some noise: mixed-up members that are equal would not be
        noticed. Changes neither the stack nor torch's global generator.
        Raises Unstackable if they do not give the same.
        """
        generator = torch.Generator().manual_seed(0)
        likenesses = [copy.deepcopy(network) for network in self._networks]
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            for network in likenesses:
                for parameter in network.parameters():
                    noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                    parameter.mul_(1 + _NOISE * noise)
            # Whatever a foreign forward pass does when it meets more records or other layers. An
            # error that is not due to them comes again when a network is trained alone.
            try:
                with torch.enable_grad():
                    together = Stack(likenesses)(x)
                    together.sum().backward()  # type: ignore[no-untyped-call]
                alone = torch.stack([network(x) for network in likenesses])
            except (RuntimeError, TypeError, ValueError, AttributeError) as error:
                raise Unstackable(f"the stack cannot be computed: {error}") from error
        tolerance = _TOLERANCE * float(alone.nan_to_num(0, 0, 0).abs().max())
        if together.shape != alone.shape or not torch.allclose(
            together, alone, rtol=_TOLERANCE, atol=tolerance, equal_nan=True
        ):
            raise Unstackable("in the stack records affect each other, or chance the outcome")

    def unstack(self, member: int) -> None:
        """Writes a member's weights and buffers, as they are now, into its network."""
        with torch.no_grad():
            for path, layer in self._layers.items():
                module = self._networks[member].get_submodule(path)
                state = layer.state_of(member)
                for name, tensor in (*module.named_parameters(), *module.named_buffers()):
                    tensor.copy_(state[name])

    def _replacement(self, module: nn.Module, path: str) -> nn.Module | None:
        """What stands for this part of the stack, None for itself with its children replaced."""
        members = [network.get_submodule(path) for network in self._networks]
        have_one_frame = _have_one_frame(members)
        has_tensors = bool(_tensors(module))
        if are_depthwise(members) or not have_one_frame or has_tensors:
            self._layers[path] = stacked_layer(members, have_one_frame=have_one_frame)
            return self._layers[path]
        for name, child in module.named_children():
            replacement = self._replacement(child, f"{path}.{name}" if path else name)
            if replacement is not None:
                setattr(module, name, replacement)
        return None


def _require_independence(networks: Sequence[nn.Module]) -> None:
    if not networks:
        raise Unstackable("there is no network")
    tensors = [
        tensor
        for network in networks
        for named in (
            network.named_parameters(remove_duplicate=False),
            network.named_buffers(remove_duplicate=False),
        )
        for _, tensor in named
    ]
    if len(set(map(id, tensors))) != len(tensors):
        raise Unstackable("some parameters or buffers are in two places")
    if not all(parameter.requires_grad for one in networks for parameter in one.parameters()):
        raise Unstackable("some parameters are frozen")


def _have_one_frame(members: Sequence[nn.Module]) -> bool:
    """Whether the modules are the same but for values, and for what their children are."""
    first, *others = members
    attributes, tensors = _attributes(first), _tensors(first)
    children = [name for name, _ in first.named_children()]
    return all(
        type(other) is type(first)
        and [name for name, _ in other.named_children()] == children
        and _tensors(other) == tensors
        and _attributes(other).keys() == attributes.keys()
        and all(_is_same(value, attributes[name]) for name, value in _attributes(other).items())
        for other in others
    )


def _attributes(module: nn.Module) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(module).items()
        if name not in _REGISTRIES and not isinstance(value, Operation)
    }


def _is_same(first: object, second: object) -> bool:
    try:
        # Tensors and arrays compare element by element, to something that is not True.
        return (first == second) is True
    except (RuntimeError, ValueError):
        return False  # they were in a list


def _tensors(module: nn.Module) -> dict[str, tuple[object, ...]]:
    """Of the module itself, not of its children."""
    tensors = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {name: (tensor.shape, tensor.dtype, tensor.device) for name, tensor in tensors}

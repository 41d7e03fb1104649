"""What a network costs: multiply-accumulates of a record, memory of a training step."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from adaptd.architecture import Architecture
from adaptd.space.depthwise import DepthwiseConv1d
from adaptd.space.network import build
from adaptd.space.operation import parse_operation


@dataclass(frozen=True)
class EdgeShape:
    """What passes through an edge: [channels, length] a record."""

    channels: int
    length: int


def count_macs(network: nn.Module | Architecture, shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of all convolutions and linear layers on one record.

    shape: of the record, without the batch axis. Norms, biases and activations are not counted.
    """
    module = build(network) if isinstance(network, Architecture) else network
    total = 0

    def add(layer: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> None:
        nonlocal total
        match layer:
            case nn.Linear():
                total += output.numel() * layer.in_features
            case nn.Conv1d():
                total += (
                    output.numel() * layer.in_channels // layer.groups * prod(layer.kernel_size)
                )
            case DepthwiseConv1d():
                total += output.numel() * layer.operation.taps

    _trace(
        module,
        shape,
        ((layer, add) for layer in module.modules() if isinstance(layer, _COUNTED)),
    )
    return total


def edge_shapes(
    network: nn.Module | Architecture, edges: Iterable[str], shape: tuple[int, ...]
) -> dict[str, EdgeShape]:
    """Edge -> what passes through it when one record of this shape does."""
    module = build(network) if isinstance(network, Architecture) else network
    shapes: dict[str, EdgeShape] = {}

    def note(edge: str) -> Any:
        def hook(_layer: nn.Module, inputs: tuple[Any, ...], _output: Tensor) -> None:
            shapes[edge] = EdgeShape(int(inputs[0].shape[1]), int(inputs[0].shape[2]))

        return hook

    _trace(module, shape, ((module.get_submodule(edge), note(edge)) for edge in edges))
    return shapes


@dataclass(frozen=True)
class EdgeCosts:
    """Multiply-accumulates of any operations on the edges of one network, without building each."""

    fixed: int
    shapes: dict[str, EdgeShape]

    @classmethod
    def of(cls, architecture: Architecture, shape: tuple[int, ...]) -> "EdgeCosts":
        """Measured on one record of this shape, without the batch axis."""
        network = build(architecture)
        shapes = edge_shapes(network, architecture.operations, shape)
        costs = cls(0, shapes)
        on_edges = sum(costs.on(edge, text) for edge, text in architecture.operations.items())
        return cls(count_macs(network, shape) - on_edges, shapes)

    def on(self, edge: str, operation: str) -> int:
        """Of one operation on one edge."""
        shape = self.shapes[edge]
        return parse_operation(operation).macs(shape.channels, shape.length)

    def total(self, architecture: Architecture) -> int:
        """Of the whole network; equals `count_macs`."""
        return self.fixed + sum(
            self.on(edge, text) for edge, text in architecture.operations.items()
        )


def saved_activation_bytes(network: nn.Module, x: Tensor, target: Tensor) -> int:
    """Bytes that a training step keeps from forward to backward, parameters and buffers left out.

    x: float32 [n, *shape]; target: int64 [n]; loss: cross entropy. Each storage counts once,
    however many saved tensors lie in it. The network itself is left as it was.
    """
    measured = copy.deepcopy(network).train()
    own = {
        tensor.untyped_storage().data_ptr()
        for tensor in (*measured.parameters(), *measured.buffers())
    }
    # The storages themselves are kept, so that none is freed and its address counted for another
    # one.
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        functional.cross_entropy(measured(x), target)
        return sum(storage.nbytes() for storage in saved.values())


_COUNTED = (nn.Linear, nn.Conv1d, DepthwiseConv1d)


def _trace(
    module: nn.Module, shape: tuple[int, ...], hooks: Iterable[tuple[nn.Module, Any]]
) -> None:
    handles = [layer.register_forward_hook(hook) for layer, hook in hooks]
    was_training = module.training
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, *shape))
    finally:
        module.train(was_training)
        for handle in handles:
            handle.remove()

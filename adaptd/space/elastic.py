"""From a network to one of another width, depth or resolution, with what it has learned."""

import torch
from torch import nn

from adaptd.architecture import Architecture, SettingEdit, diff
from adaptd.space.inherit import overlay
from adaptd.space.linear import Block, BlockLinear, LinearSite
from adaptd.space.network import architecture_edges, build
from adaptd.space.refinement import Refinement

# Settings that change how large a network is and not what it is for.
ELASTIC = ("width", "depth", "resolution")


def resize(
    network: nn.Module, source: Architecture, target: Architecture, *, seed: int = 0
) -> nn.Module:
    """A network of the target's width, depth and resolution that inherits from one of the source.

    Wider: the old channels compute what they did; new ones are fresh and read all, but what is old
    does not read them until training lets it. Exact, in training and evaluation, for layers that
    treat channels alike or mix them by a matrix; not for block-diagonal matrices unless a block
    holds whole old ones, grouped convolutions that are not depthwise, and channels that were
    concatenated, whose places move. Narrower: the first channels remain, so that narrowing what
    was widened gives back the very weights; otherwise not exact.
    Deeper: a `Refinement` starts as a copy of its predecessor, silenced. Exact. New blocks of
    another kind start fresh, which is not. Shallower: blocks are dropped; exact for silent ones.
    Another resolution: the weights as they are, at another scale of what they see. Not exact.

    seed: of what is fresh. Raises ValueError if the architectures differ in the network, in other
    settings, or in the operation of an edge that both have; `morph` changes operations.
    Sources: Chen et al. 2016, "Net2Net" (deeper by copies that change nothing); Wei et al. 2016,
    "Network morphism" (wider by new channels of which one side is zero).
    """
    _require_elastic(source, target)
    device = next((one.device for one in network.parameters()), torch.device("cpu"))
    successor = build(target, seed=seed).to(device).train(network.training)
    known = dict(network.named_modules())
    grown = {
        name: module
        for name, module in successor.named_modules()
        if isinstance(module, Refinement) and name not in known
    }
    for name, module in grown.items():
        origin = name
        while origin in grown:
            origin = grown[origin].predecessor or ""
        if origin in known and origin:
            _embed(module, known[origin])
        module.silence()
    _embed(successor, network)
    return successor


def carry_operations(source: Architecture, target: Architecture) -> Architecture:
    """The target with an operation on each edge that its settings bring.

    An edge that the source has too keeps the source's; one of a new `Refinement` gets that of its
    predecessor's edge, any other new one what the factory puts there. Operations on edges that are
    gone are dropped. Raises as `build` does.
    """
    settings = Architecture(target.network, target.settings)
    network, edges = build(settings), architecture_edges(settings)
    before = architecture_edges(source)
    blocks = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, Refinement) and module.predecessor is not None
    }
    operations = {}
    for name, edge in edges.items():
        origin: str | None = name
        while origin is not None and origin not in before:
            origin = _predecessor(origin, blocks)
        operations[name] = str((edge if origin is None else before[origin]).operation)
    return Architecture(target.network, target.settings, operations)


def _predecessor(edge: str, blocks: dict[str, Refinement]) -> str | None:
    """The edge at the same place in the block before, None if there is none."""
    for name, block in blocks.items():
        if edge.startswith(f"{name}."):
            return f"{block.predecessor}{edge.removeprefix(name)}"
    return None


def _require_elastic(source: Architecture, target: Architecture) -> None:
    others = [
        str(edit)
        for edit in diff(source, target)
        if isinstance(edit, SettingEdit) and edit.setting not in ELASTIC
    ]
    if others:
        raise ValueError(
            f"resizing changes the settings {', '.join(ELASTIC)} alone, got {'; '.join(others)}"
        )
    before = architecture_edges(source)
    for name, edge in architecture_edges(target).items():
        if name in before and before[name].operation != edge.operation:
            raise ValueError(
                f"edge {name!r} would change from {before[name].operation} to {edge.operation}: "
                "resizing keeps operations, morph changes them"
            )


def _embed(successor: nn.Module, source: nn.Module) -> None:
    """Gives one module the other's weights as its first channels, which read no others."""
    overlay(successor, source)
    known = dict(source.named_modules())
    with torch.no_grad():
        for name, module in successor.named_modules():
            match module, known.get(name):
                case BlockLinear(), BlockLinear() as old:
                    _embed_blocks(module, old)
                case (
                    nn.Linear() | nn.Conv1d() | nn.Conv2d(),
                    (nn.Linear() | nn.Conv1d() | nn.Conv2d()) as old,
                ):
                    outputs, inputs = old.weight.shape[:2]
                    module.weight[:outputs, inputs:] = 0


def _embed_blocks(new: BlockLinear, old: BlockLinear) -> None:
    """As far as the old matrix lies within the new blocks; the rest is lost."""
    operation = Block(len(new.weight))
    matrices = []
    for layer in (new, old):
        blocks, outputs, inputs = layer.weight.shape
        site = LinearSite(blocks * inputs, blocks * outputs, bias=False)
        matrices.append(Block(blocks).kernel(site, layer).clone())
    kernel, inherited = matrices
    rows, columns = (min(kernel.shape[axis], inherited.shape[axis]) for axis in (0, 1))
    kernel[:rows] = 0
    kernel[:rows, :columns] = inherited[:rows, :columns]
    operation.project(site, new, kernel)

"""Which relaxation a budget of bytes allows."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import nn
from torch.nn import functional

from adaptd.errors import PermanentError
from adaptd.search.training import Samples
from adaptd.space import LADDER, Edge, Relaxation, Reopening, Supernet
from adaptd.space.memory import Loss, predict_bytes


class MemoryBudgetExceeded(PermanentError):
    """No relaxation keeps its training step within the budget; the text lists what each takes."""


class Rung(NamedTuple):
    """A relaxation of `LADDER` and the most bytes that its training step keeps."""

    name: str
    relaxation: Relaxation
    predicted_bytes: int


def budget_bytes(
    memory_ratio: float | None,
    network: nn.Module,
    example: Samples,
    *,
    batch: int,
    loss: Loss = functional.cross_entropy,
) -> int | None:
    """What a ratio allows, in bytes: so many times what the deployed network's own training step
    keeps at the same batch. None, no bound, for None."""
    if memory_ratio is None:
        return None
    deployed = predict_bytes(network, example.x, example.target, batch=batch, loss=loss)
    return int(memory_ratio * deployed)


def choose_relaxation(
    network: nn.Module,
    reopening: Reopening,
    edges: Mapping[str, Edge] | None,
    example: Samples,
    *,
    batch: int,
    byte_budget: int | None,
    loss: Loss = functional.cross_entropy,
) -> Rung:
    """The first rung of `LADDER` whose training step on `batch` records keeps within the budget.

    Of the freest first; each is opened for it and probed on a few records, never run in full.
    network: deployed, left as it was. edges: `edges_of` it if None. example: any records of the
    kind. byte_budget: activations, see `budget_bytes`; None takes the first.
    Raises MemoryBudgetExceeded if none fits, ValueError as `Supernet.reopen` does.
    """
    tried: list[Rung] = []
    for name, relaxation in LADDER.items():
        supernet = Supernet.reopen(network, reopening, edges=edges, relaxation=relaxation)
        predicted = predict_bytes(supernet, example.x, example.target, batch=batch, loss=loss)
        rung = Rung(name, relaxation, predicted)
        if byte_budget is None or predicted <= byte_budget:
            return rung
        tried.append(rung)
    deployed = predict_bytes(network, example.x, example.target, batch=batch, loss=loss)
    listed = ", ".join(f"{rung.name} {rung.predicted_bytes:,}" for rung in tried)
    raise MemoryBudgetExceeded(
        f"a training step on {batch} records may keep {byte_budget:,} bytes of activations, but "
        f"with {len(reopening.candidates)} open edges it would keep: {listed} "
        f"(the deployed network alone: {deployed:,}); open fewer edges, leave out candidates that "
        "do not merge, take a smaller batch, or allow more memory"
    )

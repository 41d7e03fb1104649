"""`recomputed`: a part of a network that keeps its arguments alone and is computed twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

Observer = Callable[[Callable[..., Tensor], tuple[Any, ...]], None]
_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Within it `observer` is told of each function that will be computed twice, before it is."""
    before = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(before)


def recomputed(part: nn.Module, function: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """function(*arguments), computed again, with the same random numbers, for the backward pass.

    part: all modules that the function calls, whose running statistics move once only.
    Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
    """
    observer = _observer.get()
    if observer is not None:
        observer(function, arguments)
    outcome: Tensor = checkpoint(
        function,
        *arguments,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _FrozenStatistics(part)),
    )
    return outcome


class _FrozenStatistics:
    """Within it running statistics stay as they are, though norms still normalise by the batch."""

    def __init__(self, part: nn.Module) -> None:
        self._norms = [one for one in part.modules() if isinstance(one, _NormBase)]
        self._kept: list[tuple[float | None, Tensor | None]] = []

    def __enter__(self) -> None:
        # A momentum of zero, because without its buffers a norm would keep other tensors.
        self._kept = [
            (
                norm.momentum,
                None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone(),
            )
            for norm in self._norms
        ]
        for norm in self._norms:
            norm.momentum = 0.0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for norm, (momentum, count) in zip(self._norms, self._kept, strict=True):
            norm.momentum = momentum
            if count is not None and norm.num_batches_tracked is not None:
                norm.num_batches_tracked.copy_(count)

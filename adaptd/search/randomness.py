"""`Randomness`: what networks draw by themselves, as dropout does, belongs to their search."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from adaptd.search.checkpoint import Checkpoint

_NAMES = ("random.cpu", "random.cuda")


class Randomness:
    """The state of torch's own generators while a search runs; outside of it they stay as they
    were."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._device = device
        self._state: list[torch.Tensor] | None = None
        self._is_installed = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Goes on from where it was."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            if self._state is None:
                torch.default_generator.manual_seed(self._seed)
                if devices:
                    with torch.cuda.device(self._device):
                        torch.cuda.manual_seed(self._seed)
            else:
                torch.set_rng_state(self._state[0])
                if devices:
                    torch.cuda.set_rng_state(self._state[1], self._device)
            self._is_installed = True
            try:
                yield
            finally:
                self._state = self._present()
                self._is_installed = False

    def save(self, checkpoint: Checkpoint) -> None:
        """Where it is, also while it is installed."""
        state = self._present() if self._is_installed else self._state
        checkpoint.tensors.update(zip(_NAMES, state or (), strict=False))

    def restore(self, checkpoint: Checkpoint) -> None:
        """The way back."""
        known = [checkpoint.tensors[name] for name in _NAMES if name in checkpoint.tensors]
        self._state = [one.clone() for one in known] or None

    def _present(self) -> list[torch.Tensor]:
        state = [torch.get_rng_state()]
        if self._device.type == "cuda":
            state.append(torch.cuda.get_rng_state(self._device))
        return state

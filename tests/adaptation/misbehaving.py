"""Networks that do to their process what a foreign one may: all as factories that a job names."""

import ctypes
import os
import time
from pathlib import Path
from typing import Any

from torch import nn

from adaptd.space.sequence import convnet

CHUNK_BYTES = 32 * 2**20


def _segfault() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    time.sleep(3_600)


def _hang_natively() -> None:
    """With the interpreter's lock held: no other thread of the process runs any more."""
    ctypes.PyDLL(None).sleep(3_600)


def _allocate() -> None:
    held = []
    while True:
        held.append(b"x" * CHUNK_BYTES)
        time.sleep(0.01)


def _leave() -> None:
    os._exit(7)


_DEEDS = {
    "segfault": _segfault,
    "hang": _hang,
    "hang-natively": _hang_natively,
    "allocate": _allocate,
    "leave": _leave,
}


def network(
    *, does: str, at: int = 1, unless: str = "", slow: float = 0.0, **settings: Any
) -> nn.Module:
    """Does it before the training step `at`, but not where the file `unless` is, which it makes.
    slow: seconds that each step takes beside."""
    made = convnet(**settings)
    calls = 0

    def hook(module: nn.Module, _inputs: object) -> None:
        nonlocal calls
        if not module.training:
            return
        calls += 1
        time.sleep(slow)
        if calls == at and not (unless and Path(unless).exists()):
            if unless:
                Path(unless).touch()
            _DEEDS[does]()

    made.register_forward_pre_hook(hook)
    return made

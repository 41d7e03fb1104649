"""`seeded`: fresh weights that a seed alone decides."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it torch's global generators start from the seed; afterwards they are as they were."""
    # To ask a device that is not in use yet for its generator would start it up.
    is_in_use: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    devices = range(torch.cuda.device_count()) if is_in_use else ()
    with torch.random.fork_rng(devices=list(devices)):
        torch.manual_seed(seed)
        yield

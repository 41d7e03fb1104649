"""From records as a stream has them to samples as training takes them."""

import torch

from adaptd.search.training import Samples
from adaptd.stream.batch import Batch


def samples_of(batch: Batch) -> Samples:
    """At least one record, on the processor; they share the batch's memory."""
    return Samples(
        torch.from_numpy(batch.x),
        torch.from_numpy(batch.target),
        weight=None if batch.weight is None else torch.from_numpy(batch.weight),
    )

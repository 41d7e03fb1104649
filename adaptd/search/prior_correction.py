"""`correct_priors`: the remedy that trains nothing, for classes that come in other shares."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from adaptd.space.heads import RegressionHead

# Share of the largest logit that rounding may move: the shift itself is exact.
_TOLERANCE = 1e-3


def correct_priors(
    network: nn.Module, *, old: Sequence[float], new: Sequence[float], probe: Tensor
) -> None:
    """Adds log(new / old) to the bias of the last layer, in place.

    Where records of a class look as they did and only come in other shares, these are the
    posterior's logits by Bayes' rule, up to a constant. What comes out is an ordinary network of
    the same architecture.
    old, new: shares of the classes, each above 0; of what the network was trained on, and of now.
    probe: float32 [n, *shape], a few records to see that the layer is what gives the logits.
    Raises ValueError, with the reason and the network as it was, where the last layer is not linear
    with a bias, or does not give the logits; and for shares that are none.
    Source: Saerens, Latinne & Decaestecker 2002, "Adjusting the outputs of a classifier to new a
    priori probabilities", equation 2.4.
    """
    if len(old) != len(new) or min(*old, *new) <= 0:
        raise ValueError(
            f"expected as many shares before as now, each above 0, got {list(old)} and {list(new)}"
        )
    head = _last_with_parameters(network)
    if not isinstance(head, nn.Linear) or isinstance(head, RegressionHead):
        raise ValueError(f"its last layer is no linear one but a {type(head).__name__}")
    if head.bias is None or len(head.bias) != len(old):
        held = "no bias" if head.bias is None else f"{len(head.bias)} outputs"
        raise ValueError(f"its last layer has {held}, expected a bias for each of {len(old)}")
    shift = torch.log(torch.tensor(list(new), dtype=torch.float64) / torch.tensor(list(old)))
    # The one constant that is free: biases stay of the size that they were.
    shift = (shift - shift.mean()).to(head.bias)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            before = network(probe)
            kept = head.bias.clone()
            head.bias.add_(shift)
            after = network(probe)
            if not torch.allclose(
                after, before + shift, rtol=0, atol=_TOLERANCE * (1 + float(before.abs().max()))
            ):
                head.bias.copy_(kept)
                raise ValueError("its last layer is not what gives the logits")
    finally:
        network.train(was_training)


def _last_with_parameters(network: nn.Module) -> nn.Module | None:
    """The one that the network registers last, its head in every network of adaptd's own."""
    own = [
        module
        for module in network.modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    return own[-1] if own else None

"""What earlier searches found, as counts that the next one starts from."""

import math
from collections.abc import Mapping, Sequence

# Share of the earlier counts that one more search leaves: the tenth search back counts a
# thousandth.
DECAY = 0.5
# How strongly the counts tilt the start. After many searches of one outcome its alpha starts 0.55
# above the others', which a search undoes in about 20 steps of rate 0.03: a hint, not a verdict.
PULL = 0.5


def prior_logits(operations: Sequence[str], counts: Mapping[str, float]) -> list[float]:
    """The alphas a group starts from: PULL * log(1 + count), less their mean. No counts: zeros."""
    logits = [PULL * math.log1p(max(counts.get(operation, 0.0), 0.0)) for operation in operations]
    mean = sum(logits) / len(logits)
    return [logit - mean for logit in logits]


def updated(
    counts: Mapping[str, Mapping[str, float]], alphas: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Group -> operation -> DECAY * old count + its weight at the end of this search.

    Groups that were not open keep their counts; those of a group never sum to more than 2.
    """
    successor = {group: dict(of_group) for group, of_group in counts.items()}
    for group, weights in alphas.items():
        earlier = counts.get(group, {})
        successor[group] = {
            operation: DECAY * earlier.get(operation, 0.0) + weights.get(operation, 0.0)
            for operation in dict.fromkeys((*weights, *earlier))
        }
    return successor

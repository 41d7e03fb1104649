"""What a gate's runs come to."""

from typing import Any

import pytest

from benchmarks.episodes import gain_of, targets


def row(released: float, *, changed: bool = False, **accuracy: float) -> dict[str, Any]:
    given = {name.replace("_", "-"): value for name, value in accuracy.items()}
    return {"accuracy": {"left": 50.0, "released": released, **given}, "changed": changed}


def test_a_gain_is_over_the_best_that_keeps_the_architecture() -> None:
    tried = row(90.0, changed=True, fine_tuned=80.0, retrained=85.0, random_neighbour=89.0)
    assert gain_of(tried) == pytest.approx(5.0)
    assert gain_of(row(50.0)) == 0.0


def test_targets_count_what_was_released_and_is_worse_or_needless() -> None:
    found = targets(
        {
            "rate": [row(90.0, changed=True, fine_tuned=80.0), row(84.0, fine_tuned=84.0)],
            "defocus": [
                row(80.5, changed=True, fine_tuned=80.0),
                row(78.0, changed=True, fine_tuned=80.0),
                row(80.0, fine_tuned=80.0),
                row(50.0),
            ],
        }
    )
    assert found["worse_architectures_released"]["measured"] == 1
    assert not found["worse_architectures_released"]["is_met"]
    assert found["needless_architectures_released"]["measured"] == 0.5
    assert found["gain_where_architecture_matters"]["measured"] == pytest.approx(5.0)
    assert "gain_where_reach_is_the_limit" not in found

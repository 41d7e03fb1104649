"""The picture of a search."""

from pathlib import Path
from typing import Any

import pytest

from adaptd.cli.search_picture import draw_search

REPORT: dict[str, Any] = {
    "method": "bounded",
    "seed": 0,
    "records": {"stream": "lag-shift"},
    "found": {"architecture": {"operations": {"layers.0": "conv k9 d1"}}},
}


def _points(groups: int, operations: int) -> list[dict[str, Any]]:
    return [
        {
            "phase": "search",
            "step": step,
            "loss": 1.0,
            "alphas": {
                f"layers.{group}": {
                    f"conv k{2 * one + 1} d1": 1 / operations for one in range(operations)
                }
                for group in range(groups)
            },
        }
        for step in (1, 2, 3)
    ]


@pytest.mark.parametrize(("groups", "operations"), [(1, 2), (2, 4), (12, 20)])
def test_alphas_are_drawn_however_many_there_are(
    tmp_path: Path, groups: int, operations: int
) -> None:
    path = tmp_path / "alphas.png"
    draw_search(path, REPORT, {"points": _points(groups, operations), "judgements": []})
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_race_is_drawn_by_its_judgements(tmp_path: Path) -> None:
    judgements = [
        {"arm": arm, "name": arm, "steps": steps, "loss": loss}
        for arm, steps, loss in (("a", 3, 1.5), ("b", 3, 1.4), ("b", 9, 1.2))
    ]
    race, alphas = tmp_path / "race.png", tmp_path / "alphas.png"
    draw_search(race, REPORT, {"points": [], "judgements": judgements})
    draw_search(alphas, REPORT, {"points": _points(1, 2), "judgements": []})
    assert race.read_bytes().startswith(b"\x89PNG")
    assert race.read_bytes() != alphas.read_bytes()


def test_a_search_that_ended_before_its_first_step_is_drawn_empty(tmp_path: Path) -> None:
    draw_search(tmp_path / "alphas.png", REPORT, {"points": [], "judgements": []})
    assert (tmp_path / "alphas.png").exists()

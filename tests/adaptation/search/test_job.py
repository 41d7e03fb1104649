"""What a search is asked for, and whether it is asked for the same again."""

from pathlib import Path
from typing import Any

import pytest

from adaptd.adaptation.search.job import SearchJob, check_same, skip_share
from adaptd.errors import ConfigError

JOB = SearchJob(stream="lag-shift", start="release", settings={"width": 4}, seed=1)


def test_the_same_job_goes_on() -> None:
    check_same(SearchJob.model_validate_json(JOB.model_dump_json()), JOB.to_document(), Path("out"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 2}, "--seed is 2, but the search in out was begun with 1"),
        ({"goal": "accuracy"}, "--objective is 'accuracy', but .* 'accuracy.macs:1.1x'"),
        ({"settings": {}}, "--set is not given, but .* {'width': 4}"),
        ({"start": "other"}, "--from is 'other', but .* 'release'"),
        ({"records": 500}, "--records is 500, but .* not given"),
        ({"candidates": ("dw k3 d1",)}, r"--candidates is \['dw k3 d1'\], but .* not given"),
    ],
)
def test_another_job_is_refused_with_the_option_that_differs(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_same(JOB.model_copy(update=changes), JOB.to_document(), Path("out"))


def test_skips_are_counted_over_all_groups() -> None:
    alphas = {
        "a": {"identity": 0.5, "zero": 0.25, "dw k3 d1": 0.25},
        "b": {"dw k3 d1": 1.0},
    }
    assert skip_share(alphas) == pytest.approx(0.375)
    assert skip_share({}) == 0

"""What makes two jobs the same."""

from pathlib import Path
from typing import Any

import pytest

from adaptd.adaptation.job import Job
from adaptd.architecture.canonical import digest_of
from tests.adaptation.conftest import JobMaker

REHEARSAL = {"records": Path("kept.arrow"), "records_digest": "a" * 64, "share": 0.25}
DISTILLATION = {"weight": 0.5, "temperature": 2.0}
OPTIONS = (
    "rehearsal",
    "distillation",
    "widened_macs",
    "method",
    "maximum_parameters",
    "maximum_latency_seconds",
    "edge_latency",
    "weights_digest",
)


def with_options(job: Job, **options: Any) -> Job:
    return Job.model_validate({**job.model_dump(), **options})


def test_a_job_without_options_has_the_digest_that_it_had_before_there_were_any(
    job: JobMaker,
) -> None:
    # A worker that was cut off by an upgrade goes on where it stood.
    asked = job()
    others = {"epoch", "records", "champion", "weights", "output", *OPTIONS}
    assert asked.digest == digest_of(asked.model_dump(mode="json", exclude=others))


@pytest.mark.parametrize(
    "options",
    [
        {"rehearsal": REHEARSAL},
        {"rehearsal": {**REHEARSAL, "share": 0.5}},
        {"rehearsal": {**REHEARSAL, "records_digest": "b" * 64}},
        {"distillation": DISTILLATION},
        {"distillation": {**DISTILLATION, "temperature": 1.0}},
        {"rehearsal": REHEARSAL, "distillation": DISTILLATION},
        {"widened_macs": 1_000},
        {"method": "race"},
        {"maximum_parameters": 1_000},
        {"maximum_latency_seconds": 0.001},
        {"edge_latency": {"reopened": {"most": 0.001, "table": {}}}},
        {"weights": Path("given.pt"), "weights_digest": "c" * 64},
    ],
)
def test_each_option_makes_another_job(job: JobMaker, options: dict[str, Any]) -> None:
    asked = job()
    others: list[dict[str, Any]] = [{}, {"rehearsal": REHEARSAL}, {"distillation": DISTILLATION}]
    digests = {with_options(asked, **other).digest for other in others if other != options}
    assert with_options(asked, **options).digest not in digests


def test_where_the_records_lie_makes_no_other_job(job: JobMaker) -> None:
    asked = job()
    moved = {**REHEARSAL, "records": Path("elsewhere.arrow")}
    assert (
        with_options(asked, rehearsal=REHEARSAL).digest
        == with_options(asked, rehearsal=moved).digest
    )


def test_an_option_survives_the_way_to_the_worker(job: JobMaker) -> None:
    asked = with_options(job(), rehearsal=REHEARSAL, distillation=DISTILLATION)
    assert Job.model_validate_json(asked.model_dump_json()) == asked

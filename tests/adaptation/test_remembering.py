"""What jobs keep of an old concept that they rehearse, or are taught."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from adaptd.adaptation.execution.working_directory import WorkingDirectory
from adaptd.adaptation.job import (
    FINE_TUNED,
    RECALIBRATED,
    REOPENED,
    RETRAINED,
    SHRUNK,
    Job,
)
from adaptd.adaptation.keeper import Interrupted, Keeper
from adaptd.adaptation.remembering import remembering
from adaptd.adaptation.rungs import perform
from adaptd.adaptation.samples import samples_of
from adaptd.errors import ArtifactError
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.search.training import Samples
from adaptd.stream.segment import read_segment, write_segment
from tests.adaptation.conftest import JobMaker, records, released
from tests.adaptation.test_rungs import ignore

REMEDIES = (RECALIBRATED, FINE_TUNED, RETRAINED, SHRUNK, REOPENED)
DISTILLATION = {"weight": 0.5, "temperature": 2.0}


def remedies_of(job: JobMaker, tmp_path: Path, count: int, *, learnt: int, steps: int) -> Job:
    """All remedies of a drift, for a champion of the old concept that had so many steps."""
    first = job(count, output=tmp_path / "first", steps=learnt)
    member, champion, digest = released(first)
    return job(
        count,
        drift_at=0,
        kind="adapt",
        rungs=("weights", "reopen"),
        champion=champion,
        champion_digest=digest,
        architecture=member.architecture,
        macs_cap=int(member.macs * 1.1),
        output=tmp_path / "plain",
        steps=steps,
    )


def remembered(job: Job, tmp_path: Path, name: str, **options: Any) -> Job:
    """The same job with options; rehearsal: the share of a batch."""
    share = options.pop("share", None)
    if share is not None:
        # Of the old concept, and none that the champion was trained on.
        digest, path = write_segment(tmp_path / "kept", records(200, seed=5))
        options["rehearsal"] = {"records": path, "records_digest": digest, "share": share}
    return Job.model_validate({**job.model_dump(), **options, "output": tmp_path / name})


def accuracies(job: Job) -> dict[str, float]:
    """Of each remedy and the champion on records of the old concept, in points."""
    result = perform(job, ignore)
    assert job.champion is not None
    places = {name: job.output / one.directory for name, one in result.members.items()}
    test = records(1_000, seed=9)
    return {
        name: 100 * float(score(Predictor.load(path).predict(test.x), test.target)[0].mean())
        for name, path in {"champion": job.champion, **places}.items()
    }


@pytest.mark.slow
def test_every_remedy_forgets_less_when_it_rehearses_and_when_it_is_taught(
    job: JobMaker, tmp_path: Path
) -> None:
    wanted = remedies_of(job, tmp_path, 800, learnt=200, steps=150)
    plain = accuracies(wanted)
    rehearsed = accuracies(remembered(wanted, tmp_path, "rehearsed", share=0.3))
    taught = accuracies(remembered(wanted, tmp_path, "taught", distillation=DISTILLATION))
    assert plain["champion"] == rehearsed["champion"] == taught["champion"]
    for name in REMEDIES:
        assert rehearsed[name] > plain[name], name
        assert taught[name] > plain[name], name


def after(steps: int) -> Callable[[], bool]:
    """False so many times."""
    asked = iter(range(steps))
    return lambda: next(asked, None) is None


@pytest.mark.slow
def test_a_job_that_remembers_ends_the_same_wherever_it_was_cut_off(
    job: JobMaker, tmp_path: Path
) -> None:
    wanted = remedies_of(job, tmp_path, 200, learnt=5, steps=20)
    options: dict[str, Any] = {"share": 0.3, "distillation": DISTILLATION}
    whole = perform(remembered(wanted, tmp_path, "whole", **options), ignore)
    cut = remembered(wanted, tmp_path, "cut", **options)
    attempts = 0
    while True:
        keeper = Keeper(WorkingDirectory(cut.output), is_to_end=after(11))
        attempts += 1
        torch.manual_seed(attempts)
        try:
            result = perform(cut, ignore, keeper=keeper)
        except Interrupted:
            continue
        break
    assert attempts > 2
    assert list(result.members) == list(whole.members)
    for name, member in whole.members.items():
        assert member.weights is not None
        assert result.members[name].weights == member.weights, name


def trained_on(job: Job) -> Samples:
    return samples_of(read_segment(job.records, job.records_digest))


def champion_of(samples: Samples) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(samples.x[0].numel(), 4))


def test_a_job_without_options_trains_on_its_records_alone(job: JobMaker) -> None:
    asked = job(20)
    samples = trained_on(asked)
    assert remembering(asked, samples, champion_of(samples)) is samples


def test_rehearsed_records_keep_their_weights(job: JobMaker, tmp_path: Path) -> None:
    weight = np.linspace(1, 2, 50, dtype=np.float32)
    digest, path = write_segment(tmp_path, replace(records(50, seed=5), weight=weight))
    rehearsal = {"records": path, "records_digest": digest, "share": 0.3}
    asked = Job.model_validate({**job(20).model_dump(), "rehearsal": rehearsal})
    samples = trained_on(asked)
    found = remembering(asked, samples, champion_of(samples))
    assert found.weight is None
    assert found.rehearsal is not None
    assert found.rehearsal.samples.weight is not None
    np.testing.assert_array_equal(found.rehearsal.samples.weight.numpy(), weight)


def test_the_champion_answers_new_records_and_rehearsed_ones(job: JobMaker, tmp_path: Path) -> None:
    asked = remembered(job(20), tmp_path, "both", share=0.3, distillation=DISTILLATION)
    samples = trained_on(asked)
    champion = champion_of(samples)
    found = remembering(asked, samples, champion)
    assert found.rehearsal is not None
    assert found.rehearsal.share == 0.3
    kept = found.rehearsal.samples
    assert torch.equal(kept.x, torch.from_numpy(records(200, seed=5).x))
    for part in (found, kept):
        assert part.lesson is not None
        assert torch.equal(part.lesson.outputs, champion(part.x))
        assert (part.lesson.weight, part.lesson.temperature) == (0.5, 2.0)


def test_records_to_rehearse_are_those_that_were_named(job: JobMaker, tmp_path: Path) -> None:
    asked = remembered(job(20), tmp_path, "damaged", share=0.3)
    assert asked.rehearsal is not None
    asked.rehearsal.records.write_bytes(b"others")
    samples = trained_on(asked)
    with pytest.raises(ArtifactError, match="expected sha256"):
        remembering(asked, samples, champion_of(samples))

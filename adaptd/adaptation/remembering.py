"""What a job does against forgetting: it rehearses old records, and asks the champion."""

from dataclasses import replace

import torch

from adaptd.adaptation.job import Job
from adaptd.adaptation.samples import samples_of
from adaptd.search.distillation import distilled
from adaptd.search.training import Rehearsal, Samples
from adaptd.stream.segment import read_segment


def remembering(job: Job, samples: Samples, champion: torch.nn.Module) -> Samples:
    """The samples as every remedy of the job trains on them; themselves where it asks for neither.

    champion: on the device of the samples; it answers once, and draws nothing at random.
    Raises ArtifactError if the records to rehearse are not what was named.
    """
    if job.rehearsal is not None:
        kept = read_segment(job.rehearsal.records, job.rehearsal.records_digest)
        rehearsed = samples_of(kept).to(samples.x.device)
        samples = replace(samples, rehearsal=Rehearsal(rehearsed, job.rehearsal.share))
    if job.distillation is not None:
        samples = distilled(
            samples,
            champion,
            weight=job.distillation.weight,
            temperature=job.distillation.temperature,
        )
    return samples

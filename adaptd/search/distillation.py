"""Distillation: a penalty for answering unlike an earlier network, against forgetting."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from adaptd.search.lesson import Lesson
from adaptd.search.task import CLASSIFICATION, Task
from adaptd.search.training import Samples

# As softened as is usual: 1 would repeat the teacher's decisions, far more would forget them.
TEMPERATURE = 2.0

# Records of a forward pass that keeps no activations.
_CHUNK_RECORDS = 512


def distilled(
    samples: Samples,
    teacher: nn.Module,
    *,
    weight: float,
    temperature: float = TEMPERATURE,
    task: Task = CLASSIFICATION,
) -> Samples:
    """The samples, and those that they rehearse, with what the teacher answers on each of them.

    Whatever trains on them minimises its loss plus weight times the distance of the two answers: of
    classes temperature^2 times the divergence of the softened teacher's from the student's, of
    numbers the mean squared difference. The teacher answers in evaluation mode, once, and is left
    as it was. Without weight: the samples themselves. Raises ValueError for a weight below 0 or a
    temperature that is not above 0.
    Sources: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Li & Hoiem 2016,
    "Learning without Forgetting" (on the records of the new task); with rehearsal, Buzzega et al.
    2020, "Dark Experience for General Continual Learning" (on kept ones too).
    """
    if weight < 0 or temperature <= 0:
        raise ValueError(
            f"expected a weight of 0 or more and a temperature above 0, "
            f"got {weight} and {temperature}"
        )
    if weight == 0:
        return samples
    was_training = teacher.training
    teacher.eval()
    taught = _taught(samples, teacher, weight=weight, temperature=temperature, task=task)
    teacher.train(was_training)
    return taught


def _taught(
    samples: Samples, teacher: nn.Module, *, weight: float, temperature: float, task: Task
) -> Samples:
    outputs = _answers(teacher, samples.x)
    is_known = torch.isfinite(outputs).flatten(1 if outputs.ndim > 1 else 0)
    if is_known.ndim > 1:
        is_known = is_known.all(1)
    lesson = Lesson(
        outputs=outputs.nan_to_num(0.0, 0.0, 0.0),
        is_known=is_known.to(outputs.dtype),
        weight=weight,
        temperature=temperature,
        distance=task.distance,
    )
    rehearsal = samples.rehearsal
    if rehearsal is not None:
        kept = _taught(
            rehearsal.samples, teacher, weight=weight, temperature=temperature, task=task
        )
        rehearsal = replace(rehearsal, samples=kept)
    return replace(samples, lesson=lesson, rehearsal=rehearsal)


def _answers(teacher: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([teacher(part) for part in torch.split(x, _CHUNK_RECORDS)])

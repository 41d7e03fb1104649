"""Repetitions side by side, one thread each."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(work: Callable[[Job], Result], jobs: Sequence[Job]) -> list[Result]:
    """What `work`, a function of a module, gives for each job, in the order of the jobs.

    As many processes as the machine has cores, each with one thread, as a worker has in
    production: CPU seconds that a job counts are its own.
    """
    workers = min(len(jobs), os.cpu_count() or 1)
    if workers < 2:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return [work(job) for job in jobs]
        finally:
            torch.set_num_threads(before)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        return list(pool.map(work, jobs))


def _one_thread() -> None:
    torch.set_num_threads(1)

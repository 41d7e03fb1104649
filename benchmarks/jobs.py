"""Repetitions side by side, one thread each; those that are kept need not be run again."""

import hashlib
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import Progress

from adaptd.store.files import write_atomically

Job = TypeVar("Job")
# Plain values, as JSON holds them.
Result = dict[str, Any]


def run_jobs(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, keep: Path | None = None
) -> list[Result]:
    """What `work`, a function of a module, gives for each job, in the order of the jobs.

    As many processes as the machine has cores, each with one thread, as a worker has in
    production: CPU seconds that a job counts are its own. keep: directory where each outcome is
    written as soon as it is there, by a digest of the job's text, and read from if it is there
    already; None for none.
    """
    found: dict[int, Result] = {}
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for place, job in enumerate(jobs):
            if (path := _path(keep, work, job)).exists():
                found[place] = json.loads(path.read_text())
    left = [place for place in range(len(jobs)) if place not in found]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("repetitions", total=len(jobs), completed=len(found))
        for place, result in _results(work, {place: jobs[place] for place in left}):
            found[place] = result
            if keep is not None:
                write_atomically(_path(keep, work, jobs[place]), json.dumps(result).encode())
            progress.advance(task)
    return [found[place] for place in range(len(jobs))]


def _results(work: Callable[[Job], Result], jobs: dict[int, Job]) -> Iterator[tuple[int, Result]]:
    """As they come."""
    workers = min(len(jobs), os.cpu_count() or 1)
    if workers < 2:
        with _one_thread_here():
            for place, job in jobs.items():
                yield place, work(job)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        running = {pool.submit(work, job): place for place, job in jobs.items()}
        failed: BaseException | None = None
        for future in as_completed(running):
            if future.cancelled():
                continue
            error = future.exception()
            if error is None:
                yield running[future], future.result()
            elif failed is None:
                # What has begun ends, and is kept; nothing else begins.
                failed = error
                for other in running:
                    other.cancel()
        if failed is not None:
            raise failed


def _path(keep: Path, work: Callable[[Job], Result], job: Job) -> Path:
    text = f"{work.__module__}.{work.__qualname__} {job}"
    return keep / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"


@contextmanager
def _one_thread_here() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _begin_worker() -> None:
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A benchmark that is killed must not leave its workers at work for an hour."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""What an episode does against forgetting, fixed in its plan before it trains."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adaptd.adaptation.job import DistillationOrder, RehearsalOrder
from adaptd.daemon.context import StreamContext
from adaptd.registry.old_concepts import OldConcept
from adaptd.store.directory import StateDirectory
from adaptd.stream.batch import Batch
from adaptd.stream.reservoir import to_rehearse
from adaptd.stream.segment import write_segment


def remembrance(
    context: StreamContext, directory: Path, samples: Iterable[tuple[OldConcept, Batch | None]]
) -> dict[str, Any]:
    """What a plan says of rehearsal and distillation, as the configuration is now; empty for
    neither.

    The records to rehearse are written to the episode's folder, so that a replay has them whatever
    becomes of the reservoir. samples: read only where something is rehearsed. Raises
    StoreUnavailable where the disk is full.
    """
    config, planned = context.config.episode, {}
    if config.rehearsal_share > 0:
        parts = [to_rehearse(sample) for _, sample in samples if sample is not None]
        if parts:
            kept = Batch.concatenate(parts)
            digest, path = write_segment(directory, kept)
            planned["rehearsal"] = {
                "records": context.relative(path),
                "records_digest": digest,
                "count": len(kept),
                "share": config.rehearsal_share,
            }
    if config.distillation > 0:
        planned["distillation"] = {
            "weight": config.distillation,
            "temperature": config.distillation_temperature,
        }
    return planned


def orders(plan: Mapping[str, Any], state: StateDirectory) -> dict[str, Any]:
    """The same as fields of a job."""
    rehearsal, distillation = plan.get("rehearsal"), plan.get("distillation")
    return {
        "rehearsal": None
        if rehearsal is None
        else RehearsalOrder(
            records=state.path / rehearsal["records"],
            records_digest=rehearsal["records_digest"],
            share=rehearsal["share"],
        ),
        "distillation": None if distillation is None else DistillationOrder(**distillation),
    }

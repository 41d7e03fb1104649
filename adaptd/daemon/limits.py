"""What a challenger must not exceed, whatever a trial would say of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from adaptd.adaptation.job import REOPENED, WIDER, Member, Result, Rung
from adaptd.adaptation.trial import CHALLENGERS
from adaptd.config import EpisodeConfig

PARAMETERS = "maximum_parameters"
LATENCY = "maximum_latency_seconds"


def limits_of(config: EpisodeConfig) -> dict[str, Any]:
    """What of a plan says so, as of `Job`; without what is not limited."""
    milliseconds = config.maximum_latency_milliseconds
    limits = {
        PARAMETERS: config.maximum_parameters,
        LATENCY: None if milliseconds is None else milliseconds / 1_000,
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def within_limits(result: Result, plan: Mapping[str, Any]) -> Result:
    """The result of a job without challengers that exceed a limit of its plan; why is then among
    what was skipped. Nothing else of a job that takes more than the champion is ever proposed."""
    beyond = {
        name: reason
        for name in CHALLENGERS
        if name in result.members and (reason := _beyond(result.members[name], plan)) is not None
    }
    members = {name: one for name, one in result.members.items() if name not in beyond}
    return result.model_copy(update={"members": members, "skipped": {**result.skipped, **beyond}})


def without_challenger(result: Result, rungs: Sequence[Rung]) -> str | None:
    """Why a job of these rungs has found nothing that could be tried; None where it has, or was
    not to search alone."""
    searched: dict[tuple[Rung, ...], str] = {("reopen",): REOPENED, ("wider",): WIDER}
    wanted = searched.get(tuple(rungs))
    if wanted is None or wanted in result.members:
        return None
    return f"there is no other architecture to try: {result.skipped[wanted]}"


def with_what_was_left_out(reason: str, result: Mapping[str, Any]) -> str:
    """The reason for which an episode ends without a proposal. result: of its jobs, as the store
    has it; what was searched for and not tried is named."""
    skipped: Mapping[str, str] = result.get("skipped", {})
    told = "".join(f"; {name}: {skipped[name]}" for name in CHALLENGERS if name in skipped)
    return reason + told


def _beyond(member: Member, plan: Mapping[str, Any]) -> str | None:
    parameters, latency = plan.get(PARAMETERS), plan.get(LATENCY)
    if parameters is not None and (member.parameters or 0) > parameters:
        return f"{member.parameters:,} parameters, where {parameters:,} are allowed"
    if latency is not None and (member.latency_seconds or 0.0) > latency:
        return (
            f"{1_000 * (member.latency_seconds or 0.0):.4g} ms a prediction, where "
            f"{1_000 * latency:.4g} ms are allowed"
        )
    return None

"""When an episode goes on to the next rung, and what it falls back to."""

from collections.abc import Mapping
from typing import Any, Literal

from adaptd.adaptation.job import RECALIBRATED, REOPENED, RUNGS, Result, Rung
from adaptd.adaptation.trial import CHALLENGERS, DEPLOYED, Trial
from adaptd.config import EpisodeConfig
from adaptd.daemon.planning import rungs_of
from adaptd.daemon.reasons import without_proof


def good_enough(config: EpisodeConfig, plan: Mapping[str, Any]) -> float | None:
    """The accuracy, a fraction, from which on no further rung is climbed; None where every rung
    is."""
    reference, margin = plan.get("reference_accuracy"), config.good_enough_points
    return None if reference is None or margin is None else float(reference) - margin / 100


def is_to_climb(config: EpisodeConfig, plan: Mapping[str, Any], trial: Trial) -> bool:
    """Whether something cheaper was tried, and what is dearer may be worth its price."""
    if last_rung(plan) in rungs_of(plan) or trial.verdict() == "running":
        return False
    enough = good_enough(config, plan)
    if "reopen" in rungs_of(plan) and enough is None:
        # Nobody knows whether there is anything left to gain.
        return False
    return (
        trial.verdict() == "short"
        or trial.winner is None
        or enough is None
        or (trial.accuracy(trial.winner) or 0.0) < enough
    )


def next_rung(result: Mapping[str, Any]) -> Rung:
    """What comes after the members that there are. Where priors could not be corrected, the worker
    has gone on to the weights by itself."""
    members = Result.model_validate(result).members
    if REOPENED in members:
        return "wider"
    return "reopen" if RECALIBRATED in members else "weights"


def last_rung(plan: Mapping[str, Any]) -> Rung:
    """The dearest that the plan allows."""
    return "wider" if "wider" in plan else "reopen"


def after_job(plan: Mapping[str, Any], nothing: str | None) -> Literal["trial", "search", "end"]:
    """What follows a job: the trial of what it gave, or the search of the last rung, or the end.

    nothing: why it has no architecture to try; None where it has one, or was not asked for one.
    """
    if nothing is None:
        return "trial"
    if last_rung(plan) not in rungs_of(plan):
        return "search"
    return "trial" if _is_to_try_again(plan) else "end"


def _is_to_try_again(plan: Mapping[str, Any]) -> bool:
    """Whether new weights, where the last rung has found no architecture to try, get the trial that
    was cut short for it: they were ahead of the champion by then, and not yet proved to be."""
    before: Mapping[str, Any] = plan.get("last_trial", {})
    if before.get("verdict") != "short":
        return False
    accuracy = before["accuracy"]
    is_ahead = any((one or 0.0) > (accuracy[DEPLOYED] or 0.0) for one in accuracy.values())
    return is_ahead and fallback(plan, None) is None


def climbed(
    plan: Mapping[str, Any], result: Mapping[str, Any], evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """The plan of the next rung. evidence: of the trial before it; what an earlier one has proved
    stands where that one proves nothing, unless it shows the opposite. It stays under the key of
    the first rung that had one."""
    before: Mapping[str, Any] = plan.get("weights_trial", {})
    stands = evidence.get("winner") is None and _stands(before, evidence["accuracy"])
    return {
        **plan,
        "rungs": [next_rung(result)],
        "weights_trial": before if stands else evidence,
        "last_trial": evidence,
        "trials_before": _trials_before(plan) + 1,
    }


def share_of_trial(plan: Mapping[str, Any]) -> float:
    """Of the alpha that its episode may spend: half of what is left, or all of it where no further
    trial may follow."""
    rungs, before = rungs_of(plan), _trials_before(plan)
    if rungs == RUNGS:
        return 1.0
    return float(0.5 ** (before if last_rung(plan) in rungs else before + 1))


def _trials_before(plan: Mapping[str, Any]) -> int:
    return int(plan.get("trials_before", "weights_trial" in plan))


def fallback(plan: Mapping[str, Any], trial: Trial | None) -> Mapping[str, Any] | None:
    """Evidence for what a cheaper rung was proved to be worth before the search that came to
    nothing; None where that is nothing, or the trial that runs now shows the opposite."""
    first: Mapping[str, Any] = plan.get("weights_trial", {})
    if first.get("winner") is None:
        return None
    return first if trial is None or _stands(first, trial.evidence()["accuracy"]) else None


def _stands(proof: Mapping[str, Any], accuracy: Mapping[str, float | None]) -> bool:
    """Whether evidence has a winner, and later accuracies do not show the opposite."""
    winner = proof.get("winner")
    return winner is not None and (accuracy.get(winner) or 0.0) >= (accuracy[DEPLOYED] or 0.0)


def falls_behind_earlier(plan: Mapping[str, Any], trial: Trial) -> bool:
    """Whether a trial that shows something better shows that of new weights alone, while an
    architecture that was proved to be better than those before still is as accurate."""
    before = fallback(plan, trial)
    if before is None or before["winner"] not in CHALLENGERS or trial.winner in CHALLENGERS:
        return False
    own, earlier = (trial.accuracy(str(name)) or 0.0 for name in (trial.winner, before["winner"]))
    return earlier >= own


def end_of_refused(plan: Mapping[str, Any], outcome: str, reason: str) -> tuple[str, str]:
    """Outcome and reason of an episode whose job was refused: where that was the last rung's, what
    the trial before it came to."""
    if outcome != "refused" or "wider" not in rungs_of(plan):
        return outcome, reason
    evidence = plan["last_trial"]
    verdict = evidence["verdict"]
    ended = "inconclusive" if verdict == "inconclusive" else "no-better"
    return ended, f"{without_proof(verdict, evidence)}; {reason}"


def given_up(plan: Mapping[str, Any], outcome: str, reason: str) -> dict[str, Any]:
    """The plan of an episode that falls back, with what became of the rung that came to nothing."""
    return {
        **plan,
        "given_up": {"rungs": list(rungs_of(plan)), "outcome": outcome, "reason": reason},
    }

"""`diagnose`: what kind of drift it is, on what evidence, and which remedies that allows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency, fisher_exact

from adaptd.drift.attribution import movements
from adaptd.drift.calibration import calibration_error
from adaptd.drift.profile import Figures, Profile
from adaptd.drift.sensor_fit import SensorFit, SensorView, fits
from adaptd.drift.signals.faults import FAULTS
from adaptd.drift.spectrum import band_frequencies, has_spectrum

# Kind -> rungs of remedy, the cheapest first. Nothing is ever learnt from broken data; new weights
# or another architecture are no answer where only classes come in other shares.
RUNGS: Mapping[str, tuple[str, ...]] = {
    "outage": ("hold",),
    "prior": ("prior-correction", "recalibrate"),
    "gain": ("recalibrate", "weights", "reopen"),
    "offset": ("recalibrate", "weights", "reopen"),
    "noise": ("recalibrate", "weights", "reopen"),
    "rate": ("weights", "reopen"),
    "focus": ("weights", "reopen"),
    "covariate": ("recalibrate", "weights", "reopen"),
    "concept": ("weights", "reopen"),
    "unclear": ("hold",),
}

# Share of records of the recent blocks with a broken channel from which it is an outage.
_BROKEN = 0.5
# A test's p-value from which something is said to have changed at all.
_SIGNIFICANT = 1e-3
# Total variation of class shares below which a change of them is of no consequence.
_LEAST_VARIATION = 0.08
# Standard deviations over records that features move, below which the input counts as the same.
_LEAST_EFFECT = 0.15
# Keeps logarithms of power finite; below any that a working sensor gives in float32.
_LEAST_POWER = 1e-12
# And below which it is not what makes the answers wrong, unless a changed sensor explains it.
_SLIGHT_EFFECT = 0.5
# Of the misfit of "nothing has changed", what a changed sensor may leave.
_EXPLAINED = 0.6
# Of the movement of features, what is left of it within classes if only their shares have changed.
_WITHIN_CLASSES = 0.6


@dataclass(frozen=True)
class Diagnosis:
    """kind: a key of `RUNGS`. evidence: what it rests on, plain values. channels: places of those
    that have moved, the strongest first. rungs: remedies that it allows, the cheapest first.
    """

    kind: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[int, ...] = ()

    @property
    def rungs(self) -> tuple[str, ...]:
        return RUNGS[self.kind]


def diagnose(profile: Profile, *, since_record: int, shape: tuple[int, ...]) -> Diagnosis:
    """From the blocks since a record, compared with the reference.

    shape: of one record. Raises ValueError before there are blocks of either.
    """
    reference, recent = profile.reference, profile.recent(since_record)
    if not reference or len(next(iter(reference.values()))) < 2 or not recent:
        raise ValueError("a diagnosis needs two blocks of the reference, and a recent one")
    evidence: dict[str, Any] = {"blocks": len(next(iter(recent.values())))}
    faults = recent["faults"].mean(axis=0).reshape(-1, len(FAULTS))
    broken = np.flatnonzero(faults.max(axis=1) >= _BROKEN)
    if len(broken):
        evidence["faults"] = {
            str(channel): FAULTS[int(faults[channel].argmax())] for channel in broken
        }
        return Diagnosis("outage", evidence, tuple(map(int, broken)))
    channels = _channels(reference, recent)
    evidence["classes"] = classes = _classes(reference, recent)
    evidence["input"] = inputs = _inputs(reference, recent)
    evidence["answers"] = answers = _answers(reference, recent)
    if classes["has_changed"] and _is_of_classes_alone(inputs):
        return Diagnosis("prior", evidence, channels)
    if inputs["has_changed"]:
        found = _sensor(reference, recent, shape, channels)
        evidence["sensor"] = {
            fit.kind: {"misfit": fit.misfit, "parameter": fit.parameter} for fit in found
        }
        kind = _kind_of(found)
        if kind == "covariate" and answers.get("has_changed") and _is_slight(inputs):
            kind = "concept"
        return Diagnosis(kind, evidence, channels)
    if answers.get("has_changed"):
        return Diagnosis("concept", evidence, channels)
    if classes["has_changed"]:
        return Diagnosis("prior", evidence, channels)
    return Diagnosis("unclear", evidence, channels)


def _kind_of(found: list[SensorFit]) -> str:
    """The likeliest change of a sensor, where it explains most of what is seen."""
    nothing = next(fit.misfit for fit in found if fit.kind == "none")
    best = found[0]
    if best.kind == "none" or best.misfit > _EXPLAINED * nothing:
        return "covariate"
    return best.kind


def _is_slight(inputs: Mapping[str, Any]) -> bool:
    return bool(inputs["marginal_effect"] < _SLIGHT_EFFECT)


def _channels(reference: Figures, recent: Figures) -> tuple[int, ...]:
    number = reference["mean"].shape[1]
    names = [name for name in ("mean", "log_variance", "energies") if name in recent]
    moved = movements(*(np.hstack([side[name] for name in names]) for side in (reference, recent)))
    bands = reference["energies"].shape[1] // number if "energies" in recent else 1
    places = (
        move.place % number if move.place < 2 * number else (move.place - 2 * number) // bands
        for move in moved
    )
    return tuple(dict.fromkeys(places))


def _classes(reference: Figures, recent: Figures) -> dict[str, Any]:
    """Of the labels where they are there, else of what is predicted."""
    name = next((one for one in ("labels", "predicted") if one in recent and one in reference), "")
    if not name:
        return {"has_changed": False, "of": None}
    counts = np.stack([reference[name].sum(axis=0), recent[name].sum(axis=0)])
    counts = counts[:, counts.sum(axis=0) > 0]
    if counts.shape[1] < 2:
        return {"has_changed": False, "of": name}
    p_value = float(chi2_contingency(counts).pvalue)
    shares = counts / counts.sum(axis=1, keepdims=True)
    variation = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return {
        "has_changed": p_value < _SIGNIFICANT and variation >= _LEAST_VARIATION,
        "of": name,
        "p_value": p_value,
        "total_variation": variation,
    }


def _inputs(reference: Figures, recent: Figures) -> dict[str, Any]:
    found: dict[str, Any] = {"has_changed": False}
    for name in ("marginal", "conditional"):
        if name not in recent or name not in reference:
            continue
        moved = movements(reference[name], recent[name])
        shift = recent[name].mean(axis=0) - reference[name].mean(axis=0)
        effects = [abs(float(shift[move.place])) for move in moved]
        found[f"{name}_effect"] = max(effects, default=0.0)
        found[f"{name}_moved"] = len(moved)
        found[f"{name}_size"] = float(np.sqrt((shift**2).mean()))
    found["has_changed"] = found["marginal_effect"] >= _LEAST_EFFECT
    return found


def _is_of_classes_alone(inputs: Mapping[str, Any]) -> bool:
    """Whether records are within their class as they were: then only the classes' shares moved."""
    if not inputs["has_changed"]:
        return True
    if "conditional_size" not in inputs:
        return False
    return bool(
        inputs["conditional_effect"] < _LEAST_EFFECT
        or inputs["conditional_size"] < _WITHIN_CLASSES * inputs["marginal_size"]
    )


def _answers(reference: Figures, recent: Figures) -> dict[str, Any]:
    if "misses" not in recent or "misses" not in reference:
        return {}
    (missed_before, before), (missed_after, after) = (
        side["misses"].sum(axis=0) for side in (reference, recent)
    )
    table = [[missed_after, after - missed_after], [missed_before, before - missed_before]]
    p_value = float(fisher_exact(np.array(table).astype(int), alternative="greater").pvalue)
    found: dict[str, Any] = {
        "has_changed": p_value < _SIGNIFICANT,
        "error_before": float(missed_before / before),
        "error_after": float(missed_after / after),
        "p_value": p_value,
    }
    if "reliability" in recent and "reliability" in reference:
        for side, figures in (("before", reference), ("after", recent)):
            sums = figures["reliability"].sum(axis=0).reshape(-1, 3)
            found[f"calibration_error_{side}"] = calibration_error(sums)
    return found


def _sensor(
    reference: Figures, recent: Figures, shape: tuple[int, ...], channels: tuple[int, ...]
) -> list[SensorFit]:
    """The fits over the channels that have moved, the likeliest first."""
    number = reference["mean"].shape[1]
    chosen = np.array(channels or range(number))
    steps = np.sqrt(1 / len(reference["mean"]) + 1 / len(recent["mean"]))
    mean_error = reference["mean"].std(axis=0, ddof=1)[chosen] * steps + 1e-9
    # Of a table, what varies in a channel is its variance: one band, of no frequency.
    name = "energies" if has_spectrum(shape) else "log_variance"
    powers = [
        figures[name] + _LEAST_POWER if has_spectrum(shape) else np.exp(figures[name])
        for figures in (reference, recent)
    ]
    before, after = (
        SensorView(
            power.mean(axis=0).reshape(number, -1)[chosen], figures["mean"].mean(axis=0)[chosen]
        )
        for power, figures in zip(powers, (reference, recent), strict=True)
    )
    spread = np.log(powers[0]).std(axis=0, ddof=1).reshape(number, -1)[chosen]
    return fits(
        before,
        after,
        energy_error=spread * steps,
        mean_error=mean_error,
        frequencies=band_frequencies(shape) if has_spectrum(shape) else None,
    )

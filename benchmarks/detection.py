"""Benchmark `detection`: how soon drifts are seen, how often wrongly, and what they are taken for.

Errors that rise, against river's ADWIN, at its defaults and at an equal measured rate of false
alarms, and against a CUSUM that knows both rates, which nothing can beat by much; input that drifts
without labels, by kind.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from river.drift import ADWIN

from adaptd.drift.block import SignalBlock
from adaptd.drift.diagnosis import diagnose
from adaptd.drift.profile import Profile
from adaptd.drift.signal_monitor import MonitorSettings, SignalMonitor
from adaptd.drift.signals import input_signals, label_signals
from adaptd.drift.signals.answers import Error
from adaptd.drift.watch import Watch
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.streams.drifts import DRIFTS

# Records: what the watch learns from, the rest of what comes before a drift, and after it.
_TRAINING, _BEFORE, _AFTER = 1_000, 10_000, 3_000
_BLOCK = 8  # records; an alarm is dated to the end of its block
_BASE = 0.10
_RISES = (0.15, 0.20, 0.40)

# ADWIN's confidences: river's default, and one that raises false alarms that can be counted.
_DELTAS = (0.002, 0.1)
# Records between false alarms that the watch is held to.
_RUNS = (1e6, 1e5, 3e4)
# Which are compared, chosen beforehand: both without a false alarm over a million records, give or
# take one, and both with about ten.
_PAIRS = (("adwin 0.002", "error 1e+06"), ("adwin 0.1", "error 100000"))

_STATIONARY: dict[Scale, int] = {"full": 20, "quick": 20, "smoke": 1}
# Streams with a drift, of errors and of each kind of input.
_DRIFTED: dict[Scale, int] = {"full": 40, "quick": 12, "smoke": 1}
_INPUTS: dict[Scale, int] = {"full": 20, "quick": 5, "smoke": 1}
_SETTLE_BLOCKS = 8

# Of the delay of ADWIN at the same rate of false alarms.
_TARGET_RATIO = 0.5
_TARGET_DIAGNOSES = 0.9

Job = tuple[str, str, int, Scale]


def run(settings: Settings) -> Outcome:
    """Needs no recorded data."""
    jobs: list[Job] = [("errors", "", seed, settings.scale) for seed in settings.seeds]
    jobs += [
        ("input", name, seed, settings.scale)
        for name in _names(settings.scale)
        for seed in settings.seeds
    ]
    jobs += [("quiet", "", seed, settings.scale) for seed in settings.seeds]
    found = list(zip(jobs, run_jobs(measure, jobs, keep=settings.keep), strict=True))
    of_errors = [result for (what, *_), result in found if what == "errors"]
    document: dict[str, Any] = {
        "errors": _errors(of_errors),
        "oracle": [_oracle(rate, run) for rate in _RISES for run in _RUNS],
        "without_labels": _inputs(found, settings.scale),
        "diagnoses": _confusion(found, settings.scale),
    }
    quiet = [result for (what, *_), result in found if what == "quiet"]
    document["stationary"] = {
        "streams": sum(result["streams"] for result in quiet),
        "records_watched": sum(result["watched"] for result in quiet),
        "false_alarms": sum(result["false_alarms"] for result in quiet),
    }
    document["targets"] = _targets(document)
    return Outcome(document, partial(_draw, document=document))


def _names(scale: Scale) -> tuple[str, ...]:
    return ("waves-gain", "stuck", "class-shares") if scale == "smoke" else tuple(DRIFTS)


def measure(job: Job) -> dict[str, Any]:
    """One repetition of one part."""
    what, name, seed, scale = job
    if what == "errors":
        return _measure_errors(seed, scale)
    if what == "input":
        return _measure_input(name, seed, scale)
    return _measure_quiet(seed, scale)


def _measure_errors(seed: int, scale: Scale) -> dict[str, Any]:
    """detector -> false alarms over stationary records, and delays by error rate."""
    detectors: dict[str, Callable[[NDArray[np.bool_]], list[int]]] = {
        f"adwin {delta:g}": partial(_adwin, delta=delta) for delta in _DELTAS
    }
    detectors |= {f"error {run:g}": partial(_watch, run=run, seed=seed) for run in _RUNS}
    found: dict[str, Any] = {}
    for detector, alarms_of in detectors.items():
        false = 0
        for repetition in range(_STATIONARY[scale]):
            errors = np.random.default_rng([seed, 0, repetition]).random(_BEFORE) < _BASE
            false += len(alarms_of(errors))
        delays: dict[str, list[float]] = {}
        for place, rate in enumerate(_RISES):
            rows = delays.setdefault(f"{rate:.2f}", [])
            for repetition in range(_DRIFTED[scale]):
                randomness = np.random.default_rng([seed, 1 + place, repetition])
                rates = np.repeat([_BASE, rate], [_BEFORE, _AFTER])
                alarms = alarms_of(randomness.random(len(rates)) < rates)
                after = [alarm for alarm in alarms if alarm >= _BEFORE]
                # One that was missed counts as all that was watched.
                rows.append(float(after[0] - _BEFORE + 1 if after else _AFTER))
        watched = (_BEFORE - _TRAINING) * _STATIONARY[scale]
        found[detector] = {"false_alarms": false, "watched": watched, "delays": delays}
    return found


def _adwin(errors: NDArray[np.bool_], *, delta: float) -> list[int]:
    """Its alarms of a rise, from the record on from which the watch may raise some too."""
    detector, alarms, before = ADWIN(delta=delta), [], 0.0
    for record, error in enumerate(errors.astype(float).tolist()):
        detector.update(error)
        if detector.drift_detected and detector.estimation > before and record >= _TRAINING:
            alarms.append(record)
        before = detector.estimation
    return alarms


def _watch(errors: NDArray[np.bool_], *, run: float, seed: int) -> list[int]:
    """Those of the signal `error`, which begins anew after each."""
    watch = Watch(Error(), seed=seed)
    blocks = [
        SignalBlock(at, np.empty((_BLOCK, 0), np.float32), hits=~errors[at : at + _BLOCK])
        for at in range(0, len(errors) - _BLOCK + 1, _BLOCK)
    ]
    training = _TRAINING // _BLOCK
    watch.fit(blocks[:training])
    watch.expect(run)
    watch.clear()
    alarms = []
    for block in blocks[training:]:
        if watch.update(block).is_above:
            alarms.append(block.first_record + _BLOCK - 1)
            watch.clear()
    return alarms


def _oracle(rate: float, run: float) -> dict[str, float]:
    """The delay of a CUSUM that knows the rates before and after and has such a mean run between
    false alarms, to first order.

    Source: Lorden 1971, "Procedures for reacting to a change in distribution": the least possible.
    """
    of_error, of_hit = math.log(rate / _BASE), math.log((1 - rate) / (1 - _BASE))
    gained = rate * of_error + (1 - rate) * of_hit
    lost = -(_BASE * of_error + (1 - _BASE) * of_hit)
    low, high = 0.0, 50.0
    for _ in range(80):
        threshold = (low + high) / 2
        is_short = math.expm1(threshold) - threshold < run * lost
        low, high = (threshold, high) if is_short else (low, threshold)
    delay = (low + math.exp(-low) - 1) / gained
    return {"error": rate, "run": run, "log_threshold": low, "delay": delay}


_CLASSES = tuple(map(str, range(10)))


def _signals(profile: Profile | None = None) -> SignalMonitor:
    return SignalMonitor(
        [*input_signals(), *label_signals(_CLASSES)], MonitorSettings(), profile=profile
    )


def _measure_input(name: str, seed: int, scale: Scale) -> dict[str, Any]:
    """Delays, dates and diagnoses of one kind of drift; false alarms before it."""
    drift = DRIFTS[name]
    settings = MonitorSettings()
    ordinary = settings.training_blocks + settings.reference_blocks
    rows: list[dict[str, Any]] = []
    for repetition in range(_INPUTS[scale]):
        profile = Profile(len(_CLASSES))
        monitor = _signals(profile)
        randomness = np.random.default_rng([seed, repetition])
        drift_at = (ordinary + 60) * settings.block_records
        x, target = drift.draw(randomness, before=drift_at, after=60 * settings.block_records)
        alarmed: tuple[int, int] | None = None
        row: dict[str, Any] = {"kind": drift.kind, "false": 0, "delay": None, "found": "missed"}
        for at in range(0, len(x), settings.block_records):
            own = slice(at, at + settings.block_records)
            # Labels only where it is the shares of classes that drift.
            labels = target[own] if drift.kind == "prior" else None
            raised = monitor.update(SignalBlock(at, x[own], target=labels))
            if raised and raised[0].record < drift_at:
                row["false"] += 1
                monitor.resume()
            elif raised:
                strongest = max(raised, key=lambda alarm: alarm.statistic)
                alarmed = (raised[0].record, strongest.since_record)
                row["delay"] = raised[0].record - drift_at + 1
                row["dated"] = abs(strongest.since_record - drift_at)
                row["at_once"] = _kind(profile, alarmed[1], x)
            if alarmed is not None and at >= alarmed[0] + _SETTLE_BLOCKS * settings.block_records:
                row["found"] = _kind(profile, alarmed[1], x)
                break
        rows.append(row)
    return {"rows": rows}


def _kind(profile: Profile, since: int, x: NDArray[np.float32]) -> str:
    return diagnose(profile, since_record=since, shape=x.shape[1:]).kind


def _measure_quiet(seed: int, scale: Scale) -> dict[str, Any]:
    """False alarms of all input signals and class shares over stationary records."""
    settings = MonitorSettings()
    drift = DRIFTS["waves-gain"]
    false = watched = 0
    for repetition in range(_STATIONARY[scale]):
        monitor = _signals()
        randomness = np.random.default_rng([seed, 99, repetition])
        x, target = drift.draw(randomness, before=_BEFORE, after=0)
        for at in range(0, len(x) - settings.block_records + 1, settings.block_records):
            own = slice(at, at + settings.block_records)
            watched += settings.block_records * monitor.is_watching
            if monitor.update(SignalBlock(at, x[own], target=target[own])):
                false += 1
                monitor.resume()
    return {"streams": _STATIONARY[scale], "watched": watched, "false_alarms": false}


def _errors(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    found = {}
    for detector in results[0]:
        false = sum(result[detector]["false_alarms"] for result in results)
        watched = sum(result[detector]["watched"] for result in results)
        row: dict[str, float] = {
            "false_alarms": false,
            "records": watched,
            "false_per_million": 1e6 * false / watched,
        }
        for rate in results[0][detector]["delays"]:
            delays = [one for result in results for one in result[detector]["delays"][rate]]
            row[f"delay_{rate}"] = fmean(delays)
        found[detector] = row
    return found


Found = Sequence[tuple[Job, Mapping[str, Any]]]


def _rows(found: Found, name: str) -> list[Mapping[str, Any]]:
    return [
        row
        for (what, own, *_), one in found
        if (what, own) == ("input", name)
        for row in one["rows"]
    ]


def _inputs(found: Found, scale: Scale) -> dict[str, dict[str, Any]]:
    table = {}
    for name in _names(scale):
        drift = DRIFTS[name]
        rows = _rows(found, name)
        delays = [row["delay"] for row in rows if row["delay"] is not None]
        table[name] = {
            "kind": drift.kind,
            "streams": len(rows),
            "missed": len(rows) - len(delays),
            "false_before": sum(row["false"] for row in rows),
            "median_delay": median(delays) if delays else None,
            "longest_delay": max(delays, default=None),
            "right_at_once": fmean(row.get("at_once") == drift.kind for row in rows),
            "right": fmean(row["found"] == drift.kind for row in rows),
        }
    return table


def _confusion(found: Found, scale: Scale) -> dict[str, dict[str, int]]:
    """kind -> what it was taken for -> how often."""
    kinds = list(dict.fromkeys(DRIFTS[name].kind for name in _names(scale)))
    counts = {
        kind: Counter(
            row["found"]
            for name in _names(scale)
            for row in _rows(found, name)
            if row["kind"] == kind
        )
        for kind in kinds
    }
    taken = [*kinds, *sorted({one for of in counts.values() for one in of} - set(kinds))]
    return {kind: {one: counts[kind][one] for one in taken} for kind in kinds}


def _targets(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    errors = document["errors"]
    targets: dict[str, dict[str, Any]] = {}
    for adwin, own in _PAIRS:
        for rate in (f"{one:.2f}" for one in _RISES):
            ratio = errors[own][f"delay_{rate}"] / errors[adwin][f"delay_{rate}"]
            targets[f"{own} over {adwin}, to {rate}"] = {
                "target": _TARGET_RATIO,
                "measured": ratio,
                "is_met": ratio <= _TARGET_RATIO,
            }
    stationary = document["stationary"]["false_alarms"]
    targets["false alarms, stationary"] = {
        "target": 0,
        "measured": stationary,
        "is_met": stationary == 0,
    }
    counts = document["diagnoses"]
    right = sum(of[kind] for kind, of in counts.items())
    share = right / sum(sum(of.values()) for of in counts.values())
    targets["right diagnoses"] = {
        "target": _TARGET_DIAGNOSES,
        "measured": share,
        "is_met": share >= _TARGET_DIAGNOSES,
    }
    return targets


def _draw(path: Path, document: Mapping[str, Any]) -> None:
    figure = Figure(figsize=(11, 4.6), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for name, of in document["errors"].items():
        left.plot(_RISES, [of[f"delay_{rate:.2f}"] for rate in _RISES], "o-", label=name)
    left.set_yscale("log")
    left.set_xlabel(f"error after the drift ({_BASE:.2f} before)")
    left.set_ylabel("records to the alarm, mean")
    left.set_title("Labelled: by the error", loc="left")
    left.legend(frameon=False)
    counts: Mapping[str, Mapping[str, int]] = document["diagnoses"]
    taken = list(next(iter(counts.values())))
    shares = np.array([[of[one] for one in taken] for of in counts.values()], float)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    right.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    right.set_xticks(range(len(taken)), taken, rotation=40, ha="right")
    right.set_yticks(range(len(counts)), list(counts))
    right.set_xlabel("taken for")
    right.set_title("Unlabelled: diagnoses, share of each kind", loc="left")
    for row, values in enumerate(shares):
        for column, share in enumerate(values):
            if share:
                right.text(
                    column,
                    row,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color="black" if share > 0.5 else "white",
                )
    figure.savefig(path)

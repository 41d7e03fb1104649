"""Benchmark `trial`: how often a trial promotes what is not better, and finds what is.

Simulated hits, so that the truth is known. Each run is looked at after every record: what is
counted is whether the verdict was "better" at any of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adaptd.adaptation.evidence import BETS, SHARES, EProcess
from adaptd.adaptation.spending import share_of
from adaptd.adaptation.trial import DEPLOYED, WEIGHTS_ONLY
from adaptd.config import TrialConfig
from benchmarks.benchmark import Outcome, Scale, Settings
from benchmarks.jobs import run_jobs
from benchmarks.trials.pairs import BEYOND, NULLS, Draw, Hits, independent

ALPHA = 0.05
GAIN = 0.03
POWER_RECORDS = 4_000
POWER_TARGET = 0.9
# Up to this share of disagreements the power is asked for.
LARGEST_ASKED = 0.2
DISCORDANCES = (0.1, 0.15, 0.2, 0.25, 0.3)

# Trials of a stream's life, and the null that it is measured on.
LIFE = 50
LIFE_NULL = "independent-30"

# Of one seed; five seeds make 1,000.
_RUNS: dict[Scale, int] = {"full": 200, "quick": 60, "smoke": 2}

GAINS: Mapping[str, Draw] = {
    f"gain-{round(100 * discordance)}": partial(independent, discordance=discordance, gain=GAIN)
    for discordance in DISCORDANCES
}

# name of the pair, seed, runs
Job = tuple[str, int, int]


def run(settings: Settings) -> Outcome:
    """Needs no data."""
    runs = _RUNS[settings.scale]
    names = (*NULLS, *BEYOND, *GAINS)
    jobs = [(name, seed, runs) for name in names for seed in settings.seeds]
    rows = run_jobs(measure, jobs, keep=settings.keep)
    shares = {
        name: {
            way: fmean(row[way] for row, job in zip(rows, jobs, strict=True) if job[0] == name)
            for way in ("better", "bets", "oracle")
        }
        for name in names
    }
    false = {name: shares[name]["better"] for name in NULLS}
    power = {
        f"{round(100 * discordance)}": {
            "trial": shares[name]["better"],
            "bets_without_resemblance": shares[name]["bets"],
            "sequential_oracle": shares[name]["oracle"],
            "fixed_sample_bound": _fixed_sample_power(discordance),
        }
        for discordance, name in zip(DISCORDANCES, GAINS, strict=True)
    }
    asked = min(
        shares[name]["better"]
        for discordance, name in zip(DISCORDANCES, GAINS, strict=True)
        if discordance <= LARGEST_ASKED
    )
    evidence = [
        value
        for row, job in zip(rows, jobs, strict=True)
        if job[0] == LIFE_NULL
        for value in row["evidence"]
    ]
    document: dict[str, Any] = {
        "alpha": ALPHA,
        "runs_each": runs * len(settings.seeds),
        "minimum_records": TrialConfig().minimum_records,
        "null_records": TrialConfig().maximum_records,
        "false_promotion": false,
        "false_promotion_rate": max(false.values()),
        "false_promotion_beyond_the_bound": {name: shares[name]["better"] for name in BEYOND},
        "false_promotion_without_resemblance": {
            name: shares[name]["bets"] for name in (*NULLS, *BEYOND)
        },
        f"false_promotion_in_a_life_of_{LIFE}_trials": {
            "alpha_spent_anew_by_each": _in_a_life(evidence, _anew),
            "alpha_shared_out": _in_a_life(evidence, share_of),
        },
        "power_3_points_4000_records": asked,
        "power_by_discordance_percent": power,
        "is_bound_kept": max(false.values()) <= ALPHA,
        "is_power_reached": asked >= POWER_TARGET,
    }
    return Outcome(document, partial(_draw, document=document))


def measure(job: Job) -> dict[str, Any]:
    """Of the runs of one pair and seed, the shares that the trial called better, that its bets
    alone would have, and, for a gain, that a test which knows gain and discordance would have; for
    the null of a stream's life, the log of the largest e-value of each."""
    name, seed, runs = job
    draw = {**NULLS, **BEYOND, **GAINS}[name]
    records = POWER_RECORDS if name in GAINS else TrialConfig().maximum_records
    place = [*NULLS, *BEYOND, *GAINS].index(name)
    better = bets = oracle = 0
    evidence = []
    for number in range(runs):
        rng = np.random.default_rng([seed, place, number])
        challenger, rival = draw(rng, records)
        better += promotes(challenger, rival)
        bets += _ever_passes(challenger, rival, np.array(BETS), np.array(SHARES))
        if name == LIFE_NULL:
            process = EProcess(ALPHA, minimum_records=TrialConfig().minimum_records)
            process.update(challenger, rival)
            evidence.append(process.maximum_log_value)
        if name in GAINS:
            # The likelihood ratio of Wald's test, which no other passes sooner on average.
            bet = GAIN / DISCORDANCES[[*GAINS].index(name)]
            oracle += _ever_passes(challenger, rival, np.array([bet]), np.ones(1))
    return {
        "better": better / runs,
        "bets": bets / runs,
        "oracle": oracle / runs,
        "evidence": evidence,
    }


def _anew(_test: int) -> float:
    return 1.0


def _in_a_life(evidence: Sequence[float], share: Callable[[int], float]) -> float:
    """The chance that any of a stream's trials promotes, where none should."""
    kept = 1.0
    for test in range(1, LIFE + 1):
        needed = -math.log(ALPHA * share(test))
        kept *= 1 - fmean(value >= needed for value in evidence)
    return 1 - kept


def promotes(challenger: Hits, rival: Hits) -> bool:
    """Whether a trial calls the challenger better, where this rival is the only match for it: the
    least favourable case, since no other holds a false promotion back. Alpha is of its claim."""
    better_at = EProcess(ALPHA, minimum_records=TrialConfig().minimum_records).passes_at(
        challenger, rival
    )
    given_up_at = EProcess(ALPHA / len((*WEIGHTS_ONLY, DEPLOYED))).passes_at(rival, challenger)
    return better_at is not None and (given_up_at is None or better_at < given_up_at)


def _ever_passes(
    challenger: Hits, rival: Hits, bets: NDArray[np.float64], shares: NDArray[np.float64]
) -> bool:
    """Whether the capital of such bets alone reaches 1 / alpha at a record that counts."""
    wins = np.cumsum(challenger & ~rival)[:, None]
    losses = np.cumsum(rival & ~challenger)[:, None]
    paths = np.log(shares) + wins * np.log1p(bets) + losses * np.log1p(-bets)
    capital = np.logaddexp.reduce(paths, axis=1)
    return bool((capital[TrialConfig().minimum_records - 1 :] >= -math.log(ALPHA)).any())


def _fixed_sample_power(discordance: float) -> float:
    """Of the best test that looks once, after all records (Neyman & Pearson; normal limit): no
    test of this alpha has more, whether it looks all the time or not."""
    shift = GAIN * math.sqrt(POWER_RECORDS / (discordance - GAIN**2))
    return 1 - NormalDist().cdf(NormalDist().inv_cdf(1 - ALPHA) - shift)


def _draw(path: Path, document: Mapping[str, Any]) -> None:
    figure = Figure(figsize=(11, 4.6), dpi=140, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    without: Mapping[str, float] = document["false_promotion_without_resemblance"]
    trial = {**document["false_promotion"], **document["false_promotion_beyond_the_bound"]}
    names = [*without][::-1]
    rows = np.arange(len(names))
    left.barh(rows + 0.2, [without[name] for name in names], 0.38, label="bets alone", color="0.75")
    left.barh(rows - 0.2, [trial[name] for name in names], 0.38, label="the trial")
    left.axvline(document["alpha"], color="black", linewidth=1, linestyle="--")
    left.set_yticks(rows, names)
    left.axhline(len(document["false_promotion_beyond_the_bound"]) - 0.5, color="0.6", linewidth=1)
    left.set_xlabel("share of runs that promote what is not better")
    left.set_title(
        f"False promotions, alpha = {document['alpha']:g} (dashed)\n"
        "below the line: where the bound is known not to hold",
        loc="left",
    )
    left.legend(frameon=False, loc="lower right")
    power: Mapping[str, Mapping[str, float]] = document["power_by_discordance_percent"]
    for way in next(iter(power.values())):
        right.plot(
            [float(percent) for percent in power],
            [of[way] for of in power.values()],
            marker="o",
            linewidth=2.5 if way == "trial" else 1,
            label=way.replace("_", " "),
        )
    right.axhline(POWER_TARGET, color="black", linewidth=1, linestyle="--")
    right.set_xlabel("records on which they disagree, percent")
    right.set_title(f"Found within {POWER_RECORDS:,} records: 3 points better", loc="left")
    right.legend(frameon=False)
    figure.savefig(path)

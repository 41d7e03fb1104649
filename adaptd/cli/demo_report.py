"""The demo's result: a document with stable keys, and the same as a table in plain words."""

from typing import Any

from rich.console import Console

from adaptd.architecture import Architecture, diff
from adaptd.cli.console import open_table
from adaptd.cli.demo_facts import Facts, Success
from adaptd.cli.demo_setup import Demo
from adaptd.cli.proposal_output import phases
from adaptd.observer.predictor import Predictor
from adaptd.observer.score import score
from adaptd.registry.scores import BlockScore
from adaptd.server.wording import count, percent, points, ratio, short
from adaptd.store.directory import StateDirectory
from adaptd.stream.scenario import SCENARIOS, generate

SCHEMA_VERSION = 1

_WEIGHTS_ONLY = ("prior_corrected", "recalibrated", "fine_tuned", "retrained", "shrink_perturbed")

Report = dict[str, Any]


def build(
    facts: Facts, success: Success, demo: Demo, *, state: StateDirectory, series: list[BlockScore]
) -> Report:
    """The report, from the store, the release files and the seeded scenario alone.

    Accuracies are fractions. Those after the drift are of the trial: the same live records for
    everybody, later than all training. The one before is release 1 on the records between its
    training and the drift. series: every block of the stream, for the record of the take-over.
    Raises ArtifactError for damaged files of release 1.
    """
    evidence = success.proposal.evidence
    accuracy = evidence["accuracy"]
    alarm_at = evidence["drift"]["record"] if evidence["drift"] else None
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": demo.scenario,
        "seed": demo.seed,
        "drift_at": demo.drift_at,
        "alarm_at": alarm_at,
        "released_at": min(
            block.first_record for block in series if block.release_digest == success.release.digest
        ),
        "accuracy_before_drift": _before_drift(facts, demo, state),
        "accuracy_after_drift": accuracy["deployed"],
        "accuracy_prior_corrected": accuracy.get("prior-corrected"),
        "accuracy_recalibrated": accuracy.get("recalibrated"),
        "accuracy_fine_tuned": accuracy["fine-tuned"],
        "accuracy_retrained": accuracy["retrained"],
        "accuracy_shrink_perturbed": accuracy.get("shrink-perturbed"),
        "accuracy_random_neighbour": accuracy["random-neighbour"],
        "accuracy_reopened": accuracy["reopened"],
        "accuracy_released": accuracy[evidence.get("challenger", "reopened")],
        "released": evidence.get("challenger", "reopened"),
        "detection_delay_records": None if alarm_at is None else alarm_at - demo.drift_at,
        "champion_architecture": evidence["champion_architecture"],
        "challenger_architecture": evidence["challenger_architecture"],
        "supernet_memory_ratio": evidence["supernet_memory_ratio"],
        "macs_ratio": evidence["macs"]["challenger"] / evidence["macs"]["champion"],
        "phase_seconds": evidence["phase_seconds"],
        "records": facts.records,
        "release_digest": success.release.digest,
    }


def show(console: Console, report: Report, success: Success) -> None:
    """The report for somebody who has read nothing else."""
    evidence = success.proposal.evidence
    # A state of version 0.1 has no shrunk weights, and none that were recalibrated or corrected.
    best = max(report[f"accuracy_{name}"] or 0.0 for name in _WEIGHTS_ONLY)
    lead = points(report["accuracy_reopened"] - best)
    trial = f"{count(evidence['records'])} live records after all training"
    table = open_table(console, "accuracy", "", title=f"Result: {report['scenario']}")
    table.add_row("before the drift, release 1", percent(report["accuracy_before_drift"]))
    for words, key in (
        (f"after it, on {trial}: left as it is", "accuracy_after_drift"),
        ("  its class priors corrected", "accuracy_prior_corrected"),
        ("  its normalisation and last layer trained on", "accuracy_recalibrated"),
        ("  its weights fine-tuned", "accuracy_fine_tuned"),
        ("  its architecture retrained", "accuracy_retrained"),
        ("  its weights shrunk, perturbed, trained on", "accuracy_shrink_perturbed"),
        ("  one random edit, trained the same way", "accuracy_random_neighbour"),
        ("  reopened, searched, folded", "accuracy_reopened"),
    ):
        is_released = key == f"accuracy_{report['released'].replace('-', '_')}"
        table.add_row(
            f"{words}: the new release" if is_released else words,
            percent(report[key]),
            style="bold" if is_released else None,
        )
    table.add_row("reopened against the best of the others", lead, style="bold")
    table.add_row(
        "reopened against the random edit",
        points(report["accuracy_reopened"] - report["accuracy_random_neighbour"]),
    )
    console.print()
    console.print(table)

    facts = open_table(console, "", "", title="How")
    alarm = (
        "no alarm: the episode came by schedule"
        if report["alarm_at"] is None
        else f"at record {count(report['alarm_at'])}, "
        f"{count(report['detection_delay_records'])} records after the drift"
    )
    facts.add_row("drift alarm", alarm)
    facts.add_row(
        "new release",
        f"number {success.release.number} ({short(report['release_digest'])}), "
        f"live from record {count(report['released_at'])} of {count(report['records'])}",
    )
    for line, edit in enumerate(
        diff(
            Architecture.from_document(report["champion_architecture"]),
            Architecture.from_document(report["challenger_architecture"]),
        )
    ):
        facts.add_row("architecture" if line == 0 else "", str(edit))
    facts.add_row("compute of one prediction", f"{ratio(report['macs_ratio'], 2)} of release 1's")
    if report["supernet_memory_ratio"] is not None:
        facts.add_row(
            "memory of a search step",
            f"{ratio(report['supernet_memory_ratio'])} of training the deployed model",
        )
    facts.add_row("time", phases(report["phase_seconds"]))
    console.print()
    console.print(facts)


def _before_drift(facts: Facts, demo: Demo, state: StateDirectory) -> float:
    predictor = Predictor.load(state.path / facts.releases[0].path)
    x, target = generate(
        SCENARIOS[demo.scenario],
        seed=demo.seed,
        first=demo.initial_records,
        count=demo.drift_at - demo.initial_records,
        drift_at=demo.drift_at,
    )
    hits, _ = score(predictor.predict(x), target)
    return float(hits.mean())

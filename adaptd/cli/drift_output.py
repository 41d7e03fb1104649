"""What `adaptd drift` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from adaptd.cli.console import open_table

# Signals and channels that are named in a row; the others are counted.
_MOST_NAMED = 4


def print_course(console: Console, document: Mapping[str, Any], *, features: Sequence[str]) -> None:
    """The alarms, the budget, and how they fit the drifts that are known."""
    console.print(
        f"{document['stream']}: {document['records']:,} records, watched from "
        f"{document['first_watched']:,} on",
        markup=False,
    )
    _events(console, document["events"], features)
    _budget(console, document["monitor"])
    _river(console, document["detector"])
    if document["truth"] is not None:
        _truth(console, document["truth"])


def _events(console: Console, events: Sequence[Mapping[str, Any]], features: Sequence[str]) -> None:
    if not events:
        console.print("\nNo alarm.")
        return
    table = open_table(
        console, "record", "since", "looks like", "remedies", "signals", "channels", "evidence",
        title="Alarms",
    )  # fmt: skip
    for event in events:
        table.add_row(
            f"{event['record']:,}",
            f"{event['since_record']:,}",
            event["kind"],
            ", ".join(event["rungs"]),
            _named(list(event["signals"])),
            _named([features[place] for place in event["channels"]]),
            _evidence(event),
        )
    console.print()
    console.print(table)


def _evidence(event: Mapping[str, Any]) -> str:
    evidence = event["evidence"]
    parts = []
    if "faults" in evidence:
        parts.append("channels " + _named(sorted(set(evidence["faults"].values()))))
    if event["until_record"] is not None:
        parts.append(f"over at {event['until_record']:,}")
    sensor = evidence.get("sensor", {}).get(event["kind"])
    if sensor is not None:
        parts.append(f"{event['kind']} {sensor['parameter']:.2g}")
    answers = evidence.get("answers") or {}
    if answers:
        parts.append(f"error {answers['error_before']:.1%} to {answers['error_after']:.1%}")
    classes = evidence.get("classes") or {}
    if classes.get("has_changed"):
        parts.append(f"class shares moved by {classes['total_variation']:.0%}")
    if event["tests"]:
        parts.append(f"told apart with AUC {event['tests']['discriminator']['auc']:.2f}")
    return ", ".join(parts)


def _budget(console: Console, report: Mapping[str, Any]) -> None:
    budget = report["budget"]
    table = open_table(console, "", "", title="Budget of false alarms")
    table.add_row("allowed", f"{budget['alarms']:g} per {budget['per'].replace('-', ' ')}")
    between = report["records_between_false_alarms"]
    if between is not None:
        table.add_row("that is one in", f"{between:,.0f} records")
    table.add_row("watched", f"{report['watched_records']:,} records")
    table.add_row("alarms raised", str(report["alarms"]))
    dependent = [name for name, one in report["signals"].items() if not one["is_exchangeable"]]
    if dependent:
        table.add_row(
            "threshold raised",
            f"{_named(dependent)}: records of the reference depend on each other",
        )
    for name, reason in report["left_out"].items():
        table.add_row(f"left out: {name}", reason)
    console.print()
    console.print(table)


def _river(console: Console, detector: Mapping[str, Any]) -> None:
    alarms = detector["alarms"]
    shown = ", ".join(f"{alarm['record']:,} ({alarm['signal']})" for alarm in alarms[:_MOST_NAMED])
    more = f" and {len(alarms) - _MOST_NAMED} more" if len(alarms) > _MOST_NAMED else ""
    console.print()
    console.print(f"{detector['name']} on the errors: {shown or 'no alarm'}{more}", markup=False)


def _truth(console: Console, truth: Mapping[str, Any]) -> None:
    table = open_table(
        console, "", "delays", "missed", "false alarms", "MTFA", "MTD", "MDR", "MTR",
        title=f"Against the drifts at {', '.join(f'{drift:,}' for drift in truth['drifts'])}",
    )  # fmt: skip
    for name, one in truth["measured"].items():
        table.add_row(
            name,
            ", ".join("-" if delay is None else f"{delay:,}" for delay in one["delays"]),
            str(one["missed"]),
            f"{one['false_alarms']:,}",
            _number(one["mtfa"], absent="none"),
            _number(one["mtd"]),
            _number(one["mdr"], digits=2),
            _number(one["mtr"], digits=1),
        )
    console.print()
    console.print(table)
    if truth["drifts_before_watching"]:
        console.print(
            f"Drifts before record watching began are not counted: "
            f"{', '.join(map(str, truth['drifts_before_watching']))}. Lower --reference."
        )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _number(value: float | None, *, digits: int = 0, absent: str = "-") -> str:
    return absent if value is None else f"{value:,.{digits}f}"

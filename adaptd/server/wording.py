"""How numbers, times and names are written for a person."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

# Between a number and its unit, so that no line breaks there.
NO_BREAK = "\N{NO-BREAK SPACE}"
ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"

# A smaller chance tells nobody more.
LEAST_ODDS = 1_000_000_000

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

MEMBERS = {
    "reopened": "architecture found around the deployed one",
    "deployed": "deployed model, unchanged",
    "prior-corrected": "corrected for the shares of classes",
    "recalibrated": "deployed weights, normalisation and last layer trained on",
    "fine-tuned": "deployed weights, fine-tuned",
    "retrained": "deployed architecture, retrained",
    "shrink-perturbed": "deployed weights, shrunk and perturbed, trained on",
    "random-neighbour": "random one-edit neighbour",
    "widened": "wider network, without a search",
    "reopened-wider": "architecture found around a wider one",
}

DIAGNOSES = {
    "outage": "a sensor is broken",
    "prior": "classes come in other shares",
    "gain": "a sensor's gain has changed",
    "offset": "a sensor's offset has changed",
    "noise": "a sensor has become noisier",
    "rate": "a sampling rate has changed",
    "focus": "an image has lost its focus",
    "covariate": "the inputs have changed",
    "concept": "the same inputs mean other classes",
    "unclear": "what has changed is not clear",
}

PHASES = {
    "waiting": "waiting for a worker",
    "initial": "training release 1",
    "collecting": "collecting records",
    "recalibrated": "recalibrating",
    "rivals": "training the rivals",
    "search": "searching",
    "race": "racing architectures",
    "train": "training what was found",
    "fold": "folding the supernet",
    "export": "exporting the models",
    "trial": "trial on live records",
}


def percent(fraction: float | None) -> str:
    """0.931 -> 93.1 %; None and NaN -> a dash."""
    if fraction is None or not math.isfinite(fraction):
        return ABSENT
    return f"{100 * fraction:.1f}{NO_BREAK}%"


def points(difference: float) -> str:
    """A difference of fractions with its sign: 0.349 -> +34.9 points."""
    return f"{100 * difference:+.1f}{NO_BREAK}points".replace("-", MINUS)


def count(number: int | None) -> str:
    """12345 -> 12,345; None -> a dash."""
    return ABSENT if number is None else f"{number:,}"


def scaled(number: float | None) -> str:
    """Three digits and a power of thousand: 1204224 -> 1.20 M."""
    if number is None or not math.isfinite(number):
        return ABSENT
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:#.3g}".rstrip(".") + f"{NO_BREAK}{unit}"
    return f"{number:.4g}"


def ratio(number: float | None, digits: int = 3) -> str:
    """1.004 -> 1.004×."""
    if number is None or not math.isfinite(number):
        return ABSENT
    return f"{number:.{digits}f}{TIMES}"


def e_value(value: float | None) -> str:
    """Plain up to a thousand, then a power of ten: 123456 -> 1.2 × 10⁵."""
    if value is None or math.isnan(value):
        return ABSENT
    if math.isinf(value):
        return "∞"
    if value == 0 or 1e-3 <= value < 1e3:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}{NO_BREAK}{TIMES}{NO_BREAK}10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def odds(value: float) -> str:
    """The chance that an e-value of at least 1 bounds: 120000.0 -> 1 in 120,000."""
    return f"1 in {math.floor(min(value, LEAST_ODDS)):,}"


def short(digest: str | None) -> str:
    """The first twelve digits of a digest."""
    return ABSENT if digest is None else digest[:12]


def instant(moment: datetime | None) -> str:
    """To the second, in UTC."""
    return ABSENT if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def age(elapsed: timedelta) -> str:
    """Two units from hours on: 2 h 10 min ago. Below a second, or in the future: just now."""
    seconds = int(elapsed.total_seconds())
    if seconds < 1:
        return "just now"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    index = next(index for index, (_, size) in enumerate(units) if seconds >= size)
    unit, size = units[index]
    text = f"{seconds // size}{NO_BREAK}{unit}"
    if unit in ("d", "h"):
        smaller, smaller_size = units[index + 1]
        rest = seconds % size // smaller_size
        text += f" {rest}{NO_BREAK}{smaller}" if rest else ""
    return f"{text} ago"


def duration(seconds: float | None) -> str:
    """12.34 -> 12.3 s; from two minutes on in minutes."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    if seconds < 120:
        return f"{seconds:.1f}{NO_BREAK}s"
    return f"{seconds / 60:.1f}{NO_BREAK}min"


def milliseconds(seconds: float) -> str:
    """Four digits: 0.0012344 -> 1.234 ms, 1.5 -> 1,500 ms."""
    number = 1_000 * seconds
    return (f"{number:,.0f}" if number >= 1_000 else f"{number:.4g}") + f"{NO_BREAK}ms"


def member(name: str) -> str:
    """What a trial's member is, in words; a name unknown here stays as it is."""
    number = name.removeprefix("release-")
    return f"release {number}, brought back" if number != name else MEMBERS.get(name, name)


def phase(name: str) -> str:
    """What an episode's phase does, in words; a name unknown here stays as it is."""
    return PHASES.get(name, name)


def diagnosis(kind: str, channels: Sequence[str]) -> str:
    """What a drift looks like, in words; a kind unknown here stays as it is."""
    text = DIAGNOSES.get(kind, kind)
    if not channels:
        return text
    shown = ", ".join(channels[:4]) + (f" and {len(channels) - 4} more" if channels[4:] else "")
    return f"{text} ({shown})"

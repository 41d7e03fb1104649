"""Chains of drifts: one stream whose concept changes several times, also back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from zlib import crc32

import numpy as np

from adaptd.stream import lag_shift
from benchmarks.streams.shift import (
    AFTER_RECORDS,
    BEFORE_RECORDS,
    TEST_RECORDS,
    Concept,
    Kind,
    Records,
    Samples,
    load,
)
from benchmarks.streams.table import STREAMS
from benchmarks.streams.waveforms import CLASSES, LENGTH, Sensor, waveforms


@dataclass(frozen=True)
class Link:
    """One concept of a chain: what a policy may train on, and what it is judged by."""

    name: str
    after: Samples
    after_test: Samples


@dataclass(frozen=True)
class Chain:
    """champion: the operation of the model that is deployed first; draw: what it was trained on,
    and the links in order."""

    name: str
    shape: tuple[int, ...]
    classes: int
    champion: str
    synthetic: bool
    draw: Callable[[int, Path], tuple[Samples, tuple[Link, ...]]]
    kind: Kind = "sequence"


def _generated(
    name: str, first: tuple[Concept, bool], *links: tuple[str, Concept, bool]
) -> Callable[[int, Path], tuple[Samples, tuple[Link, ...]]]:
    """Each concept with the side of it that is meant."""

    def draw(seed: int, data: Path) -> tuple[Samples, tuple[Link, ...]]:  # noqa: ARG001
        sequence = np.random.SeedSequence([seed, crc32(name.encode())])
        states = [np.random.default_rng(one) for one in sequence.spawn(1 + 2 * len(links))]
        concept, is_after = first
        before = Samples(*concept(states[0], BEFORE_RECORDS, is_after=is_after))
        found = []
        for place, (title, of_link, side) in enumerate(links):
            after, test = states[1 + 2 * place : 3 + 2 * place]
            found.append(
                Link(
                    title,
                    Samples(*of_link(after, AFTER_RECORDS, is_after=side)),
                    Samples(*of_link(test, TEST_RECORDS, is_after=side)),
                )
            )
        return before, tuple(found)

    return draw


def _sensors() -> Callable[[int, Path], tuple[Samples, tuple[Link, ...]]]:
    def seen(sensor: Sensor) -> Concept:
        return waveforms(sensor, sensor)

    slow = seen(Sensor(stretch=1, noise=0.25))
    return _generated(
        "sensors",
        (slow, False),
        ("rate-up", seen(Sensor(stretch=4, noise=0.6)), False),
        ("rate-down", slow, False),
        ("noise", seen(Sensor(stretch=2, noise=0.7)), False),
        ("narrow", seen(Sensor(stretch=2, noise=0.05, impulses=0.1)), False),
        ("rate-up-again", seen(Sensor(stretch=4, noise=0.6)), False),
    )


def _bearings(seed: int, data: Path) -> tuple[Samples, tuple[Link, ...]]:
    """Recorded at 12 kHz, at 48, back, and again: no record is trained on twice."""
    records: Records = load(STREAMS["swap-cwru-up"], seed=seed, data=data)
    order = np.random.default_rng([seed, 1]).permutation(len(records.before))
    share = len(order) // 2
    old = Samples(records.before.x[order], records.before.target[order])
    again = load(STREAMS["swap-cwru-up"], seed=seed + 10_000, data=data)

    def part(first: int, last: int) -> Samples:
        return Samples(old.x[first:last], old.target[first:last])

    back = (len(order) - share) // 2
    return part(0, share), (
        Link("48-kHz", records.after, records.after_test),
        Link("12-kHz", part(share, share + back), records.before_check),
        Link("48-kHz-again", again.after, records.after_test),
        Link("12-kHz-again", part(share + back, len(order)), records.before_check),
    )


CHAINS: Mapping[str, Chain] = MappingProxyType(
    {
        chain.name: chain
        for chain in (
            Chain("sensors", (1, LENGTH), CLASSES, "dw k5 d1", True, _sensors()),
            Chain(
                "lags",
                (1, lag_shift.LENGTH),
                len(lag_shift.LAGS_AFTER),
                "dw k5 d1",
                True,
                _generated(
                    "lags",
                    (lag_shift.draw, False),
                    ("long", lag_shift.draw, True),
                    ("short", lag_shift.draw, False),
                    ("long-again", lag_shift.draw, True),
                    ("short-again", lag_shift.draw, False),
                ),
            ),
            Chain("bearings", (1, 128), 10, "dw k5 d1", False, _bearings),
        )
    }
)

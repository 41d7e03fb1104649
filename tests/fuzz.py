"""Messages that no sensor would send on purpose."""

import json
import random
from collections.abc import Callable
from typing import Any

Document = dict[str, Any]
Change = Callable[[random.Random, Document], Any]

_NUMBERS: tuple[Any, ...] = (
    True,
    None,
    "1",
    10**400,
    -(2**63),
    float("nan"),
    float("inf"),
    1e39,
    [],
    {},
)
_NAMES: tuple[Any, ...] = (
    "",
    "\x00",
    "\ud800",
    "x" * 5_000,
    7,
    None,
    True,
    [],
    {"id": "r1"},
    "é" * 300,
)


def _without(chance: random.Random, document: Document) -> Document:
    document.pop(chance.choice(sorted(document)))
    return document


def _number(chance: random.Random, document: Document) -> Document:
    channel = chance.choice(document["x"])
    channel[chance.randrange(len(channel))] = chance.choice(_NUMBERS)
    return document


def _shape(chance: random.Random, document: Document) -> Document:
    channel = chance.choice(document["x"])
    return {**document, "x": chance.choice([channel, [], [[channel]], [channel[:-1]], channel[0]])}


def _field(chance: random.Random, document: Document) -> Document:
    key = chance.choice(("id", "target", "time", "x"))
    return {**document, key: chance.choice(_NAMES + _NUMBERS)}


def _other(chance: random.Random, document: Document) -> Any:
    return chance.choice([None, True, 7, "text", [], {}, [document], {"record": document}])


_CHANGES: tuple[Change, ...] = (_without, _number, _shape, _field, _other)


def _damaged(chance: random.Random, whole: bytes) -> bytes | None:
    """Bytes that were cut, changed, added to, or never JSON."""
    spot = chance.randrange(len(whole))
    noise = bytearray(whole)
    for _ in range(chance.randrange(1, 9)):
        noise[chance.randrange(len(noise))] = chance.randrange(256)
    return chance.choice(
        (
            whole[:spot],
            bytes(noise),
            chance.randbytes(spot),
            chance.choice((b"[", b'{"x":')) * chance.choice((10, 1_000, 3_000)),
            whole + chance.choice((b"}", whole, b"\x00", b",", b" 1")),
            chance.choice((None, b"", b"\xff\xfe", b"\xef\xbb\xbf" + whole, b"NaN")),
        )
    )


def fuzzed(chance: random.Random, document: Document) -> bytes | None:
    """A message made from a record that fits: mostly one that does not fit any more.

    document: its lists are changed.
    """
    if chance.random() < 0.4:
        return _damaged(chance, json.dumps(document).encode())
    changed = chance.choice(_CHANGES)(chance, document)
    text = json.dumps(changed, ensure_ascii=chance.random() < 0.5)
    return text.encode(errors="surrogatepass")

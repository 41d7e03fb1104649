"""Bytes that are nothing in particular: whatever comes, it is parsed or set aside with a reason."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from adaptd.config import RecordConfig
from adaptd.stream.formats.arrow import ArrowFormat
from adaptd.stream.formats.avro import AvroFormat
from adaptd.stream.formats.avro_schema import AvroSchema
from adaptd.stream.formats.format import Format
from adaptd.stream.formats.json import JsonFormat
from adaptd.stream.parsed import Document
from adaptd.stream.reject import REASONS
from adaptd.stream.schema import Schema

_AVRO = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "id", "type": "string"},
        {"name": "x", "type": {"type": "array", "items": {"type": "array", "items": "float"}}},
        {"name": "target", "type": {"type": "enum", "name": "T", "symbols": ["calm", "rough"]}},
        {"name": "time", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "more", "type": {"type": "map", "values": ["null", "bytes"]}, "default": {}},
    ],
}
_FORMATS: dict[str, Format] = {
    "json": JsonFormat(),
    "avro": AvroFormat(AvroSchema(json.dumps(_AVRO))),
    "arrow": ArrowFormat(frozenset({"id", "x", "target", "time"})),
}


def damaged(payload: bytes, chance: random.Random) -> bytes:
    data = bytearray(payload)
    for _ in range(chance.choice((0, 1, 1, 2, 8))):
        # Numbers at the limits of their types find more than others.
        data[chance.randrange(len(data))] = chance.choice(
            (0, 1, 127, 128, 255, chance.getrandbits(8))
        )
    match chance.randrange(6):
        case 0:
            return bytes(data[: chance.randrange(len(data))])
        case 1:
            return bytes(data) + chance.randbytes(3)
        case 2:
            start, end = sorted((chance.randrange(len(data)), chance.randrange(len(data))))
            return bytes(data[:start] + data[end:])
        case _:
            return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["reject", "zero"])
@pytest.mark.parametrize("name", _FORMATS)
def test_no_damage_breaks_the_parser(name: str, missing: str) -> None:
    record = RecordConfig.model_validate(
        {"shape": [2, 3], "classes": ["calm", "rough"], "missing": missing}
    )
    schema = replace(Schema.of(record), format=_FORMATS[name])
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    whole = schema.encode(Document("record", x, 1, 1.7e9))
    chance = random.Random(missing)
    seen = set()
    fit = 0
    for _ in range(340):
        payloads = [damaged(whole, chance) for _ in range(50)]
        parsed = schema.parse_all(payloads, latest=1.8e9)
        assert sorted([*parsed.places, *parsed.faults]) == list(range(50))
        assert np.isfinite(parsed.x).all()
        assert parsed.x.shape == (len(parsed.places), 2, 3)
        # What is kept has to be text.
        assert all(name.encode() is not None for name in parsed.ids)
        seen |= {fault.reason for fault in parsed.faults.values()}
        fit += len(parsed.places)
    assert seen <= set(REASONS)
    # Neither all of it nor none is damaged.
    assert 1_000 < fit < 15_000
    assert {"unreadable"} < seen

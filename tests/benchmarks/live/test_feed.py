"""A recording that grows."""

import json
from pathlib import Path

import numpy as np

from benchmarks.live.feed import Feed, joined, part
from benchmarks.streams import Samples


def samples(count: int, *, first: int = 0) -> Samples:
    x = np.arange(first, first + count, dtype=np.float32).reshape(count, 1, 1)
    return Samples(x, np.arange(count, dtype=np.int64) % 2)


def test_records_are_numbered_on_through_all_parts(tmp_path: Path) -> None:
    feed = Feed(tmp_path / "stream.jsonl", classes=2)
    everything = joined(samples(3), samples(4, first=3))
    feed.append(part(everything, 0, 2))
    feed.append(part(everything, 2, 7))
    lines = [json.loads(line) for line in (tmp_path / "stream.jsonl").read_text().splitlines()]
    assert feed.written == 7
    assert [line["id"] for line in lines] == [str(number) for number in range(7)]
    assert [line["x"][0][0] for line in lines] == [float(number) for number in range(7)]
    assert [line["target"] for line in lines] == ["c0", "c1", "c0", "c0", "c1", "c0", "c1"]
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)

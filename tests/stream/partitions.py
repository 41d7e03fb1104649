"""A topic's partitions in memory, which come as a test has them come."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    """As kafka-python gives one."""

    partition: int
    offset: int
    timestamp: int | None
    value: bytes | None = b""


class MemoryPartitions:
    """What is there is given by the fetch: each of `fetches` names a partition and how many of its
    messages one poll brings; when they are over, a poll brings all.

    held_at: which partitions were held at each poll. asked: of which the ends were asked.
    """

    def __init__(
        self, messages: Mapping[int, Sequence[Message]], fetches: Sequence[tuple[int, int]] = ()
    ) -> None:
        self.messages = {partition: list(of) for partition, of in messages.items()}
        self.held_at: list[set[int]] = []
        self.asked: list[set[int]] = []
        self.fetches = list(fetches)
        self._positions = dict.fromkeys(messages, 0)

    @classmethod
    def of(
        cls, times: Mapping[int, Sequence[int | None]], fetches: Sequence[tuple[int, int]] = ()
    ) -> "MemoryPartitions":
        """Messages with these timestamps, in the order of their offsets."""
        messages = {
            partition: [Message(partition, offset, time) for offset, time in enumerate(of)]
            for partition, of in times.items()
        }
        return cls(messages, fetches)

    @property
    def positions(self) -> Mapping[int, int]:
        return self._positions

    def seek(self, positions: Mapping[int, int]) -> None:
        self._positions |= positions

    def poll(
        self,
        *,
        maximum: int,
        timeout_seconds: float,  # noqa: ARG002  (nothing is waited for)
        held: Collection[int] = (),
    ) -> Mapping[int, Sequence[Message]]:
        self.held_at.append(set(held))
        everything = [(partition, maximum) for partition in self.messages]
        fetch = [self.fetches.pop(0)] if self.fetches else everything
        given: dict[int, Sequence[Message]] = {}
        for partition, count in fetch:
            if partition not in held and partition in self.messages:
                start = self._positions[partition]
                part = self.messages[partition][start : start + min(count, maximum)]
                if part:
                    maximum -= len(part)
                    given[partition] = part
                    self._positions[partition] += len(part)
        return given

    def at_end(self, partitions: Collection[int]) -> set[int]:
        self.asked.append(set(partitions))
        return {
            number for number in partitions if self._positions[number] == len(self.messages[number])
        }

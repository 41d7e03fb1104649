"""`Tenures`: which streams this process owns, as the group says or because it is alone."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import structlog

from adaptd.config import KafkaSourceConfig, MembersConfig, StreamConfig
from adaptd.daemon.process import Process
from adaptd.daemon.standby import Standby
from adaptd.daemon.tenure import Tenure
from adaptd.errors import StoreUnavailable
from adaptd.stream.kafka_connection import Cluster
from adaptd.stream.membership import Change, MemberCommits, Membership
from adaptd.stream.opening import cluster_of

log = structlog.get_logger()


class Tenures:
    """Begins and ends tenures. A context manager: it ends all of them, then leaves the groups."""

    def __init__(
        self, streams: Sequence[StreamConfig], members: MembersConfig | None, process: Process
    ) -> None:
        """members: None where this process is alone, and owns every stream from the start."""
        self._streams = tuple(streams)
        self._process = process
        self._tenures: dict[str, Tenure] = {}
        self._standby = Standby(process)
        # Given, and not begun: the store may be away.
        self._due = {} if members else {stream.name: stream for stream in streams}
        self._is_alone = members is None
        self._groups = () if members is None else tuple(_groups(streams, members, process))
        for stream in streams:
            process.metrics.owned.labels(stream.name).set(0)

    def __enter__(self) -> "Tenures":
        for group in self._groups:
            group.membership.start()
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as stack:
            for group in self._groups:
                stack.callback(group.membership.close)
            for tenure in self._tenures.values():
                stack.callback(tenure.end)
        self._tenures.clear()

    def step(self) -> list[Tenure]:
        """Does what the groups say, and returns the tenures that are under way.

        Raises SourceError where a group can never be joined, StaleEpochError where a stream that
        was this process's until now has another owner already. What cannot begin since the store is
        away is tried again.
        """
        for group in self._groups:
            for change in group.membership.changes():
                self._follow(group, change)
        self._begin()
        if not self._is_alone:
            self._standby.step(
                [
                    stream.name
                    for stream in self._streams
                    if stream.name not in self._tenures and stream.name not in self._due
                ]
            )
            self._show_trouble()
        return list(self._tenures.values())

    def _follow(self, group: "_Group", change: Change) -> None:
        for stream in group.streams:
            topic = _source(stream).topic
            if topic not in change.topics:
                continue
            if change.kind == "given":
                self._due[stream.name] = stream
                continue
            self._due.pop(stream.name, None)
            if change.kind == "lost":
                log.error(
                    "stream.lost",
                    stream=stream.name,
                    error=f"group {_source(stream).group} has taken this process for gone",
                )
            tenure = self._tenures.pop(stream.name, None)
            if tenure is not None:
                tenure.end()
            if stream.labels is not None and stream.labels.topic is not None:
                # Nobody subscribes to it; who reads the records says how far its labels are read.
                group.membership.let_go(stream.labels.topic)
        if change.kind != "given":
            for topic in change.topics:
                group.membership.let_go(topic)

    def _begin(self) -> None:
        for stream in list(self._due.values()):
            group = next((group for group in self._groups if stream in group.streams), None)
            try:
                tenure = Tenure(
                    stream, self._process, commits_of=None if group is None else group.commits_of
                )
            except StoreUnavailable as error:
                self._process.health.obstruct(stream.name, str(error))
                continue
            self._standby.forget(stream.name)
            self._tenures[stream.name] = tenure
            del self._due[stream.name]

    def _show_trouble(self) -> None:
        troubles = [group.membership.trouble for group in self._groups]
        told = "; ".join(trouble for trouble in troubles if trouble is not None)
        if told:
            self._process.health.obstruct("members", told)
        else:
            self._process.health.clear("members")


class _Group:
    """The streams of one group on one cluster."""

    def __init__(self, membership: Membership, streams: tuple[StreamConfig, ...]) -> None:
        self.membership = membership
        self.streams = streams

    def commits_of(self, topic: str) -> MemberCommits:
        return MemberCommits(self.membership, topic)


def _groups(
    streams: Sequence[StreamConfig], members: MembersConfig, process: Process
) -> Iterator[_Group]:
    of_group: dict[tuple[Cluster, str], list[StreamConfig]] = {}
    for stream in streams:
        source = _source(stream)
        of_group.setdefault((cluster_of(source), source.group), []).append(stream)
    for (cluster, group), its_streams in of_group.items():
        yield _Group(
            Membership(
                cluster,
                group,
                [_source(stream).topic for stream in its_streams],
                clock=process.clock,
                session_seconds=members.session_seconds,
                instance=members.instance,
            ),
            tuple(its_streams),
        )


def _source(stream: StreamConfig) -> KafkaSourceConfig:
    if not isinstance(stream.source, KafkaSourceConfig):
        raise TypeError(f"stream {stream.name}: a {stream.source.kind} source cannot be shared")
    return stream.source

"""`TopicAssignor`: shares whole topics out among the members of a consumer group."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor, RebalanceProtocol
from kafka.protocol.consumer.metadata import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
)

# Of the subscription: the first in which members say what they hold (KIP-429).
_VERSION = 1


class TopicAssignor(AbstractPartitionAssignor):  # type: ignore[misc]
    """Gives all partitions of a topic to one member, by cooperative rebalances (KIP-429): a topic
    that is to move is first given to nobody, and to its new member once the old one has let go.

    A topic that the brokers do not know yet has one partition, 0: who is given it will notice.
    """

    name = "adaptd-topics"

    def __init__(self, held: Callable[[], Iterable[TopicPartition]]) -> None:
        """held: the partitions that this member has not let go of."""
        self._held = held

    def supported_protocols(self) -> list[RebalanceProtocol]:
        return [RebalanceProtocol.COOPERATIVE]

    def metadata(self, topics: Iterable[str]) -> Any:
        """What this member tells whoever assigns: its topics, and what it holds."""
        by_topic = defaultdict(list)
        for place in sorted(self._held()):
            by_topic[place.topic].append(place.partition)
        held = [
            ConsumerProtocolSubscription.TopicPartition(topic=topic, partitions=partitions)
            for topic, partitions in by_topic.items()
        ]
        return ConsumerProtocolSubscription(
            version=_VERSION, topics=sorted(topics), user_data=b"", owned_partitions=held
        )

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Called in the member that leads the group. Returns member id -> its assignment."""
        # Names that an operator gave come before random ones.
        ordered = sorted(
            members,
            key=lambda member: (
                member.group_instance_id is None,
                member.group_instance_id or "",
                member.member_id,
            ),
        )
        shared = share(
            [member.member_id for member in ordered],
            wanted={member.member_id: set(member.metadata.topics) for member in members},
            held={
                member.member_id: {place.topic for place in member.metadata.owned_partitions or ()}
                for member in members
            },
        )
        return {
            member: ConsumerProtocolAssignment(
                _VERSION,
                [
                    (topic, sorted(cluster.partitions_for_topic(topic) or {0}))
                    for topic in sorted(topics)
                ],
                b"",
            )
            for member, topics in shared.items()
        }

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Nothing to keep: what is held is known from elsewhere."""


def share(
    members: Sequence[str],
    *,
    wanted: Mapping[str, Iterable[str]],
    held: Mapping[str, Iterable[str]],
) -> dict[str, set[str]]:
    """Member -> the topics that it is given now.

    members: in the order in which equals are served. wanted: what each reads. held: what each has.
    Who holds a topic keeps it, unless it has at least two more than another that wants it: then
    the topic is given to nobody this time, since its holder has to let go of it first. What nobody
    holds goes to who has the fewest. So a move is never for nothing, and members that come and go
    disturb no others.
    """
    given: dict[str, set[str]] = {member: set() for member in members}
    topics = sorted({topic for member in members for topic in wanted[member]})
    free = []
    for topic in topics:
        holder = next((m for m in members if topic in held[m] and topic in wanted[m]), None)
        if holder is None:
            free.append(topic)
        else:
            given[holder].add(topic)
    for topic in free:
        # Somebody may hold what it wants no longer: it lets go of it by this very rebalance.
        if not any(topic in held[member] for member in members):
            takers = [member for member in members if topic in wanted[member]]
            given[min(takers, key=lambda member: len(given[member]))].add(topic)
    planned = {member: len(of_member) for member, of_member in given.items()}
    for topic in topics:
        holder = next((m for m in members if topic in given[m]), None)
        if holder is None or topic not in held[holder]:
            continue
        takers = [member for member in members if topic in wanted[member]]
        least = min(takers, key=lambda member: planned[member])
        if planned[holder] - planned[least] >= 2:
            given[holder].discard(topic)
            planned[holder] -= 1
            planned[least] += 1
    return given

"""Topics of a Kafka stream: what they are called, and which must differ."""

import re
from collections.abc import Mapping

from adaptd.config.delivery import PublishConfig, RejectConfig

# What a broker takes; the names of the two directories are no topics.
_LEGAL = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")

Topical = PublishConfig | RejectConfig

# Key of a section -> what the topic is called that it does not name, beside that of the records.
_SUFFIXES: Mapping[type[Topical], Mapping[str, str]] = {
    PublishConfig: {
        "topic": "releases",
        "drift_topic": "drift",
        "proposals_topic": "proposals",
        "watches_topic": "watches",
    },
    RejectConfig: {"topic": "dead-letters"},
}


def topic_keys(section: Topical) -> tuple[str, ...]:
    """Those of its keys that name a topic."""
    return tuple(_SUFFIXES[type(section)])


def topics_of(section: Topical, records: str) -> dict[str, str]:
    """Key -> the topic that is sent to. records: the topic of the stream's records."""
    named = {key: getattr(section, key) for key in topic_keys(section)}
    return {
        key: f"{records}.{_SUFFIXES[type(section)][key]}" if topic is None else topic
        for key, topic in named.items()
    }


def fault_of(topic: str) -> str | None:
    """Why no broker takes a topic of this name; None if one does."""
    if _LEGAL.fullmatch(topic):
        return None
    return (
        "expected the name of a Kafka topic, up to 249 of the characters a-z, A-Z, 0-9, '.', '_' "
        "and '-'"
    )

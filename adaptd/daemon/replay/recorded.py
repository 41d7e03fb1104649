"""`Recorded`: what was kept of an episode, whole, or why it cannot be run again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from adaptd.adaptation.counted import Counted
from adaptd.daemon import recall
from adaptd.errors import NotFoundError, NotReplayable
from adaptd.registry import episodes, manifest, releases, trials
from adaptd.registry.episodes import Episode
from adaptd.registry.releases import Release
from adaptd.registry.trials import TrialRow
from adaptd.store import pins, segments
from adaptd.store.directory import StateDirectory
from adaptd.store.segments import SegmentRow
from adaptd.stream.batch import Batch
from adaptd.stream.segment import read_segment

_SWEPT = "`episode.replayable` says of how many of the latest episodes they are kept"


@dataclass(frozen=True)
class Recorded:
    """One episode's rows. trials: those that ended, in order. segments: where the records are that
    they counted. earlier: member -> the release that was tried again."""

    episode: Episode
    champion: Release
    trials: tuple[TrialRow, ...]
    segments: tuple[SegmentRow, ...]
    earlier: Mapping[str, Release]

    @property
    def threads(self) -> int:
        """Of the workers that trained; 1 where that was not kept."""
        found = [row.made_by.get("training", {}).get("threads") for row in self.trials]
        return next((int(one) for one in found if one), 1)


def find(connection: Connection, episode_id: str) -> Recorded:
    """What the store knows of the episode.

    Raises NotFoundError if there is no such episode, NotReplayable, with the reason, where it has
    left nothing that could be run again.
    """
    episode = episodes.get(connection, episode_id)
    if episode.state not in ("proposed", "closed"):
        raise NotReplayable(
            f"episode {episode.id} is still {episode.state}: it can be run again once it has ended"
        )
    ended = tuple(row for row in trials.of_episode(connection, episode.id) if row.counted)
    if not ended:
        raise NotReplayable(f"episode {episode.id} {_why_nothing(episode)}")
    rows = segments.listing(connection, episode.stream)
    by_name = recall.by_name(connection, episode.stream)
    recalled = [name for row in ended if row.kind == trials.RECALL for name in row.members]
    return Recorded(
        episode=episode,
        champion=releases.get(connection, episode.plan["champion"]),
        trials=ended,
        segments=(*pins.of_episode(connection, episode.id), *rows),
        earlier={name: by_name[name] for name in recalled},
    )


def check(recorded: Recorded, state: StateDirectory) -> None:
    """Reads every file that was kept, before anything is trained.

    Raises NotReplayable where one is gone, ArtifactError, naming it, where one is damaged.
    """
    for release in (recorded.champion, *recorded.earlier.values()):
        manifest.verify(state.path / release.path, digest=release.digest)
    if any(row.kind != trials.RECALL for row in recorded.trials):
        plan = recorded.episode.plan
        for file in (plan, plan.get("rehearsal")):
            if file is None:
                continue
            path = state.path / file["records"]
            if not path.exists():
                raise NotReplayable(
                    f"{path}: the records that episode {recorded.episode.id} trained on are gone; "
                    f"{_SWEPT}"
                )
            read_segment(path, file["records_digest"])
    for row in recorded.trials:
        counted_records(recorded, row, state.path)


def counted_records(recorded: Recorded, row: TrialRow, state: Path) -> list[tuple[int, Batch]]:
    """The records that a trial counted, in that order: (number of the first, records) for each of
    its ranges.

    Raises NotReplayable where some are gone, ArtifactError for a file that is damaged.
    """
    found = []
    # Many ranges may lie in one file, and rise as the files do.
    latest: tuple[str, Batch] | None = None
    for first, end in Counted.restore(row.counted or {}).ranges:
        pieces, at = [], first
        for segment in recorded.segments:
            if segment.first_record <= at < min(end, segment.first_record + segment.records):
                if latest is None or latest[0] != segment.path:
                    batch = read_segment(state / segment.path, segment.digest)
                    latest = segment.path, batch
                pieces.append(latest[1][at - segment.first_record : end - segment.first_record])
                at += len(pieces[-1])
        if at < end:
            raise NotReplayable(
                f"records {at} to {end - 1}, which the trial of episode {recorded.episode.id} "
                f"counted, are gone; {_SWEPT}"
            )
        found.append((first, Batch.concatenate(pieces)))
    return found


def one_beginning_with(connection: Connection, prefix: str) -> str:
    """The id of the one episode whose id begins like that. Raises NotFoundError for none or
    several."""
    found = episodes.beginning_with(connection, prefix.strip().upper())
    if len(found) == 1:
        return found[0].id
    if found:
        ids = ", ".join(episode.id for episode in found)
        raise NotFoundError(f"{len(found)} episodes' ids begin with {prefix!r}: {ids}")
    latest = ", ".join(
        f"{episode.id} ({episode.stream}, {episode.outcome or episode.state})"
        for episode in episodes.beginning_with(connection, "")[:5]
    )
    raise NotFoundError(f"no episode's id begins with {prefix!r}; the latest: {latest or 'none'}")


def _why_nothing(episode: Episode) -> str:
    match episode.outcome:
        case "held":
            return f"was held, so that nothing was trained or tried: {episode.reason}"
        case "refused" | "failed":
            return f"was {episode.outcome} before a trial had ended: {episode.reason}"
    return "was run by an adaptd that did not keep yet what it takes to run one again"

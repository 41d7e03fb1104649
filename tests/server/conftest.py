"""A store filled through the registry's functions, and a browser-like client of the application."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ulid import ULID

from adaptd.architecture import Architecture, Contract
from adaptd.clock import FakeClock
from adaptd.registry import alarms, episodes, progress, proposals, releases, scores, waits
from adaptd.registry.alarms import Numbering
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from adaptd.registry.scores import BlockScore
from adaptd.registry.waits import Wait
from adaptd.server.app import create_app
from adaptd.store import checkpoints, epochs
from adaptd.store.checkpoints import Checkpoint
from adaptd.store.database import Database
from adaptd.store.directory import StateDirectory

ORIGIN = "http://127.0.0.1:8080"
BLOCK = 32

CONTRACT = Contract(features=("x0",), shape=(1, 64), classes=("a", "b", "c", "d"))
DEPLOYED = Architecture(
    "adaptd.space.sequence:convnet",
    {"width": 24},
    {f"cells.{cell}.edges.{edge}": "dw k5 d1" for cell in range(3) for edge in range(2)},
)
REOPENED = DEPLOYED.with_operations(
    {
        "cells.0.edges.0": "dw k9 d4",
        "cells.0.edges.1": "dw k9 d4",
        "cells.2.edges.1": "dw k7 d2",
    }
)


@dataclass
class Story:
    """Writes what a daemon would have written, stream by stream."""

    database: Database
    clock: FakeClock
    randomness: Random = field(default_factory=lambda: Random(7))

    def start(self, stream: str) -> None:
        """A daemon takes the stream up."""
        with self.database.write() as connection:
            epochs.acquire(connection, stream=stream, owner="test", now=self.clock.now())

    def signals(self, stream: str, **changes: Any) -> None:
        """A checkpoint, with how the signals beside the loss stand."""
        shown = {
            "is_watching": True,
            "evidence": {"input-faults": 0.25},
            "alarms_per_day": 0.5,
            "budget_per_day": 1.0,
            "broken": {},
            "latest_outage": None,
            **changes,
        }
        with self.database.write() as connection:
            # Of which nobody but the daemon reads the rest.
            checkpoints.save(connection, Checkpoint(stream, {}, {}, 0), now=self.clock.now())
            checkpoints.show(connection, stream, shown)

    def release(
        self,
        stream: str,
        digest: str,
        *,
        architecture: Architecture = DEPLOYED,
        expected: str | None = None,
        macs: int = 1_204_224,
    ) -> Release:
        with self.database.write() as connection:
            return releases.promote(
                connection,
                digest=digest,
                stream=stream,
                architecture=architecture,
                contract=CONTRACT,
                episode_id=None,
                path=f"releases/{stream}/{digest}",
                macs=macs,
                expected=expected,
                now=self.clock.now(),
            )

    def score(self, stream: str, digest: str, *, first: int, blocks: int, accuracy: float) -> None:
        """Blocks whose hits scatter as those of independent records do."""
        rows = []
        for index in range(blocks):
            hits = sum(self.randomness.random() < accuracy for _ in range(BLOCK))
            first_record = first + BLOCK * index
            rows.append(
                BlockScore(
                    stream=stream,
                    block=first_record // BLOCK,
                    first_record=first_record,
                    records=BLOCK,
                    hits=hits,
                    loss=1 - hits / BLOCK,
                    release_digest=digest,
                    at=self.clock.now(),
                )
            )
        with self.database.write() as connection:
            scores.add(connection, rows)

    def alarm(
        self,
        stream: str,
        *,
        record: int,
        since: int,
        signal: str = "loss",
        numbering: Numbering = "labelled",
    ) -> None:
        with self.database.write() as connection:
            alarms.add(
                connection,
                stream=stream,
                signal=signal,
                record=record,
                since_record=since,
                statistic=0.31,
                now=self.clock.now(),
                numbering=numbering,
            )

    def episode(self, stream: str, *, state: str = "collecting", kind: str = "drift") -> str:
        """An episode, taken step by step to that state."""
        identifier = str(ULID.from_datetime(self.clock.now()))
        trigger = {"kind": kind, "stream": stream, "record": 4_320, "since_record": 4_000}
        with self.database.write() as connection:
            episodes.open_(
                connection, id=identifier, stream=stream, trigger=trigger, now=self.clock.now()
            )
            for step in episodes.STATES[1 : episodes.STATES.index(state) + 1]:
                episodes.advance(connection, identifier, state=step, now=self.clock.now())
        return identifier

    def report(self, stream: str, episode_id: str | None, **document: Any) -> None:
        with self.database.write() as connection:
            progress.report(
                connection,
                stream=stream,
                episode_id=episode_id,
                document=document,
                now=self.clock.now(),
            )

    def propose(
        self,
        stream: str,
        *,
        digest: str,
        champion: str,
        evidence: dict[str, Any],
        record: int = 7_040,
    ) -> Proposal:
        """An episode of its own that has come to a proposal."""
        episode_id = self.episode(stream, state="proposed")
        with self.database.write() as connection:
            return proposals.create(
                connection,
                stream=stream,
                episode_id=episode_id,
                digest=digest,
                champion_digest=champion,
                evidence=evidence,
                created_record=record,
                now=self.clock.now(),
            )

    def waits(self, stream: str, kind: str = "schedule", **fields: Any) -> Wait:
        """The daemon shows that a trigger waits, and no other."""
        wait = Wait(
            **{
                "stream": stream,
                "kind": kind,
                "trigger": {"kind": kind, "record": 4_320, "detail": "loss"},
                "since": self.clock.now(),
                "reason": "quiet-hours",
                "until": None,
                "until_time": None,
                **fields,
            }
        )
        with self.database.write() as connection:
            waits.show(connection, stream, [wait])
        return wait

    def move(self, identifier: str, *, expected: str, to: str) -> None:
        with self.database.write() as connection:
            proposals.move(connection, identifier, expected=expected, to=to, now=self.clock.now())


@pytest.fixture
def evidence_document() -> dict[str, Any]:
    """What the daemon writes of a trial that passed."""
    return {
        "schema_version": 1,
        "records": 1_000,
        "first_record": 6_017,
        "accuracy": {
            "deployed": 0.311,
            "fine-tuned": 0.402,
            "retrained": 0.582,
            "shrink-perturbed": 0.57,
            "random-neighbour": 0.744,
            "reopened": 0.931,
        },
        "e_value": {
            "fine-tuned": 3.4e61,
            "retrained": 125_000.4,
            "shrink-perturbed": 3.4e5,
            "deployed": 2.5e80,
        },
        "alpha": 0.05,
        "alpha_budget": {"stream": 0.6, "test": 3, "spent_before": 0.45},
        "records_as_one": {"fine-tuned": 1.0, "retrained": 3.21},
        "verdict": "better",
        "champion_architecture": DEPLOYED.to_document(),
        "challenger_architecture": REOPENED.to_document(),
        "edits": ["cells.0.edges.0: dw k5 d1 becomes dw k9 d4"],
        "macs": {"champion": 1_204_224, "challenger": 1_290_240, "cap": 1_324_646},
        "supernet_memory_ratio": 1.0041,
        "drift": {"signal": "loss", "record": 4_320, "since_record": 4_000},
        "trigger": "drift",
        "training_records": [4_001, 5_500],
        "phase_seconds": {"rivals": 19.4, "search": 4.1, "fold": 8.8},
    }


@pytest.fixture
def story(database: Database, clock: FakeClock) -> Story:
    return Story(database, clock)


@dataclass(frozen=True)
class Drifted:
    """A stream that drifted at 4,000, alarmed at 4,320, and whose proposal awaits a decision."""

    stream: str
    champion: Release
    proposal: Proposal


@pytest.fixture
def drifted(story: Story, clock: FakeClock, evidence_document: dict[str, Any]) -> Drifted:
    stream = "press-4"
    story.start(stream)
    champion = story.release(stream, "a1" * 32)
    story.score(stream, champion.digest, first=2_016, blocks=62, accuracy=0.95)
    clock.advance(600)
    story.score(stream, champion.digest, first=4_000, blocks=95, accuracy=0.31)
    story.alarm(stream, record=4_320, since=4_000)
    clock.advance(60)
    proposal = story.propose(
        stream, digest="c3" * 32, champion=champion.digest, evidence=evidence_document
    )
    clock.advance(130)
    return Drifted(stream, champion, proposal)


@pytest.fixture
def app(database: Database, clock: FakeClock, tmp_path: Path) -> FastAPI:
    return create_app(database=database, state=StateDirectory(tmp_path), clock=clock)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    """Keeps cookies and does not follow redirects, so that a test sees them."""
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def token(client: TestClient) -> Callable[[str], str]:
    """The token of the form on a page."""

    def find(path: str) -> str:
        text: str = client.get(path).text
        return text.split('name="token" value="', 1)[1].split('"', 1)[0]

    return find

"""A model directory, and rows that a decision needs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection

from adaptd.architecture import Architecture, Contract
from adaptd.registry import episodes, proposals, releases
from adaptd.registry.proposals import Proposal
from adaptd.registry.releases import Release
from tests.databases import database, empty_postgres, postgres_database

__all__ = ["Rows", "database", "empty_postgres", "postgres_database"]


@dataclass(frozen=True)
class Rows:
    """Makes rows with everything that does not matter filled in."""

    architecture: Architecture
    contract: Contract

    def episode(
        self, connection: Connection, *, now: datetime, id: str = "E1", stream: str = "pump"
    ) -> str:
        episodes.open_(connection, id=id, stream=stream, trigger={"kind": "drift"}, now=now)
        return id

    def release(
        self,
        connection: Connection,
        digest: str,
        *,
        now: datetime,
        expected: str | None = None,
        stream: str = "pump",
        episode_id: str | None = None,
    ) -> Release:
        return releases.promote(
            connection,
            digest=digest,
            stream=stream,
            architecture=self.architecture,
            contract=self.contract,
            episode_id=episode_id,
            path=f"releases/{stream}/{digest}",
            macs=1_000,
            expected=expected,
            now=now,
        )

    def proposal(
        self,
        connection: Connection,
        *,
        now: datetime,
        digest: str = "challenger",
        stream: str = "pump",
        episode_id: str = "E1",
    ) -> Proposal:
        return proposals.create(
            connection,
            stream=stream,
            episode_id=episode_id,
            digest=digest,
            champion_digest="champion",
            evidence={"schema_version": 1, "e_value": {"fine-tuned": 31.5}},
            created_record=4_000,
            now=now,
        )


@pytest.fixture
def architecture() -> Architecture:
    return Architecture(
        "adaptd.space.sequence:convnet", {"width": 16}, {"cells.0.edges.0": "dw k3 d1"}
    )


@pytest.fixture
def contract() -> Contract:
    return Contract(features=("x",), shape=(1, 64), classes=("a", "b"))


@pytest.fixture
def rows(architecture: Architecture, contract: Contract) -> Rows:
    return Rows(architecture, contract)


@pytest.fixture
def make_model(architecture: Architecture) -> Callable[[Path], Path]:
    def make(directory: Path) -> Path:
        directory.mkdir(parents=True)
        (directory / "model.onnx").write_bytes(b"the graph")
        (directory / "weights.safetensors").write_bytes(b"the weights")
        (directory / "architecture.json").write_text(architecture.to_json())
        return directory

    return make

"""What an adaptation may take, and what its outcome has to prove."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from adaptd.config.fault import at_least
from adaptd.config.reservoir import ReservoirConfig
from adaptd.config.section import Section


class EpisodeConfig(Section):
    """The budget of one adaptation, the same for every remedy."""

    minimum_records: int = Field(
        default=400,
        ge=1,
        description="a reopening needs at least so many in all, and 40 times the number of classes",
    )
    records: int = Field(
        default=1_500,
        ge=100,
        validate_default=True,
        description="labelled records after the drift that remedies train on; fewer where the "
        "window cannot hold so many beside its last two blocks and those of a broken sensor",
    )
    steps: int = Field(default=800, ge=20, description="optimiser steps of 64 records, per remedy")
    wall_seconds: float = Field(default=1_800, gt=0, description="the worker is killed after it")
    good_enough_points: float | None = Field(
        default=2.0,
        ge=0,
        le=100,
        description="after a drift, new weights that come so near to the accuracy before it (in "
        "percentage points) are enough: no architecture is searched. None: always search, at once",
    )
    macs_ratio: float = Field(
        default=1.1,
        ge=1,
        description="multiply-accumulates of any challenger over those of release 1",
    )
    wider_macs_ratio: float | None = Field(
        default=None,
        gt=1,
        validate_default=True,
        description="where what a search finds under macs_ratio is not good enough after a drift, "
        "the champion is widened and searched around once more, under this cap over release 1. "
        "None: never",
    )
    maximum_parameters: int | None = Field(
        default=None,
        ge=1,
        description="trainable numbers (4 bytes each) that a new architecture may have. None: any "
        "number",
    )
    maximum_latency_milliseconds: float | None = Field(
        default=None,
        gt=0,
        description="that a new architecture may take to predict one record, on one thread of this "
        "machine in ONNX Runtime, the least of many times. None: any time",
    )
    method: Literal["bounded", "race"] = Field(
        default="bounded",
        description="of a search. bounded: a supernet around the champion; race: successive "
        "halving over generic changes of its architecture",
    )
    replayable: int = Field(
        default=20,
        ge=0,
        description="latest episodes whose records of training and of trials are kept, so that "
        "`adaptd replay` can run them again; takes disk for so many times that many records",
    )
    reservoir: ReservoirConfig = ReservoirConfig()
    rehearsal_share: float = Field(
        default=0.0,
        ge=0,
        le=0.9,
        description="of each batch that a remedy trains on, drawn from one half of the reservoir. "
        "0: nothing is rehearsed",
    )
    distillation: float = Field(
        default=0.0,
        ge=0,
        le=1_000,
        description="weight, beside the loss, of answering unlike the champion on the records of "
        "each batch. 0: none",
    )
    distillation_temperature: float = Field(
        default=2.0,
        gt=0,
        le=100,
        description="by which both answers are softened; higher: more weight on unlikely classes",
    )

    _holds_minimum = field_validator("records")(at_least("minimum_records", of="episode"))

    @field_validator("wider_macs_ratio")
    @classmethod
    def _is_wider(cls, ratio: float | None, info: ValidationInfo) -> float | None:
        least = info.data.get("macs_ratio")
        if ratio is not None and least is not None and ratio <= least:
            raise ValueError(f"must be above episode.macs_ratio ({least:g})")
        return ratio

    @field_validator("rehearsal_share")
    @classmethod
    def _has_something_to_rehearse(cls, share: float, info: ValidationInfo) -> float:
        reservoir = info.data.get("reservoir")
        if share > 0 and reservoir is not None and not reservoir.concepts:
            raise ValueError("reservoir.concepts is 0, so there is nothing to rehearse")
        return share


class TrialConfig(Section):
    """The evidence a challenger needs, on records later than all training."""

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="bound on the chance that this stream ever proposes a challenger that is not "
        "better: its n-th trial spends 1 / (n (n + 1)) of it, so a half, a sixth, a twelfth, …",
    )
    minimum_records: int = Field(
        default=400,
        ge=1,
        description="seen before a proposal is made; it takes some, too, to tell how far "
        "consecutive records resemble each other",
    )
    maximum_records: int = Field(
        default=6_000,
        ge=1,
        validate_default=True,
        description="after them without evidence: inconclusive",
    )

    _holds_minimum = field_validator("maximum_records")(at_least("minimum_records", of="trial"))

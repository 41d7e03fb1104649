"""When a drift is called."""

from typing import Literal, get_args

from pydantic import Field

from adaptd.config.section import Section

SignalGroup = Literal[
    "outages", "inputs", "outputs", "classes", "errors", "errors-of-classes", "calibration"
]
# The detectors of river that there are, see `adaptd.drift.river_detectors`.
DetectorName = Literal["adwin", "page-hinkley", "hddm-a", "hddm-w", "ddm", "eddm", "fhddm", "kswin"]


class AlarmConfig(Section):
    """When a drift is called.

    The loss is always watched, by `detector`; beside it the signals, each with its part of the
    budget `per_day`. They have to learn first what is ordinary: `reference_blocks` after the start,
    and after every release. A stream whose `window_records` are fewer has the loss alone.
    """

    block_records: int = Field(
        default=32, ge=8, description="records a block; detectors see blocks, never polls"
    )
    delta: float = Field(
        default=0.002, gt=0, lt=1, description="ADWIN's confidence; smaller alarms later and less"
    )
    warm_up_blocks: int = Field(
        default=10, ge=0, description="blocks after a release in which the loss raises no alarm"
    )
    detector: DetectorName = Field(
        default="adwin",
        description="adwin: on the loss of blocks, with delta; others: river's, on the errors of "
        "records, as river sets them",
    )
    signals: tuple[SignalGroup, ...] = Field(
        default=get_args(SignalGroup),
        description="what is watched beside the loss: without labels outages (a broken channel), "
        "inputs (moments, deciles, components, bands) and outputs (confidence, entropy, predicted "
        "classes); with labels classes (their shares), errors, errors-of-classes and calibration",
    )
    per_day: float = Field(
        default=1.0,
        gt=0,
        description="false alarms that all signals together may raise a day of event time, on "
        "average; of a stream without times that increase a day is 86,400 records",
    )
    reference_blocks: int = Field(
        default=160,
        ge=20,
        description="blocks after a release from which signals learn what is ordinary, the first "
        "quarter, and against which they compare, the rest; until then they raise no alarm",
    )
    stride_blocks: int = Field(
        default=16,
        ge=1,
        description="one block in so many is read while no signal is suspicious, all of them from "
        "then on; 1: every block, at several milliseconds each",
    )
    settle_blocks: int = Field(
        default=8,
        ge=1,
        description="blocks of labelled records since an unlabelled alarm from which it is "
        "diagnosed, and an episode may begin",
    )

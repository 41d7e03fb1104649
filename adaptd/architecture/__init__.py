"""The architecture of a deployed network as a value, and the contract of what it takes and
gives."""

from adaptd.architecture.architecture import Architecture, Setting
from adaptd.architecture.contract import Contract
from adaptd.architecture.dot import to_dot
from adaptd.architecture.drawing import to_svg
from adaptd.architecture.edit import (
    ArchitectureEdit,
    EdgeAdded,
    EdgeRemoved,
    Edit,
    SettingEdit,
    apply_edits,
    diff,
    neighbours,
    operation_edits,
)
from adaptd.architecture.elastic import compound, scaled, with_edges

__all__ = [
    "Architecture",
    "Setting",
    "Contract",
    "ArchitectureEdit",
    "Edit",
    "EdgeAdded",
    "EdgeRemoved",
    "SettingEdit",
    "diff",
    "operation_edits",
    "apply_edits",
    "neighbours",
    "scaled",
    "compound",
    "with_edges",
    "to_dot",
    "to_svg",
]

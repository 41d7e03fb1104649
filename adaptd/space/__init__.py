"""Operations, networks, the supernet, inheritance, cost and export. torch starts here."""

from adaptd.space.cost import EdgeCosts, count_macs, edge_shapes, saved_activation_bytes
from adaptd.space.export import export, load_network
from adaptd.space.network import (
    build,
    edges_of,
    initial_architecture,
    morph,
    resolve,
    shrink_and_perturb,
)
from adaptd.space.operation import Depthwise, parse_operation
from adaptd.space.separable import SeparableConv1d
from adaptd.space.standardise import Standardise, fit_standardisation
from adaptd.space.supernet import Reopening, Supernet

__all__ = [
    "Depthwise",
    "EdgeCosts",
    "Reopening",
    "SeparableConv1d",
    "Standardise",
    "Supernet",
    "build",
    "count_macs",
    "edge_shapes",
    "edges_of",
    "export",
    "fit_standardisation",
    "initial_architecture",
    "load_network",
    "morph",
    "parse_operation",
    "resolve",
    "saved_activation_bytes",
    "shrink_and_perturb",
]

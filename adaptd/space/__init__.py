"""Operations, networks, the supernet, inheritance, cost and export. torch starts here."""

from adaptd.space.cost import (
    Cost,
    EdgeCosts,
    EdgeParameters,
    count_macs,
    edge_shapes,
    saved_activation_bytes,
)
from adaptd.space.dense_operation import NormedConvolution
from adaptd.space.edges import Edge, edges_of
from adaptd.space.elastic import carry_operations, resize
from adaptd.space.export import export, load_network
from adaptd.space.heads import fit_targets
from adaptd.space.inverted_residual import InvertedResidual
from adaptd.space.kernels import Depthwise
from adaptd.space.network import (
    architecture_edges,
    build,
    initial_architecture,
    morph,
    resolve,
    shrink_and_perturb,
)
from adaptd.space.operation import (
    LinearOperation,
    Operation,
    operation,
    parse_operation,
    registered_operations,
)
from adaptd.space.pooling import MaxPool, PlainAveragePool
from adaptd.space.relaxation import LADDER, MERGED, SOFT, Relaxation
from adaptd.space.separable import Separable
from adaptd.space.separable_twice import SeparableTwice
from adaptd.space.skip import Nothing, Skip
from adaptd.space.spaces import SPACES, Space, baseline_for, merged_share, space_for
from adaptd.space.standardise import Standardise, fit_standardisation
from adaptd.space.supernet import Reopening, Supernet

__all__ = [
    "LADDER",
    "MERGED",
    "SOFT",
    "SPACES",
    "Cost",
    "Depthwise",
    "Edge",
    "EdgeCosts",
    "EdgeParameters",
    "InvertedResidual",
    "LinearOperation",
    "MaxPool",
    "NormedConvolution",
    "Nothing",
    "Operation",
    "PlainAveragePool",
    "Relaxation",
    "Reopening",
    "Separable",
    "SeparableTwice",
    "Skip",
    "Space",
    "Standardise",
    "Supernet",
    "architecture_edges",
    "baseline_for",
    "build",
    "carry_operations",
    "count_macs",
    "edge_shapes",
    "edges_of",
    "export",
    "fit_standardisation",
    "fit_targets",
    "initial_architecture",
    "load_network",
    "merged_share",
    "morph",
    "operation",
    "parse_operation",
    "registered_operations",
    "resize",
    "resolve",
    "saved_activation_bytes",
    "shrink_and_perturb",
    "space_for",
]

"""Networks of a fixed architecture: trained as they are where a search has too few records."""

from adaptd.space.baselines.mlp import residual_mlp
from adaptd.space.baselines.mobilenet import mobilenet_v3
from adaptd.space.baselines.resnet import resnet18

__all__ = ["mobilenet_v3", "residual_mlp", "resnet18"]

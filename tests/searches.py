"""A small network to search around, as a user would give it."""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save_file

from adaptd.architecture import Architecture
from adaptd.space import build, initial_architecture


@dataclass(frozen=True)
class Given:
    """For records of scenario lag-shift. weights: drawn, which no search can tell."""

    architecture: Architecture
    document: Path
    weights: Path


def write_given(directory: Path, *, in_channels: int = 1, classes: int = 4) -> Given:
    """A network of width 4 with `dw k5 d1` on its six edges."""
    settings = {"in_channels": in_channels, "classes": classes, "width": 4}
    architecture = initial_architecture("adaptd.space.sequence:convnet", settings, "dw k5 d1")
    document, weights = directory / "given.json", directory / "given.safetensors"
    document.write_text(architecture.to_json())
    save_file(build(architecture, seed=1).state_dict(), weights)
    return Given(architecture, document, weights)

"""`Checkpoint`: where a search stands, in one file without pickle."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from adaptd.errors import PermanentError, StoreUnavailable

SCHEMA_VERSION = 1


class CheckpointError(PermanentError):
    """A checkpoint that cannot be read or belongs to another search; the text says which."""


@dataclass
class Checkpoint:
    """Tensors by dotted name and plain values by name; parts of a search write below a prefix."""

    tensors: dict[str, Tensor] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def put_module(self, name: str, module: nn.Module) -> None:
        """Its state dictionary. Copies, since training goes on."""
        for key, tensor in module.state_dict().items():
            self.tensors[f"{name}.{key}"] = tensor.detach().clone().contiguous()

    def load_module(self, name: str, module: nn.Module) -> None:
        """Raises CheckpointError if the module has other tensors."""
        prefix = f"{name}."
        state = {
            key.removeprefix(prefix): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(prefix)
        }
        try:
            module.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"the checkpoint is of another search: {error}") from error

    def put_optimiser(self, name: str, optimiser: torch.optim.Optimizer) -> None:
        """The state of each parameter, by its place."""
        for place, of_parameter in optimiser.state_dict()["state"].items():
            for key, value in of_parameter.items():
                self.tensors[f"{name}.{place}.{key}"] = torch.as_tensor(value).detach().clone()

    def load_optimiser(self, name: str, optimiser: torch.optim.Optimizer) -> None:
        """The groups keep what they have: a step sets its rate anew."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in self.tensors.items():
            if key.startswith(f"{name}."):
                place, _, entry = key.removeprefix(f"{name}.").partition(".")
                state.setdefault(int(place), {})[entry] = tensor.clone()
        optimiser.load_state_dict({**optimiser.state_dict(), "state": state})

    def put_generator(self, name: str, generator: torch.Generator) -> None:
        self.tensors[name] = generator.get_state().clone()

    def load_generator(self, name: str, generator: torch.Generator) -> None:
        generator.set_state(self.tensors[name].clone())

    def put_checkpoint(self, name: str, other: "Checkpoint") -> None:
        """Another one as a part of this one."""
        for key, tensor in other.tensors.items():
            self.tensors[f"{name}.{key}"] = tensor
        self.values[name] = other.values

    def get_checkpoint(self, name: str) -> "Checkpoint | None":
        """The way back; None if no such part was put."""
        if name not in self.values:
            return None
        prefix = f"{name}."
        return Checkpoint(
            {
                key.removeprefix(prefix): tensor
                for key, tensor in self.tensors.items()
                if key.startswith(prefix)
            },
            self.values[name],
        )

    def save(self, path: Path) -> None:
        """Replaces the file in one go, so that a kill leaves the earlier one.

        Raises StoreUnavailable where the disk is full or read-only; the earlier one stays.
        """
        aside = path.with_name(path.name + ".new")
        document = {"schema_version": SCHEMA_VERSION, **self.values}
        try:
            save_file(self.tensors, aside, metadata={"values": orjson.dumps(document).decode()})
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(path)
        except (OSError, SafetensorError) as error:
            aside.unlink(missing_ok=True)
            raise StoreUnavailable(f"{path}: cannot be written: {error}") from error

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Raises CheckpointError, naming the file, if it is missing, damaged, or of another
        version."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                # The keys are no dictionary's: the file has no iterator of its own.
                names = list(file.keys())
                tensors = {name: file.get_tensor(name) for name in names}
            values = orjson.loads(metadata["values"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(f"cannot read checkpoint {path}: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"cannot read checkpoint {path}: it holds no values by name")
        version = values.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise CheckpointError(
                f"checkpoint {path} has schema_version {version!r}, expected {SCHEMA_VERSION}"
            )
        return cls(tensors, values)

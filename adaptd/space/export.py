"""A network as files: ONNX to predict with, safetensors to train on from, its architecture."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from adaptd.architecture import Architecture, Contract
from adaptd.errors import ArtifactError
from adaptd.space.network import build
from adaptd.space.standardise import Standardise
from adaptd.space.weights import load_weights, save_weights

MODEL = "model.onnx"
WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"

# What an export may raise: ours, and what torch has for what it cannot trace.
EXPORT_ERRORS = (ArtifactError, RuntimeError)

# Of the largest outcome, or of 1 where all are smaller: logits are of order 1 to 10, a regression's
# targets of any. float32 in another order of summation differs by about 1e-6 of that.
_TOLERANCE = 1e-4


def export(
    network: nn.Module, architecture: Architecture, contract: Contract, directory: Path
) -> None:
    """Writes model.onnx, weights.safetensors and architecture.json, and checks what it wrote.

    The graph takes "x", float32 [n, *contract.shape], raw, any n, and gives "logits", float32 [n,
    classes]; the standardisation is inside. The network keeps its mode. directory is created if it
    is not there.
    Raises ArtifactError if the contract has other classes, the network's logits are not finite, the
    graph is not valid, or if ONNX Runtime's logits are not torch's to 1e-4 of the largest.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(tensor.device.type != "cpu" for tensor in network.state_dict().values()):
        # What is served is computed by the processor.
        network = copy.deepcopy(network).cpu()
    was_training = network.training
    network.eval()
    try:
        probe = _probe(network, contract.shape)
        with torch.no_grad():
            expected = network(probe)
        if expected.shape != (len(probe), len(contract.classes)):
            raise ArtifactError(
                f"the network gives {list(expected.shape[1:])} logits a record, "
                f"the contract has {len(contract.classes)} classes"
            )
        if not torch.isfinite(expected).all():
            raise ArtifactError(
                "the network's logits are not finite on records of the size it was fitted on: "
                "its training has diverged, and it cannot be released"
            )
        model = _to_onnx(network, contract)
    finally:
        network.train(was_training)
    (directory / MODEL).write_bytes(model.SerializeToString())
    save_weights(network, directory / WEIGHTS)
    (directory / ARCHITECTURE).write_text(architecture.to_json() + "\n", encoding="utf-8")
    _check(directory / MODEL, probe, expected)


def load_network(directory: Path) -> tuple[nn.Module, Architecture]:
    """The network that `export` wrote, in evaluation mode, and its architecture.

    Raises ArtifactError, naming the file, if one is missing, damaged, or does not fit the other.
    """
    path = directory / ARCHITECTURE
    try:
        architecture = Architecture.from_json(path.read_text(encoding="utf-8"))
        network = build(architecture)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ArtifactError(f"cannot load {path}: {error}") from error
    load_weights(network, directory / WEIGHTS)
    return network.eval(), architecture


def _probe(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Records of the size the network was fitted on; far from it, rounding would be compared."""
    probe = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    for module in network.modules():
        if isinstance(module, Standardise):
            return probe * module.scale + module.mean
    return probe


def _to_onnx(network: nn.Module, contract: Contract) -> onnx.ModelProto:
    # Two records, because torch.export takes a batch of one for a constant.
    example = torch.zeros(2, *contract.shape)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=contract.opset,
            input_names=["x"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    if program is None:
        raise ArtifactError("torch.onnx.export gave no program")
    model = program.model_proto
    # Stack traces of the exporting machine: no reader needs them, and they would change the
    # release's digest.
    for node in model.graph.node:
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    return model


def _check(path: Path, probe: Tensor, expected: Tensor) -> None:
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
    except onnx.checker.ValidationError as error:
        raise ArtifactError(f"{path} is not a valid ONNX graph: {error}") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tolerance = _TOLERANCE * max(1.0, float(expected.abs().max()))
    for count in (1, len(probe)):
        (logits,) = session.run(["logits"], {"x": probe[:count].numpy()})
        difference = float(np.abs(logits - expected[:count].numpy()).max())
        if not difference <= tolerance:
            raise ArtifactError(
                f"{path}: ONNX Runtime's logits differ from torch's by {difference:.2e}, "
                f"at most {tolerance:.2e} is expected"
            )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences what concerns no operator: absent torchvision, torch's own deprecated calls."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)

"""`Predictor`: an exported model that predicts."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from adaptd.architecture import Contract
from adaptd.errors import ArtifactError

MODEL_FILE = "model.onnx"

# What ONNX Runtime raises for a file that it cannot run; they have no common root of their own.
_UNREADABLE = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoSuchFile,
    runtime.NotImplemented,
    runtime.RuntimeException,
)


class Predictor:
    """One model in an ONNX Runtime session on one CPU thread.

    shape: of one record, without the batch axis. classes: their number.
    """

    def __init__(self, session: onnxruntime.InferenceSession, *, origin: Path) -> None:
        """The session of the file `origin`, which is only named in errors.

        Raises ArtifactError unless the graph takes float32 [n, *shape] and gives [n, classes].
        """
        inputs, outputs = session.get_inputs(), session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ArtifactError(
                f"{origin}: expected one input and one output, "
                f"got {[node.name for node in inputs]} and {[node.name for node in outputs]}"
            )
        taken, given = inputs[0], outputs[0]
        if (
            not _is_batch_of_floats(taken)
            or not _is_batch_of_floats(given)
            or len(taken.shape) < 2
            or len(given.shape) != 2
        ):
            raise ArtifactError(
                f"{origin}: expected float32 [n, *shape] to float32 [n, classes] with n free, got "
                f"{taken.type} {taken.shape} to {given.type} {given.shape}"
            )
        self._session = session
        self._input = taken.name
        self.shape: tuple[int, ...] = tuple(taken.shape[1:])
        self.classes: int = given.shape[1]

    @classmethod
    def load(cls, directory: Path, contract: Contract | None = None) -> "Predictor":
        """The model in `directory`/model.onnx; checked against the contract where one is given.

        Raises ArtifactError, naming the file, if it is missing, no model, or of another contract.
        """
        path = directory / MODEL_FILE
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; they are raised as well
        try:
            session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except OSError as error:
            raise ArtifactError(f"{path}: cannot be read: {error}") from error
        except _UNREADABLE as error:
            raise ArtifactError(f"{path}: ONNX Runtime cannot run it: {error}") from error
        predictor = cls(session, origin=path)
        if contract is not None and (
            predictor.shape != contract.shape or predictor.classes != len(contract.classes)
        ):
            raise ArtifactError(
                f"{path}: its contract expects {list(contract.shape)} to {len(contract.classes)} "
                f"classes, got {list(predictor.shape)} to {predictor.classes}"
            )
        return predictor

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Class probabilities: the softmax of the logits.

        x: float32 [n, *shape], raw values; n may be 0. Returns float32 [n, classes]; NaN for a
        record so large that its logits are not finite.
        Raises ValueError for records of another shape or dtype.
        """
        if x.shape[1:] != self.shape or x.dtype != np.float32:
            raise ValueError(
                f"expected float32 records of shape {list(self.shape)}, "
                f"got {x.dtype} of shape {list(x.shape[1:])}"
            )
        if len(x) == 0:
            return np.empty((0, self.classes), np.float32)
        (logits,) = self._session.run(None, {self._input: x})
        return softmax(logits)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [n, classes] to probabilities of the same shape; no finite logit is too large for it.

    A row with a NaN or +infinity in it becomes NaN.
    """
    # `score` counts such rows as misses; a warning for each poll would say nothing more.
    with np.errstate(over="ignore", invalid="ignore"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _is_batch_of_floats(node: onnxruntime.NodeArg) -> bool:
    """Whether only the first axis is free, and numbers are float32."""
    first, *others = node.shape or [None]
    return (
        node.type == "tensor(float)"
        and not isinstance(first, int)
        and all(isinstance(size, int) for size in others)
    )

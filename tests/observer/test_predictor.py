import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptd.architecture import Contract
from adaptd.errors import ArtifactError
from adaptd.observer.predictor import Predictor, softmax
from adaptd.observer.score import score

SHAPE = (2, 8)
CLASSES = 3
CONTRACT = Contract(features=("a", "b"), shape=SHAPE, classes=("x", "y", "z"))


def write_model(
    directory: Path,
    *,
    batch: str | int = "n",
    outputs: int = 1,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A convolution, a mean over time, and a linear layer; returns their weights."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((4, 2, 3)).astype(np.float32)
    linear = rng.standard_normal((4, CLASSES)).astype(np.float32)
    given = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, CLASSES])]
    if outputs == 2:
        given.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, [batch, 4]))
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "kernel"], ["map"], pads=[1, 1]),
            helper.make_node("ReduceMean", ["map", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "linear"], ["logits"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *SHAPE])],
        given,
        [
            numpy_helper.from_array(kernel, "kernel"),
            numpy_helper.from_array(np.array([2], np.int64), "axes"),
            numpy_helper.from_array(linear, "linear"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, directory / "model.onnx")
    return kernel, linear


def records(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(1).standard_normal((count, *SHAPE)).astype(np.float32)


def test_probabilities_are_the_softmax_of_what_the_weights_say(tmp_path: Path) -> None:
    kernel, linear = write_model(tmp_path)
    x = records(5)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=2)
    logits = np.einsum("nctk,dck->ndt", windows, kernel).mean(axis=2) @ linear
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    found = Predictor.load(tmp_path, CONTRACT).predict(x)

    assert found.dtype == np.float32
    assert found.shape == (5, CLASSES)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_predictions_do_not_depend_on_how_records_are_batched(tmp_path: Path) -> None:
    write_model(tmp_path)
    predictor = Predictor.load(tmp_path)
    x = records(40)
    together = predictor.predict(x)
    for size in (1, 7, 32):
        apart = np.concatenate([predictor.predict(x[i : i + size]) for i in range(0, 40, size)])
        np.testing.assert_array_equal(apart, together)


def test_no_records_give_no_predictions(tmp_path: Path) -> None:
    write_model(tmp_path)
    predictor = Predictor.load(tmp_path)
    assert predictor.predict(records(0)).shape == (0, CLASSES)
    assert predictor.shape == SHAPE
    assert predictor.classes == CLASSES


def test_records_that_may_not_be_written_to_are_predicted(tmp_path: Path) -> None:
    write_model(tmp_path)
    x = records(3)
    x.flags.writeable = False
    assert Predictor.load(tmp_path).predict(x).shape == (3, CLASSES)


@pytest.mark.parametrize(
    "x", [np.zeros((2, 2, 9), np.float32), np.zeros((2, 8), np.float32), np.zeros((2, *SHAPE))]
)
def test_records_of_another_shape_or_dtype_are_refused(
    tmp_path: Path, x: NDArray[np.float32]
) -> None:
    write_model(tmp_path)
    with pytest.raises(ValueError, match="float32 records of shape"):
        Predictor.load(tmp_path).predict(x)


@pytest.mark.parametrize(
    "contract",
    [
        Contract(features=("a", "b"), shape=(2, 9), classes=CONTRACT.classes),
        Contract(features=("a", "b"), shape=SHAPE, classes=("x", "y")),
    ],
)
def test_model_of_another_contract_is_refused(tmp_path: Path, contract: Contract) -> None:
    write_model(tmp_path)
    with pytest.raises(ArtifactError, match=r"model\.onnx: its contract expects"):
        Predictor.load(tmp_path, contract)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model\.onnx: cannot be read"):
        Predictor.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a model at all", bytes(1_000)])
def test_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        Predictor.load(tmp_path)


def test_truncated_model_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path)
    path = tmp_path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ArtifactError, match=r"model\.onnx"):
        Predictor.load(tmp_path)


def test_model_with_a_fixed_number_of_records_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, batch=4)
    with pytest.raises(ArtifactError, match="n free"):
        Predictor.load(tmp_path)


def test_model_of_another_dtype_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["logits"])],
        "double",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, ["n", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.DOUBLE, ["n", 16])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(ArtifactError, match=r"tensor\(double\)"):
        Predictor.load(tmp_path)


def test_model_with_two_outputs_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, outputs=2)
    with pytest.raises(ArtifactError, match="one output"):
        Predictor.load(tmp_path)


def test_softmax_of_large_logits_is_finite() -> None:
    found = softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32))
    assert found.tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_softmax_of_logits_that_are_not_finite_is_nan_without_a_warning() -> None:
    logits = np.array([[np.inf, 0.0], [np.nan, 0.0], [3e38, -3e38], [1.0, 1.0]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = softmax(logits)
    assert np.isnan(found[:2]).all()
    assert found[2:].tolist() == [[1.0, 0.0], [0.5, 0.5]]


def test_a_finite_record_on_which_the_network_overflows_is_a_miss(tmp_path: Path) -> None:
    write_model(tmp_path)
    x = records(3)
    x[1] = 3e38
    assert np.isfinite(x).all()
    predictor = Predictor.load(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predictor.predict(x)
    assert not np.isfinite(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], predictor.predict(x[[0, 2]]))
    hits, _ = score(found, np.array([0, 0, 0], np.int64))
    assert not hits[1]

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from adaptd.clock import FakeClock
from adaptd.observer.latency import prediction_seconds
from adaptd.observer.predictor import Predictor

SHAPE = (8,)
CLASSES = 3


@pytest.fixture
def model(tmp_path: Path) -> Path:
    linear = np.ones((*SHAPE, CLASSES), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "linear"], ["logits"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])],
        [numpy_helper.from_array(linear, "linear")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(made, tmp_path / "model.onnx")
    return tmp_path


class Timed(Predictor):
    """Takes as long as it is told to; counts what it is asked for."""

    clock: FakeClock
    seconds: Iterator[float]
    asked: list[tuple[int, ...]]

    def predict(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        self.asked.append(x.shape)
        self.clock.advance(next(self.seconds))
        return super().predict(x)


def timed(model: Path, clock: FakeClock, seconds: Iterator[float]) -> Timed:
    made = Timed.load(model)
    assert isinstance(made, Timed)
    made.clock, made.seconds, made.asked = clock, seconds, []
    return made


def test_slow_moments_and_the_first_predictions_do_not_count(model: Path) -> None:
    clock = FakeClock()
    # Ever faster while it warms up, and then slower whenever the machine has something else to do.
    ours = timed(model, clock, (0.001 if at < 5 else 0.002 + 0.003 * (at % 2) for at in count()))
    other = timed(model, clock, (0.004 for _ in count()))
    found = prediction_seconds({"ours": ours, "other": other}, clock=clock)
    assert found == pytest.approx({"ours": 0.002, "other": 0.004})
    assert set(ours.asked) == {(1, *SHAPE)}
    assert len(ours.asked) == len(other.asked) == 55


def test_a_large_network_is_not_waited_for(model: Path) -> None:
    clock = FakeClock()
    large = timed(model, clock, (2.0 for _ in count()))
    assert prediction_seconds({"large": large}, clock=clock) == pytest.approx({"large": 2.0})
    assert len(large.asked) == 5 + 5


def test_what_is_loaded_is_measured(model: Path) -> None:
    (seconds,) = prediction_seconds({"model": Predictor.load(model)}).values()
    assert 0 < seconds < 1

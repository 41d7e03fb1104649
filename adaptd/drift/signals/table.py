"""The signals there are, for a stream that is described."""

from collections.abc import Sequence

from adaptd.drift.signals.answers import Error, Loss, Overconfidence
from adaptd.drift.signals.bands import Bands
from adaptd.drift.signals.components import Components
from adaptd.drift.signals.faults import Faults
from adaptd.drift.signals.figures import FigureSignal
from adaptd.drift.signals.moments import Moments
from adaptd.drift.signals.outputs import ClassShares, Distribution, confidence, entropy
from adaptd.drift.signals.signal import Signal
from adaptd.drift.signals.stability_index import StabilityIndex


def input_signals() -> list[Signal]:
    """Of records alone, without labels or a model."""
    return [
        Faults(),
        FigureSignal(Moments()),
        FigureSignal(StabilityIndex()),
        FigureSignal(Components()),
        FigureSignal(Bands()),
    ]


def output_signals(classes: int) -> list[Signal]:
    """Of a model's predictions, without labels. classes: how many."""
    return [
        FigureSignal(Distribution("output-confidence", confidence)),
        FigureSignal(Distribution("output-entropy", entropy)),
        FigureSignal(ClassShares("predicted-classes", classes, is_predicted=True)),
    ]


def label_signals(classes: Sequence[str]) -> list[Signal]:
    """Of the labels alone. classes: names in the model's order."""
    return [FigureSignal(ClassShares("label-classes", len(classes), is_predicted=False))]


def answer_signals(classes: Sequence[str]) -> list[Signal]:
    """Of predictions and labels together; with two classes and up, also of each class."""
    own = [Error(of_class=place, class_name=name) for place, name in enumerate(classes)]
    return [Error(), Loss(), Overconfidence(), *own]

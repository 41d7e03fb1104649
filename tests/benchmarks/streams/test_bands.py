from pathlib import Path

import numpy as np
import pytest

from benchmarks.streams import STREAMS, load
from benchmarks.streams.bands import CLASSES

NOWHERE = Path("nowhere")


@pytest.mark.parametrize(
    ("side", "lowest", "highest"), [("before", 0.125, 0.375), ("after_test", 0.026, 0.054)]
)
def test_the_dominant_frequency_is_that_of_the_class(
    side: str, lowest: float, highest: float
) -> None:
    records = getattr(load(STREAMS["frequency"], seed=0, data=NOWHERE), side)
    # Padded to 1,024 samples, so that the peak is found to a thousandth of a cycle per sample.
    spectrum = abs(np.fft.rfft(records.x[:, 0], 1_024))
    dominant = spectrum.argmax(axis=1) / 1_024
    for place, expected in enumerate(np.linspace(lowest, highest, CLASSES)):
        own = dominant[records.target == place]
        # Within a band tones vary by 3 %, and noise moves the peak by a thousandth or two.
        assert np.median(own) == pytest.approx(expected, rel=0.02, abs=0.0005)

import gzip
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorded import MissingDataError
from benchmarks.streams.digits import IMAGES, LABELS, read


def test_there_are_ten_thousand_digits_from_paper_to_ink(shared_directory: Path) -> None:
    images, labels = read(shared_directory)
    assert images.shape == (10_000, 28, 28)
    assert (images.min(), images.max()) == (0, 1)
    np.testing.assert_array_equal(labels[:5], [7, 2, 1, 0, 4])
    with pytest.raises(ValueError, match="read-only"):
        images[0, 0, 0] = 1


def test_what_is_missing_or_no_such_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError):
        read(tmp_path)
    (tmp_path / "streams").mkdir()
    for name in (IMAGES, LABELS):
        (tmp_path / name).write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3])))
    with pytest.raises(ValueError, match=r"bytes of shape \(10000, 28, 28\)"):
        read(tmp_path)

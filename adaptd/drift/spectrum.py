"""Band energies of sequences and images: what a change of sampling rate or focus moves first."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Fewer positions along an axis have no spectrum worth the name.
FEWEST_POSITIONS = 8
_MOST_BANDS = 16


def has_spectrum(shape: tuple[int, ...]) -> bool:
    """Whether records of that shape are sequences (C, L) or images (C, H, W) long enough."""
    return len(shape) in (2, 3) and min(shape[1:]) >= FEWEST_POSITIONS


def band_frequencies(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The middle of each band, in cycles a sample, above 0 to 0.5; float64 [bands]."""
    bands = min(_MOST_BANDS, min(shape[1:]) // 2)
    return (np.arange(bands) + 0.5) / (2 * bands)


def band_energies(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean power of each channel in bands of equal width, its mean left out.

    x: [n, C, L] or [n, C, H, W]; of an image, the power at all directions together. Values that
    are not finite count as 0. Returns float64 [n, C, bands], in squares of x's unit a frequency;
    white noise has its variance in every band.
    """
    values = np.nan_to_num(np.asarray(x, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    axes = tuple(range(2, values.ndim))
    taper = _taper(values.shape[2:])
    mean = (values * taper).sum(axis=axes, keepdims=True) / taper.sum()
    power = np.abs(np.fft.rfftn((values - mean) * taper, axes=axes)) ** 2 / (taper**2).sum()
    flat = power.reshape(*power.shape[:2], -1)
    shares = _shares(values.shape[2:], len(band_frequencies(values.shape[1:])))
    bands: NDArray[np.float64] = flat @ shares
    return bands[..., :-1]


# A stream's blocks are all of one size, and a process has few streams.
@lru_cache(maxsize=32)
def _taper(sizes: tuple[int, ...]) -> NDArray[np.float64]:
    """Of a record's positions. Without it the jump from a record's end to its beginning covers the
    high bands."""
    taper = np.ones(sizes)
    for axis, size in enumerate(sizes):
        sine = np.sin(np.pi * (np.arange(size) + 0.5) / size)
        taper = taper * np.expand_dims(sine, tuple(i for i in range(len(sizes)) if i != axis))
    taper.flags.writeable = False
    return taper


@lru_cache(maxsize=32)
def _shares(sizes: tuple[int, ...], bands: int) -> NDArray[np.float64]:
    """[coefficients, bands + 1]: the share of each coefficient, flat, in its band; the mean goes to
    the last, an extra one, as do an image's corners beyond the highest frequency of its sides."""
    axes = [np.fft.fftfreq(size) for size in sizes[:-1]] + [np.fft.rfftfreq(sizes[-1])]
    square = sum(frequency**2 for frequency in np.meshgrid(*axes, indexing="ij"))
    radius = np.sqrt(np.asarray(square)).ravel()
    place = np.ceil(radius * 2 * bands - 1e-9).astype(np.int64) - 1
    place = np.where((place < 0) | (place >= bands), bands, place)
    counts = np.bincount(place, minlength=bands + 1)
    weight = 1 / np.maximum(counts, 1)[place]
    shares: NDArray[np.float64] = np.eye(place.max() + 1)[place] * weight[:, None]
    shares.flags.writeable = False
    return shares

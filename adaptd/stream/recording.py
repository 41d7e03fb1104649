"""A recorded stream's file as bytes: as it is, or compressed."""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Literal, cast

import pyarrow as pa

from adaptd.errors import SourceError

# Suffix -> name of the codec.
_CODECS: Mapping[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}

_CHUNK_BYTES = 1 << 16

# What a recording's name may end in, without the suffix of a codec.
FORMATS = (".parquet", ".csv", ".jsonl")


def format_of(path: Path) -> str:
    """One of `FORMATS`, whatever compresses it. Raises SourceError for another name."""
    found = path.with_suffix("") if is_compressed(path) else path
    suffix = found.suffix.lower()
    if suffix in FORMATS and not (suffix == ".parquet" and is_compressed(path)):
        return suffix
    raise SourceError(
        f"{path}: expected a file .parquet, .csv or .jsonl, the latter two also with .gz or .zst"
    )


def is_compressed(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in _CODECS


def open_bytes(path: Path) -> IO[bytes]:
    """The file's content, decompressed. Raises SourceError where it cannot be opened."""
    try:
        codec = _CODECS.get(path.suffix.lower())
        if codec is None:
            return path.open("rb")
        return cast(IO[bytes], pa.input_stream(str(path), compression=codec))
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error


class Lines:
    """The lines of a file from front to back, without their ends.

    is_followed: whether the file may grow: then a last line without an end is not yet one, and a
    later call may find more. A file that is compressed cannot be followed: SourceError.
    """

    def __init__(self, path: Path, *, is_followed: bool = False) -> None:
        if is_followed and is_compressed(path):
            raise SourceError(f"{path}: follow: a compressed file does not grow line by line")
        self._path = path
        self._is_followed = is_followed
        self._file = open_bytes(path)
        self._whole: deque[bytes] = deque()
        self._rest = b""

    def rewind(self) -> None:
        """The next line is the first one."""
        self._file.close()
        self._file = open_bytes(self._path)
        self._whole.clear()
        self._rest = b""

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Raises StopIteration where there is none (yet); SourceError for a damaged file, or a
        followed one that has become another or shorter."""
        while not self._whole:
            try:
                # Not `readline`, which a decompressed stream has not.
                more = self._file.read(_CHUNK_BYTES)
            except (OSError, pa.ArrowException) as error:
                raise SourceError(f"{self._path}: a damaged file: {error}") from error
            if more:
                *whole, self._rest = (self._rest + more).split(b"\n")
                self._whole.extend(whole)
            elif self._rest and not self._is_followed:
                self._whole.append(self._rest)
                self._rest = b""
            else:
                if self._is_followed:
                    self._check_grown()
                raise StopIteration
        return self._whole.popleft().removesuffix(b"\r")

    def close(self) -> None:
        self._file.close()

    def _check_grown(self) -> None:
        opened = os.fstat(self._file.fileno())
        try:
            named = self._path.stat()
        except OSError as error:
            raise SourceError(f"{self._path}: follow: is gone: {error.strerror}") from error
        if (opened.st_dev, opened.st_ino) != (named.st_dev, named.st_ino):
            raise SourceError(f"{self._path}: follow: another file has its name by now")
        if named.st_size < self._file.tell():
            raise SourceError(
                f"{self._path}: follow: has become shorter, so its lines are no longer those that "
                "were read: give this one a stream name of its own"
            )

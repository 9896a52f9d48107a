"""pandas' C engine, told the exact dialect: in pieces beside each other where a text is large and can be cut."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from gru_viz.sequences.cells import MISSING_MARKS
from gru_viz.sequences.dialect import Layout
from gru_viz.sequences.table_file import TableFile, contains

__all__ = ["Progress", "read_frame"]

Progress = Callable[[int, int], None]
"""Told how many bytes are read, of how many; what it raises ends the reading."""

_LARGE = 1 << 23
_PIECE = 1 << 22
_MOST_THREADS = 4
_ODD = (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError)


def read_frame(content: TableFile, layout: Layout, progress: Progress | None) -> pd.DataFrame:
    """Parse the cells; columns are labelled 0, 1, …, of numbers where all cells are, else of text.

    Raises:
        pandas.errors.ParserError, ValueError, OverflowError: the text has no such cells.

    Example:
        >>> from gru_viz.sequences.dialect import Told, find_layout
        >>> from gru_viz.sequences.table_file import read_table_file
        >>> content = read_table_file(b"a;b\\n1,5;2,5\\n", "x.csv", None, 99)
        >>> read_frame(content, find_layout(content, Told(), 9), None).values.tolist()
        [[1.5, 2.5]]
    """
    data, start = content.data, layout.start
    if len(data) - start > _LARGE and not contains(data, b'"'):  # a quoted cell may hold the end of a line
        frame = _in_pieces(data, layout, progress)
        if frame is not None:
            return frame
    told = progress or (lambda done, total: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = _parse(_Part(data, start, len(data), told), layout, blanks=True, in_chunks=True)
    if any(dtype == "object" for dtype in frame.dtypes):  # numbers here, text there
        frame = _parse(_Part(data, start, len(data), told), layout, blanks=True, in_chunks=False)
    return frame


def _in_pieces(data: bytes, layout: Layout, progress: Progress | None) -> pd.DataFrame | None:
    """Parse the pieces beside each other; None where they do not fit together, or one of them is odd."""
    blanks = contains(data, b" ") or contains(data, b"\t")
    cuts = list(_cuts(data, layout.start))
    threads = min(_cores(), _MOST_THREADS)
    frames: list[pd.DataFrame] = []
    with ThreadPoolExecutor(threads, "reading") as pool:

        def parse(begin: int, end: int) -> pd.DataFrame:
            return _parse(_Part(data, begin, end), layout, blanks, in_chunks=False)

        try:
            for end, frame in zip(cuts[1:], pool.map(parse, cuts[:-1], cuts[1:]), strict=True):
                if progress:
                    progress(end, len(data))
                if not isinstance(frame.index, pd.RangeIndex) or (frames and not _fits(frame, frames[0])):
                    return None
                frames.append(frame)
        except _ODD:
            return None
        finally:
            pool.shutdown(cancel_futures=True)
    return _joined(frames)


def _joined(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other; numbers by numpy, which lets other threads run while it copies."""
    if any(dtype.kind not in "biuf" for frame in frames for dtype in frame.dtypes):
        return pd.concat(frames, ignore_index=True)
    columns = {at: np.concatenate([frame[at].to_numpy() for frame in frames]) for at in frames[0].columns}
    return pd.DataFrame(columns, copy=False)


def _cuts(data: bytes, start: int) -> Iterator[int]:
    """Where lines begin that are far enough from each other, and the end."""
    while start < len(data):
        yield start
        end = data.find(b"\n", start + _PIECE)
        start = end + 1 if end >= 0 else len(data)
    yield len(data)


def _fits(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether columns are of the same kind here and there; whole numbers here and fractions there are the latter."""
    return all(a == b or {a.kind, b.kind} == {"i", "f"} for a, b in zip(one.dtypes, other.dtypes, strict=True))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Part:
    """A part of a text, for pandas to read as bytes; what it knows as a file, it decodes and encodes again."""

    def __init__(self, data: bytes, start: int, end: int, progress: Progress | None = None) -> None:
        self.data, self.at, self.end, self.progress = data, start, end, progress

    def read(self, size: int = -1) -> bytes:
        """The next bytes; tells how far they are."""
        if self.progress:
            self.progress(self.at, self.end)
        start, self.at = self.at, self.end if size < 0 else min(self.at + size, self.end)
        return self.data[start : self.at]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.data[self.at : self.end].splitlines(keepends=True))


def _parse(part: _Part, layout: Layout, blanks: bool, in_chunks: bool) -> pd.DataFrame:
    return pd.read_csv(
        part,  # type: ignore[call-overload]
        sep=r"\s+" if layout.dialect.delimiter == " " else layout.dialect.delimiter,
        decimal=layout.dialect.decimal,
        header=None,
        names=list(range(len(layout.names))),
        na_values=list(MISSING_MARKS),
        keep_default_na=False,
        skipinitialspace=blanks,  # a third slower where there are none
        low_memory=in_chunks,  # a third faster
        encoding="utf-8",
        engine="c",
    )

"""Reads cells with pandas' C engine: a large text in chunks, in parallel threads."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from gru_viz.progress import Progress
from gru_viz.sequences.cell_parsing import MISSING_VALUES
from gru_viz.sequences.dialect import TableLayout
from gru_viz.sequences.table_file import TableFile, contains

__all__ = ["read_frame"]

MIN_PARALLEL_BYTES = 1 << 23
"""A larger text is read in chunks."""
CHUNK_BYTES = 1 << 22
"""The size of a chunk, which ends with the next line."""
_MAX_THREADS = 4
_PARSE_ERRORS = (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OverflowError)


def read_frame(file: TableFile, layout: TableLayout, progress: Progress | None) -> pd.DataFrame:
    """Parse the cells of a text into columns 0, 1, …: numbers if all cells of a column are numbers, else text."""
    data, start = file.data, layout.start
    if len(data) - start > MIN_PARALLEL_BYTES and not contains(data, b'"'):  # a quoted cell may contain a line end
        frame = _read_chunks(data, layout, progress)
        if frame is not None:
            return frame
    report = progress or (lambda done, total: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        frame = _parse(_ByteRange(data, start, len(data), report), layout, blanks=True, in_chunks=True)
    if any(dtype == "object" for dtype in frame.dtypes):  # numbers in some parts, text in others
        frame = _parse(_ByteRange(data, start, len(data), report), layout, blanks=True, in_chunks=False)
    return frame


def _read_chunks(data: bytes, layout: TableLayout, progress: Progress | None) -> pd.DataFrame | None:
    """Parse chunks in parallel; None if their columns differ in kind, or one cannot be parsed."""
    blanks = contains(data, b" ") or contains(data, b"\t")
    cuts = list(_cuts(data, layout.start))
    threads = min(_cores(), _MAX_THREADS)
    frames: list[pd.DataFrame] = []
    with ThreadPoolExecutor(threads, "reading") as pool:

        def parse(begin: int, end: int) -> pd.DataFrame:
            return _parse(_ByteRange(data, begin, end), layout, blanks, in_chunks=False)

        try:
            for end, frame in zip(cuts[1:], pool.map(parse, cuts[:-1], cuts[1:]), strict=True):
                if progress:
                    progress(end, len(data))
                if not isinstance(frame.index, pd.RangeIndex) or (frames and not _same_kinds(frame, frames[0])):
                    return None
                frames.append(frame)
        except _PARSE_ERRORS:
            return None
        finally:
            pool.shutdown(cancel_futures=True)
    return _concatenate(frames)


def _concatenate(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The frames as one; numbers by numpy, which releases the interpreter lock while it copies."""
    if any(dtype.kind not in "biuf" for frame in frames for dtype in frame.dtypes):
        return pd.concat(frames, ignore_index=True)
    columns = {at: np.concatenate([frame[at].to_numpy() for frame in frames]) for at in frames[0].columns}
    return pd.DataFrame(columns, copy=False)


def _cuts(data: bytes, start: int) -> Iterator[int]:
    """The starts of the chunks, each at the start of a line, and the end."""
    while start < len(data):
        yield start
        end = data.find(b"\n", start + CHUNK_BYTES)
        start = end + 1 if end >= 0 else len(data)
    yield len(data)


def _same_kinds(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether the columns of two frames have the same kinds; whole numbers can join fractions."""
    return all(a == b or {a.kind, b.kind} == {"i", "f"} for a, b in zip(one.dtypes, other.dtypes, strict=True))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _ByteRange:
    """A part of the data with the methods of a file; pandas would decode and encode a real file again."""

    def __init__(self, data: bytes, start: int, end: int, progress: Progress | None = None) -> None:
        self.data, self.at, self.end, self.progress = data, start, end, progress

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, after reporting progress."""
        if self.progress:
            self.progress(self.at, self.end)
        start, self.at = self.at, self.end if size < 0 else min(self.at + size, self.end)
        return self.data[start : self.at]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.data[self.at : self.end].splitlines(keepends=True))


def _parse(part: _ByteRange, layout: TableLayout, blanks: bool, in_chunks: bool) -> pd.DataFrame:
    return pd.read_csv(
        part,  # type: ignore[call-overload]
        sep=r"\s+" if layout.dialect.delimiter == " " else layout.dialect.delimiter,
        decimal=layout.dialect.decimal,
        header=None,
        names=list(range(len(layout.names))),
        na_values=list(MISSING_VALUES),
        keep_default_na=False,
        skipinitialspace=blanks,  # a third slower where there are none
        low_memory=in_chunks,  # a third faster
        encoding="utf-8",
        engine="c",
    )

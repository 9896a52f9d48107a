"""Reads the two rows above the samples of a wristband's file: when it started, and how many samples a second has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gru_viz.sequences.dialect import TableLayout

__all__ = ["remove_start_and_rate"]

_EARLIEST, _LATEST = 6e8, 4e9
_FASTEST = 5000
_LARGEST_SAMPLE = 1e7


def remove_start_and_rate(
    frame: pd.DataFrame, layout: TableLayout
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Turn a first row of seconds since 1970 and a second row of a rate into a column of times.

    Returns:
        The cells, a name for each column, and a notice.

    Example:
        >>> from gru_viz.sequences import read_table
        >>> read_table(b"1600000000.0\\n4.0\\n0.25\\n0.5\\n0.75\\n")[0].time
        ('2020-09-13 12:26:40.000', '2020-09-13 12:26:40.250', '2020-09-13 12:26:40.500')
    """
    if layout.dialect.header or len(frame) < 4 or not all(pd.api.types.is_numeric_dtype(each) for each in frame.dtypes):
        return frame, layout.names, ()
    first, second = frame.iloc[0].to_numpy(np.float64), frame.iloc[1].to_numpy(np.float64)
    if len({*first}) > 1 or len({*second}) > 1 or not _EARLIEST < first[0] < _LATEST or not 0 < second[0] <= _FASTEST:
        return frame, layout.names, ()
    samples = frame.iloc[2:].reset_index(drop=True)
    if not float(samples.abs().max().max()) < _LARGEST_SAMPLE:
        return frame, layout.names, ()
    start, rate = first[0], second[0]
    microseconds = np.round((start + np.arange(len(samples)) / rate) * 1e6).astype(np.int64)
    named = pd.concat([pd.Series(microseconds.astype("datetime64[us]")), samples], axis=1)
    named.columns = pd.RangeIndex(named.shape[1])
    began = np.datetime_as_string(microseconds[:1].astype("datetime64[us]"), "s")[0].replace("T", " ")
    notice = (
        f"The first two rows were read as the start ({began}) and the rate ({rate:g} a second); "
        'rows="steps" reads them as steps.'
    )
    return named, ("time", *layout.names), (notice,)

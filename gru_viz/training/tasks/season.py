"""The seasonal lag of a series."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

__all__ = ["find_season"]

CLEAR = 0.3
"""Smallest autocorrelation of a season, and smallest rise from the trough before it."""


def find_season(series: Iterable[np.ndarray]) -> int | None:
    """Find the lag, in steps, with the highest autocorrelation peak; None without a clear one.

    Each series is detrended by a straight line; the autocorrelation (Box & Jenkins 1976) is averaged over the series,
    weighted by their steps, and searched up to a third of the shortest.
    """
    correlations, weights = [], []
    for one in series:
        steps = len(one)
        if steps < 8:
            continue
        rest = one - np.polyval(np.polyfit(np.arange(steps), one, 1), np.arange(steps))
        size = np.abs(rest).max()
        if size <= 1e-9 * max(1.0, np.abs(one).max()):
            continue
        spectrum = np.fft.rfft(rest / size, 2 * steps)
        products = np.fft.irfft(np.abs(spectrum) ** 2)[: steps // 3 + 2]
        correlations.append(products / products[0])
        weights.append(steps)
    if not correlations:
        return None
    most = min(map(len, correlations))
    r = np.average([each[:most] for each in correlations], axis=0, weights=weights)
    lags = np.arange(2, most - 1)
    troughs = np.minimum.accumulate(r)[lags]
    peaks = (r[lags] > r[lags - 1]) & (r[lags] >= r[lags + 1]) & (r[lags] > CLEAR) & (r[lags] - troughs > CLEAR)
    return int(lags[peaks][np.argmax(r[lags[peaks]])]) if peaks.any() else None

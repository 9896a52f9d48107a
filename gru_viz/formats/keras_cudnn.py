"""The arrays of CuDNNGRU and CuDNNLSTM, which Keras 2 had for GPUs, in the layout of its other layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["from_cudnn"]


def from_cudnn(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays of CuDNNGRU or CuDNNLSTM in the layout of GRU(reset_after=True) and LSTM.

    There the matrix of each gate is stored by columns, and both biases end to end; an LSTM has one.
    """
    kernel, recurrent, *bias = arrays
    count = recurrent.shape[1] // len(recurrent)
    kernel = np.hstack([each.T.reshape(each.shape, order="F") for each in np.hsplit(kernel, count)])
    recurrent = np.hstack([each.T for each in np.hsplit(recurrent, count)])
    if not bias:
        return [kernel, recurrent]
    both = bias[0].reshape(2, -1)
    return [kernel, recurrent, both if count == 3 else both.sum(0)]

"""tanh and σ, written so that a loop over them becomes vector instructions; NaN stays NaN, ±∞ saturates exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from gru_viz.backends.compiled.compiler import implements, intrinsic, part

__all__ = ["ONE", "SHIFT", "WIDE", "WIDER", "expm1_parts", "fraction", "sigmoid", "tanh", "times_power"]

ONE, HALF = np.float32(1), np.float32(0.5)
WIDE = np.float32(10)  # beyond it the fraction exceeds 1 by more than its rounding, so that the bound below is reached
P1, P3, P5, P7, P9, P11, P13 = map(
    np.float32, (4.89352455891786e-3, 6.37261928875436e-4, 1.48572235717979e-5, 5.12229709037114e-8,
                 -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16)
)  # fmt: skip
Q0, Q2, Q4, Q6 = map(np.float32, (4.89352518554385e-3, 2.26843463243900e-3, 1.18534705686654e-4, 1.19825839466702e-6))


@part
def _clamped(x: Any, bound: Any) -> Any:
    """In this order of comparisons a NaN stays: it is neither below nor above."""
    x = -bound if x < -bound else x
    return bound if x > bound else x


def fraction(x: Any) -> Any:
    """tanh of single precision within ±WIDE: polynomials of degree 13 and 6, as in Eigen; relative error 3e-7."""
    s = x * x
    over = x * (P1 + s * (P3 + s * (P5 + s * (P7 + s * (P9 + s * (P11 + s * P13))))))
    under = Q0 + s * (Q2 + s * (Q4 + s * Q6))
    return over / under


_fraction = part(fraction)


@part
def _tanh_single(x: Any) -> Any:
    return _clamped(_fraction(_clamped(x, WIDE)), ONE)


@intrinsic
def _power_of_two(_: Any, shifted: Any) -> Any:
    """2 ** k as a double, where ``shifted`` is 1.5 * 2 ** 52 + k: its lowest bits are k, and become the exponent."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.bitcast(arguments[0], ir.IntType(64))
        biased = builder.add(bits, ir.Constant(ir.IntType(64), 1023))
        return builder.bitcast(builder.shl(biased, ir.Constant(ir.IntType(64), 52)), ir.DoubleType())

    return types.float64(types.float64), generate


SHIFT = 1.5 * 2.0**52
LOG2_E, LN2_HIGH, LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
F2, F3, F4, F5, F6, F7, F8 = 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40320
F9, F10, F11, F12, F13 = 1 / 362880, 1 / 3628800, 1 / 39916800, 1 / 479001600, 1 / 6227020800


WIDER = 40.0  # beyond it e ** y + 1 is e ** y


def expm1_parts(y: Any) -> tuple[Any, Any]:
    """exp(f) − 1 and k, as ``SHIFT`` + k, of y = k ln 2 + f with |f| ≤ ln 2 / 2: exact near 0 too."""
    shifted = y * LOG2_E + SHIFT
    k = shifted - SHIFT
    f = (y - k * LN2_HIGH) - k * LN2_LOW
    tail = F8 + f * (F9 + f * (F10 + f * (F11 + f * (F12 + f * F13))))
    series = f + f * f * (F2 + f * (F3 + f * (F4 + f * (F5 + f * (F6 + f * (F7 + f * tail))))))
    return series, shifted


def times_power(series: Any, power: Any) -> Any:
    """tanh from exp(f) − 1 and 2 ** k: e / (e + 2) with e = 2 ** k (exp(f) − 1) + (2 ** k − 1)."""
    e = power * series + (power - 1.0)
    return e / (e + 2.0)


_expm1_parts, _times_power = part(expm1_parts), part(times_power)


@part
def _tanh_double(x: Any) -> Any:
    series, shifted = _expm1_parts(_clamped(x + x, WIDER))
    return _times_power(series, _power_of_two(shifted))


@part
def _sigmoid_single(x: Any) -> Any:
    return HALF + HALF * _tanh_single(HALF * x)


@part
def _sigmoid_double(x: Any) -> Any:
    return 0.5 + 0.5 * _tanh_double(0.5 * x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of a scalar, in its own precision; for compiled functions only."""
    raise NotImplementedError


def sigmoid(x: Any) -> Any:
    """The logistic function of a scalar, ½ + ½ tanh(x / 2), in its own precision; for compiled functions only."""
    raise NotImplementedError


@implements(tanh)
def _tanh(x: Any) -> Any:
    single = x == types.float32
    return (lambda x: _tanh_single(x)) if single else (lambda x: _tanh_double(x))


@implements(sigmoid)
def _sigmoid(x: Any) -> Any:
    single = x == types.float32
    return (lambda x: _sigmoid_single(x)) if single else (lambda x: _sigmoid_double(x))

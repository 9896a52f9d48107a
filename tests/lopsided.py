"""Random weights that hide nothing: hidden ≠ features, every gate on its own scale, no bias zero, nothing symmetric.

The names and shapes are written here by hand, from the frameworks and articles, not taken from the library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

Shapes = Callable[[int, int], dict[str, tuple[int, ...]]]


def _torch_like(gates: int) -> Shapes:
    return lambda i, h: {
        "weight_ih": (gates * h, i),
        "weight_hh": (gates * h, h),
        "bias_ih": (gates * h,),
        "bias_hh": (gates * h,),
    }


def _onnx_like(gates: int) -> Shapes:
    return lambda i, h: {"W": (gates * h, i), "R": (gates * h, h), "B": (2 * gates * h,)}


def _keras_like(gates: int) -> Shapes:
    return lambda i, h: {"kernel": (i, gates * h), "recurrent_kernel": (h, gates * h), "bias": (gates * h,)}


def _plain(i: int, h: int) -> dict[str, tuple[int, ...]]:
    return {"W_z": (h, i), "W_r": (h, i), "W": (h, i), "U_z": (h, h), "U_r": (h, h), "U": (h, h)}


def _d2l(i: int, h: int) -> dict[str, tuple[int, ...]]:
    return {
        **dict.fromkeys(("W_xz", "W_xr", "W_xh"), (i, h)),
        **dict.fromkeys(("W_hz", "W_hr", "W_hh"), (h, h)),
        **dict.fromkeys(("b_z", "b_r", "b_h"), (h,)),
    }


SHAPES: Mapping[str, Shapes] = {
    "torch": _torch_like(3),
    "torch_lstm": _torch_like(4),
    "torch_rnn": _torch_like(1),
    "keras_lstm": _keras_like(4),
    "keras_rnn": _keras_like(1),
    "onnx_lstm": _onnx_like(4),
    "onnx_rnn": _onnx_like(1),
    "cudnn": lambda i, h: {
        **dict.fromkeys(("W_r", "W_i", "W_h"), (h, i)),
        **dict.fromkeys(("R_r", "R_i", "R_h"), (h, h)),
        **dict.fromkeys(("b_Wr", "b_Wi", "b_Wh", "b_Rr", "b_Ri", "b_Rh"), (h,)),
    },
    "keras_reset_after": lambda i, h: {"kernel": (i, 3 * h), "recurrent_kernel": (h, 3 * h), "bias": (2, 3 * h)},
    "keras_reset_before": _keras_like(3),
    "onnx": _onnx_like(3),
    "onnx_linear_before_reset": _onnx_like(3),
    "cho_2014_v1": _plain,
    "cho_2014_v3": _plain,
    "chung_2014": _plain,
    "gentle_introduction": _plain,
    "ai_summer": lambda i, h: {
        **dict.fromkeys(("W_ir", "W_iz", "W_in"), (h, i)),
        **dict.fromkeys(("W_hr", "W_hz", "W_hn"), (h, h)),
        **dict.fromkeys(("b_ir", "b_iz", "b_in", "b_hr", "b_hz", "b_hn"), (h,)),
    },
    "gru_simple": lambda i, h: {
        **dict.fromkeys(("Wz", "Wr", "Wh"), (h, i)),
        **dict.fromkeys(("Uz", "Ur", "Uh"), (h, h)),
    },
    "d2l_equation": _d2l,
    "d2l_code": _d2l,
    "tf1": lambda i, h: {
        "gates/kernel": (i + h, 2 * h),
        "gates/bias": (2 * h,),
        "candidate/kernel": (i + h, h),
        "candidate/bias": (h,),
    },
}

RESET_AFTER = ("torch", "cudnn", "keras_reset_after", "onnx_linear_before_reset", "cho_2014_v1", "ai_summer",
               "gentle_introduction", "d2l_code")  # fmt: skip
RESET_BEFORE = ("keras_reset_before", "onnx", "cho_2014_v3", "chung_2014", "gru_simple", "d2l_equation", "tf1")
TAKES = ("chung_2014", "gru_simple")
BIASES = {
    **dict.fromkeys(("torch", "cudnn", "keras_reset_after", "onnx", "onnx_linear_before_reset", "ai_summer"), 2),
    **dict.fromkeys(("torch_lstm", "torch_rnn", "onnx_lstm", "onnx_rnn"), 2),
    **dict.fromkeys(("keras_reset_before", "d2l_equation", "d2l_code", "tf1", "keras_lstm", "keras_rnn"), 1),
    **dict.fromkeys(("cho_2014_v1", "cho_2014_v3", "chung_2014", "gentle_introduction", "gru_simple"), 0),
}
GRUS = (*RESET_AFTER, *RESET_BEFORE)
LSTMS = ("torch_lstm", "keras_lstm", "onnx_lstm")
RNNS = ("torch_rnn", "keras_rnn", "onnx_rnn")
ALL = (*GRUS, *LSTMS, *RNNS)
CELL = {**dict.fromkeys(GRUS, "gru"), **dict.fromkeys(LSTMS, "lstm"), **dict.fromkeys(RNNS, "rnn")}


def matrices(
    convention: str, features: int = 3, hidden: int = 5, seed: int = 0, scale: float = 1.0, dtype: str = "float64"
) -> dict[str, np.ndarray]:
    """Random arrays in the convention's own names and shapes, of a size that keeps gates alive but far from 0.5."""
    rng = np.random.default_rng([seed, features, hidden])
    arrays = {}
    for k, (name, shape) in enumerate(SHAPES[convention](features, hidden).items()):
        spread = np.linspace(0.4 + 0.07 * k, 1.6 - 0.05 * k, max(shape))  # blocks differ: along the stacked axis too
        ramp = spread if shape[-1] == max(shape) else spread[:, None]
        offset = 0.2 if len(shape) == 1 or name == "bias" else 0.0
        arrays[name] = (scale * (offset + 0.8 * ramp * rng.standard_normal(shape))).astype(dtype)
    return arrays


def inputs(*shape: int, seed: int = 7, dtype: str = "float64") -> np.ndarray:
    """Random inputs of any shape."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


def stack(
    convention: str, features: int = 3, hidden: int = 5, layers: int = 1, directions: int = 1, **options: object
) -> list[list[dict[str, np.ndarray]]]:
    """Lopsided arrays for every layer and direction, no two alike."""
    seed = int(options.pop("seed", 0))  # type: ignore[call-overload]
    return [
        [
            matrices(
                convention,
                features if k == 0 else directions * hidden,
                hidden,
                seed=1000 * seed + 10 * k + d,
                **options,  # type: ignore[arg-type]
            )
            for d in range(directions)
        ]
        for k in range(layers)
    ]

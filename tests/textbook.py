"""Every GRU as its own source writes it: plain numpy, one sequence, one step after the other.

An independent twin of the library: nothing here imports it. Each function reads a variant's own matrices, in their
own names and layout, and gives r, z, n, h as (time, hidden) arrays. What z means is as in the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

M = Mapping[str, np.ndarray]
Step = Callable[[M, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def sigma(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def torch_gru(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    w_ir, w_iz, w_in = np.split(m["weight_ih"], 3)
    w_hr, w_hz, w_hn = np.split(m["weight_hh"], 3)
    b_ir, b_iz, b_in = np.split(m["bias_ih"], 3)
    b_hr, b_hz, b_hn = np.split(m["bias_hh"], 3)
    r = sigma(w_ir @ x + b_ir + w_hr @ h + b_hr)
    z = sigma(w_iz @ x + b_iz + w_hz @ h + b_hz)
    n = np.tanh(w_in @ x + b_in + r * (w_hn @ h + b_hn))
    return r, z, n, (1 - z) * n + z * h


def cudnn(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    i = sigma(m["W_i"] @ x + m["R_i"] @ h + m["b_Wi"] + m["b_Ri"])
    r = sigma(m["W_r"] @ x + m["R_r"] @ h + m["b_Wr"] + m["b_Rr"])
    new = np.tanh(m["W_h"] @ x + r * (m["R_h"] @ h + m["b_Rh"]) + m["b_Wh"])
    return r, i, new, (1 - i) * new + i * h


def keras_reset_after(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    x_z, x_r, x_h = np.split(x @ m["kernel"] + m["bias"][0], 3)
    rec_z, rec_r, rec_h = np.split(h @ m["recurrent_kernel"] + m["bias"][1], 3)
    z, r = sigma(x_z + rec_z), sigma(x_r + rec_r)
    hh = np.tanh(x_h + r * rec_h)
    return r, z, hh, z * h + (1 - z) * hh


def keras_reset_before(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    units = len(h)
    x_z, x_r, x_h = np.split(x @ m["kernel"] + m["bias"], 3)
    rec_z, rec_r = np.split(h @ m["recurrent_kernel"][:, : 2 * units], 2)
    z, r = sigma(x_z + rec_z), sigma(x_r + rec_r)
    hh = np.tanh(x_h + (r * h) @ m["recurrent_kernel"][:, 2 * units :])
    return r, z, hh, z * h + (1 - z) * hh


def _onnx(linear_before_reset: bool) -> Step:
    def step(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        w_z, w_r, w_h = np.split(m["W"], 3)
        r_z, r_r, r_h = np.split(m["R"], 3)
        wb_z, wb_r, wb_h, rb_z, rb_r, rb_h = np.split(m["B"], 6)
        zt = sigma(x @ w_z.T + h @ r_z.T + wb_z + rb_z)
        rt = sigma(x @ w_r.T + h @ r_r.T + wb_r + rb_r)
        if linear_before_reset:
            ht = np.tanh(x @ w_h.T + rt * (h @ r_h.T + rb_h) + wb_h)
        else:
            ht = np.tanh(x @ w_h.T + (rt * h) @ r_h.T + rb_h + wb_h)
        return rt, zt, ht, (1 - zt) * ht + zt * h

    return step


def cho_2014_v1(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    r, z = sigma(m["W_r"] @ x + m["U_r"] @ h), sigma(m["W_z"] @ x + m["U_z"] @ h)
    n = np.tanh(m["W"] @ x + r * (m["U"] @ h))
    return r, z, n, z * h + (1 - z) * n


def cho_2014_v3(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    r, z = sigma(m["W_r"] @ x + m["U_r"] @ h), sigma(m["W_z"] @ x + m["U_z"] @ h)
    n = np.tanh(m["W"] @ x + m["U"] @ (r * h))
    return r, z, n, z * h + (1 - z) * n


def chung_2014(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    r, z = sigma(m["W_r"] @ x + m["U_r"] @ h), sigma(m["W_z"] @ x + m["U_z"] @ h)
    n = np.tanh(m["W"] @ x + m["U"] @ (r * h))
    return r, z, n, (1 - z) * h + z * n


def gru_simple(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    z, r = sigma(m["Wz"] @ x + m["Uz"] @ h), sigma(m["Wr"] @ x + m["Ur"] @ h)
    candidate = np.tanh(m["Wh"] @ x + m["Uh"] @ (r * h))
    return r, z, candidate, (1 - z) * h + z * candidate


def ai_summer(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    r = sigma(m["W_ir"] @ x + m["b_ir"] + m["W_hr"] @ h + m["b_hr"])
    z = sigma(m["W_iz"] @ x + m["b_iz"] + m["W_hz"] @ h + m["b_hz"])
    n = np.tanh(m["W_in"] @ x + m["b_in"] + r * (m["W_hn"] @ h + m["b_hn"]))
    return r, z, n, (1 - z) * n + z * h


def _d2l(early_code: bool) -> Step:
    def step(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
        z = sigma(x @ m["W_xz"] + h @ m["W_hz"] + m["b_z"])
        r = sigma(x @ m["W_xr"] + h @ m["W_hr"] + m["b_r"])
        recurrent = r * (h @ m["W_hh"]) if early_code else (r * h) @ m["W_hh"]
        tilde = np.tanh(x @ m["W_xh"] + recurrent + m["b_h"])
        return r, z, tilde, z * h + (1 - z) * tilde

    return step


def tf1(m: M, x: np.ndarray, h: np.ndarray) -> tuple[np.ndarray, ...]:
    value = sigma(np.concatenate([x, h]) @ m["gates/kernel"] + m["gates/bias"])
    r, u = np.split(value, 2)
    c = np.tanh(np.concatenate([x, r * h]) @ m["candidate/kernel"] + m["candidate/bias"])
    return r, u, c, u * h + (1 - u) * c


GRU: Mapping[str, Step] = {
    "torch": torch_gru,
    "cudnn": cudnn,
    "keras_reset_after": keras_reset_after,
    "keras_reset_before": keras_reset_before,
    "onnx": _onnx(linear_before_reset=False),
    "onnx_linear_before_reset": _onnx(linear_before_reset=True),
    "cho_2014_v1": cho_2014_v1,
    "cho_2014_v3": cho_2014_v3,
    "chung_2014": chung_2014,
    "gentle_introduction": cho_2014_v1,
    "ai_summer": ai_summer,
    "gru_simple": gru_simple,
    "d2l_equation": _d2l(early_code=False),
    "d2l_code": _d2l(early_code=True),
    "tf1": tf1,
}


def run_gru(name: str, m: M, x: np.ndarray, h: np.ndarray) -> dict[str, np.ndarray]:
    """Every gate and state of a GRU over x (time, features) from h (hidden,)."""
    steps = []
    for row in x:
        r, z, n, h = GRU[name](m, row, h)
        steps.append((r, z, n, h))
    return dict(zip(("reset", "update", "candidate", "hidden"), np.array(steps).swapaxes(0, 1), strict=True))


def _logits(name: str, m: M, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """The blocks of an LSTM or a tanh RNN, in the order of its framework."""
    if name.startswith("torch"):
        return m["weight_ih"] @ x + m["bias_ih"] + m["weight_hh"] @ h + m["bias_hh"]
    if name.startswith("keras"):
        return x @ m["kernel"] + h @ m["recurrent_kernel"] + m["bias"]
    w, r = np.split(m["B"], 2)
    return m["W"] @ x + w + m["R"] @ h + r


LSTM_ORDER = {"torch_lstm": "ifgo", "keras_lstm": "ifgo", "onnx_lstm": "iofg"}


def run_lstm(name: str, m: M, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
    """Every gate and state of an LSTM over x (time, features)."""
    steps = []
    for row in x:
        blocks = dict(zip(LSTM_ORDER[name], np.split(_logits(name, m, row, h), 4), strict=True))
        i, f, g, o = sigma(blocks["i"]), sigma(blocks["f"]), np.tanh(blocks["g"]), sigma(blocks["o"])
        c = f * c + i * g
        h = o * np.tanh(c)
        steps.append((i, f, o, g, c, h))
    names = ("input", "forget", "output", "cell_candidate", "cell", "hidden")
    return dict(zip(names, np.array(steps).swapaxes(0, 1), strict=True))


def run_rnn(name: str, m: M, x: np.ndarray, h: np.ndarray) -> dict[str, np.ndarray]:
    """The states of a tanh RNN."""
    steps = []
    for row in x:
        h = np.tanh(_logits(name, m, row, h))
        steps.append(h)
    return {"hidden": np.array(steps)}

"""The worked formula: what stands on the right, evaluated by a reader of its own, is what stands on the left."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
from lopsided import ALL, BIASES, GRUS, RESET_AFTER, RESET_BEFORE, TAKES, inputs, stack

import gru_viz
from gru_viz import Trace, Weights
from gru_viz.analysis import Formula, Line, Term, work_out

pytestmark = pytest.mark.usefixtures("unchecked")
FEATURES, HIDDEN, LAYERS, DIRECTIONS = 3, 4, 2, 2
LENGTHS = (6, 1, 0, 4)
TOLERANCE = {"float64": 1e-12, "float32": 1e-6}


def traced(name: str, dtype: str = "float64", layers: int = LAYERS, directions: int = DIRECTIONS) -> Trace:
    arrays = stack(name, FEATURES, HIDDEN, layers, directions, dtype=dtype, scale=0.6)
    x = inputs(len(LENGTHS), max(LENGTHS), FEATURES, dtype=dtype)
    h0 = np.tanh(inputs(layers * directions, len(LENGTHS), HIDDEN, seed=3, dtype=dtype))
    start = (h0, 2 * inputs(*h0.shape, seed=4, dtype=dtype)) if "lstm" in name else h0
    return gru_viz.trace(Weights.from_matrices(name, arrays), x, h0=start, lengths=LENGTHS)


class Reader:
    """Reads a formula as a person does: brackets, products before sums, σ and tanh; numbers from a look-up."""

    def __init__(self, tokens: list[str], look_up: Callable[[str], np.ndarray | float]) -> None:
        self.tokens, self.look_up, self.at = tokens, look_up, 0

    def value(self) -> np.ndarray | float:
        result = self.sum()
        assert self.at == len(self.tokens), f"trailing {self.tokens[self.at :]}"
        return result

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        assert token, "the formula ends too early"
        assert not expected or token == expected, f"{token} where {expected} was due"
        self.at += 1
        return token

    def sum(self) -> np.ndarray | float:
        total = self.product()
        while self.peek() in ("+", "−"):
            sign = 1 if self.take() == "+" else -1
            total = total + sign * self.product()
        return total

    def product(self) -> np.ndarray | float:
        result = self.factor()
        while self.peek() == "·":
            self.take()
            result = result * self.factor()
        return result

    def factor(self) -> np.ndarray | float:
        token = self.take()
        if token == "−":
            return -self.factor()
        if token == "(":
            inside = self.sum()
            self.take(")")
            return inside
        if token in ("σ", "tanh"):
            inside = self.factor()
            return np.tanh(inside) if token == "tanh" else 1 / (1 + np.exp(-np.asarray(inside)))
        return self.look_up(token)


def evaluate(line: Line, series: dict[str, np.ndarray]) -> np.ndarray:
    tokens: list[str] = []
    for token in line.tokens:
        if isinstance(token, Term):
            tokens += ["+"] * token.added + [f"@{token.series}"]
        else:
            tokens += split(token)
    return np.asarray(Reader(tokens, lambda t: series[t[1:]] if t[0] == "@" else float(t)).value())


def split(text: str) -> list[str]:
    """Into σ, tanh, numbers, signs and brackets; anything else is an error."""
    assert not re.sub(r"σ|tanh|\d+(\.\d+)?|[()·+−\s]", "", text), text
    return re.findall(r"σ|tanh|\d+(?:\.\d+)?|[()·+−]", text)


def formulas(trace: Trace) -> list[tuple[str, Formula]]:
    return [
        (f"layer {k}, {'backward' if run.backward else 'forward'}, sequence {i}, unit {unit}", work_out(run, unit, i))
        for k, layer in enumerate(trace.layers)
        for run in layer.directions
        for i in range(len(LENGTHS))
        for unit in (0, HIDDEN - 1)
    ]


# --- the law ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", ALL)
def test_the_right_side_evaluates_to_what_the_trace_recorded(name: str, dtype: str) -> None:
    trace = traced(name, dtype)
    for where, formula in formulas(trace):
        assert [line.quantity for line in formula.lines if line.quantity not in formula.series] == []
        for line in formula.lines:
            recorded = formula.series[line.quantity]
            computed = np.broadcast_to(evaluate(line, dict(formula.series)), recorded.shape)
            assert np.isfinite(recorded).all(), where
            assert np.abs(computed - recorded).max(initial=0.0) < TOLERANCE[dtype], f"{where}: {line.symbol}"


@pytest.mark.parametrize("name", ALL)
def test_the_left_sides_are_every_quantity_once_in_an_order_that_can_be_computed(name: str) -> None:
    trace = traced(name)
    run = trace.layers[0].forward
    lines = work_out(run, 0).lines
    assert sorted(line.quantity for line in lines) == sorted(run.quantities)
    done: set[str] = set()
    for line in lines:
        needed = {t.series for t in line.tokens if isinstance(t, Term) and t.series in run.quantities}
        assert needed <= done, f"{line.symbol} uses {needed - done} before it is there"
        done.add(line.quantity)


@pytest.mark.parametrize("name", ALL)
def test_recorded_series_are_the_trace_s_own_numbers_over_the_sequence_s_own_steps(name: str) -> None:
    trace = traced(name, "float32")
    for k, layer in enumerate(trace.layers):
        for run in layer.directions:
            for i, n in enumerate(LENGTHS):
                series = work_out(run, 2, i).series
                assert {len(values) for values in series.values()} == {n}, (k, i)
                for quantity, values in run.quantities.items():
                    assert np.array_equal(series[quantity], values[i, :n, 2].astype(np.float64))


@pytest.mark.parametrize("backward", [False, True])
def test_previous_state_is_where_the_reading_comes_from(backward: bool) -> None:
    trace = traced("torch")
    run = trace.layers[1].directions[int(backward)]
    h, before = run.hidden[0, :6, 1], work_out(run, 1).series["previous.hidden"]
    start = float(run.initial["hidden"][0, 1])
    assert start != 0.0
    assert before.tolist() == ([*h[1:], start] if backward else [start, *h[:-1]])


def test_the_terms_are_the_products_their_symbols_say() -> None:
    """The sum alone would not notice W x and U h₋ changing places."""
    arrays = stack("torch", FEATURES, HIDDEN, scale=0.6)[0][0]
    w, u, b, c = (arrays[name] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    trace = traced("torch", layers=1, directions=1)
    h = np.concatenate([trace.initial["hidden"][0][None], trace.hidden[0]])[:-1]
    for unit in range(HIDDEN):
        series = work_out(trace.layers[0].forward, unit).series
        for k, gate in enumerate(("reset", "update", "candidate")):
            row = k * HIDDEN + unit
            assert np.allclose(series[f"{gate}.input"], trace.inputs[0] @ w[row], atol=1e-13)
            assert np.allclose(series[f"{gate}.recurrent"], h @ u[row], atol=1e-13)
            inside = gate == "candidate"
            assert np.allclose(series[f"{gate}.bias"], b[row] if inside else b[row] + c[row], atol=1e-13)
            assert np.allclose(series[f"{gate}.recurrent_bias"], c[row], atol=1e-13)


# --- generated from the convention --------------------------------------------------------------------------------


def symbols(name: str) -> dict[str, str]:
    """Each equation in letters, read off the text a person sees."""
    text = work_out(traced(name, layers=1, directions=1).layers[0].forward, 0).text(0)
    return {row.split(" = ")[0]: row.split(" = ")[1] for row in text.splitlines()}


@pytest.mark.parametrize("name", GRUS)
def test_reset_stands_where_the_variant_puts_it(name: str) -> None:
    inner = {0: "", 1: "", 2: " + c_n"}[BIASES[name]]
    bias = " + b_n" if BIASES[name] else ""
    wanted = f"tanh(W_n x{bias} + r·(U_n h₋{inner}))" if name in RESET_AFTER else f"tanh(W_n x + U_n(r∗h₋){bias})"
    assert symbols(name)["n"] == wanted


@pytest.mark.parametrize("name", GRUS)
def test_gates_have_a_bias_only_where_the_variant_has_one(name: str) -> None:
    bias = {gate: f" + b_{gate}" if BIASES[name] else "" for gate in "rz"}
    for gate in "rz":
        assert symbols(name)[gate] == f"σ(W_{gate} x + U_{gate} h₋{bias[gate]})"


@pytest.mark.parametrize("name", GRUS)
def test_the_mix_says_what_z_keeps(name: str) -> None:
    assert symbols(name)["h"] == ("(1 − z)·h₋ + z·n" if name in TAKES else "(1 − z)·n + z·h₋")


def test_lstm_and_rnn_have_formulas_of_their_own() -> None:
    assert symbols("torch_lstm") == {
        "i": "σ(W_i x + U_i h₋ + b_i)",
        "f": "σ(W_f x + U_f h₋ + b_f)",
        "g": "tanh(W_g x + U_g h₋ + b_g)",
        "o": "σ(W_o x + U_o h₋ + b_o)",
        "c": "f·c₋ + i·g",
        "h": "o·tanh(c)",
    }
    assert symbols("torch_rnn") == {"h": "tanh(W x + U h₋ + b)"}


@pytest.mark.parametrize("name", sorted({*RESET_BEFORE, *RESET_AFTER, "torch_lstm", "torch_rnn"}))
@pytest.mark.parametrize("step", [0, 5])
def test_the_text_on_screen_adds_up_to_three_decimals(name: str, step: int) -> None:
    formula = work_out(traced(name).layers[1].backward, 3)
    for line in formula.text(step).splitlines():
        assert "-" not in line, "a hyphen where a minus sign belongs"
        *_, numbers, result = line.split(" = ")
        value = Reader(split(numbers), float).value()
        assert value == pytest.approx(float(result.replace("−", "-")), abs=4e-3), line


def test_series_of_a_formula_can_be_read_but_an_unknown_unit_is_an_error() -> None:
    run = traced("torch").layers[0].forward
    with pytest.raises(IndexError):
        work_out(run, HIDDEN)

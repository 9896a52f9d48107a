"""The formula of a variant with the numbers of a unit in it, generated from the convention that ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gru_viz.conventions import BIASES, Convention, hard_sigmoid
from gru_viz.trace import DirectionTrace

__all__ = ["Formula", "Line", "Term", "work_out"]


class Term(NamedTuple):
    """A number in a formula: the series it is taken from, its symbol, and whether it is added to what precedes it."""

    series: str
    symbol: str
    added: bool = False


class Line(NamedTuple):
    """One equation: the quantity on the left, and the tokens on the right, literal text or terms."""

    quantity: str
    symbol: str
    tokens: tuple[str | Term, ...]


@dataclass(frozen=True)
class Formula:
    """Every equation of a cell for one unit, and for each term its value at every step.

    Attributes:
        lines: the equations, in the order in which they are evaluated.
        series: term → (time,) float64. A quantity's own name holds what the trace recorded.
    """

    lines: tuple[Line, ...]
    series: Mapping[str, np.ndarray]

    def text(self, step: int) -> str:
        """The equations at a step, symbols and numbers, a line each."""

        def number(term: Term, before: str | Term = "") -> str:
            value = self.series[term.series][step]
            digits = f"{abs(value):.3f}"
            negative = value < 0 and float(digits) != 0
            if term.added:
                return f" {'−' if negative else '+'} {digits}"
            factor = isinstance(before, str) and before.endswith("·")
            return f"(−{digits})" if negative and factor else ("−" if negative else "") + digits

        def symbol(term: Term) -> str:
            return f" + {term.symbol}" if term.added else term.symbol

        rows = []
        for line in self.lines:
            symbols = "".join(token if isinstance(token, str) else symbol(token) for token in line.tokens)
            numbers = "".join(
                token if isinstance(token, str) else number(token, before)
                for before, token in zip(("", *line.tokens), line.tokens, strict=False)
            )
            rows.append(f"{line.symbol} = {symbols} = {numbers} = {number(Term(line.quantity, ''))}")
        return "\n".join(rows)


def work_out(trace: DirectionTrace, unit: int, sequence: int = 0) -> Formula:
    """Take one unit's equations apart into their terms, over all steps of a sequence."""
    convention, steps = trace.convention, slice(0, trace.lengths[sequence])
    blocks = {key: block.astype(np.float64) for key, block in trace.weights.blocks().items()}
    x = trace.inputs[sequence, steps].astype(np.float64)
    h = trace.previous("hidden")[sequence, steps].astype(np.float64)
    series = {name: q[sequence, steps, unit].astype(np.float64) for name, q in trace.quantities.items()}
    for name in convention.states:
        series[f"previous.{name}"] = trace.previous(name)[sequence, steps, unit].astype(np.float64)
    for gate in convention.gates:
        seen = h
        if gate == "candidate" and convention.reset == "before":
            seen = trace.reset[sequence, steps].astype(np.float64) * h
        series[f"{gate}.input"] = x @ blocks["W", gate][unit]
        series[f"{gate}.recurrent"] = seen @ blocks["U", gate][unit]
        b, b_h = (blocks[part, gate][unit] for part in BIASES)
        inside_reset = gate == "candidate" and convention.reset == "after" and convention.biases == 2
        series[f"{gate}.bias"] = np.full(len(x), b if inside_reset else b + b_h)
        series[f"{gate}.recurrent_bias"] = np.full(len(x), b_h)
    return Formula(_lines(convention), series)


def _written(function: str) -> tuple[str, str]:
    """How a function is written before and after its argument."""
    if function.startswith("hard_sigmoid"):
        slope, offset = hard_sigmoid(function)
        return f"clip({slope:.4g}·(", f") + {offset:.4g}, 0, 1)"
    return {"sigmoid": "σ(", "relu": "max(0, ", "linear": "("}.get(function, f"{function}("), ")"


def _lines(convention: Convention) -> tuple[Line, ...]:
    def symbol(gate: str) -> str:
        return "h" if convention.cell == "rnn" else convention.quantity(gate).symbol

    def squashed(gate: str, function: str) -> Line:
        begin, end = _written(function)
        s = symbol(gate)
        sub = "" if convention.cell == "rnn" else f"_{s}"
        bias = (Term(f"{gate}.bias", f"b{sub}", added=True),) if convention.biases else ()
        recurrent = f"U{sub} h₋"
        if gate == "candidate" and convention.reset == "before":
            recurrent = f"U{sub}(r∗h₋)"
        tokens: tuple[str | Term, ...] = (begin, Term(f"{gate}.input", f"W{sub} x"))
        if gate == "candidate" and convention.reset == "after":
            inner = (Term(f"{gate}.recurrent_bias", f"c{sub}", added=True),) if convention.biases == 2 else ()
            inside = Term(f"{gate}.recurrent", recurrent)
            return Line(gate, s, (*tokens, *bias, " + ", Term("reset", "r"), "·(", inside, *inner, f"){end}"))
        return Line(gate, s, (*tokens, Term(f"{gate}.recurrent", recurrent, added=True), *bias, end))

    before = Term("previous.hidden", "h₋")
    of_gates, of_states = convention.gate_function, convention.state_function
    if convention.cell == "rnn":
        return (squashed("hidden", of_states),)
    if convention.cell == "lstm":
        i, f, g, o = (Term(name, symbol(name)) for name in convention.gates)
        begin, end = _written(of_states)
        return (
            *(squashed(gate, of_states if gate == "cell_candidate" else of_gates) for gate in convention.gates),
            Line("cell", "c", (f, "·", Term("previous.cell", "c₋"), " + ", i, "·", g)),
            Line("hidden", "h", (o, f"·{begin}", Term("cell", "c"), end)),
        )
    z, n = Term("update", "z"), Term("candidate", "n")
    new, old = (n, before) if convention.update == "keeps" else (before, n)
    return (
        squashed("reset", of_gates),
        squashed("update", of_gates),
        squashed("candidate", of_states),
        Line("hidden", "h", ("(1 − ", z, ")·", new, " + ", z, "·", old)),
    )

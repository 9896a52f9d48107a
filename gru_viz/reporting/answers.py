"""What a linear layer on top of a network answers at every step, and how that is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from gru_viz.errors import TraceError
from gru_viz.figures import InputCurve, Panel, View
from gru_viz.formats import Head
from gru_viz.trace import Trace

__all__ = ["draw_answers", "read_head"]

MOST_CURVES = 6


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _sigmoid(scores: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(scores / 2)) / 2


ACTIVATIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "": lambda scores: scores,
        "linear": lambda scores: scores,
        "softmax": _softmax,
        "sigmoid": _sigmoid,
        "tanh": np.tanh,
        "relu": lambda scores: np.maximum(scores, 0),
    }
)
SHARES = ("softmax", "sigmoid")


def read_head(trace: Trace, head: Head) -> np.ndarray:
    """What a linear layer answers at every step, (batch, time, outputs): its activation over weight @ h + bias.

    It reads the top layer; where that reads both ways, both hidden states side by side, forward first.

    Raises:
        TraceError: it reads another number of units, or has an activation that is not known.

    Example:
        >>> import torch, gru_viz
        >>> from gru_viz.formats import Head
        >>> head = Head("out", np.ones((1, 2), np.float32), np.zeros(1, np.float32))
        >>> read_head(gru_viz.trace(torch.nn.GRU(1, 2), np.zeros((3, 1))), head).shape
        (1, 3, 1)
    """
    hidden = np.concatenate([run.quantities["hidden"] for run in trace.layers[-1].directions], -1)
    if head.weight.shape[1] != hidden.shape[-1]:
        raise TraceError(
            f"head {head.name!r}",
            f"{head.weight.shape[1]:,} inputs",
            f"{hidden.shape[-1]:,}, the hidden values of the top layer",
            "Choose the head that belongs to this network.",
        )
    if head.activation not in ACTIVATIONS:
        known = ", ".join(name for name in ACTIVATIONS if name)
        remedy = "Give it activation='' to see what goes into the activation."
        raise TraceError(f"head {head.name!r}", f"the activation {head.activation!r}", f"one of {known}", remedy)
    return ACTIVATIONS[head.activation](hidden @ head.weight.T + head.bias)


def draw_answers(view: View, head: Head, answers: np.ndarray) -> View:
    """Add the answers to a view: a few numbers as curves over the input, many or shares of one as a heatmap.

    Args:
        view: of one sequence.
        head: what answered.
        answers: (time, outputs) of the steps that the view shows.
    """
    name = head.name or "head"
    if view.curves and head.activation not in SHARES and answers.shape[1] <= MOST_CURVES:
        numbers = [f" {j + 1}" for j in range(answers.shape[1])] if answers.shape[1] > 1 else [""]
        lines = [
            InputCurve(f"answer of {name}{number}", answers[:, j], answers[:, j], colour=None, dashed=True)
            for j, number in enumerate(numbers)
        ]
        return replace(view, curves=(*view.curves, *lines))
    shares = head.activation in SHARES
    largest = float(np.nanmax(np.abs(answers), initial=0.0, where=np.isfinite(answers)))
    bound = 1.0 if shares else max(1.0, float(np.ceil(largest)))
    panel = Panel(
        key="answer",
        title=f"answer of {name}",
        meaning=head.activation or "a row for each output",
        values=answers.T,
        rows=tuple(str(j + 1) for j in range(answers.shape[1])),
        row_kind="output",
        colours="sequential" if shares else "diverging",
        low=0.0 if shares else -bound,
        high=bound,
        low_means="0" if shares else f"−{bound:g}",
        high_means=f"{bound:g}",
    )
    return replace(view, panels=(*view.panels, panel))

"""Choice 3, a comparison; and what of a trace is shown: sequence, layer, direction, order, range of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st

from gru_viz.analysis import ORDERS
from gru_viz.conventions import CONVENTIONS
from gru_viz.figures.budget import choose_window, most_steps
from gru_viz.ui.messages import plain
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.sequence_list import MANY, choose_from_list, listed_sequence
from gru_viz.ui.widgets import pick
from gru_viz.weights import Weights

__all__ = [
    "ComparisonChoice",
    "ViewChoice",
    "ask_view",
    "choose_comparison",
    "current_sequence",
    "cursor_unit",
    "linked_number",
    "linked_range",
    "linked_unit",
]

COMPARISONS = {"off": "Nothing", "variants": "Another variant", "sequences": "Another sequence"}
DIRECTIONS = {"forward": "forward direction", "backward": "backward direction"}
SMALL: dict[str, Any] = {"labelled": False, "width": 175}
WIDTH = 900
"""Pixels of the maps, until the browser reports their number."""


@dataclass(frozen=True)
class ComparisonChoice:
    """What the trace is compared with: the same weights under another variant, or another of the sequences."""

    variant: str | None = None
    sequence: int | None = None


def choose_comparison(sequences: SequenceChoice, model: ModelChoice) -> ComparisonChoice | None:
    """Ask in the sidebar what to compare with; None for nothing."""
    with st.sidebar:
        st.header("3 Compare", anchor=False)
        kind = pick("Compare with", "compare", COMPARISONS, labelled=False)
        if kind == "variants":
            return _choose_variant(model)
        if kind == "sequences":
            return _choose_sequence(sequences)
    return None


def _choose_variant(model: ModelChoice) -> ComparisonChoice | None:
    own = CONVENTIONS[model.variant]
    others = [name for name, c in CONVENTIONS.items() if c.cell == own.cell and name != own.name]
    if not others:
        st.caption(f"{own.title} is the only variant of its cell; choose a GRU to compare two.")
        return None
    titles = {name: CONVENTIONS[name].title for name in others}
    return ComparisonChoice(variant=pick("Same weights, other variant", "other_variant", titles, "d2l_equation"))


def _choose_sequence(sequences: SequenceChoice) -> ComparisonChoice | None:
    names = [item.name for item in sequences.sequences]
    if len(names) < 2:
        st.caption("There is only one sequence. Choose a sequence ID column, or another example.")
        return None
    if len(names) >= MANY:
        label = f"Same model, other sequence (1 to {len(names):,})"
        number = st.number_input(label, 1, len(names), 2, key="other_number")
        st.caption(plain(names[number - 1]))
        return ComparisonChoice(sequence=number - 1)
    name = pick("Same model, other sequence", "other_sequence", {name: name for name in names}, names[1])
    return ComparisonChoice(sequence=names.index(name))


@dataclass(frozen=True)
class ViewChoice:
    """What of a trace is shown.

    Attributes:
        sequence, layer: counted from 0.
        direction: ``"forward"`` or ``"backward"``.
        order: a name in ``analysis.ORDERS``.
        quantity: the quantity that is compared; None without a comparison.
        most_steps: how many steps can be drawn one by one.
        length: steps of the sequence.
        start, stop: the visible steps, from ``start`` to before ``stop``, counted from 0.
        width: pixels available for them.
    """

    sequence: int
    layer: int
    direction: Literal["forward", "backward"]
    order: str
    quantity: str | None
    most_steps: int
    length: int
    start: int
    stop: int
    width: int

    @property
    def long(self) -> bool:
        """Whether the sequence has more steps than can be drawn one by one."""
        return self.length > self.most_steps

    @property
    def drawable_steps(self) -> int:
        """How many visible steps are drawn one by one: at most one per pixel, or some would be left out."""
        return min(self.most_steps, self.width)

    @property
    def window(self) -> tuple[int, int] | None:
        """The steps that are drawn one by one; None where each column is many steps."""
        if not self.long:
            return 0, self.length
        if self.stop - self.start > self.drawable_steps:
            return None
        return choose_window(self.start, self.stop, self.length, self.most_steps)

    @property
    def subject(self) -> tuple[object, ...]:
        """What is shown, whatever the range."""
        return self.sequence, self.layer, self.direction, self.order, self.quantity, self.most_steps


def current_sequence(sequences: SequenceChoice) -> int:
    """The index of the sequence that was viewed last or that a link names, if it is among these; else 0."""
    names = [item.name for item in sequences.sequences]
    if len(names) >= MANY:
        return listed_sequence(names)
    name = st.session_state.get("sequence", st.query_params.get("sequence"))
    return names.index(name) if name in names else 0


def ask_view(
    sequences: SequenceChoice, model: ModelChoice, comparison: ComparisonChoice | None, weights: Weights
) -> ViewChoice:
    """Ask for sequence, layer, direction, order and quantity, each only where there is a choice."""
    names = [item.name for item in sequences.sequences]
    sequence, layer, direction, quantity = 0, 0, "forward", None
    if len(names) >= MANY:
        sequence = choose_from_list(sequences, model, weights)
    elif len(names) > 1:
        # By name, not by number: another data's sequence of the same number is another choice.
        sequence = names.index(pick("Sequence", "sequence", {name: name for name in names}, **SMALL))
    if len(weights.layers) > 1:
        layer = pick("Layer", "layer", {k: f"layer {k + 1}" for k in range(len(weights.layers))}, **SMALL)
    if weights.bidirectional:
        direction = pick("Direction shown", "direction", DIRECTIONS, **SMALL)
    order = pick("Units sorted by", "order", {name: f"units by {words}" for name, words in ORDERS.items()}, **SMALL)
    if comparison:
        quantities = [q.name for q in reversed(weights.convention.quantities)]
        labels = {name: f"compared: {name.replace('_', ' ')}" for name in quantities}
        quantity = pick("Compared quantity", "quantity", labels, **SMALL)
    visible = [sequence] if comparison is None or comparison.sequence is None else [sequence, comparison.sequence]
    length = min(sequences.sequences.lengths[each] for each in visible)
    return ViewChoice(
        sequence,
        layer,
        "backward" if direction == "backward" else "forward",
        order,
        quantity,
        most_steps(weights, sequences.sequences.features, model.outputs),
        length,
        *_visible_range(length),
    )


def _visible_range(length: int) -> tuple[int, int, int]:
    """First visible step, the step after the last, and pixels; the address is updated to match."""
    reported = (st.session_state.get("inspector") or {}).get("range")
    first, last = 1, length
    if reported and reported["total"] == length:
        first, last = int(reported["from"]), int(reported["to"])
    elif not reported:
        first, last = linked_range(length) or (1, length)
    first = min(max(first, 1), max(length, 1))
    start, stop = first - 1, min(max(last, first), length)
    for name, value in (("from", first), ("to", last)):
        if (start, stop) == (0, length):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
    return start, stop, int((reported or {}).get("width", WIDTH))


def linked_range(length: int) -> tuple[int, int] | None:
    """The first and last step in the link, counted from 1, where the first sequence shown has them."""
    first, last = linked_number("from", 0), linked_number("to", 0)
    if not 1 <= first <= last <= length:
        return None
    return (first, last) if st.session_state.setdefault("linked_length", length) == length else None


def cursor_unit(units: int) -> int:
    """The unit at the cursor; before it has moved, the one in the link; counted from 0."""
    position: dict[str, int] = (st.session_state.get("inspector") or {}).get("cursor") or {}
    return min(position.get("unit", linked_unit(units)), units - 1)


def linked_unit(units: int) -> int:
    """The unit in the link, counted from 0; the nearest that exists."""
    return min(max(linked_number("unit", 1), 1), units) - 1


def linked_number(name: str, default: int) -> int:
    """A number in the link that opened the page."""
    link: Mapping[str, str] = st.session_state.setdefault("link", dict(st.query_params))
    text = link.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else default

"""Which part of a sequence is in sight: as the hand left it, or as a link says; and in the address for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

__all__ = ["Part", "arrival", "linked_range", "linked_unit", "number", "part_in_sight"]


WIDTH = 900
"""Pixels of the maps, until the browser says how many there are."""


@dataclass(frozen=True)
class Part:
    """A part of a sequence.

    Attributes:
        start: its first step, counted from 0.
        stop: the step after its last.
        length: how many steps the sequence has.
        long: whether these are more than can be shown one by one.
        width: how many pixels there are for them.
    """

    start: int
    stop: int
    length: int
    long: bool
    width: int = WIDTH

    @property
    def whole(self) -> bool:
        """Whether it is all of it."""
        return (self.start, self.stop) == (0, self.length)


def part_in_sight(length: int, most: int) -> Part:
    """The part of a sequence that is in sight, and the address brought up to it.

    Args:
        length: how many steps the sequence has.
        most: how many of them can be shown one by one.
    """
    told = (st.session_state.get("inspector") or {}).get("range")
    first, last = 1, length
    if told and told["total"] == length:
        first, last = int(told["from"]), int(told["to"])
    elif not told:
        first, last = linked_range(length) or (1, length)
    first = min(max(first, 1), max(length, 1))
    part = Part(first - 1, min(max(last, first), length), length, length > most, int((told or {}).get("width", WIDTH)))
    for name, value in (("from", first), ("to", last)):
        if part.whole:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)
    return part


def linked_range(length: int) -> tuple[int, int] | None:
    """The first and the last step that a link names, counted from 1, where the first sequence shown has them."""
    link = arrival()
    first, last = number(link.get("from"), 0), number(link.get("to"), 0)
    if not 1 <= first <= last <= length:
        return None
    return (first, last) if st.session_state.setdefault("linked_length", length) == length else None


def linked_unit(units: int) -> int:
    """The unit that a link names, counted from 0; the nearest there is."""
    return min(max(number(arrival().get("unit"), 1), 1), units) - 1


def arrival() -> Mapping[str, str]:
    """The link that the visitor came by."""
    link: Mapping[str, str] = st.session_state.setdefault("arrived_at", dict(st.query_params))
    return link


def number(text: str | None, otherwise: int) -> int:
    """The number that a link says, if it is one."""
    return int(text) if text and text.isdecimal() and len(text) < 10 else otherwise

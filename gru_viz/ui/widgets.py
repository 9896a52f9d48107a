"""Widgets that the pages share. A choice is part of the link, and survives while its widget is not drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import streamlit as st

from gru_viz.browser import Component

__all__ = ["LINKED", "ask_number", "mount", "pick", "switch"]

T = TypeVar("T")
N = TypeVar("N", int, float)
LINKED: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}


def pick(
    label: str,
    key: str,
    options: Mapping[T, str],
    default: T | None = None,
    *,
    labelled: bool = True,
    width: int | Literal["stretch"] = "stretch",
) -> T:
    """Choose one of several from a menu.

    Args:
        label: the widget's label; where not ``labelled``, only for screen readers.
        key: its name in the link and in the session.
        options: value → label.
        default: a value; None for the first.
        labelled: whether the label is visible.
        width: pixels, or ``"stretch"``.
    """
    return st.selectbox(
        label,
        list(options),
        index=list(options).index(default) if default in options else 0,  # type: ignore[arg-type]
        format_func=options.__getitem__,
        key=key,
        label_visibility="visible" if labelled else "collapsed",
        width=width,
        **LINKED,
    )


def switch(label: str, key: str, options: Mapping[str, str]) -> str:
    """Choose one of a few that are all visible; the first is the default."""
    return st.segmented_control(
        label,
        list(options),
        format_func=options.__getitem__,
        default=next(iter(options)),
        required=True,
        key=key,
        label_visibility="collapsed",
        width="stretch",
        **LINKED,
    )


def ask_number(label: str, key: str, least: N, most: N, default: N, where: Any = st, **more: Any) -> N:
    """Ask for a number of the type of ``default``, in a container; ``more`` goes to ``st.number_input``."""
    return type(default)(where.number_input(label, least, most, default, key=key, **LINKED, **more))


def mount(name: str, component: Component) -> Any:
    """Register a component of the browser with Streamlit."""
    return st.components.v2.component(
        f"gru_viz.{name}", html=component.html, css=component.css, js=component.js, isolate_styles=False
    )

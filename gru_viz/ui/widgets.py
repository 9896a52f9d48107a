"""The widgets that pages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

import streamlit as st

__all__ = ["pick", "switch"]

T = TypeVar("T")


def pick(
    label: str,
    key: str,
    options: Mapping[T, str],
    index: int = 0,
    *,
    labelled: bool = True,
    width: int | Literal["stretch"] = "stretch",
) -> T:
    """Choose one of several; the choice is part of the link, and survives while its widget is not drawn.

    Args:
        label: the widget's label; where not ``labelled``, only for screen readers.
        key: its name in the link and in the session.
        options: value → label.
        index: of the default.
        labelled: whether the label is visible.
        width: pixels, or ``"stretch"``.
    """
    return st.selectbox(
        label,
        list(options),
        index=index,
        format_func=options.__getitem__,
        key=key,
        bind="query-params",
        persist_state="session",
        label_visibility="visible" if labelled else "collapsed",
        width=width,
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
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        width="stretch",
    )

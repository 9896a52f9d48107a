"""The frame of every page: its settings and its heading."""

from __future__ import annotations

import streamlit as st

from gru_viz.ui.server import prepare_server

__all__ = ["open_page"]


def open_page(title: str, question: str) -> None:
    """Set the page up, with the question it answers as its heading.

    Args:
        title: of the browser's tab.
        question: the page's heading.
    """
    st.set_page_config(page_title=f"{title} · gru_viz", page_icon="▦", layout="wide")
    prepare_server()
    st.title(question, anchor=False)

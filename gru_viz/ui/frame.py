"""The frame of every page: its settings and its style."""

from __future__ import annotations

import streamlit as st

from gru_viz.ui.server import prepare_server

__all__ = ["open_page"]

STYLE = """<style>
.stMainBlockContainer { padding: 1.6rem 2rem 2rem; max-width: none; }
.stMainBlockContainer > .stVerticalBlock { gap: 0.6rem; }
.stAppHeader { height: 2.4rem; min-height: 2.4rem; background: transparent; pointer-events: none; }
.stAppHeader > * { pointer-events: auto; }
.stSidebar [data-testid="stSidebarHeader"] { height: 2.2rem; min-height: 2.2rem; margin: 0; padding-block: 0; }
.stSidebar [data-testid="stSidebarUserContent"] { padding-top: 0; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.85; }
h1 { font-size: 1.7rem !important; padding: 0 0 0.3rem !important; }
.stSidebar [data-testid="stButtonGroup"] button { padding-inline: 0.2rem; }
.stSidebar [data-variant="segmented_control"][aria-checked="true"] { color: inherit; font-weight: 600; }
.stSidebar [data-testid="stSidebarNavLink"] span::first-letter { text-transform: uppercase; }
.gv-prose { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1.05rem; line-height: 1.5; margin: 0; }
.gv-prose span { font-weight: 600; }
.st-key-view_choices { margin-bottom: -0.75rem; }
.st-key-view_choices > div:first-child { min-width: min(100%, 22rem); }
.st-key-view_choices .stMarkdownBadge { white-space: normal; }
.stSidebar h2 { font-size: 1.15rem !important; padding: 0.25rem 0 0 !important; }
</style>"""


def open_page(title: str, question: str) -> None:
    """Set the page up, with the question it answers as its heading.

    Args:
        title: of the browser's tab.
        question: the page's heading.
    """
    st.set_page_config(page_title=f"{title} · gru_viz", page_icon="▦", layout="wide")
    prepare_server()
    st.html(STYLE)
    st.title(question, anchor=False)

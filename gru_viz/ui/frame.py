"""The frame of every page: its settings, its style, and what the server process sets up once."""

from __future__ import annotations

import gc
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import plotly
import streamlit as st
import torch

from gru_viz.backends import compiled
from gru_viz.conventions import CONVENTIONS

__all__ = ["open_page"]

SWITCH_SECONDS = 0.0005
"""How long a thread may run Python while another one waits for its turn."""

FIRST = ("torch", "onnx", "torch_lstm", "torch_rnn")
"""A convention of each kernel: a GRU whose reset acts after or before the product, an LSTM, a tanh RNN."""

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
    _prepare_server()
    st.html(STYLE)
    st.title(question, anchor=False)


@st.cache_resource(show_spinner=False)
def _prepare_server() -> None:
    """Once a process: copy plotly's script to the static folder, limit torch to one thread; in the background, load
    the kernels and collect garbage."""
    # Two torch threads on a busy machine are many times slower than one at the sizes that are viewed.
    torch.set_num_threads(1)
    # Python's own 5 ms would delay a click by as much at each turn of a thread that reads or traces.
    sys.setswitchinterval(SWITCH_SECONDS)
    here = Path(sys.modules["__main__"].__file__ or "").resolve().parent  # the script that Streamlit runs
    static = (here.parent if here.name == "pages" else here) / "static"
    source = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    target = static / source.name
    if not target.exists() or target.stat().st_size != source.stat().st_size:
        static.mkdir(exist_ok=True)
        partial = target.with_suffix(f".{os.getpid()}")  # its own, since two servers may start at once
        shutil.copyfile(source, partial)
        partial.replace(target)
    for work in (_load_kernels, _collect_every_minute):
        threading.Thread(target=work, daemon=True, name=work.__name__.strip("_")).start()


def _load_kernels() -> None:
    """Compiling them takes seconds unless they are on disk; the first trace would wait for it."""
    compiled.warm((CONVENTIONS[name] for name in FIRST), training=False)


def _collect_every_minute() -> None:
    while True:
        time.sleep(60)
        gc.collect()

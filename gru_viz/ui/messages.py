"""How an error looks on a page: where, what was found, what was wanted, what to do."""

from __future__ import annotations

import re

import streamlit as st

from gru_viz.errors import GruVizError

__all__ = ["plain", "show_error"]


def show_error(error: GruVizError, consequence: str) -> None:
    """Show an error in the page, and say what is on screen instead.

    Args:
        error: what went wrong.
        consequence: what the page does now, such as "The previous view stays."
    """
    st.error(
        f"**{plain(error.where)}**: found {plain(error.found)}; wanted {plain(error.wanted)}.  \n"
        f"{plain(error.remedy)} *{consequence}*",
        icon=":material/error:",
    )


def plain(text: str) -> str:
    """Text from a file or a person, with everything that Markdown would act on made harmless."""
    # A bare address becomes a link however it is escaped; an invisible word joiner inside it keeps it text.
    apart = re.sub(r"(?i)(https?:|www|@)(?=[/.\w-])", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:&.=-])", r"\\\1", apart)

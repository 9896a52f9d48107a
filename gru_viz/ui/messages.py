"""How an error looks on a page: where, what was found, what was wanted, what to do."""

from __future__ import annotations

import re

import streamlit as st

from gru_viz.errors import GruVizError

__all__ = ["CONTROLS", "plain", "show_error"]

CONTROLS = {
    "delimiter": "Cells are separated by",
    "decimal": "Decimal mark",
    "thousands": "Thousands mark",
    "header": "Column names",
    "comment": "Comment lines begin with",
    "day_first": "Dates like 1/2/2024",
    "encoding": "Encoding",
    "features": "Features",
    "time": "Time column",
    "id": "Column that tells sequences apart",
    "one_hot": "Text columns as one-hot features",
    "missing": "Missing cells",
    "scale": "Scaling",
}
"""What the page calls the reader's arguments."""


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
    """Text about a file, with the page's words for the library's, and all that Markdown would act on made harmless."""
    said = rf"\b({'|'.join(CONTROLS)})=(False\b|['\"]?)"
    text = re.sub(said, lambda m: f"“{CONTROLS[m[1]]}”{m[2] and ' ' + m[2].replace('False', 'none')}", text)
    # A bare address becomes a link however it is escaped; an invisible word joiner inside it keeps it text.
    apart = re.sub(r"(?i)(https?:|www|@)(?=[/.\w-])", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:&.=-])", r"\\\1", apart)

"""How an error looks on a page: where, what was found, what was wanted, what to do."""

from __future__ import annotations

import re

import streamlit as st

from gru_viz.errors import GruVizError
from gru_viz.ui.background_work import CancelledError

__all__ = ["CONTROLS", "UNCHANGED", "plain", "show_error", "show_notices", "showing_errors"]

CONTROLS = {
    "delimiter": "Delimiter",
    "decimal": "Decimal separator",
    "thousands": "Thousands separator",
    "header": "Header row",
    "comment": "Comment prefix",
    "day_first": "Date order (1/2/2024)",
    "rows": "Each row is",
    "missing_values": "Missing values written as",
    "table": "Table in the file",
    "encoding": "Encoding",
    "features": "Features",
    "time": "Time column",
    "id": "Sequence ID column",
    "one_hot": "Text columns as one-hot features",
    "missing": "Missing values",
    "scale": "Scaling",
}
"""The page's labels of the reader's arguments."""

UNCHANGED = "The view below is unchanged."


def show_error(error: GruVizError, consequence: str) -> None:
    """Show an error in the page, or that the visitor cancelled.

    Args:
        error: what went wrong.
        consequence: what the page does now, such as "The view below is unchanged."
    """
    if isinstance(error, CancelledError):
        st.info(f"Cancelled. {consequence}", icon=":material/cancel:")
        return
    st.error(
        f"**{plain(error.where)}**: found {plain(error.found)}; wanted {plain(error.wanted)}.  \n"
        f"{plain(error.remedy)} *{consequence}*",
        icon=":material/error:",
    )


class showing_errors:  # noqa: N801 - used as a statement, as contextlib.suppress is
    """Show an error of the block below it, with its consequence.

    The container is always there, so that what follows keeps its place and is not drawn anew.
    """

    def __init__(self, consequence: str) -> None:
        self.consequence = consequence

    def __enter__(self) -> None:
        """Run the block."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        """Show the block's error, if it is one of ours."""
        expected = isinstance(error, GruVizError)
        if error is None or expected:
            with st.container():
                if isinstance(error, GruVizError):
                    show_error(error, self.consequence)
        return expected


def show_notices(label: str, notices: tuple[str, ...]) -> None:
    """List notices in an expander, if there are any."""
    if notices:
        with st.expander(label):
            st.markdown("\n".join(f"- {plain(notice)}" for notice in notices))


def plain(text: str) -> str:
    """Escape text from a file for Markdown; the reader's arguments become the page's labels."""
    argument = rf"\b({'|'.join(CONTROLS)})=(False\b|['\"]?)"
    text = re.sub(argument, lambda m: f"“{CONTROLS[m[1]]}”{m[2] and ' ' + m[2].replace('False', 'none')}", text)
    # A bare address becomes a link however it is escaped; an invisible word joiner inside it keeps it text.
    apart = re.sub(r"(?i)(https?:|www|@)(?=[/.\w-])", "\\1\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:&.=-])", r"\\\1", apart)

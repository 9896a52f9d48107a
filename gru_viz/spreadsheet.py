"""Text that a spreadsheet takes for text."""

from __future__ import annotations

import re

__all__ = ["harmless"]

CELL_START = re.compile(r"((?:^|[,;\t])\s*)([=+\-@])")
"""What makes a spreadsheet take a cell of text for a formula."""
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def harmless(text: str) -> str:
    """Text on one line that starts no formula, whichever of comma, semicolon and tab a spreadsheet cuts lines at.

    Example:
        >>> harmless("=1+1"), harmless("-1.5"), harmless("GRU")
        ("'=1+1", '-1.5', 'GRU')
    """
    text = " ".join(text.splitlines())
    return text if NUMBER.fullmatch(text) else CELL_START.sub(r"\1'\2", text)

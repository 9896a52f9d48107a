"""Escapes text that a spreadsheet would run as a formula."""

from __future__ import annotations

import re

__all__ = ["escape_formula"]

CELL_START = re.compile(r"((?:^|[,;\t])\s*)([=+\-@])")
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


def escape_formula(text: str) -> str:
    """Put an apostrophe before what would start a formula, whether cells end at comma, semicolon or tab.

    Line breaks become spaces, and numbers stay as they are.
    """
    text = " ".join(text.splitlines())
    return text if NUMBER.fullmatch(text) else CELL_START.sub(r"\1'\2", text)

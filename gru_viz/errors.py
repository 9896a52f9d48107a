"""The errors of gru_viz: one class per boundary, each message saying where, found, wanted, and what to do."""

from __future__ import annotations

from unicodedata import category

__all__ = [
    "ConventionError",
    "DeviceError",
    "FormatError",
    "GruVizError",
    "MissingPackageError",
    "SequenceError",
    "TraceError",
    "TrainingError",
]


def one_line(text: str) -> str:
    """Text as one line that is safe to print, with � for each control or direction character but line ends and tabs.

    Example:
        >>> one_line("a\\n\\x1b[31mb")
        'a �[31mb'
    """
    if text.isprintable():
        return text
    return "".join(_safe(character) for character in text)


def _safe(character: str) -> str:
    kind = category(character)
    if character in "\n\r\t" or kind in ("Zl", "Zp"):
        return " "
    return "\N{REPLACEMENT CHARACTER}" if kind.startswith("C") else character


class GruVizError(Exception):
    """Any error that gru_viz raises on purpose.

    The parts are attributes, so that a page can lay them out and a script can test them.

    Args:
        where: the place, such as ``"sales.csv, row 14"``.
        found: what was there.
        wanted: what would have been right.
        remedy: what the reader can do now.

    Example:
        >>> print(GruVizError("sales.csv, row 14", "5 cells", "3 cells, as in the header", "Remove the extra cells."))
        sales.csv, row 14: found 5 cells; wanted 3 cells, as in the header. Remove the extra cells.
    """

    def __init__(self, where: str, found: str, wanted: str, remedy: str) -> None:
        self.where, self.found, self.wanted, self.remedy = map(one_line, (where, found, wanted, remedy))
        super().__init__(f"{self.where}: found {self.found}; wanted {self.wanted}. {self.remedy}")


class SequenceError(GruVizError):
    """The user's data cannot be read as sequences."""


class ConventionError(GruVizError):
    """A convention is unknown, or one cannot be expressed exactly in another."""


class FormatError(GruVizError):
    """A file of a trained model cannot be read or written."""


class TraceError(GruVizError, AttributeError):
    """A trace cannot be computed, or has no such quantity."""


class DeviceError(GruVizError):
    """The requested device does not exist."""


class TrainingError(GruVizError):
    """A training cannot be set up, found or continued."""


class MissingPackageError(GruVizError, ImportError):
    """A package that this part of gru_viz needs is not installed."""

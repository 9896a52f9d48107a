"""``gru-viz`` on the command line: the dashboard; and, without a screen, reports, conversions and what a file holds.

It ends with 0 where all is done, 1 where the input is refused, 2 where it is called wrongly, 130 where it is
interrupted. Results go to the standard output, everything else to the error stream.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from gru_viz.cli import arguments, dashboard
from gru_viz.cli.output import StatusLine
from gru_viz.errors import GruVizError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and give its exit code.

    Args:
        argv: the words after ``gru-viz``; None takes those of this process.

    Example:
        >>> main(["inspect", "no such file.pt"])
        1
    """
    words = list(sys.argv[1:] if argv is None else argv)
    command, options = arguments.parse(words)
    if command is None:
        return dashboard.open_dashboard(options)
    progress = StatusLine(sys.stderr)
    try:
        command(options, progress)
        sys.stdout.flush()
    except GruVizError as error:
        progress.clear()
        _refuse(error)
        return 1
    except KeyboardInterrupt:
        progress.clear()
        print("gru-viz: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the results has stopped
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _refuse(error: GruVizError) -> None:
    """Print an error, one line for each part."""
    parts = (error.where, error.found, error.wanted, error.remedy)
    for label, text in zip(("gru-viz", "  found", "  wanted", "  do"), parts, strict=True):
        print(f"{label}: {' '.join(text.split())}", file=sys.stderr)

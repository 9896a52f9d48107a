"""The output of a command: files, written whole or not at all; progress and notes on the error stream."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TextIO

from gru_viz.errors import GruVizError

__all__ = ["STDOUT", "StatusLine", "check_target", "note", "write_whole"]

STDOUT = "-"


class StatusLine:
    """One line on a terminal with what is being done; nothing is written to a file or a pipe."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.live = stream, stream.isatty()

    def say(self, words: str) -> None:
        """Replace the line."""
        if self.live:
            self.stream.write(f"\r\x1b[K{words} …")
            self.stream.flush()

    def clear(self) -> None:
        """Clear the line."""
        if self.live:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def note(progress: StatusLine, text: str) -> None:
    """Print a note to the error stream."""
    progress.clear()
    print(f"note: {' '.join(text.split())}", file=sys.stderr)


def check_target(target: str, force: bool) -> None:
    """Refuse a target that cannot be written, before any work is done for it."""
    path = Path(target)
    if target == STDOUT:
        return
    if path.is_dir():
        raise GruVizError(target, "a folder", "the name of a file", "Add a file's name to it.")
    if not path.parent.is_dir():
        raise GruVizError(target, f"no folder {path.parent}", "a folder that is there", "Make it, or choose another.")
    if path.exists() and not force:
        raise _there_already(target)


def write_whole(target: str, data: bytes, force: bool) -> None:
    """Write a file whole or not at all; an existing one is only replaced with ``force``."""
    if target == STDOUT:
        sys.stdout.buffer.write(data)
        return
    path = Path(target)
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as partial:
            try:
                partial.write(data)
                partial.close()
                Path(partial.name).chmod(0o666 & ~_umask())
                _put(Path(partial.name), path, force)
            finally:
                Path(partial.name).unlink(missing_ok=True)
    except FileExistsError:
        raise _there_already(target) from None
    except OSError as error:
        remedy = "Choose another place, or make room."
        raise GruVizError(target, error.strerror or str(error), "a file that can be written", remedy) from error


def _put(partial: Path, path: Path, force: bool) -> None:
    """Give the finished file its name; a link fails where the name is taken, a replacement would not."""
    if force:
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError from None
        partial.replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _there_already(target: str) -> GruVizError:
    return GruVizError(target, "a file that is there already", "a new name", "Choose another, or add --force.")

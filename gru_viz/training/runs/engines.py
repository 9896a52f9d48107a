"""Who is in charge of lanes: every engine has a name that tells whether its process can still be alive."""

from __future__ import annotations

import os
import secrets
import socket
import time

from gru_viz.errors import TrainingError

__all__ = ["SILENT_AFTER", "NotInChargeError", "is_dead", "name_engine"]

SILENT_AFTER = 10.0
"""Seconds without a sign of life after which an engine counts as dead, wherever it runs."""


class NotInChargeError(TrainingError):
    """An engine wrote to a lane that another has taken over."""


def name_engine() -> str:
    """A name for an engine of this process, unlike every other's.

    Example:
        >>> is_dead(name_engine(), beat=time.time())
        False
    """
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def is_dead(engine: str, beat: float | None) -> bool:
    """Whether an engine has ended: its process is gone from this machine, or it has been silent for too long.

    Args:
        engine: its name.
        beat: its last sign of life, in seconds since 1970; None: there never was one.
    """
    if beat is None or time.time() - beat > SILENT_AFTER:
        return True
    host, _, rest = engine.partition("/")
    process = rest.partition("/")[0]
    return host == socket.gethostname() and process.isdecimal() and not _exists(int(process))


def _exists(process: int) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is not harmless; the silence will tell
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

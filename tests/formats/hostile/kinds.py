"""All hostile files, gathered."""

from __future__ import annotations

from hostile import other_files, torch_files  # noqa: F401, they add their kinds
from hostile.making import CANARY, KINDS, Calls, evil, write

__all__ = ["CANARY", "KINDS", "Calls", "evil", "write"]

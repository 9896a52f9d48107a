"""How every kernel is compiled: one set of flags, typed for the reader of the code."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.extending

__all__ = ["compiled", "implements", "intrinsic", "part"]

Function = TypeVar("Function", bound=Callable[..., object])

# Without "nnan" and "ninf": a NaN must come out where it went in. Without "reassoc": the range reduction of exp relies
# on a sum being taken as it is written.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"nsz", "contract", "arcp"}}


def _cache_folder() -> str:
    """A folder for this state of the kernels: where the user says, beside them, or in the home; "" where none works.

    It is named after all their sources: what a function calls is compiled into it, and may be in another file.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    beside, home = here / "__pycache__", Path.home() / ".cache" / "gru_viz"
    for parent in (Path(numba.config.CACHE_DIR),) if numba.config.CACHE_DIR else (beside, home):
        folder = parent / f"kernels-{hashlib.sha256(sources).hexdigest()[:16]}"
        with suppress(OSError):
            if parent == beside and not folder.exists():  # nobody will read those of earlier sources again
                for stale in parent.glob("kernels-*"):
                    shutil.rmtree(stale, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return str(folder)
    return ""


_CACHE_FOLDER = _cache_folder()


def compiled(function: Function) -> Function:
    """Compile a function at its first call, or load it from numba's disk cache; it runs without Python's lock."""
    dispatcher = numba.njit(**OPTIONS)(function)
    before = numba.config.CACHE_DIR
    if _CACHE_FOLDER:
        numba.config.CACHE_DIR = _CACHE_FOLDER
        try:
            with suppress(RuntimeError):  # a function that is in no file
                dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    return cast(Function, dispatcher)


def part(function: Function) -> Function:
    """Compile a function into those that call it; Python itself cannot call it, which halves the time to compile."""
    return cast(Function, numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function))


intrinsic: Callable[[Callable[..., Any]], Any] = numba.extending.intrinsic
"""Make a function of compiled code from one that writes LLVM's instructions."""


def implements(name: Callable[..., Any]) -> Callable[[Function], Function]:
    """Let compiled code use for ``name`` the function that the decorated one chooses by the types of its arguments."""
    return cast(Callable[[Function], Function], numba.extending.overload(name, strict=False))

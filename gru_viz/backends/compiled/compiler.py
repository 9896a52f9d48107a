"""How every kernel is compiled: one set of flags, typed for the reader of the code."""

from __future__ import annotations

import hashlib
import os
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


def _source_hash() -> str:
    """A name for the state of all kernels: what a function calls is compiled into it, and may be in another file."""
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:16]


def _cache_folder() -> str:
    """A folder for this state of the kernels: where the user says, beside them, or in the home; "" where none works."""
    beside, home = Path(__file__).parent / "__pycache__", Path.home() / ".cache" / "gru_viz"
    for parent in (Path(numba.config.CACHE_DIR),) if numba.config.CACHE_DIR else (beside, home):
        folder = parent / f"kernels-{_source_hash()}"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return str(folder)
    return ""


_CACHE_FOLDER = _cache_folder()


def compiled(function: Function) -> Function:
    """Compile a function at its first call, or load it from numba's disk cache; it runs without the interpreter lock.

    Example:
        >>> @compiled
        ... def successor(x):
        ...     return x + 1
        >>> successor(2)
        3
    """
    dispatcher = numba.njit(**OPTIONS)(function)
    before = numba.config.CACHE_DIR
    if _CACHE_FOLDER:
        numba.config.CACHE_DIR = _CACHE_FOLDER
        try:
            with suppress(RuntimeError):  # a function that is in no file, such as an example's
                dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    return cast(Function, dispatcher)


def part(function: Function) -> Function:
    """Compile a function into those that call it; Python itself cannot call it, which halves the time to compile."""
    return cast(Function, numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS)(function))


def intrinsic(generator: Callable[..., Any]) -> Any:
    """Make a function of compiled code from one that writes LLVM's instructions."""
    return numba.extending.intrinsic(generator)


def implements(name: Callable[..., Any]) -> Callable[[Function], Function]:
    """Let compiled code use for ``name`` the function that the decorated one chooses by the types of its arguments."""
    return cast(Callable[[Function], Function], numba.extending.overload(name, strict=False))

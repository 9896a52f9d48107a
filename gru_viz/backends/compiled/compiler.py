"""How every kernel is compiled: one set of flags, typed for the reader of the code."""

from __future__ import annotations

import hashlib
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

SOURCES = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).digest()


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
    with suppress(RuntimeError):  # no folder can be written to: every process compiles anew
        dispatcher.enable_caching()
        # numba looks at the date of one file; but what this function calls lies in others, and is compiled into it.
        dispatcher._cache._cache_file._source_stamp = SOURCES
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

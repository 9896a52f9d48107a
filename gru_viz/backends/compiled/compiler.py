"""How every kernel is compiled: one set of flags, typed for the reader of the code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

import numba
import numba.extending

from gru_viz.backends.compiled.kernel_cache import folder

__all__ = ["compiled", "implements", "intrinsic", "part"]

Function = TypeVar("Function", bound=Callable[..., object])

# Without "nnan" and "ninf": a NaN must come out where it went in. Without "reassoc": the range reduction of exp relies
# on a sum being taken as it is written.
OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"nsz", "contract", "arcp"}}


def compiled(function: Function) -> Function:
    """Compile a function at its first call, or load it from numba's disk cache; it runs without Python's lock."""
    dispatcher = numba.njit(**OPTIONS)(function)
    before = numba.config.CACHE_DIR
    where = folder()
    if where is not None:
        numba.config.CACHE_DIR = str(where)
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

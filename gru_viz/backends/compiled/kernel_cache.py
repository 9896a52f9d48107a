"""Which kernels are on the disk, ready to be loaded, and the process that compiles the others in the background.

This module imports neither numba nor torch: a page asks it without waiting for either.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal

from gru_viz.conventions import CONVENTIONS, Convention
from gru_viz.version import PACKAGE

__all__ = [
    "KERNELS",
    "Purpose",
    "compile_in_background",
    "folder",
    "is_compiling",
    "is_ready",
    "lock",
    "machine",
    "mark_stored",
    "seconds_left",
    "wait_until_ready",
]

Purpose = Literal["trace", "training"]

KERNELS: tuple[tuple[Purpose, str, float], ...] = (
    ("trace", "torch", 2.0),
    ("training", "torch", 4.0),
    ("training", "torch_lstm", 4.0),
    ("trace", "torch_lstm", 2.0),
    ("training", "torch_rnn", 3.0),
    ("trace", "torch_rnn", 1.5),
    ("trace", "onnx", 2.0),
    ("training", "onnx", 5.0),
)
"""What is compiled in the background, in this order: for what, a convention that uses it, and about how many seconds
it takes on a core of its own."""

MODULE, LOCK, POLL_SECONDS = "gru_viz.backends.compiled.compile_kernels", "compiling.lock", 0.2
START_SECONDS = 15.0
"""Within so many seconds a process that was started to compile has begun, even where much else runs."""


@cache
def folder() -> Path | None:
    """Return the folder for this state of the kernels: where the user says, beside them, or in the home.

    It is named after all their sources: what a function calls is compiled into it, and may be in another file. None
    where no folder can be written.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    beside, home, chosen = here / "__pycache__", Path.home() / ".cache" / "gru_viz", os.environ.get("NUMBA_CACHE_DIR")
    for parent in (Path(chosen),) if chosen else (beside, home):
        found = parent / f"kernels-{hashlib.sha256(sources).hexdigest()[:16]}"
        with suppress(OSError):
            if parent == beside and not found.exists():  # nobody will read those of earlier sources again
                for stale in parent.glob("kernels-*"):
                    shutil.rmtree(stale, ignore_errors=True)
            found.mkdir(parents=True, exist_ok=True)
            if os.access(found, os.W_OK):
                return found
    return None


def is_ready(convention: Convention, purpose: Purpose) -> bool:
    """Whether the kernel of a convention is on the disk, for float32, this processor and this numba.

    True also where no folder can be written, so that every process compiles for itself and there is nothing to wait
    for.
    """
    mark = _mark(convention, purpose)
    return find_spec("numba") is not None if mark is None else mark.exists()


def mark_stored(convention: Convention, purpose: Purpose) -> None:
    """Record that a kernel is on the disk."""
    mark = _mark(convention, purpose)
    if mark is not None:
        with suppress(OSError):
            mark.touch()


def _mark(convention: Convention, purpose: Purpose) -> Path | None:
    where = folder()
    kernel = "-".join(filter(None, (purpose, convention.cell, convention.reset)))
    return None if where is None else where / f"{kernel}-{machine()}.ready"


@cache
def machine() -> str:
    """Return a hash of what compiled code depends on besides its source: processor, Python, packages that compile."""
    facts = [platform.machine(), platform.python_version(), _processor(), os.environ.get("NUMBA_DISABLE_JIT", "")]
    for package in ("numba", "llvmlite", "numpy"):
        with suppress(PackageNotFoundError):
            facts.append(version(package))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _processor() -> str:
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return platform.processor()


@contextmanager
def lock() -> Iterator[None]:
    """Hold the lock of the process that compiles, which waits for any other; the system releases it at its end."""
    where = folder()
    if where is None:
        yield
        return
    with (where / LOCK).open("ab") as file:
        while not _try_lock(file):
            time.sleep(POLL_SECONDS)
        os.utime(file.name)  # when it began
        yield


def _try_lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if another process has locked it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def is_compiling() -> bool:
    """Whether some process compiles kernels, or is about to."""
    where = folder()
    if where is None or not (where / LOCK).exists() or not _any_missing():
        return False
    with (where / LOCK).open("ab") as file:
        return not _try_lock(file) or time.time() - (where / LOCK).stat().st_mtime < START_SECONDS


def _any_missing() -> bool:
    return any(not is_ready(CONVENTIONS[name], purpose) for purpose, name, _ in KERNELS)


def wait_until_ready(convention: Convention, purpose: Purpose) -> bool:
    """Wait while a kernel is being compiled; return whether it is on the disk."""
    while not (ready := is_ready(convention, purpose)) and is_compiling():
        time.sleep(POLL_SECONDS)
    return ready


def seconds_left(convention: Convention, purpose: Purpose) -> float:
    """Estimate how long it takes until a kernel is ready, at the pace of those that were compiled just now."""
    where, done, left = folder(), 0.0, 0.0
    if where is None or is_ready(convention, purpose):
        return 0.0
    lock_file = where / LOCK
    began = lock_file.stat().st_mtime if lock_file.exists() else time.time()
    for what, name, seconds in KERNELS:
        each = CONVENTIONS[name]
        mark = _mark(each, what)
        if mark is None or not mark.exists():
            left += seconds
        elif mark.stat().st_mtime > began:
            done += seconds
        if (what, each.cell, each.reset) == (purpose, convention.cell, convention.reset):
            break
    passed = time.time() - began
    pace = max(1.0, passed / (done + 2.0))
    return max(1.0, pace * (left + done) - passed)


def compile_in_background() -> None:
    """Compile what is missing in a process of its own, which gives way to all others; return at once.

    However many processes ask, one compiles at a time.
    """
    where = folder()
    if where is None or not _any_missing() or find_spec("numba") is None:
        return
    (where / LOCK).touch()
    path = os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", MODULE],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )
    threading.Thread(target=process.wait, name="kernels", daemon=True).start()  # so that it leaves no zombie

"""Work that takes long: how far it is, how long it will take, and a button that ends it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.runtime.scriptrunner import StopException

from gru_viz.errors import GruVizError

__all__ = ["CancelledError", "Progress", "long_work"]

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Told how much is done, of how much; raises ``CancelledError`` once the work is no longer wanted."""

PATIENCE = 0.25
EVERY = 0.2
FORGOTTEN = 30.0


class CancelledError(GruVizError):
    """The visitor ended a piece of work before it was done."""


class _Job:
    """Work in a thread of its own, so that the page can tell of it and end it.

    Args:
        key: what the work is for; the same for the same.
        work: takes a ``Progress`` and gives the result. It runs beside the script: it must not draw.
    """

    def __init__(self, key: str, work: Callable[[Progress], Any]) -> None:
        self.key, self.work = key, work
        self.done, self.total, self.begun = 0, 0, time.monotonic()
        self.watched = self.begun
        self.unwanted, self.ended = threading.Event(), threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        threading.Thread(target=self._run, daemon=True, name=f"work for {key}").start()

    def _run(self) -> None:
        try:
            self.result = self.work(self._progress)
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()

    def _progress(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self.unwanted.is_set() or time.monotonic() - self.watched > FORGOTTEN:
            raise _cancelled("the work")

    @property
    def forgotten(self) -> bool:
        """Whether it ended itself, since nobody asked for it any more."""
        return isinstance(self.error, CancelledError) and not self.unwanted.is_set()

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    def told(self) -> str:
        """How far it is, and how long the rest takes at the speed so far."""
        spent = time.monotonic() - self.begun
        if self.share == 0:
            return f"{_spoken(spent)} so far"
        return f"{self.share:.0%}, about {_spoken(spent * (1 - self.share) / self.share)} left"


def long_work(name: str, label: str, key: str, work: Callable[[Progress], T]) -> T:
    """Do work that may take long; while it does, show how far it is, with a button that cancels it.

    Nothing is drawn for work that takes less than a quarter of a second, such as an answer from a cache. A page that
    runs again while the same work goes on finds it where it is; other work of the same name ends it.

    Args:
        name: which of the page's works it is, such as ``"trace"``: there is one at a time of a name.
        label: what the visitor reads, such as ``"Tracing every gate"``.
        key: what it works on, the same for the same: what was cancelled does not begin again by itself.
        work: does it, given a ``Progress`` to call now and then. It runs in another thread: it may use what
            ``st.cache_resource`` keeps, but neither draw nor read the session.

    Returns:
        What ``work`` gives.

    Raises:
        CancelledError: the visitor ended it; a button to start it again is on the page.
        GruVizError: what ``work`` raises, like all its other errors.
    """
    place = st.empty()
    jobs: dict[str, _Job] = st.session_state.setdefault("long_work", {})
    job = jobs.get(name)
    if job is not None and (job.key != key or job.forgotten):
        job.unwanted.set()
        job = None
    if job is None:
        job = jobs[name] = _Job(key, work)
    try:
        if not job.unwanted.is_set():
            _watch(place, name, label, job)
    except StopException:  # the visitor has gone
        job.unwanted.set()
        raise
    if job.unwanted.is_set():
        icon = ":material/refresh:"
        place.button("Start again", key=f"again_{name}", icon=icon, on_click=_drop, args=(jobs, name))
        raise _cancelled(label)
    del jobs[name]
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result


def _drop(jobs: dict[str, _Job], name: str) -> None:
    jobs.pop(name, None)


def _watch(place: Any, name: str, label: str, job: _Job) -> None:
    """Wait until the work has ended; every drawing is a moment at which the script may be asked to run again."""
    job.watched = time.monotonic()
    if job.ended.wait(PATIENCE):
        return
    with place.container(horizontal=True, vertical_alignment="bottom"):
        bar = st.progress(job.share, f"{label}: {job.told()}")
        st.button("Cancel", key=f"cancel_{name}", icon=":material/close:", on_click=job.unwanted.set)
    drawn = 0
    while not job.ended.wait(EVERY):
        job.watched = time.monotonic()
        bar.progress(job.share, f"{label}: {job.told()}")
        drawn += 1
        if drawn % 5 == 0:
            _let_click_in()
    place.empty()


def _let_click_in() -> None:
    """A click inside a fragment waits until the fragment's run has ended, so that this one must begin again."""
    with suppress(StreamlitAPIException):  # raised where the whole script runs, which a click interrupts by itself
        st.rerun(scope="fragment")


def _cancelled(label: str) -> CancelledError:
    return CancelledError(label, "that it was cancelled", "that it runs to its end", "“Start again” does it after all.")


def _spoken(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"

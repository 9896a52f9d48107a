"""Long work in a thread: how far it is, how long it will take, and a button that cancels it."""

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
from gru_viz.progress import Progress

__all__ = ["BackgroundJob", "CancelledError", "finish", "format_seconds", "run_in_background"]

T = TypeVar("T")

PATIENCE = 0.25
EVERY = 0.2
ABANDONED = 30.0


class CancelledError(GruVizError):
    """The visitor cancelled work before it was done."""


class BackgroundJob:
    """Work in a thread of its own, so that the page can show its progress and cancel it.

    Args:
        key: identifies the work.
        work: takes a ``Progress`` and returns the result. It runs beside the script: it must not draw.
        abandoned_after: seconds without a page that waits, after which the work ends itself.
    """

    def __init__(self, key: str, work: Callable[[Progress], Any], abandoned_after: float = ABANDONED) -> None:
        self.key, self.work, self.abandoned_after = key, work, abandoned_after
        self.done, self.total, self.started = 0, 0, time.monotonic()
        self.watched = self.started
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
        if self.unwanted.is_set() or time.monotonic() - self.watched > self.abandoned_after:
            raise _cancelled("the work")

    @property
    def abandoned(self) -> bool:
        """Whether it ended itself because no page waited for it."""
        return isinstance(self.error, CancelledError) and not self.unwanted.is_set()

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    def describe(self) -> str:
        """How far it is, and how long the rest takes at the speed so far."""
        spent = time.monotonic() - self.started
        if self.share == 0:
            return f"{format_seconds(spent)} so far"
        return f"{self.share:.0%}, about {format_seconds(spent * (1 - self.share) / self.share)} left"


def run_in_background(name: str, label: str, key: str, work: Callable[[Progress], T]) -> T:
    """Run work that may take long; meanwhile show its progress and a button that cancels it.

    Nothing is drawn for work that takes less than a quarter of a second. A page that reruns finds the same work still
    going; new work of the same name cancels it.

    Args:
        name: which of the page's jobs it is, such as ``"trace"``; there is one at a time of a name.
        label: what the visitor reads, such as ``"Tracing 1,000 steps"``.
        key: identifies the work: what was cancelled does not restart by itself.
        work: called with a ``Progress``, in another thread: it may use ``st.cache_resource``, but neither draw nor
            read the session.

    Returns:
        What ``work`` returns.

    Raises:
        CancelledError: the visitor cancelled it; a button to start it again is on the page.
        GruVizError: what ``work`` raises, like all its other errors.
    """
    place = st.empty()
    jobs: dict[str, BackgroundJob] = st.session_state.setdefault("background_jobs", {})
    job = jobs[name] = _continue_or_start(jobs.get(name), key, work)
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


def finish(work: Callable[[], object], redraw: Callable[[], Any]) -> None:
    """Run work in a thread to its end; meanwhile the page can be left or changed.

    Args:
        work: it must not draw. It goes on where the page is left.
        redraw: draws what is there already; every drawing is a moment at which the script may be asked to rerun.

    Raises:
        Exception: whatever ``work`` raises.
    """
    job = BackgroundJob("", lambda _: work())
    while not job.ended.wait(EVERY):
        redraw()
    if job.error is not None:
        raise job.error


def _continue_or_start(job: BackgroundJob | None, key: str, work: Callable[[Progress], Any]) -> BackgroundJob:
    if job is not None and job.key == key and not job.abandoned:
        return job
    if job is not None:
        job.unwanted.set()
    return BackgroundJob(key, work)


def _drop(jobs: dict[str, BackgroundJob], name: str) -> None:
    jobs.pop(name, None)


def _watch(place: Any, name: str, label: str, job: BackgroundJob) -> None:
    """Wait until the work has ended; every drawing is a moment at which the script may be asked to rerun."""
    job.watched = time.monotonic()
    if job.ended.wait(PATIENCE):
        return
    with place.container(horizontal=True, vertical_alignment="bottom"):
        bar = st.progress(job.share, f"{label}: {job.describe()}")
        st.button("Cancel", key=f"cancel_{name}", icon=":material/close:", on_click=job.unwanted.set)
    drawn = 0
    while not job.ended.wait(EVERY):
        job.watched = time.monotonic()
        bar.progress(job.share, f"{label}: {job.describe()}")
        drawn += 1
        if drawn % 5 == 0:
            _let_click_in()
    place.empty()


def _let_click_in() -> None:
    """A click inside a fragment waits until the fragment's run has ended, so that this one must begin again."""
    with suppress(StreamlitAPIException):  # raised where the whole script runs, which a click interrupts by itself
        st.rerun(scope="fragment")


def _cancelled(label: str) -> CancelledError:
    return CancelledError(label, "cancelled", "a completed run", "“Start again” restarts it.")


def format_seconds(seconds: float) -> str:
    """A duration in a few words."""
    if seconds < 1:
        return "a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"

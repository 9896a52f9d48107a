"""Background work of a page: its result, its errors, and that cancelled work restarts only on request."""

from __future__ import annotations

import time
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251

from gru_viz.progress import Progress
from gru_viz.ui.background_work import BackgroundJob, format_seconds

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Streamlit's own

PAGE = """
import time
import streamlit as st
from gru_viz.errors import GruVizError, SequenceError
from gru_viz.ui.background_work import run_in_background

of = st.text_input("of", "short", key="of")
begun = st.session_state.setdefault("begun", [])
cancelled = st.session_state.setdefault("cancelled", [])

def work(progress):
    begun.append(of)
    if of == "wrong":
        raise SequenceError("the data", "nothing", "something", "Give some.")
    for step in range(40 if of == "long" else 1):
        if of == "long" and step == 20 and cancelled:
            cancelled.pop()()  # what a click on Cancel does, while the script waits
        time.sleep(0.02)
        progress(step, 40)
    return of.upper()

if st.session_state.get("to_cancel"):
    cancelled.append(lambda jobs=st.session_state.setdefault("background_jobs", {}): jobs["thing"].unwanted.set())
    st.session_state["to_cancel"] = False
try:
    st.write(f"result {run_in_background('thing', 'Doing it', of, work)}")
except GruVizError as error:
    st.error(str(error))
"""


def texts(app: AppTest) -> list[str]:
    assert not app.exception, [each.value for each in app.exception]
    return [each.value for each in [*app.markdown, *app.error]]


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_string(PAGE, default_timeout=120)
    app.run()
    return app


def test_short_work_gives_its_result_and_draws_nothing(page: AppTest) -> None:
    assert texts(page) == ["result SHORT"]
    assert not page.button


def test_long_work_takes_its_bar_away_when_it_is_done(page: AppTest) -> None:
    page.text_input(key="of").set_value("long").run()
    assert texts(page) == ["result LONG"]
    assert not page.button


def test_an_error_of_the_work_is_the_page_s(page: AppTest) -> None:
    page.text_input(key="of").set_value("wrong").run()
    assert texts(page) == ["the data: found nothing; wanted something. Give some."]
    page.text_input(key="of").set_value("short").run()
    assert texts(page) == ["result SHORT"]


def test_what_was_cancelled_begins_again_only_when_asked(page: AppTest) -> None:
    page.session_state["to_cancel"] = True
    page.text_input(key="of").set_value("long").run()
    assert "cancelled" in texts(page)[0]
    begun: list[Any] = page.session_state["begun"]
    for _ in range(2):
        page.run()
        assert "cancelled" in texts(page)[0]
        assert begun.count("long") == 1
    page.button(key="again_thing").click().run()
    assert texts(page) == ["result LONG"]
    assert begun.count("long") == 2


def test_a_duration_is_a_few_words() -> None:
    assert [format_seconds(seconds) for seconds in (0.2, 12.4, 89, 600)] == ["a second", "12 s", "89 s", "10 min"]


def test_work_that_nobody_waits_for_ends_itself() -> None:
    def endless(progress: Progress) -> None:
        while True:
            time.sleep(0.01)
            progress(0, 1)

    job = BackgroundJob("endless", endless, abandoned_after=0.05)
    assert job.ended.wait(60)
    assert job.abandoned

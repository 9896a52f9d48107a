"""Many sequences are listed on demand, one of them is shown, and their list is not sent at every run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest  # noqa: TID251

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Streamlit's own
]
PAGE = str(Path(__file__).parents[2] / "dashboard.py")
ROWS = [f"p{k},{step},{(k * 7 + step) % 5}" for k in range(60) for step in range(2 + k % 4)]


@pytest.fixture
def page() -> AppTest:
    app = AppTest.from_file(PAGE, default_timeout=120)
    app.query_params["source"] = "Table"
    app.query_params["table"] = "\n".join(["patient,day,x", *ROWS])
    app.run()
    assert not app.exception, [each.value for each in app.exception]
    assert not app.error, [each.value for each in app.error]
    return app


def total_steps(app: AppTest) -> int:
    (component,) = app.get("bidi_component")
    packed = bytes(component.proto.bytes)
    size = int.from_bytes(packed[:4], "little")
    return int(json.loads(packed[4 : 4 + size])["total"])


def test_many_sequences_are_a_button_not_a_menu(page: AppTest) -> None:
    assert [each.label for each in page.selectbox if each.key == "sequence"] == []
    assert page.button(key="list").label == "patient p0 (1 of 60)"
    assert all(len(each.value) < 60 for each in page.dataframe)
    assert total_steps(page) == 2


def test_the_list_has_a_row_for_each_and_the_average_of_all(page: AppTest) -> None:
    page.button(key="list").click().run()
    assert not page.exception
    (table,) = (each.value for each in page.dataframe if "steps" in each.value.columns)
    assert list(table["sequence"]) == [f"patient p{k}" for k in range(60)]
    assert list(table["steps"]) == [2 + k % 4 for k in range(60)]
    assert {"mean update", "mean reset", "saturated", "largest |h|", "final |h|", "travelled"} <= set(table.columns)
    assert any("Average of 60 traces (every trace within tolerance)" in each.value for each in page.caption)
    assert len(page.get("plotly_chart")) == 1
    page.run()
    assert not any("steps" in each.value.columns for each in page.dataframe), "sent once, not at every run"


def test_what_was_chosen_from_the_list_is_shown(page: AppTest) -> None:
    page.session_state["listed"] = "patient p3"
    page.run()
    assert page.button(key="list").label == "patient p3 (4 of 60)"
    assert total_steps(page) == 5
    page.session_state["listed"] = "of another file"
    page.run()
    assert total_steps(page) == 2


def test_another_of_many_is_compared_by_its_number(page: AppTest) -> None:
    page.selectbox(key="compare").select("sequences").run()
    page.number_input(key="other_number").set_value(5).run()
    assert not page.exception
    assert [each.key for each in page.selectbox if each.key == "other_sequence"] == []
    assert any("patient p4" in each.value for each in page.caption)

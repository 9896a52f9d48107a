"""A label for each sequence, read from the table itself."""

from __future__ import annotations

import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences import LabelledSequences, open_table

ROWS = "who,step,x,kind,code\nb,1,5,up,1\na,1,1,down,2\nb,2,6,up,1\na,2,0,down,2\nc,1,3,up,1\nc,2,4,up,1\n"


def labelled(rows: str, label: str = "kind", id: str | None = "who", **more: object) -> LabelledSequences:
    return open_table(rows.encode(), name="t.csv").labelled(label, id, **more)  # type: ignore[arg-type]


def test_labels_follow_their_sequences_whatever_the_order_of_rows() -> None:
    read = labelled(ROWS, scale="none")
    assert dict(zip((item.name for item in read.sequences), read.labels, strict=True)) == {
        "who b": "up",
        "who a": "down",
        "who c": "up",
    }
    assert read.label == "kind"
    assert read.notices == read.sequences.notices


def test_the_label_is_no_feature() -> None:
    assert labelled(ROWS, "code", time="step").sequences.features == ("x",)
    assert labelled(ROWS, "code").labels == ("1", "2", "1")
    assert labelled(ROWS, "kind", time="step").sequences.features == ("x", "code")


def test_columns_that_can_label_are_named() -> None:
    table = open_table(ROWS.encode())
    assert table.label_columns("who") == ("kind", "code")
    assert table.label_columns("kind") == ()
    assert open_table(b"x\n1\n2\n").label_columns() == ()


def test_an_id_may_be_suggested() -> None:
    rows = ROWS.replace("who", "patient")
    assert labelled(rows, id=None).labels == ("up", "down", "up")


def test_rows_without_a_label_say_nothing_about_it() -> None:
    read = labelled(ROWS.replace("a,2,0,down", "a,2,0,").replace(",up,1\nc,2,4,up", ",,1\nc,2,4,"))
    assert read.labels == ("up", "down")
    assert any("1 sequence without a label left out: 'who c'" in notice for notice in read.notices)


def test_sequences_left_out_by_the_reader_take_their_label_along() -> None:
    read = labelled(ROWS.replace("b,1,5", "b,1,").replace("b,2,6", "b,2,"), features="x", missing="drop")
    assert [item.name for item in read.sequences] == ["who a", "who c"]
    assert read.labels == ("down", "up")


@pytest.mark.parametrize(
    ("rows", "label", "id", "message"),
    [
        (ROWS.replace("a,2,0,down", "a,2,0,up"), "kind", "who", "who a with the labels 'up' and 'down'.*one label"),
        (ROWS, "step", "who", "3 sequences in all"),
        (ROWS, "mood", "who", "no column 'mood'.*'kind'"),
        (ROWS, "kind", "kind", "as label and as id"),
        ("x,kind\n1,a\n2,b\n", "kind", None, "no column that identifies the sequence of a row"),
        (ROWS.replace("up", "").replace("down", ""), "kind", "who", "no label in column 'kind'"),
    ],
)
def test_what_cannot_be_a_label_is_refused(rows: str, label: str, id: str | None, message: str) -> None:
    with pytest.raises(SequenceError, match=message):
        labelled(rows, label, id)


def test_as_many_labels_as_sequences() -> None:
    with pytest.raises(SequenceError, match="1 label; wanted one for each of 3 sequences"):
        LabelledSequences(labelled(ROWS).sequences, ("up",))

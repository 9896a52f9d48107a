"""Archives, workbooks, JSON, files of series and data frames are tables like others; a bomb is refused unexpanded."""

from __future__ import annotations

import bz2
import datetime
import gzip
import io
import json
import lzma
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pytest

import gru_viz
from gru_viz.errors import SequenceError
from gru_viz.sequences import Sequences, open_table, read_table

ROWS = b"time,x,y\n2020-01-01,1,2\n2020-01-02,3,4\n2020-01-03,5,6\n"
LONGER = ROWS + b"2020-01-04,7,8\n"
VALUES = [[1, 2], [3, 4], [5, 6]]


def zipped(files: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def plain(seqs: Sequences) -> list[list[list[float]]]:
    return [one.values.tolist() for one in seqs]


# archives


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped({"a.csv": data})])
def test_a_compressed_table_is_that_table(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    seqs = read_table(pack(ROWS), scale="none")
    assert plain(seqs) == [VALUES]
    assert seqs.notices == ()
    path = tmp_path / "a.packed"
    path.write_bytes(pack(workbook({"a": [["x"], [1.5], [2.5]]})))
    assert plain(read_table(path, scale="none")) == [[[1.5], [2.5]]]


def test_of_several_tables_in_an_archive_one_is_read_and_the_others_are_named() -> None:
    data = zipped({"a.csv": ROWS, "__MACOSX/a.csv": b"x", "read me.md": b"hello", "b.csv": LONGER})
    table = open_table(data)
    assert (table.tables, table.rows) == (("a.csv", "b.csv"), 4)
    assert "'b.csv' was read" in " ".join(table.notices)
    assert open_table(data, table="a.csv").rows == open_table(data, table=0).rows == 3
    with pytest.raises(SequenceError, match=r"found table='c.csv'; wanted one of 'a.csv' and 'b.csv'"):
        open_table(data, table="c.csv")


@pytest.mark.parametrize("size", ["said in the archive", "not said"])
def test_a_bomb_is_refused_before_it_takes_memory(size: str) -> None:
    text = b"1,2\n" * (6 << 20)
    data = zipped({"a.csv": text}) if size == "said in the archive" else gzip.compress(text, 1)
    del text
    tracemalloc.start()
    try:
        with pytest.raises(SequenceError, match=r"when unpacked; wanted at most 20,000,000"):
            open_table(data, max_bytes=20_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "phrase"),
    [
        (gzip.compress(ROWS)[:-9], "cannot be unpacked"),
        (lzma.compress(ROWS)[:-9], "cannot be unpacked"),
        (gzip.compress(bytes(1 << 20)), "zero bytes"),
        (gzip.compress(b"%PDF-1.5"), "a PDF document inside"),
        (zipped({"x.npy": b"1"}), "none of them a table: 'x.npy'"),
        (zipped({"content.xml": b"1"}), "an OpenDocument spreadsheet"),
        (zipped({"a.csv": ROWS})[:-30], "cannot be unpacked"),
    ],
    ids=["gzip cut", "xz cut", "zeros", "PDF", "array", "OpenDocument", "zip cut"],  # gzip writes the time of day
)
def test_what_is_no_packed_table_is_refused(data: bytes, phrase: str) -> None:
    with pytest.raises(SequenceError) as raised:
        open_table(data)
    assert phrase in str(raised.value)
    assert raised.value.remedy


# workbooks

WHEN = datetime.datetime(2020, 1, 1, 5)
SHEET: list[list[object]] = [
    ["Report"],
    [],
    ["Date", "Temp", "Note"],
    *([WHEN + datetime.timedelta(hours=hour), hour + 0.5, "a" if hour else None] for hour in range(3)),
    ["Total", 4.5],
]


def test_a_workbook_is_read_from_its_first_sheet_with_numbers() -> None:
    data = workbook({"Info": [["made", "up"]], "Data": SHEET, "More": [["x"], [1], [2]]})
    seqs = read_table(data, scale="none")
    assert plain(seqs) == [[[0.5], [1.5], [2.5]]]
    assert seqs[0].time == ("2020-01-01 05:00", "2020-01-01 06:00", "2020-01-01 07:00")
    notices = " ".join(seqs.notices)
    assert "3 sheets; 'Data' was read" in notices
    assert "'Total'" in notices
    assert open_table(data).tables == ("Info", "Data", "More")
    assert plain(read_table(data, scale="none", table="More")) == plain(read_table(data, scale="none", table=2))


def test_a_workbook_that_cannot_be_read_is_refused() -> None:
    data = workbook({"Data": SHEET})
    for given, phrase in (
        ({"table": "None"}, "no sheet 'None'"),
        ({"max_columns": 2}, "more than 2 columns"),
        ({"max_bytes": len(data)}, "in one part of the workbook"),
    ):
        with pytest.raises(SequenceError, match=phrase):
            open_table(data, **given)  # type: ignore[arg-type]
    for broken in (data[:-40], zipped({"xl/workbook.xml": b"<a", "xl/x": b""})):
        with pytest.raises(SequenceError, match="workbook"):
            open_table(broken)


# JSON

OBJECTS = [{"t": f"2020-01-0{n}", "x": n, "in": {"y": n / 2}, "tags": ["a"]} for n in range(1, 4)]
NUMBERS = [[1, 0.5], [2, 1], [3, 1.5]]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(map(json.dumps, OBJECTS)),
        "\n".join(map(json.dumps, [*OBJECTS[:2], {**OBJECTS[2], "x": "3"}])),
        json.dumps(OBJECTS, indent=1),
        json.dumps({"meta": {"rows": 3}, "result": {"rows": OBJECTS}}),
        json.dumps({"t": ["2020-01-01", "2020-01-02", "2020-01-03"], "x": [1, 2, 3], "in.y": [0.5, 1, 1.5]}),
        json.dumps(
            {
                "columns": ["t", "x", "in.y"],
                "index": [0, 1, 2],
                "data": [[f"2020-01-0{n}", n, n / 2] for n in (1, 2, 3)],
            }
        ),
        json.dumps([["t", "x", "in.y"], *([f"2020-01-0{n}", n, n / 2] for n in (1, 2, 3))]),
        pd.DataFrame(
            {"t": ["2020-01-01", "2020-01-02", "2020-01-03"], "x": [1, 2, 3], "in.y": [0.5, 1, 1.5]}
        ).to_json(),
    ],
    ids=["lines", "lines of two types", "objects", "inside", "columns", "split", "rows", "by number"],
)
def test_json_is_a_table(text: str) -> None:
    seqs = read_table(text.encode(), scale="none")
    assert seqs.features == ("x", "in.y")
    assert plain(seqs) == [NUMBERS]
    assert seqs[0].time == ("2020-01-01", "2020-01-02", "2020-01-03")


@pytest.mark.parametrize(
    ("text", "phrase"),
    [('{"a": 1}', "without a table"), ('{"a":1}\n{"a":2}\n{"a":', "line 3"), ('[{"a": 1}, {"a"]', "cannot be read")],
)
def test_json_without_a_table_is_refused(text: str, phrase: str) -> None:
    with pytest.raises(SequenceError, match=phrase):
        open_table(text.encode())


# files of series


def test_series_of_sktime_with_their_labels() -> None:
    head = b"# made up\n@problemName p\n@timeStamps false\n@univariate %b\n@classLabel true up down\n@data\n"
    one = open_table(head % b"true" + b"1,2,3:up\n4,5:down\n6,?,8:up\n7,8:down\n")
    assert plain(one.sequences(scale="none")) == [[[1], [2], [3]], [[4], [5]], [[6], [6], [8]], [[7], [8]]]
    assert one.labelled("label").labels == ("up", "down", "up", "down")
    two = read_table(head % b"false" + b"1,2,3:4,5,6:up\n7,8:9,10:down\n", scale="none")
    assert two.features == ("dimension 1", "dimension 2")
    assert plain(two) == [[[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 10]]]
    stamped = b"@timeStamps true\n@univariate true\n@classLabel false\n@data\n"
    stamped += b"(2020-01-01 00:00:00,1.5),(2020-01-01 01:00:00,2.5)\n"
    assert plain(read_table(stamped, scale="none")) == [[[1.5], [2.5]]]
    with pytest.raises(SequenceError, match="series 2"):
        open_table(head % b"true" + b"1,2,3:up\n4,x:down\n")


def test_series_of_monash_with_their_dates() -> None:
    head = "@relation r\n@attribute series_name string\n@attribute start_timestamp date\n"
    head += "@frequency {}\n@horizon 8\n@data\n"
    rows = "T1:1990-01-31 00-00-00:1,2,3\nT2:1991-03-01 00-00-00:4,?\n"
    months = read_table((head.format("monthly") + rows).encode(), scale="none")
    assert plain(months) == [[[1], [2], [3]], [[4], [4]]]
    assert [one.name for one in months] == ["series T1", "series T2"]
    assert months[0].time == ("1990-01", "1990-02", "1990-03")
    minutes = read_table((head.format("10_minutes") + rows).encode())
    assert minutes[1].time == ("1991-03-01 00:00", "1991-03-01 00:10")


def test_files_with_attributes_above_their_rows() -> None:
    arff = b"% made up\n@RELATION r\n@ATTRIBUTE temp NUMERIC\n@ATTRIBUTE 'wind, m/s' REAL\n@ATTRIBUTE c {a,b}\n"
    arff += b"@DATA\n1.5,2,a\n% x\n2.5,?,b\n3,4,a\n"
    seqs = read_table(arff, scale="none")
    assert seqs.features == ("temp", "wind, m/s")
    assert plain(seqs) == [[[1.5, 2], [2.5, 2], [3, 4]]]
    xvg = b'# g\n@    title "E"\n@    xaxis  label "Time (ps)"\n@TYPE xy\n@ s0 legend "Potential"\n'
    xvg += b"   0.0  -500.5\n   1.0  -501.5\n"
    assert read_table(xvg, scale="none").features == ("Potential",)


# data frames


class Arrow:
    """What polars and others hand out."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


FRAME = pd.DataFrame({"x": [1.0, 3, 5], "y": [2, 4, 6], "kind": pd.Categorical(["a", "b", "a"])})
FRAMES = {
    "pandas": FRAME.set_index(pd.date_range("2020-01-01", periods=3)),
    "pandas with a named index": FRAME.set_index(pd.Index(["2020-01-01", "2020-01-02", "2020-01-03"], name="day")),
    "nullable types": FRAME.assign(time=pd.date_range("2020-01-01", periods=3)).convert_dtypes(),
    "Arrow": pa.table({"time": pa.array(["2020-01-01", "2020-01-02", "2020-01-03"]), "x": [1.0, 3, 5], "y": [2, 4, 6]}),
    "hands out Arrow": Arrow(
        pa.table(
            {"t": pa.array([18262, 18263, 18264], pa.date32()), "x": pa.array([1, 3, 5], pa.float32()), "y": [2, 4, 6]}
        )
    ),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_data_frame_is_a_table(kind: str) -> None:
    frame = FRAMES[kind]
    seqs = read_table(frame, scale="none")
    assert seqs.features == ("x", "y")
    assert plain(seqs) == [VALUES]
    assert seqs[0].time == ("2020-01-01", "2020-01-02", "2020-01-03")
    weights = gru_viz.random_weights("torch", features=2, hidden=3, seed=1)
    trace = gru_viz.trace(weights, frame)
    np.testing.assert_array_equal(trace.hidden, gru_viz.trace(weights, seqs).hidden)
    assert (trace.features, trace.time) == (("x", "y"), (seqs[0].time,))


def test_an_index_of_two_levels_names_the_sequences() -> None:
    index = pd.MultiIndex.from_product([["a", "b"], [0, 1]], names=["unit", "t"])
    seqs = read_table(pd.DataFrame({"x": range(4)}, index=index), scale="none")
    assert [one.name for one in seqs] == ["unit a", "unit b"]
    assert plain(seqs) == [[[0], [1]], [[2], [3]]]


def test_a_trace_takes_the_rows_of_a_data_frame_as_they_are() -> None:
    weights = gru_viz.random_weights("torch", features=2, hidden=3, seed=1)
    frame = pd.DataFrame({"t": [3, 1, 2], "x": [-9999.0, 5, -9999], "w": ["a", "b", "c"]})
    wanted = gru_viz.trace(weights, frame[["t", "x"]].to_numpy(np.float32))
    np.testing.assert_array_equal(gru_viz.trace(weights, frame).hidden, wanted.hidden)
    with pytest.raises(SequenceError, match="1 column of numbers: 't'; wanted 2"):
        gru_viz.trace(weights, frame[["t", "w"]])
    with pytest.raises(SequenceError, match="missing, infinite or huge cells in 'x'"):
        gru_viz.trace(weights, frame.assign(x=[1, None, 2]))


def test_what_no_network_reads_in_a_data_frame_is_refused() -> None:
    for frame, phrase in (
        (pd.DataFrame({"x": [1 + 2j, 3]}), "complex numbers"),
        (pd.DataFrame({"x": []}), "0 rows"),
        (pd.DataFrame(np.zeros((3, 30))), "30 columns"),
    ):
        with pytest.raises(SequenceError, match=phrase):
            read_table(frame, max_columns=29)


def test_a_list_in_each_cell_is_left_out_of_parquet() -> None:
    data = io.BytesIO()
    pd.DataFrame({"x": [1.5, 2.5], "l": [[1, 2], [3]]}).to_parquet(data)
    seqs = read_table(data.getvalue(), scale="none")
    assert seqs.features == ("x",)
    assert "a list or an object in each cell: 'l'" in " ".join(seqs.notices)


def test_indented_lines_are_read_in_one_pass() -> None:
    """What looks for attributes above a table must not try every way to divide its spaces: that would take for ever."""
    rows = "".join(f"   {step}    {step * 7 % 5}.5\n" for step in range(500))
    sequences = read_table(f"   t    v\n{rows}".encode())
    assert sequences.lengths == (500,)

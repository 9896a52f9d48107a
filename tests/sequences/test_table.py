"""The rules of reading a table: parts, order, gaps, scales, caps, and that nothing is changed without a notice."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences import Sequences, open_table, read_table

LONG = b"who,t,x\nb,2,20\na,1,1\nb,1,10\na,2,2\na,3,3\n"
GAPS = b"x,y\n,1\n2,\n,3\n6,4\n,5\n"


def plain(seqs: Sequences, of: int = 0) -> list[list[float]]:
    return seqs[of].values.tolist()


def refused(*args: object, **kwargs: object) -> SequenceError:
    with pytest.raises(SequenceError) as raised:
        read_table(*args, **kwargs)  # type: ignore[arg-type]
    return raised.value


# parts


def test_long_form_keeps_the_order_of_first_appearance_and_sorts_each_by_time() -> None:
    seqs = read_table(LONG, features="x", id="who", time="t", scale="none")
    assert [one.name for one in seqs] == ["who b", "who a"]
    assert [one.values.ravel().tolist() for one in seqs] == [[10, 20], [1, 2, 3]]
    assert [one.time for one in seqs] == [("1", "2"), ("1", "2", "3")]
    assert "sorted" in " ".join(seqs.notices)


def test_id_and_time_can_be_declined() -> None:
    seqs = read_table(LONG, features="x", id=False, time=False, scale="none")
    assert seqs.lengths == (5,)
    assert seqs[0].time is None


def test_each_suggestion_is_conservative() -> None:
    assert open_table(LONG).suggested.id is None  # nothing in the name says so
    assert open_table(LONG.replace(b"who", b"patient")).suggested.id == "patient"
    assert open_table(b"unit number,x\n1,5\n1,6\n2,4\n2,4\n").suggested.id == "unit number"
    assert open_table(b"id,x\n1,5\n2,6\n3,4\n4,4\n").suggested.id is None  # a key, not a group
    assert open_table(b"grid,x\n1,5\n1,6\n2,4\n2,4\n").suggested.id is None
    assert open_table(b"unit price,x\n1,5\n1,6\n2,4\n2,4\n").suggested.id is None
    assert open_table(b"time,x\n3,5\n1,6\n2,4\n").suggested.time is None
    assert open_table(b"time,x\n1,5\n2,6\n4,4\n").suggested.time == "time"
    assert open_table(b"index,x\n1,5\n2,6\n3,4\n").suggested.features == ("x",)
    assert open_table(b"index,x\n100,5\n102,6\n97,4\n").suggested.features == ("index", "x")


def test_one_hot_features_are_zero_and_one_whatever_the_scale() -> None:
    seqs = read_table(b"x,drug\n1,A\n2,B\n3,\n6,A\n", one_hot="drug")
    assert seqs.features == ("x", "drug=A", "drug=B")
    assert seqs[0].values[:, 1:].tolist() == [[1, 0], [0, 1], [0, 0], [1, 0]]
    assert "1 missing cell in one-hot column 'drug'" in " ".join(seqs.notices)


def test_one_hot_stops_at_64_values() -> None:
    rows = b"".join(b"%d,v%d\n" % (n, n) for n in range(65))
    assert refused(b"x,word\n" + rows, one_hot="word").found == "65 different values in column 'word'"
    assert len(read_table(b"x,word\n" + rows[:-7], one_hot="word").features) == 1 + 64


@pytest.mark.parametrize(
    ("asked", "phrase"),
    [
        ({"features": "z"}, "no column 'z'"),
        ({"id": "z"}, "'who', 't' and 'x'"),
        ({"features": "x", "time": "x"}, "'x' as feature and as time"),
        ({"features": ["x", "x"]}, "as feature and as feature"),
        ({"features": "who"}, "one_hot="),
        ({"features": []}, "no feature"),
        ({"scale": "log"}, "scale='log'"),
        ({"missing": "zero"}, "missing='zero'"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"features": "x", "id": "t", "max_steps": None}, ""),
        ({"decimal": "12"}, "decimal="),
        ({"decimal": ",", "thousands": ","}, "both"),
        ({"delimiter": '"'}, "delimiter="),
        ({"encoding": "no-such"}, "unknown encoding"),
        ({"max_columns": 2}, "3 columns"),
        ({"max_bytes": 10}, "at most 10 bytes"),
    ],
)
def test_a_wrong_choice_is_named(asked: dict[str, object], phrase: str) -> None:
    if not phrase:
        assert len(read_table(LONG, **asked)) == 3  # type: ignore[arg-type]
        return
    assert phrase in str(refused(LONG, **asked))


# gaps


def test_forward_fill_counts_cells_and_drops_what_comes_before_the_first_value() -> None:
    seqs = read_table(GAPS, scale="none", missing="forward")
    assert plain(seqs) == [[2, 1], [2, 3], [6, 4], [6, 5]]
    assert seqs.details["missing"] == "forward fill: 3 cells in 2 columns, 1 row dropped"
    assert any("1 row dropped" in notice for notice in seqs.notices)


def test_interpolation_is_linear_by_step_with_constant_ends() -> None:
    seqs = read_table(GAPS, scale="none", missing="interpolate")
    assert plain(seqs) == [[2, 1], [2, 2], [4, 3], [6, 4], [6, 5]]
    assert "4 missing cells" in " ".join(seqs.notices)


def test_drop_removes_whole_rows() -> None:
    seqs = read_table(b"x,y\n1,1\n2,\n,3\n4,4\n", scale="none", missing="drop")
    assert plain(seqs) == [[1, 1], [4, 4]]
    assert seqs.details["missing"] == "drop: 2 rows dropped"
    assert "2 rows with missing cells dropped." in seqs.notices
    assert refused(b"x,y\n1,\n,2\n", missing="drop").found == "no complete row"
    assert refused(GAPS, missing="drop").found == "1 sequence of one step"


def test_filling_never_crosses_from_one_sequence_into_another() -> None:
    data = b"id,x\na,1\na,2\nb,\nb,7\nb,8\nc,\nc,\n"
    forward = read_table(data, id="id", scale="none")
    assert [one.values.ravel().tolist() for one in forward] == [[1, 2], [7, 8]]
    assert "'id c'" in " ".join(forward.notices)
    straight = read_table(data, id="id", scale="none", missing="interpolate")
    assert [one.values.ravel().tolist() for one in straight] == [[1, 2], [7, 7, 8]]


def test_a_column_missing_everywhere_is_left_out_by_name() -> None:
    seqs = read_table(b"a,b\n1,\n2,NA\n", scale="none")
    assert seqs.features == ("a",)
    assert "'b'" in " ".join(seqs.notices)


# scales


@pytest.mark.parametrize("scale", ["none", "standardise", "minmax", "robust"])
def test_scaling_is_taken_over_all_sequences_and_can_be_undone(scale: str) -> None:
    rng = np.random.default_rng(3)
    values = np.round(rng.normal([5, -200], [1, 40], (30, 2)), 3)
    frame = pd.DataFrame(values, columns=["a", "b"]).assign(id=["p", "q", "q"] * 10)
    seqs = read_table(frame.to_csv(index=False).encode(), id="id", scale=scale)
    for one, name in zip(seqs, ["p", "q"], strict=True):
        np.testing.assert_allclose(seqs.scaling.undo(one.values), values[frame["id"] == name], atol=1e-4)
    together = np.concatenate([one.values for one in seqs])
    if scale == "standardise":
        np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(together.std(axis=0), 1, atol=1e-6)  # of the population
    if scale == "minmax":
        assert (together.min(axis=0).tolist(), together.max(axis=0).tolist()) == ([0, 0], [1, 1])
    if scale == "robust":
        quarter, middle, three = np.percentile(together, [25, 50, 75], axis=0)
        np.testing.assert_allclose([middle, three - quarter], [[0, 0], [1, 1]], atol=1e-6)


@pytest.mark.parametrize("scale", ["standardise", "minmax", "robust"])
def test_a_constant_column_becomes_zero_and_is_named(scale: str) -> None:
    seqs = read_table(b"a,b\n1,0.1\n2,0.1\n3,0.1\n", scale=scale)
    assert seqs[0].values[:, 1].tolist() == [0, 0, 0]
    assert seqs.scaling.scale[1] == 1
    assert "1 constant column" in " ".join(seqs.notices)


def test_tiny_numbers_are_not_taken_for_constant() -> None:
    np.testing.assert_allclose(read_table(b"a\n1e-200\n3e-200\n")[0].values.ravel(), [-1, 1])


def test_numbers_beyond_float32_after_scaling_are_refused() -> None:
    rows = b"".join(b"%d\n" % n for n in range(9))
    tiny = b"a\n" + rows.replace(b"\n", b"e-300\n") + b"1e38\n"
    assert "'a'" in refused(tiny, scale="robust").found


# times


def test_uneven_steps_make_a_notice_and_months_count_as_even() -> None:
    uneven = read_table(b"date,x\n2020-01-01,1\n2020-01-02,2\n2020-01-09,3\n")
    assert "from 1 day to 7 days" in " ".join(uneven.notices)
    assert read_table(b"date,x\n2020-01-31,1\n2020-03-31,2\n2020-05-31,3\n").notices == ()
    assert read_table(b"date,x\n2020-01-01,1\n2020-02-01,2\n2020-03-01,3\n").notices == ()


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["2020-01-01", "2020-01-02"], ["2020-01-01", "2020-01-02"]),
        (
            ["2020-01-01T10:00:00.500", "2020-01-01T10:00:01.000"],
            ["2020-01-01 10:00:00.500", "2020-01-01 10:00:01.000"],
        ),
        (["31.12.2019", "01.01.2020"], ["2019-12-31", "2020-01-01"]),
        (["30/12/2019", "31/12/2019"], ["2019-12-30", "2019-12-31"]),
        (["12/30/2019", "12/31/2019"], ["2019-12-30", "2019-12-31"]),
        (["2019/12/30", "2019/12/31"], ["2019-12-30", "2019-12-31"]),
        (["12/30/19 1:05 PM", "12/30/19 2:05 PM"], ["2019-12-30 13:05", "2019-12-30 14:05"]),
        (["Jan 2020", "Feb 2020"], ["2020-01", "2020-02"]),
        (["5 March 2020", "6 March 2020"], ["2020-03-05", "2020-03-06"]),
        (["March 5, 2020", "March 6, 2020"], ["2020-03-05", "2020-03-06"]),
        (["2020-Q1", "2020-Q2"], ["2020-01", "2020-04"]),
        (["2020-01-01T00:00:00+02:00", "2020-01-01T01:00:00+02:00"], ["2020-01-01 00:00", "2020-01-01 01:00"]),
        (["2020-03-29T01:00:00+01:00", "2020-03-29T03:00:00+02:00"], ["2020-03-29 00:00", "2020-03-29 01:00"]),
    ],
)
def test_dates_in_common_writing(cells: list[str], labels: list[str]) -> None:
    rows = "".join(f'"{cell}",{n}\n' for n, cell in enumerate(cells))
    seqs = read_table(f"when,x\n{rows}".encode())
    assert seqs[0].time == tuple(labels)


def test_day_first_can_be_specified() -> None:
    data = b"date,x\n01/02/2019,1\n02/02/2019,2\n"
    assert read_table(data, day_first=True)[0].time == ("2019-02-01", "2019-02-02")
    assert read_table(data, day_first=False)[0].time == ("2019-01-02", "2019-02-02")
    assert any("day_first=True" in notice for notice in read_table(data).notices)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("year", "time"),
        ("price", "number"),
        ("timestamp", "time"),
        ("date", "time"),
        ("epoch", "time"),
        ("count", "number"),
    ],
)
def test_numbers_are_dates_only_where_the_name_says_so(name: str, kind: str) -> None:
    cells = {"year": (2019, 2020), "timestamp": (1600000000, 1600000060), "epoch": (1600000000000, 1600000060000)}
    first, second = cells.get(name, (20190101, 20190102))
    table = open_table(f"{name},x\n{first},1\n{second},2\n".encode())
    assert table.columns[0].kind == kind


def test_rows_without_a_time_are_left_out_with_their_number() -> None:
    seqs = read_table(b"date,x\n2020-01-01,1\n,2\n2020-01-03,3\n2020-01-04,3\n2020-01-05,3\n", scale="none")
    assert seqs[0].values.ravel().tolist() == [1, 3, 3, 3]
    assert "1 row without time" in " ".join(seqs.notices)


# numbers


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,234.5", "2,000.0"], [1234.5, 2000]),
        (["1.234,5", "2.000,0"], [1234.5, 2000]),
        (["1 234,5", "2 000,0"], [1234.5, 2000]),
        (["1\u00a0234,5", "12,5"], [1234.5, 12.5]),
        (["1'234.5", "2'000.0"], [1234.5, 2000]),
        (["(5.5)", "3.5"], [-5.5, 3.5]),
        (["−5.5", "3.5"], [-5.5, 3.5]),
        (["1,234,567", "2,345"], [1234567, 2345]),
        (["1e3", "2E-1"], [1000, 0.2]),
        (["+5", ".5"], [5, 0.5]),
        (["0,123", "0,456"], [0.123, 0.456]),
    ],
)
def test_numbers_in_common_writing(cells: list[str], numbers: list[float]) -> None:
    text = "t;v\n" + "".join(f"{n};{cell}\n" for n, cell in enumerate(cells))
    seqs = read_table(text.encode(), features="v", scale="none")
    np.testing.assert_array_equal(seqs[0].values.ravel(), np.float32(numbers))


def test_options_override_what_is_detected() -> None:
    both = {"features": "v", "scale": "none"}
    assert plain(read_table(b"t;v\n1;1,234\n2;1,256\n", decimal=".", thousands=",", **both)) == [[1234], [1256]]
    assert plain(read_table(b"t;v\n1;1.234\n2;1.256\n", decimal=",", **both)) == [[1234], [1256]]
    assert read_table(b"1,2\n3,4\n5,6\n", header=True).features == ("1", "2")
    assert read_table(b"a,b\n" + b"1,2\n3,5\n" * 5, header=False).features == ("column 1", "column 2")
    assert (
        read_table(b"a;b\n1;2\n3;4\n", delimiter=",", header=True, features=[], one_hot="a;b").features[0] == "a;b=1;2"
    )
    assert plain(read_table(b"!a,b\na,b\n1,2\n3,4\n", comment="!", scale="none")) == [[1, 2], [3, 4]]
    assert read_table("ä,x\n1,2\n3,4\n".encode("cp1252"), encoding="cp1252").features == ("ä", "x")
    assert "not utf-8" in refused("ä,x\n1,2\n3,4\n".encode("cp1252"), encoding="utf-8").found


def test_a_column_of_mostly_words_is_text() -> None:
    data = b"x,y\n1,1\n2,2\nc,3\nd,4\n5,5\n"
    assert [column.kind for column in open_table(data).columns] == ["text", "number"]


def test_columns_summarise_their_cells() -> None:
    a, b, c = open_table(b"a,b,c\n1,inf,x\n1,2,\n1,,y\n1,1e39,x\n").columns
    assert (a.constant, a.missing, a.distinct, a.example) == (True, 0, 1, "1")
    assert (b.infinite, b.missing, b.huge) == (1, 1, 1)
    assert (c.kind, c.missing, c.distinct, c.example) == ("text", 1, 2, "x")


def test_numbers_that_float32_cannot_hold_are_missing() -> None:
    assert read_table(b"a\n1\n1e39\ninf\n4\n", scale="none")[0].values.ravel().tolist() == [1, 1, 1, 4]


# shapes and sources


def test_a_few_rows_that_end_early_are_filled_and_many_are_refused() -> None:
    few = read_table(b"a,b\n1,2\n3\n5,6\n", scale="none")
    assert plain(few) == [[1, 2], [3, 2], [5, 6]]
    assert "Row 2 ends early (1 of 2 cells)" in " ".join(few.notices)
    many = refused(b"a,b\n" + b"1,2\n3\n" * 10)
    assert (many.where, many.found) == ("table, row 2 (line 3)", "1 cell")


def test_a_row_that_is_too_long_far_below_is_named_by_row_and_line() -> None:
    data = b"# made\n\nname,x\n" + b'"two\nlines",1\n' * 30000 + b"end,2,3\n"
    error = refused(data)
    assert error.where == "table, row 30001 (line 60004)"
    assert (error.found, error.wanted) == ("3 cells", "2 cells, as in the header")


def test_what_comes_after_the_first_lines_is_read_with_the_same_care() -> None:
    data = b"x,y\n" + b"1,2\n" * 30000 + b'"1,000",n/a\nbad,2\n# note,3\n4,\n'
    seqs = read_table(data, scale="none")
    assert seqs[0].values[30000:].tolist() == [[1000, 2], [1000, 2], [1000, 3], [4, 3]]
    assert "'bad' (row 30002)" in " ".join(seqs.notices)


def test_steps_can_be_capped() -> None:
    seqs = read_table(LONG, features="x", id="who", time="t", max_steps=2)
    assert seqs.lengths == (2, 2)
    assert "cut to the first 2 steps: 'who a'" in " ".join(seqs.notices)


def test_very_many_cells_in_one_line_are_refused_before_they_are_parsed() -> None:
    assert "cells" in refused(b"a,b\n1,2\n" + b"," * (5 << 20)).found
    assert "5,001 columns" in refused(b"1" + b",1" * 5000 + b"\n").found


def test_every_kind_of_source(tmp_path: Path) -> None:
    path = tmp_path / "some data.csv"
    path.write_bytes(LONG)
    with path.open("rb") as binary, path.open(encoding="utf-8") as text:
        sources = [path, str(path), binary, text]
        readings = [read_table(source, features="x") for source in sources]
    readings += [read_table(source, features="x") for source in (LONG, bytearray(LONG), io.BytesIO(LONG))]
    for reading in readings:
        np.testing.assert_array_equal(reading[0].values, readings[0][0].values)
    assert read_table(path, features="x", id=False)[0].name == "some data.csv"
    assert read_table(LONG, features="x", id=False, name="mine")[0].name == "mine"


def test_sources_that_are_not_there(tmp_path: Path) -> None:
    assert "no readable file" in refused(tmp_path / "none.csv").found
    assert refused(tmp_path).found == "a folder"
    assert refused("a\0b").wanted == "the path of a table"
    assert refused(5).found == "a int"
    closed = io.BytesIO(LONG)
    closed.close()
    assert "unreadable" in refused(closed).found


def test_a_file_over_the_cap_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing: reading it would not end
    assert "1,099,511,627,776 bytes" in refused(path).found


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2020-01-01", periods=4, freq="D"),
            "x": [1.5, None, 3.0, 4.0],
            "n": [1, 2, 3, 5],
            "who": ["a", "a", "b", "b"],
            "text": ["1,5", "2,5", "3,5", "4,5"],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert [column.kind for column in table.columns] == ["time", "number", "number", "text", "number"]
    seqs = read_table(tmp_path / "t.parquet", id="who", scale="none")
    assert [one.values.tolist() for one in seqs] == [[[1.5, 1, 1.5], [1.5, 2, 2.5]], [[3, 3, 3.5], [4, 5, 4.5]]]
    assert seqs[0].time == ("2020-01-01", "2020-01-02")


def test_preview_shows_the_first_rows_as_text() -> None:
    table = open_table(b"date,x,w\n2020-01-01,1.5,a\n2020-01-02,,b\n2020-01-03,2,\n")
    assert table.preview(2) == [
        {"date": "2020-01-01", "x": "1.5", "w": "a"},
        {"date": "2020-01-02", "x": "", "w": "b"},
    ]


def test_no_character_of_a_file_controls_a_terminal_or_turns_a_line_round() -> None:
    text = "id\x1b[2J,\u202egnp,w\na\x1b[31m,1,\x1b]0;x\x07\na\x1b[31m,2,y\u2066\nb,5,z\nb,6,z\n"
    table = open_table(text.encode())
    seqs = table.sequences(one_hot="w", scale="none")
    assert [one.values[:, 0].tolist() for one in seqs] == [[1, 2], [5, 6]]
    cells = [cell for row in table.preview() for cell in (*row, *row.values())]
    shown = [
        *seqs.features,
        *(one.name for one in seqs),
        *seqs.notices,
        *cells,
        *(each.example for each in table.columns),
    ]
    assert all(each.isprintable() for each in shown)


LAPS = "".join(f"{who},{lap},{lap * lap % 7}\n" for who in ("Ada", "Ben", "Cem") for lap in range(5))


def test_words_in_blocks_that_start_over_are_taken_for_the_id_whatever_they_are_called() -> None:
    seqs = read_table(f"athlete,lap,speed\n{LAPS}".encode())
    assert [one.name for one in seqs] == ["athlete Ada", "athlete Ben", "athlete Cem"]


@pytest.mark.parametrize(
    "rows",
    [
        "".join(f"{who},{i},{i}\n" for i, who in enumerate("aaaabbbbcccc")),  # nothing starts over
        "".join(f"{'ab'[i // 2 % 2]},{i % 4},1\n" for i in range(12)),  # the words come back
        "".join(f"{who},{x},1\n" for who in "abc" for x in (3, 1, 2, 0)),  # nothing rises in a block
    ],
)
def test_words_that_part_nothing_are_not_taken_for_the_id(rows: str) -> None:
    assert open_table(f"kind,n,x\n{rows}".encode()).suggested.id is None

"""Tables in any dialect read back exactly, and any bytes whatever give a reading or a refusal."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, example, given, settings, strategies as st

from gru_viz.errors import SequenceError
from gru_viz.sequences import open_table, read_table

MESSY = sorted(path for path in (Path(__file__).parent / "messy").iterdir() if path.suffix in {".csv", ".tsv", ".txt"})
# fmt: off
SCRAPS = [
    b'"', b",", b";", b"\n", b"\r", b"\t", b"|", b" ", b"#", b"%", b"1e400", b"-", b"inf", b"nan", b"1.234,5", b"0x1",
    b"2019-01-01", b"01/02/2019", b"\xff", b"\xe4", b"'", b"(1)", b"$5", b"true", b"12:30", b"9" * 400, b"\xc2\xa0",
    b"Z", b"+02:00", b"year", b"time", b"id", b"\n\n", b",,,,", b"Jan 2020", b"1e308", b"-1e-320", b"20190230",
    b"sep=;", b"2019Q1", b"0001-01-01", b"31.12.9999 23:59", b"\x00", b"\xef\xbb\xbf", b"PAR1", b"(?P<d>%d",
]
# fmt: on


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, list[str], list[list[int]], bool]:
    """A table of thousandths with at least one fraction in each column, written in some dialect."""
    columns = draw(st.integers(2, 5))
    rows = draw(st.integers(3, 12))
    fractions = st.integers(-(10**7), 10**7).map(lambda number: number * 10 + (number % 9) + 1)  # never ends in 0
    cells = draw(st.lists(st.lists(fractions, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    decimal, delimiter = draw(st.sampled_from([".,", ".;", ".\t", ".|", ",;", ",\t", ",|"]))
    thousands = draw(st.sampled_from(["", {".": ",", ",": "."}[decimal]])) if delimiter != "," else ""
    header = draw(st.booleans())
    letters = st.text("abcdefghijklmnopqrstuvwxyzäöüé °_", min_size=1, max_size=8)
    names = draw(
        st.lists(
            letters.map(lambda text: " ".join(f"n{text}".split())), min_size=columns, max_size=columns, unique=True
        )
    )
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]))
    text = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=end)
    if header:
        writer.writerow(names)
    for row in cells:
        writer.writerow([written(cell, decimal, thousands) for cell in row])
    data = (text.getvalue() + end * draw(st.integers(0, 2))).encode(encoding)
    return data, names if header else [f"column {at}" for at in range(1, columns + 1)], cells, header


def written(thousandths: int, decimal: str, thousands: str) -> str:
    whole, part = divmod(abs(thousandths), 1000)
    return f"{'-' if thousandths < 0 else ''}{f'{whole:,}'.replace(',', thousands)}{decimal}{part:03d}"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
@example((b"1,002\t1,002\n" * 3, ["column 1", "column 2"], [[1002, 1002]] * 3, False))
@example((b"0.001;1,000.002\n" + b"0.001;0.001\n" * 2, ["column 1", "column 2"], [[1, 1000002], [1, 1], [1, 1]], False))
def test_a_table_in_any_dialect_reads_back_exactly(table: tuple[bytes, list[str], list[list[int]], bool]) -> None:
    """Unless every number is as 1,002 is, which may be either: then a notice says what to set."""
    data, names, cells, header = table
    expected = (np.array(cells) / 1000).astype(np.float32)
    opened = open_table(data)
    seqs = opened.sequences(features=names, id=False, time=False, scale="none")
    either = all(1000 <= abs(cell) < 10**6 for row in cells for cell in row)
    if either and not np.array_equal(seqs[0].values, expected):
        (asked,) = (notice for notice in seqs.notices if "set decimal=" in notice)
        opened = open_table(data, decimal=asked.rpartition("='")[2][0])
        seqs = opened.sequences(features=names, id=False, time=False, scale="none")
    assert opened.dialect.header == header
    assert seqs.features == tuple(names)
    np.testing.assert_array_equal(seqs[0].values, expected)


def check(data: bytes, missing: str, scale: str) -> None:
    try:
        table = open_table(data)
        table.preview()
        texts = [column.name for column in table.columns if column.kind == "text"][:1]
        seqs = table.sequences(one_hot=texts, missing=missing, scale=scale)
    except SequenceError:
        return
    assert len(seqs) > 0
    for one in seqs:
        assert one.values.dtype == np.float32
        assert np.isfinite(one.values).all()
        assert one.values.shape == (len(one), len(seqs.features))
        assert one.time is None or len(one.time) == len(one)


fillings = st.sampled_from(["forward", "interpolate", "drop"])
scales = st.sampled_from(["none", "standardise", "minmax", "robust"])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), fillings, scales)
def test_any_bytes(data: bytes, missing: str, scale: str) -> None:
    check(data, missing, scale)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SCRAPS), max_size=40).map(b"".join), fillings, scales)
@example(b"a,$5\n1,inf\n2,3\n1e300,4\n5,5\n", "forward", "none")
@example(b"\xc2\xa0", "forward", "none")
@example(b"1e308\n1e308", "forward", "none")
@example(b"year,x\n2019,1\ninf,2\n2020,3\n", "forward", "none")
def test_any_scraps_of_tables(data: bytes, missing: str, scale: str) -> None:
    check(data, missing, scale)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(MESSY),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4), st.sampled_from(SCRAPS)), max_size=5),
    fillings,
    scales,
)
def test_any_damage_to_a_table(path: Path, damage: list[tuple[int, int, bytes]], missing: str, scale: str) -> None:
    data = path.read_bytes()
    for at, gone, scrap in damage:
        at %= len(data) + 1
        data = data[:at] + scrap + data[at + gone :]
    check(data, missing, scale)


def test_a_parquet_file_with_damage_is_read_or_refused() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"x": np.arange(50) / 7, "w": ["a", "b"] * 25}).to_parquet(buffer)
    whole = buffer.getvalue()
    rng = np.random.default_rng(0)
    for _ in range(100):
        data = bytearray(whole)
        for at in rng.integers(4, len(data), 3):
            data[at] = rng.integers(256)
        check(bytes(data), "forward", "none")
    assert read_table(whole).lengths == (50,)

"""What goes to the browser: read back by a decoder of its own, in Python and in the inspector's JavaScript."""

from __future__ import annotations

import base64
import dataclasses
import html
import json
import re
import struct
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import playwright
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from lopsided import inputs, matrices, stack

import gru_viz
from gru_viz import Trace, Weights
from gru_viz.analysis import work_out
from gru_viz.browser import INSPECTOR
from gru_viz.figures import View, compare, inspect
from gru_viz.figures.inspector import Reading, WorkedFormulas, pack, pack_heatmap, unpack_heatmap

pytestmark = pytest.mark.usefixtures("unchecked")
NODE = Path(playwright.__file__).parent / "driver" / "node"  # which comes with the browser tests' library


def refuse(token: str) -> None:
    raise AssertionError(f"{token} is no JSON")


class Decoded:
    """A payload as its description says it is laid out."""

    def __init__(self, packed: bytes) -> None:
        (size,) = struct.unpack_from("<I", packed)
        self.header: dict[str, Any] = json.loads(packed[4 : 4 + size].decode("utf-8"), parse_constant=refuse)
        self.blobs = packed[4 + size :]

    def heatmap(self, panel: dict[str, Any]) -> np.ndarray:
        """Two numbers of 12 bits in three bytes, the first in the upper half; 4095 is no number."""
        count = panel["rows"] * panel["columns"]
        part = self.blobs[panel["offset"] : panel["offset"] + 3 * ((count + 1) // 2)]
        digits = part.hex()
        codes = np.array([int(digits[3 * i : 3 * i + 3], 16) for i in range(count)], np.float64)
        values = panel["low"] + codes * (panel["high"] - panel["low"]) / 4094
        values[codes == 4095] = np.nan
        return values.reshape(panel["rows"], panel["columns"])

    def series(self, offset: int | list[float]) -> np.ndarray:
        if isinstance(offset, list):  # one value for all steps
            return np.full(self.header["steps"], offset[0], np.float32)
        assert 0 <= offset <= len(self.blobs) - 4 * self.header["steps"]
        return np.frombuffer(self.blobs, "<f4", self.header["steps"], offset)


def traced(
    name: str = "torch", steps: int = 11, features: int = 3, hidden: int = 5, x: np.ndarray | None = None
) -> Trace:
    w = Weights.from_matrices(name, stack(name, features, hidden, 2, 2, dtype="float32"))
    return gru_viz.trace(w, inputs(steps, features, dtype="float32") if x is None else x)


def worked(trace: Trace, units: tuple[int, ...] = (0, 3), layer: int = 0, title: str = "") -> WorkedFormulas:
    run = trace.layers[layer].forward
    return WorkedFormulas(
        formulas={u: work_out(run, u) for u in units},
        names={q.name: q.name for q in trace.convention.quantities},
        readings=[
            Reading("x", name, run.inputs[0, :, j], 2 * run.inputs[0, :, j])
            for j, name in enumerate(trace.features[:6])
        ],
        title=title,
    )


def packed(trace: Trace, **choices: Any) -> bytes:
    view = inspect(trace, **choices)
    return pack(view, [worked(trace)], unit=3, start=view.first, total=trace.lengths[0], filename="gru_viz")


def picture(trace: Trace, **choices: Any) -> str:
    return str(Decoded(packed(trace, **choices)).header["picture"])


def changed(trace: Trace, quantity: str, by: float, at: tuple[int, int, int] = (0, 4, 2)) -> Trace:
    """The same trace but for one number."""
    run = trace.layers[0].forward
    values = np.array(run.quantities[quantity])
    values[at] += by
    run = dataclasses.replace(run, quantities={**run.quantities, quantity: values})
    return dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], forward=run), *trace.layers[1:]))


# --- there and back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("choices", [{}, {"window": (3, 9)}, {"order": "peak"}, {"layer": 1, "direction": "backward"}])
@pytest.mark.parametrize("name", ["torch", "gru_simple", "torch_lstm", "torch_rnn"])
def test_maps_come_back_within_half_a_code(name: str, choices: dict[str, Any]) -> None:
    trace = traced(name)
    view, decoded = inspect(trace, **choices), Decoded(packed(trace, **choices))
    header = decoded.header
    assert (header["first"], header["steps"], header["total"]) == (view.first, view.steps, 11)
    assert header["units"] == list(view.units)
    assert len(header["panels"]) == len(view.panels)
    for about, panel in zip(header["panels"], view.panels, strict=True):
        assert about["low"] <= panel.low
        assert about["high"] >= panel.high
        error = np.abs(decoded.heatmap(about) - panel.values)
        assert error.max() <= (about["high"] - about["low"]) / 8188 + 1e-12
        drawn = header["figure"]["data"][about["trace"]]
        assert drawn["type"] == "heatmap"
        assert "z" not in drawn
        assert drawn["name"] == panel.title
        assert (drawn["zmin"], drawn["zmax"]) == (panel.low, panel.high)


@pytest.mark.parametrize("window", [None, (2, 8)])
@pytest.mark.parametrize("name", ["torch", "onnx", "torch_lstm", "torch_rnn"])
def test_series_come_back_as_the_float32_they_are(name: str, window: tuple[int, int] | None) -> None:
    trace = traced(name)
    decoded = Decoded(packed(trace, window=window))
    shown = slice(*window) if window else slice(None)
    (about,) = decoded.header["formulas"]
    assert set(about["units"]) == {"0", "3"}
    for unit, offsets in about["units"].items():
        formula = work_out(trace.layers[0].forward, int(unit))
        assert set(offsets) == set(formula.series)
        for key, offset in offsets.items():
            assert np.array_equal(decoded.series(offset), formula.series[key].astype(np.float32)[shown]), key
        for line in about["lines"]:
            named = {token["series"] for token in line["tokens"] if isinstance(token, dict)}
            assert {*named, line["quantity"]} <= set(offsets)
    for j, reading in enumerate(about["readings"]):
        assert np.array_equal(decoded.series(reading["drawn"]), trace.inputs[0, shown, j])
        assert np.array_equal(decoded.series(reading["original"]), 2 * trace.inputs[0, shown, j])


def test_curves_come_back_exactly() -> None:
    trace = traced()
    decoded = Decoded(packed(trace))
    for j, curve in enumerate(decoded.header["curves"]):
        assert np.array_equal(decoded.series(curve["y"]), trace.inputs[0, :, j])
        assert np.array_equal(decoded.series(curve["original"]), trace.inputs[0, :, j])


def test_no_part_of_the_block_lies_over_another() -> None:
    decoded = Decoded(packed(traced("torch_lstm")))
    spans = [(p["offset"], 3 * ((p["rows"] * p["columns"] + 1) // 2)) for p in decoded.header["panels"]]
    for formula in decoded.header["formulas"]:
        offsets = [at for series in formula["units"].values() for at in series.values()]
        offsets += [reading[key] for reading in formula["readings"] for key in ("drawn", "original")]
        offsets += [curve[key] for curve in decoded.header["curves"] for key in ("y", "original")]
        spans += [(at, 4 * decoded.header["steps"]) for at in offsets if isinstance(at, int)]
    end = 0
    for start, size in sorted(set(spans)):
        assert start == end
        end = start + size
    assert end == len(decoded.blobs)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("features", [3, 8])
@pytest.mark.parametrize("name", ["torch", "torch_lstm"])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_not_a_number_survives_as_valid_json(name: str, features: int, broken: float) -> None:
    x = inputs(11, features, dtype="float32").copy()
    x[4, 1] = broken
    trace = traced(name, features=features, x=x)
    view, decoded = inspect(trace), Decoded(packed(trace))
    for about, panel in zip(decoded.header["panels"], view.panels, strict=True):
        assert np.isfinite([about["low"], about["high"]]).all()
        assert np.array_equal(np.isnan(decoded.heatmap(about)), np.isnan(panel.values))
    series = decoded.header["formulas"][0]["units"]["0"]
    hidden = trace.layers[0].forward.hidden[0, :, 0]
    assert np.array_equal(decoded.series(series["hidden"]), hidden, equal_nan=True)
    if np.isnan(broken):
        assert np.isnan(hidden).any()


@given(
    values=arrays(
        np.float64, st.tuples(st.integers(0, 7), st.integers(0, 7)), elements=st.floats(-3, 3) | st.just(np.nan)
    ),
    low=st.floats(-5, -3),
    high=st.floats(3, 5),
)
def test_any_heatmap_comes_back(values: np.ndarray, low: float, high: float) -> None:
    back = unpack_heatmap(pack_heatmap(values, low, high), values.shape, low, high)
    assert np.array_equal(np.isnan(back), np.isnan(values))
    assert np.nanmax(np.abs(back - values), initial=0.0) <= (high - low) / 8188 + 1e-12


def test_the_ends_of_a_scale_and_zero_are_exact() -> None:
    z = np.array([[-1.0, 0.0, 1.0]])
    assert unpack_heatmap(pack_heatmap(z, -1, 1), z.shape, -1, 1).tolist() == z.tolist()


def test_infinity_is_drawn_at_the_end_of_the_scale() -> None:
    z = np.array([[-np.inf, np.inf, np.nan]])
    assert unpack_heatmap(pack_heatmap(z, -1, 1), z.shape, -1, 1)[0, :2].tolist() == [-1, 1]


@pytest.mark.parametrize("steps", [0, 1])
def test_the_shortest_sequences_are_packed(steps: int) -> None:
    w = Weights.from_matrices("torch", matrices("torch"))
    trace = gru_viz.trace(w, inputs(1, 3, 3), lengths=[steps])
    decoded = Decoded(packed(trace))
    assert [decoded.heatmap(p).shape for p in decoded.header["panels"]] == [(5, steps)] * 4


def test_two_formulas_stand_side_by_side_in_a_comparison() -> None:
    a = traced("torch")
    b = gru_viz.trace(a.weights.read_as("d2l_equation"), a.inputs[0])
    view = compare(a, b, "hidden", ("one", "two"))
    block = pack(view, [worked(a, title="one"), worked(b, title="two")], 3, 1, 11, "x")
    decoded = Decoded(block)
    assert [each["title"] for each in decoded.header["formulas"]] == ["one", "two"]
    for each, trace in zip(decoded.header["formulas"], (a, b), strict=True):
        assert np.array_equal(decoded.series(each["units"]["3"]["hidden"]), trace.layers[0].forward.hidden[0, :, 3])


def test_a_shorter_partner_is_filled_up_with_nothing() -> None:
    w = Weights.from_matrices("torch", matrices("torch", dtype="float32"))
    long, short = (gru_viz.trace(w, inputs(n, 3, dtype="float32")) for n in (9, 6))
    decoded = Decoded(pack(inspect(long), [worked(long), worked(short)], 0, 1, 9, "x"))
    values = decoded.series(decoded.header["formulas"][1]["units"]["0"]["hidden"])
    assert np.isfinite(values[:6]).all()
    assert np.isnan(values[6:]).all()


# --- size and identity --------------------------------------------------------------------------------------------


def test_64_units_and_1000_steps_fit_half_a_megabyte() -> None:
    w = gru_viz.random_weights("torch", features=8, hidden=64)
    trace = gru_viz.trace(w, inputs(1000, 8, dtype="float32"))
    formula = WorkedFormulas(
        {5: work_out(trace.layers[0].forward, 5)}, {q.name: q.name for q in trace.convention.quantities}, []
    )
    block = pack(inspect(trace), [formula], 5, 300, 1000, "gru_viz")
    assert len(block) < 500_000, f"{len(block):,} bytes"


def test_the_same_view_is_the_same_block() -> None:
    assert packed(traced()) == packed(traced())
    assert picture(traced()) == picture(traced())


@pytest.mark.parametrize("quantity", ["reset", "update", "candidate", "hidden"])
def test_a_changed_number_is_another_picture(quantity: str) -> None:
    trace = traced()
    assert picture(changed(trace, quantity, 0.0)) == picture(trace)
    assert picture(changed(trace, quantity, 1e-3)) != picture(trace)


def test_changed_input_order_window_and_names_are_other_pictures() -> None:
    trace = traced()
    x = np.array(trace.inputs[0])
    x[3, 1] = np.nextafter(x[3, 1], 9)
    run = dataclasses.replace(trace.layers[0].forward, inputs=x[None])
    others = [
        dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], forward=run), trace.layers[1])),
        dataclasses.replace(trace, features=("x1", "x2", "x4")),
        dataclasses.replace(trace, time=(tuple("abcdefghijk"),)),
        dataclasses.replace(trace, time=(tuple("abcdefghijx"),)),
    ]
    pictures = [picture(each) for each in (trace, *others)]
    pictures += [picture(trace, order="peak"), picture(trace, window=(0, 10)), picture(trace, window=(1, 11))]
    assert len(set(pictures)) == len(pictures)


def test_a_label_between_two_ticks_is_seen_on_hover_and_so_is_part_of_the_picture() -> None:
    labels = [f"a rather long label, number {k:03d}" for k in range(300)]
    trace = dataclasses.replace(traced(steps=300), time=(tuple(labels),))
    ticked = inspect_ticks(inspect(trace))
    between = next(k for k in range(300) if labels[k] not in ticked)
    labels[between] = "quite another thing to be shown, 00"[: len(labels[0])]
    assert picture(dataclasses.replace(trace, time=(tuple(labels),))) != picture(trace)


def inspect_ticks(view: View) -> set[str]:
    from gru_viz.figures import draw

    return set(draw(view).layout.xaxis.ticktext)


def test_the_cursor_and_the_chosen_unit_leave_the_picture_alone() -> None:
    trace = traced()
    view = inspect(trace)
    one = Decoded(pack(view, [worked(trace, (0,))], 0, 2, 11, "x")).header
    two = Decoded(pack(view, [worked(trace, (4,))], 4, 7, 11, "x")).header
    assert one["picture"] == two["picture"]
    assert (one["unit"], one["start"], two["unit"], two["start"]) == (0, 2, 4, 7)


# --- the page that stands alone -----------------------------------------------------------------------------------


def parts(page: str) -> tuple[str, str]:
    """The page without plotly's own script, and that script."""
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    plotly = max(scripts, key=len)
    return page.replace(plotly, ""), plotly


def test_the_page_fetches_nothing() -> None:
    block = packed(traced())
    page, plotly = parts(INSPECTOR.page(block, "title", "about"))
    assert len(plotly) > 1_000_000
    assert "https://" not in page
    assert "http://" not in page
    assert not re.search(r"<(link|iframe|img|object|embed|base)\b", page)
    assert not re.search(r"@import|url\(", page)
    assert not re.search(r"\b(src|href)\s*=\s*[\"']", page)
    assert "fetch(" not in page
    data = re.search(r'<script id="block" type="application/octet-stream">([^<]*)</script>', page)
    assert data is not None
    assert base64.b64decode(data.group(1)) == block


def test_the_page_takes_no_name_for_markup() -> None:
    naughty = "</title><script>alert(1)</script>{css} & \"'"
    page, _ = parts(INSPECTOR.page(b"1234", naughty, naughty))
    assert "<script>alert" not in page
    assert page.count(html.escape(naughty)) == 3
    assert page.count("</title>") == 1


def test_the_page_s_own_script_cannot_be_ended_by_what_is_in_it() -> None:
    for source in (INSPECTOR.js, INSPECTOR.css, INSPECTOR.html):
        assert "</script" not in source
        assert "</style" not in source
    assert INSPECTOR.js.count("\nexport default function mount(") == 1


# --- the same in JavaScript ---------------------------------------------------------------------------------------


INSPECTOR_MODULES = files(gru_viz) / "browser" / "inspector"


def run_node(script: str, **modules: str) -> Any:
    """What a script says of the inspector's modules: names that it uses, by the module that has them."""
    imports = "".join(
        f"import {{ {names} }} from {json.dumps((INSPECTOR_MODULES / f'{module}.js').as_uri())};\n"
        for module, names in modules.items()
    )
    command = [str(NODE), "--input-type=module", "-"]
    done = subprocess.run(
        command, input=imports + script, capture_output=True, timeout=300, check=False, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=refuse)


AS_JSON = "const say = (v) => console.log(JSON.stringify(v, (k, n) => typeof n === 'number' && !Number.isFinite(n) ? String(n) : ArrayBuffer.isView(n) ? [...n] : n));\n"  # noqa: E501


def test_javascript_unpacks_what_python_packed() -> None:
    rng = np.random.default_rng(5)
    cases = []
    for rows, columns, low, high in ((4, 7, 0, 1), (3, 5, -1, 1), (1, 1, -20, 20), (5, 1, 0, 1), (2, 0, 0, 1)):
        z = rng.uniform(low, high, (rows, columns))
        z[rng.random(z.shape) < 0.2] = np.nan
        cases.append((z, low, high))
    panels = [
        {"packed": list(pack_heatmap(z, low, high)), "rows": len(z), "columns": z.shape[1], "low": low, "high": high}
        for z, low, high in cases
    ]
    read = "(c) => unpackHeatmap(decodePanel(c, Uint8Array.from(c.packed)))"
    script = f"say({json.dumps(panels)}.map({read}));"
    unpacked = run_node(AS_JSON + script, heatmap_codes="unpackHeatmap, decodePanel")
    for (z, low, high), rows in zip(cases, unpacked, strict=True):
        back = np.array([[float(v) for v in row] for row in rows]).reshape(z.shape)
        assert np.array_equal(np.isnan(back), np.isnan(z))
        assert np.nanmax(np.abs(back - z), initial=0.0) <= (high - low) / 8188 + 1e-6 * high


def test_javascript_reads_a_whole_block_at_any_address(tmp_path: Path) -> None:
    trace = dataclasses.replace(traced("torch_lstm"), time=(tuple(f"<{k}> & é" for k in range(11)),))
    block = packed(trace, window=(2, 9))
    (tmp_path / "block.bin").write_bytes(b"odd" + block)
    script = (
        "import { readFileSync } from 'node:fs';\n"
        f"const bytes = new Uint8Array(readFileSync({json.dumps(str(tmp_path / 'block.bin'))})).subarray(3);\n"
        "const view = decodeView(bytes);\n"
        "const offsets = Object.entries(view.formulas[0].units[3]);\n"
        "const series = Object.fromEntries(offsets.map(([key, at]) => [key, view.seriesAt(at)]));\n"
        "say({ z: view.panels.map(unpackHeatmap), series, text: view.figure.data[0].text });"
    )
    read = run_node(AS_JSON + script, heatmap_codes="unpackHeatmap", view="decodeView")
    for rows, panel in zip(read["z"], inspect(trace, window=(2, 9)).panels, strict=True):
        assert np.allclose(np.array(rows), panel.values, atol=2 * panel.high / 4000)
    formula = work_out(trace.layers[0].forward, 3)
    for key, values in read["series"].items():
        assert np.allclose(values, formula.series[key][2:9], atol=1e-6)
    assert read["text"] == [f"&lt;{k}> &amp; é" for k in range(2, 9)]


def test_javascript_writes_numbers_as_people_read_them() -> None:
    cases = [
        (0.5, False),
        (-0.25, False),
        (-0.25, True),
        (0.25, True),
        (-0.0001, False),
        (1234.56, False),
        (-2.5e7, True),
    ]
    script = f"say({json.dumps(cases)}.map(([v, added]) => formulaText(v, added)));"
    assert run_node(AS_JSON + script, texts="formulaText") == [
        "0.500",
        "−0.250",
        " − 0.250",
        " + 0.250",
        "0.000",
        "1234.6",
        " − 2.50e+7",
    ]

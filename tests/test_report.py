"""The report and the notebook's card: everything in them, nothing from outside, text from strangers escaped."""

from __future__ import annotations

import base64
import dataclasses
import html
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from lopsided import inputs, stack

import gru_viz
from gru_viz import Trace, TraceError, Weights
from gru_viz.figures import inspect
from gru_viz.figures.draw import COLOURS
from gru_viz.formats import Head
from gru_viz.reporting import card, report
from gru_viz.reporting.maps import png, shrink
from gru_viz.sequences import Scaling, Sequence, Sequences

pytestmark = pytest.mark.usefixtures("unchecked")
NAUGHTY = "<script>alert('a')</script>&\"'"
LENGTHS = (9, 4, 6)


def traced(name: str = "torch", layers: int = 2, directions: int = 2, text: str = "") -> Trace:
    weights = Weights.from_matrices(name, stack(name, 2, 3, layers, directions, dtype="float32"), origin=f"given{text}")
    features = (f"temperature{text}", "pressure")
    items = tuple(
        Sequence(
            inputs(n, 2, seed=n, dtype="float32"), features, tuple(f"{t}{text}" for t in range(n)), f"run {n}{text}"
        )
        for n in LENGTHS
    )
    return gru_viz.trace(weights, Sequences(items, Scaling("robust", features, np.ones(2), np.ones(2))))


class Page(HTMLParser):
    """What a browser finds in a page: tags with their attributes, and the text that a person reads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.scripts: dict[str, str] = {}
        self._open: list[str] = []
        self._id = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = [tag]
        self._id = dict(attrs).get("id") or ""

    def handle_endtag(self, tag: str) -> None:
        self._open = []

    def handle_data(self, data: str) -> None:
        if self._open in (["script"], ["style"]):
            self.scripts[self._id or f"script {len(self.scripts)}"] = data
        else:
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def pixels(picture: bytes) -> np.ndarray:
    """Decode a PNG with a palette: (rows, columns, RGBA)."""
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(picture):
        (size,) = struct.unpack_from(">I", picture, at)
        kind, data = picture[at + 4 : at + 8], picture[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == struct.unpack_from(">I", picture, at + 8 + size)[0]
        chunks[kind] = data
        at += 12 + size
    columns, rows, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3)
    codes = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(rows, columns + 1)
    assert not codes[:, 0].any()
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    alpha = np.frombuffer(chunks[b"tRNS"], np.uint8)[:, None]
    return np.concatenate([palette, alpha], 1)[codes[:, 1:]]


# --- small pictures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("colours", ["sequential", "diverging", "plain"])
def test_a_map_has_the_colours_of_the_figures_at_both_ends(colours: str) -> None:
    picture = pixels(png(np.array([[-2.0, 0.0, 2.0], [np.nan, np.inf, -np.inf]]), -2, 2, colours))
    ends = [tuple(int(COLOURS[colours][k][1][i : i + 2], 16) for i in (1, 3, 5)) for k in (0, -1)]
    assert [tuple(picture[0, k, :3].tolist()) for k in (0, 2)] == ends
    assert picture[:, :, 3].tolist() == [[255, 255, 255], [0, 255, 255]]
    assert [tuple(picture[1, k, :3].tolist()) for k in (2, 1)] == ends


def test_shrinking_averages_and_leaves_out_what_is_no_number() -> None:
    values = np.arange(12.0).reshape(3, 4)
    assert shrink(values, 3, 4) is values
    assert shrink(values, 1, 2).tolist() == [[4.5, 6.5]]
    values[0, 0], values[1:, 0], values[1:, 1], values[0, 1] = np.nan, np.inf, 9.0, 3.0
    assert shrink(values, 1, 2)[0, 0] == pytest.approx(np.mean([3.0, 9.0, 9.0]))
    assert np.isnan(shrink(np.full((2, 2), np.nan), 1, 1)).all()


@pytest.mark.parametrize(("size", "most"), [(7, 3), (100, 99), (5, 5), (3, 1)])
def test_shrinking_leaves_no_value_out(size: int, most: int) -> None:
    for k in range(size):
        one = np.zeros((1, size))
        one[0, k] = 1
        assert shrink(one, 1, most).shape == (1, most)
        assert shrink(one, 1, most).sum() > 0


# --- the notebook's card ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["torch", "chung_2014", "torch_lstm", "torch_rnn"])
def test_the_card_shows_every_quantity_of_every_layer_and_direction(name: str) -> None:
    trace = traced(name)
    page = Page(trace._repr_html_())
    for panel in inspect(trace).panels:
        maps = [i for i in page.all("img") if (i["alt"] or "").startswith(f"{panel.title}, ")]
        assert len(maps) == 4, panel.title
        assert all(re.search(r"3 × 9; mean -?\d\.\d\d, ", image["alt"] or "") for image in maps)
    assert "✓ matches" in page.text
    assert "2 layers of 3 units, 2 input features, bidirectional" in page.text
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert not page.scripts
    assert not page.all("link")


def test_a_map_of_the_card_holds_the_numbers_of_the_trace() -> None:
    trace = traced(layers=1, directions=1)
    source = next(i["src"] for i in Page(card(trace)).all("img") if (i["alt"] or "").startswith("update"))
    picture = pixels(base64.b64decode((source or "").partition(",")[2]))
    wanted = pixels(png(trace.update[0, :9].T, 0, 1, "sequential"))
    assert np.array_equal(picture, wanted)


def test_the_badge_is_red_where_the_proof_fails() -> None:
    trace = traced()
    forward = trace.layers[0].forward
    wrong = dataclasses.replace(forward, quantities={**forward.quantities, "update": 1 - forward.update})
    trace = dataclasses.replace(trace, layers=(dataclasses.replace(trace.layers[0], forward=wrong), trace.layers[1]))
    for page in (card(trace), report(trace)):
        assert f"✗ differs from PyTorch (max difference {trace.proof.difference:.0e})" in Page(page).text
        assert "✓ matches" not in page
    assert 'class="badge unproven"' in report(trace)
    assert 'class="badge proven"' in report(traced())


def test_the_card_stays_small_and_says_what_was_averaged() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2500, 2)).astype(np.float32)
    w = gru_viz.random_weights("torch_lstm", features=2, hidden=96, layers=3, bidirectional=True)
    page = card(gru_viz.trace(w, x))
    assert len(page) < 300_000
    assert re.search(r"2,500 steps averaged to \d+, 96 units averaged to \d+", page)
    assert "sequence 1, 1 of 3" in page


def test_a_trace_is_a_line_where_there_is_no_html() -> None:
    trace = traced()
    proof = f"{trace.proof.difference:.0e}"
    assert repr(trace) == f"<Trace of torch.nn.GRU: 2 layers, 3 sequences of up to 9 steps, proof {proof}>"


@pytest.mark.parametrize("lengths", [(0,), (1,), (0, 3)])
def test_the_shortest_sequences_are_shown(lengths: tuple[int, ...]) -> None:
    trace = gru_viz.trace(torch.nn.GRU(2, 3), inputs(len(lengths), 4, 2, dtype="float32"), lengths=list(lengths))
    assert "✓ matches" in card(trace)
    page = Page(report(trace))
    assert [s for s in page.scripts if s.startswith("view-")] == [f"view-{i}-0" for i, n in enumerate(lengths) if n]


def test_what_is_no_number_is_shown_as_none() -> None:
    trace = gru_viz.trace(torch.nn.GRU(2, 3), np.full((4, 2), np.nan, np.float32))
    assert "no numbers" in card(trace)
    assert "no numbers" not in card(gru_viz.trace(torch.nn.GRU(2, 3), np.ones((4, 2), np.float32)))


# --- the report ---------------------------------------------------------------------------------------------------


def test_the_report_holds_every_map_facts_and_meanings() -> None:
    trace = traced("torch_lstm")
    page = Page(report(trace, title="A title", notices=("Filled 3 cells in.",), warnings=("Mind this.",)))
    assert [s for s in page.scripts if s.startswith("view-")] == [f"view-{i}-{j}" for i in range(3) for j in range(4)]
    for q in trace.convention.quantities:
        assert q.meaning in page.text
        assert q.low_means in page.text
    for said in (
        "A title",
        "Filled 3 cells in.",
        "Mind this.",
        "Scaling of the inputs: robust",
        "temperature",
        "run 9 (9)",
    ):
        assert said in page.text, said
    for said in (gru_viz.__version__, torch.__version__, trace.proof.witness, f"{trace.proof.difference!r}", "given"):
        assert said in page.text, said
    assert "averaged" not in page.text


def test_nothing_comes_from_outside() -> None:
    page = Page(report(traced()))
    assert not page.all("link")
    assert not page.all("iframe")
    for tag in ("script", "img", "source"):
        assert all((each.get("src") or "data:").startswith("data:") for each in page.all(tag))
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy or "")


def test_plotly_is_inside_once() -> None:
    page = report(traced())
    assert len(re.findall(r"\* plotly\.js v", page)) == 1
    assert 4e6 < len(page) < 7e6


def test_text_from_strangers_stays_text() -> None:
    trace = traced(text=NAUGHTY)
    plain = report(traced(), title="t", notices=("n",), warnings=("w",))
    page = report(trace, title=f"t{NAUGHTY}", notices=(f"n{NAUGHTY}",), warnings=(f"w{NAUGHTY}",))
    for naughty, harmless in ((page, plain), (card(trace), card(traced()))):
        assert NAUGHTY not in naughty
        assert html.escape(NAUGHTY) in naughty
        assert [tag for tag, _ in Page(naughty).tags] == [tag for tag, _ in Page(harmless).tags]
    title = "${plotly} $views </title>"
    assert title in Page(report(traced(), title=title)).text


def test_long_sequences_are_cut_and_shown_whole_averaged() -> None:
    x = np.random.default_rng(0).standard_normal((2, 5000, 1)).astype(np.float32)
    trace = gru_viz.trace(torch.nn.GRU(1, 4), x, lengths=[5000, 100])
    page = Page(report(trace))
    assert "Of long sequences it shows steps 1 to 2,000" in page.text
    assert "All steps of sequence 1, averaged" in page.text
    assert "5,000 steps in 1,200 columns" in page.text
    later = Page(report(trace, window=(4000, 4100), sequences=[0]))
    assert "shows steps 4,001 to 4,100" in later.text
    assert "1 of 2 sequences" in later.text


def test_many_sequences_are_cut_and_counted() -> None:
    trace = gru_viz.trace(torch.nn.RNN(1, 1), np.zeros((110, 2, 1), np.float32))
    seen: list[tuple[int, int]] = []
    page = Page(report(trace, progress=lambda done, total: seen.append((done, total))))
    assert "shows 100 of 110 sequences" in page.text
    assert seen == [(n, 100) for n in range(1, 101)]
    assert "view-109-0" in Page(report(trace, sequences=[109])).scripts


@pytest.mark.parametrize("wrong", [{"sequences": [3]}, {"window": (9, 12)}, {"window": (3, 3)}, {"order": "beauty"}])
def test_what_is_not_there_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TraceError) as caught:
        report(traced(), **wrong)  # type: ignore[arg-type]
    assert all((caught.value.where, caught.value.found, caught.value.wanted, caught.value.remedy))


def test_the_report_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    page = report(traced(text="ü"), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page


# --- outputs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "directions"), [("torch", 1), ("torch", 2), ("torch_lstm", 2)])
def test_a_head_s_outputs_are_those_of_the_framework_s_linear_layer(name: str, directions: int) -> None:
    trace = traced(name, directions=directions)
    module, linear = trace.weights.to_module(), torch.nn.Linear(3 * directions, 4)
    head = Head("fc", linear.weight.detach().numpy(), linear.bias.detach().numpy(), "softmax")
    with torch.no_grad():
        wanted = linear(module(torch.tensor(trace.inputs[:1]))[0]).softmax(-1).numpy()
    assert np.abs(head.outputs(trace)[0] - wanted[0]).max() < 1e-6


@pytest.mark.parametrize("activation", ["", "softmax", "sigmoid"])
def test_outputs_are_drawn_and_named(activation: str) -> None:
    trace = traced(layers=1, directions=1)
    head = Head("fc", np.ones((2, 3), np.float32), np.zeros(2, np.float32), activation)
    view = base64.b64decode(Page(report(trace, head=head)).scripts["view-0-0"])
    assert b"output of fc" in view
    assert b"output of" not in base64.b64decode(Page(report(trace)).scripts["view-0-0"])


def test_a_head_of_another_network_is_refused() -> None:
    with pytest.raises(TraceError, match="5 inputs"):
        report(traced(), head=Head("fc", np.ones((2, 5)), np.zeros(2)))
    with pytest.raises(TraceError, match="wiggle"):
        Head("fc", np.ones((2, 6)), np.zeros(2), "wiggle").outputs(traced())

"""The command line: what it writes, what it says and where, how it ends."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import gru_viz
from gru_viz.cli import arguments, main
from gru_viz.cli.dashboard import pages
from gru_viz.cli.output import StatusLine, write_whole

pytestmark = pytest.mark.usefixtures("unchecked")
ROOT = Path(__file__).parents[1]
RUNNERS = str(ROOT / "examples" / "runners_long_form.csv")


class Tagger(torch.nn.Module):
    """An embedding, two recurrent networks, two linear layers that fit the second."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(7, 3)
        self.encoder = torch.nn.LSTM(3, 4, bidirectional=True)
        self.rnn = torch.nn.GRU(2, 5, num_layers=2)
        self.fc = torch.nn.Linear(5, 1)
        self.score = torch.nn.Linear(5, 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.pt"
    torch.save(Tagger().state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("model") / "single.safetensors"
    save_file(torch.nn.GRU(2, 5).state_dict(), path)
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = main(words)
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def refused(ran: tuple[int, str, str]) -> list[str]:
    """The parts of a refusal: nothing on the standard output, no traceback, a line a part."""
    code, out, err = ran
    lines = err.splitlines()
    assert (code, out) == (1, ""), ran
    assert "Traceback" not in err
    assert [line.split(":")[0] for line in lines[-4:]] == ["gru-viz", "  found", "  wanted", "  do"], err
    return [line.partition(": ")[2] for line in lines[-4:]]


# --- report -------------------------------------------------------------------------------------------------------


def test_a_report_of_a_trained_model(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    words = ["report", RUNNERS, "--id", "runner", "--time", "minute", "--model", model, "--network", "rnn"]
    code, out, err = run(capsys, *words, "-o", str(target))
    assert (code, out) == (0, f"{target}\n"), err
    page = target.read_text(encoding="utf-8")
    assert "torch.nn.GRU on runners_long_form.csv" in page
    assert "2 layers of 5 units" in page
    assert 'id="view-3-1"' in page
    assert "most likely of 2 linear layers" in err
    assert "random" not in err
    assert list(tmp_path.iterdir()) == [target]


def test_random_weights_cause_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    words = ["report", RUNNERS, "--random", "4", "--seed", "7", "--variant", "torch_lstm", "--both-ways"]
    code, _, err = run(capsys, *words, "-o", str(target), "--title", "A & B")
    assert code == 0
    assert "note: These weights are random" in err
    page = target.read_text(encoding="utf-8")
    assert '<p class="warning" role="note">These weights are random' in page
    assert "<h1>A &amp; B</h1>" in page
    assert "random, seed 7" in page


def test_the_choices_of_reading_reach_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data.txt"
    data.write_text("when;x;y;kind\n2;1,5;10;a\n1;2,5;20;b\n3;3,5;30;a\n", encoding="utf-8")
    common = ["report", str(data), "--random", "2", "-o", str(tmp_path / "r.html"), "--force"]
    code, _, err = run(
        capsys, *common, "--features", "x", "--one-hot", "kind", "--time", "when", "--scale", "none", "--no-id"
    )
    assert code == 0, err
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "3 input features, forward" in page
    assert "The inputs were not scaled." in page
    assert "1 sequence of 3 steps" in page
    code, _, err = run(capsys, *common, "--no-time", "--max-steps", "2", "--delimiter", ";", "--decimal", ",")
    assert code == 0, err
    assert "1 sequence of 2 steps" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "no column 'speed'" in refused(run(capsys, *common, "--features", "speed"))[1]


def test_text_is_read_a_character_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.txt").write_text("abcab", encoding="utf-8")
    words = ["report", str(tmp_path / "t.txt"), "--text", "--random", "2", "-o", str(tmp_path / "r.html")]
    assert run(capsys, *words, "--alphabet", "abcd")[0] == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "4 input features, forward" in page
    assert "1 sequence of 5 steps" in page
    assert refused(run(capsys, *words[:1], str(tmp_path / "no.txt"), *words[2:], "--force"))


def test_symbols_are_looked_up_in_the_model_s_embedding(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.csv").write_text("word\n3\n0\n6\n2\n", encoding="utf-8")
    words = ["report", str(tmp_path / "words.csv"), "--model", model, "--network", "encoder"]
    words += ["-o", str(tmp_path / "r.html"), "--force", "--features", "word", "--no-time"]
    code, _, err = run(capsys, *words)
    assert code == 0, err
    assert "embedding" in err
    assert "3 input features, bidirectional" in (tmp_path / "r.html").read_text(encoding="utf-8")
    (tmp_path / "words.csv").write_text("word\n3\n0\n7\n2\n", encoding="utf-8")
    assert "7" in " ".join(refused(run(capsys, *words)))


def test_what_does_not_fit_is_refused_with_both_numbers(
    tmp_path: Path, single: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.csv").write_text("a,b,c\n1,2,3\n4,5,7\n2,2,1\n", encoding="utf-8")
    parts = refused(
        run(capsys, "report", str(tmp_path / "data.csv"), "--model", single, "-o", str(tmp_path / "r.html"))
    )
    assert "3 features" in parts[1]
    assert "2" in parts[2]
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("head", ["fc.weight", "nonsense"])
def test_an_unknown_head_or_network_is_answered_with_the_known(
    head: str, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["report", RUNNERS, "--model", model, "-o", str(tmp_path / "r.html")]
    assert "'rnn'" in refused(run(capsys, *words))[2]
    assert "'rnn'" in refused(run(capsys, *words, "--network", "decoder"))[2]
    assert "'fc'" in refused(run(capsys, *words, "--network", "rnn", "--head", head))[2]
    code, _, err = run(capsys, *words, "--network", "rnn", "--head", "score", "--features", "speed_km_per_h")
    assert code == 1  # one column, and the network reads two
    assert "likeliest" not in err


# --- inspect and convert ------------------------------------------------------------------------------------------


def test_inspect_lists_networks_and_what_stands_around_them(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "inspect", model)
    assert (code, err) == (0, "")
    assert "model.pt: PyTorch, 2 networks" in out
    assert "LSTM (torch.nn.LSTM), 1 layer of 4 units, 3 input features, bidirectional" in out
    assert "GRU (torch.nn.GRU), 2 layers of 5 units, 2 input features, forward" in out
    assert "7 symbols as 3 features" in out
    code, out, _ = run(capsys, "inspect", model, "--json")
    networks = {each["name"]: each for each in json.loads(out)["networks"]}
    assert networks["rnn"]["units"] == [5, 5]
    assert networks["encoder"]["bidirectional"] is True
    assert {head["name"].split(".")[0] for head in networks["rnn"]["heads"]} == {"fc", "score"}


@pytest.mark.parametrize("kind", ["pytorch", "safetensors", "npz", "onnx", "keras"])
def test_a_converted_model_is_the_same_network(
    kind: str, tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / {"pytorch": "m.pt", "safetensors": "m.safetensors", "npz": "m.npz", "onnx": "m.onnx", "keras": "m.keras"}[kind]  # fmt: skip  # noqa: E501
    code, out, err = run(capsys, "convert", model, "--network", "rnn", "--to", kind, "-o", str(target))
    assert (code, out) == (0, f"{target}\n"), err
    x = np.random.default_rng(0).standard_normal((6, 2)).astype(np.float32)
    ours, theirs = (gru_viz.trace(gru_viz.read_model(path).model(name).weights, x) for path, name in ((model, "rnn"), (target, None)))  # fmt: skip  # noqa: E501
    assert np.abs(ours.layers[-1].hidden - theirs.layers[-1].hidden).max() < 1e-6


# --- files --------------------------------------------------------------------------------------------------------


def test_nothing_is_replaced_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "report.html"
    target.write_text("precious")
    words = ["report", RUNNERS, "--random", "2", "-o", str(target)]
    parts = refused(run(capsys, *words))
    assert "--force" in parts[3]
    assert target.read_text() == "precious"
    assert run(capsys, *words, "--force")[0] == 0
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_file_that_appears_meanwhile_is_not_replaced_either(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"precious")
    with pytest.raises(gru_viz.GruVizError, match="there already"):
        write_whole(str(tmp_path / "there"), b"new", force=False)
    assert (tmp_path / "there").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        write_whole(str(tmp_path / "new"), b"new", force=False)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("place", ["no/such/folder/r.html", "."])
def test_a_target_that_cannot_be_is_refused_at_once(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(run(capsys, "report", "no such table.csv", "--random", "2", "-o", str(tmp_path / place)))


def test_a_failed_report_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(Path, "replace", full)
    parts = refused(run(capsys, "report", RUNNERS, "--random", "2", "-o", str(tmp_path / "r.html")))
    assert parts[1] == "No space left on device"
    assert not list(tmp_path.iterdir())


def test_the_standard_output_can_be_the_target(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["report", RUNNERS, "--random", "2", "-o", "-"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.startswith(b"<!doctype html>")
    assert out.rstrip().endswith(b"</html>")
    assert b"\x1b" not in err


# --- how it ends, and what it says --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["reprot"],
        ["report"],
        ["report", RUNNERS, "-o", "x"],
        ["report", RUNNERS, "--random", "0", "-o", "x"],
        ["report", RUNNERS, "--random", "2", "--model", "m", "-o", "x"],
        ["report", RUNNERS, "--random", "2", "--steps", "9:3", "-o", "x"],
        ["report", RUNNERS, "--random", "2", "--scale", "log", "-o", "x"],
        ["convert", "model.pt", "--to", "caffe", "-o", "x"],
        ["--port", "many"],
    ],
)
def test_a_wrong_call_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "usage: gru-viz" in err


def test_help_and_version_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "--version") == (0, f"gru_viz {gru_viz.__version__}\n", "")
    for words in (["--help"], ["report", "-h"], ["convert", "-h"], ["inspect", "-h"]):
        code, out, _ = run(capsys, *words)
        assert code == 0
        assert "usage: gru-viz" in out
    assert all(name in run(capsys, "-h")[1] for name in ("report", "convert", "inspect", "--port"))


def test_an_interruption_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gru_viz.cli.report.trace", interrupt)
    code, out, err = run(capsys, "report", RUNNERS, "--random", "2", "-o", str(tmp_path / "r.html"))
    assert (code, out) == (130, "")
    assert err.endswith("gru-viz: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_a_reader_that_leaves_is_no_fault(model: str) -> None:
    """As in ``gru-viz inspect … | head -0``."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "gru_viz", "inspect", model]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, timeout=300)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_written_to_a_terminal_only() -> None:
    for stream, wanted in ((Terminal(), "\r\x1b[KTracing …\r\x1b[K"), (io.StringIO(), "")):
        progress = StatusLine(stream)
        progress.say("Tracing")
        progress.clear()
        assert stream.getvalue() == wanted


def test_the_dashboard_gets_streamlit_s_options() -> None:
    assert arguments.parse([]) == (None, [])
    words = ["--port=8600", "--address", "0.0.0.0", "--server.allowedHosts", "10.0.0.2", "--server.headless=true"]
    wanted = ["--server.port=8600", "--server.address=0.0.0.0", "--server.allowedHosts", "10.0.0.2"]
    assert arguments.parse(words) == (None, [*wanted, "--server.headless=true"])
    assert (pages() / "dashboard.py").is_file()

"""A table of a million rows, from the file to the first heatmap: in the library, and in a browser.

``python -m benchmarks.million``
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from playwright.sync_api import Browser

import gru_viz
from benchmarks.browser import chromium, serve
from benchmarks.child import in_a_child
from benchmarks.machine import describe_machine, table, write
from gru_viz.figures.inspector import pack
from gru_viz.figures.overview import overview
from gru_viz.sequences import open_table

ROWS, COLUMNS, HIDDEN, ROUNDS = 1_000_000, 10, 16, 3
SHOWN = """() => {
  const maps = document.querySelector(".gv-inspector[data-ready]");
  return maps && maps.textContent.replace(/\\D/g, "").includes("1000000");
}"""
PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def write_tables(folder: Path) -> dict[str, Path]:
    """The same numbers without and with a column of times."""
    values = np.random.default_rng(0).standard_normal((ROWS, COLUMNS)).cumsum(0) * 0.01
    frame = pd.DataFrame(values, columns=[f"sensor {k}" for k in range(COLUMNS)])
    paths = {"numbers": folder / "numbers.csv", "with times": folder / "times.csv"}
    frame.to_csv(paths["numbers"], index=False, float_format="%.6g")
    frame.insert(0, "time", pd.date_range("2020-01-01", periods=ROWS, freq="s"))
    frame.to_csv(paths["with times"], index=False, float_format="%.6g")
    return paths


def bare(path: Path) -> tuple[float, float]:
    """Seconds of pandas given the dialect, and of nn.GRU over its values: states alone, no gates."""
    start = time.perf_counter()
    frame = pd.read_csv(path, sep=",", decimal=".", header=0, encoding="utf-8")
    read = time.perf_counter()
    gru = torch.nn.GRU(COLUMNS, HIDDEN, batch_first=True)
    with torch.inference_mode():
        gru(torch.from_numpy(np.array(frame[frame.columns[-COLUMNS:]], np.float32))[None])
    return read - start, time.perf_counter() - read


def ours(path: Path) -> tuple[float, float, float, float]:
    """Seconds to open the table, to make sequences, to run and prove every gate, and to pack the first view."""
    at = [time.perf_counter()]
    opened = open_table(path)
    at.append(time.perf_counter())
    read = opened.sequences()
    at.append(time.perf_counter())
    long = gru_viz.stream(gru_viz.random_weights("torch", COLUMNS, HIDDEN), read)
    if not long.proof.holds:
        raise SystemExit("The trace is not proven.")
    at.append(time.perf_counter())
    pack(overview(long), (), unit=0, start=0, total=long.length, filename="gru_viz")
    at.append(time.perf_counter())
    first, second, third, fourth = np.diff(at).tolist()
    return first, second, third, fourth


def to_first_heatmap(browser: Browser, path: Path) -> tuple[float, float]:
    """Seconds from choosing the file to the heatmaps painted, and the server's peak in MiB before and after."""
    with serve("dashboard.py") as address:
        page = browser.new_page()
        page.goto(f"{address}/?source=File&own_weights=Random")
        page.locator(".gv-inspector[data-ready]").wait_for(timeout=60_000)
        before = server_peak()
        start = time.perf_counter()
        page.locator("input[type=file]").first.set_input_files(path)
        page.wait_for_function(SHOWN, timeout=120_000, polling=20)
        page.evaluate(PAINTED)
        seconds = time.perf_counter() - start
        print(f"in the browser {seconds:.2f} s, {before:.0f} to {server_peak():.0f} MiB", flush=True)
        page.close()
        return seconds, server_peak() - before


def server_peak() -> float:
    """The largest memory of the Streamlit server that this process started, in MiB, by the operating system."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"streamlit" in Path(f"/proc/{child}/cmdline").read_bytes():
            lines = Path(f"/proc/{child}/status").read_text().splitlines()
            return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    raise SystemExit("The server is gone.")


def peak(path: Path, work: str) -> float:
    """MiB that the work takes beyond what its process has before it, by the operating system."""
    prepared = "import pandas as pd, pathlib\nfrom gru_viz.sequences import open_table\n"
    code = f"{prepared}path = pathlib.Path({str(path)!r})\nopen_table(b'a,b\\n1,2\\n2,3\\n').sequences()\n"
    return in_a_child(f"{code}print(json.dumps(measured(lambda: {work} and 0.0)))")["peak"]


def middle(seconds: list[float]) -> str:
    low, median, high = np.percentile(seconds, (25, 50, 75))
    return f"{median:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    torch.set_num_threads(1)
    machine = describe_machine(["pandas", "torch", "numba", "streamlit"])
    rows, memory = [], []
    with TemporaryDirectory() as folder, chromium() as browser:
        for name, path in write_tables(Path(folder)).items():
            ours(path)  # loads what is compiled
            found = {"bare": list[tuple[float, ...]](), "ours": list[tuple[float, ...]](), "page": []}
            for _ in range(ROUNDS):
                found["bare"].append(bare(path))
                found["ours"].append(ours(path))
                found["page"].append(to_first_heatmap(browser, path))
            rival, own = [sum(each) for each in found["bare"]], [sum(each) for each in found["ours"]]
            page = [seconds for seconds, _ in found["page"]]
            aim = 1.5 * float(np.median(rival)) + 1
            parts = " + ".join(f"{np.median(part):.2f}" for part in zip(*found["ours"], strict=True))
            theirs = " + ".join(f"{np.median(part):.2f}" for part in zip(*found["bare"], strict=True))
            size = f"{name}, {path.stat().st_size / 1e6:.0f} MB"
            rows.append([size, f"{middle(rival)} = {theirs}", f"{middle(own)} = {parts}", middle(page), f"{aim:.2f}"])
            memory.append(
                [
                    size,
                    f"{peak(path, 'len(pd.read_csv(path))'):.0f}",
                    f"{peak(path, 'len(open_table(path).sequences())'):.0f}",
                    f"{max(more for _, more in found['page']):.0f}",
                ]
            )
    head = ("file", "pandas given the dialect + bare nn.GRU", "open + sequences + every gate + first view")
    text = [
        f"# A table of {ROWS:,} × {COLUMNS}, to the first heatmap\n\n`python -m benchmarks.million`\n\n{machine}\n",
        f"Hidden {HIDDEN}, one torch thread; pandas reads a file with all cores, as this reader does. Medians and "
        f"quartiles of {ROUNDS} rounds, seconds. The page's time runs from choosing the file in Chromium, upload "
        "included, to two frames after the maps are ready. The aim is 1.5 × the rival + 1 s.\n",
        table((*head, "page, to first heatmap", "aim"), rows),
        "\nMiB beyond what the process has before, at the peak, by the operating system:\n",
        table(("file", "pandas", "open + sequences", "the server, from upload to heatmap"), memory),
    ]
    write("million.md", "\n".join(text))


if __name__ == "__main__":
    main()

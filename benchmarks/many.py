"""Ten thousand sequences of unequal length: opened, listed, searched, sorted and averaged.

``python -m benchmarks.many``
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch

import gru_viz
from benchmarks.child import in_a_child
from benchmarks.machine import describe_machine, table, write
from gru_viz.analysis import Population, survey
from gru_viz.figures.draw import draw
from gru_viz.figures.view import average_view
from gru_viz.sequences import Sequences

SEQUENCES, FEATURES, UNITS, ROUNDS = 10_000, 3, (16, 64), 5
SHORTEST, LONGEST = 5, 195


def write_table(path: Path) -> int:
    """A long-form CSV, a row for each step and a column with the sequence's name; says how many rows it has."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(SHORTEST, LONGEST, SEQUENCES, endpoint=True)
    names = np.repeat([f"patient {n:05}" for n in range(SEQUENCES)], lengths)
    frame = pd.DataFrame(rng.standard_normal((len(names), FEATURES)), columns=[f"signal {k}" for k in range(FEATURES)])
    frame.insert(0, "name", names)
    frame.to_csv(path, index=False, float_format="%.5g")
    return len(frame)


def read_bare(path: Path) -> list[np.ndarray]:
    """What pandas does, given the dialect: an array for each name."""
    frame = pd.read_csv(path, sep=",", decimal=".", header=0, encoding="utf-8")
    values = np.array(frame.iloc[:, 1:], np.float32)
    return np.split(values, np.flatnonzero(frame["name"].to_numpy()[1:] != frame["name"].to_numpy()[:-1]) + 1)


def run_bare(arrays: list[np.ndarray], units: int) -> None:
    """nn.GRU over all of them, packed by length: states alone, no gates, no proof."""
    gru = torch.nn.GRU(FEATURES, units)
    with torch.inference_mode():
        gru(torch.nn.utils.rnn.pack_sequence([torch.from_numpy(each) for each in arrays], enforce_sorted=False))


def listed(found: Population) -> pd.DataFrame:
    return pd.DataFrame(found.columns())


def rows_of(path: Path) -> list[list[str]]:
    """A row for each thing that is done, with the seconds of ours and of its rival, and their ratio."""
    steps: dict[str, tuple[Callable[[], object], Callable[[], object] | None]] = {}
    sequences: Sequences = gru_viz.read_table(path, id="name")
    arrays = read_bare(path)
    if [len(each) for each in arrays] != list(sequences.lengths):
        raise SystemExit("The rival read other sequences.")
    steps["open the CSV"] = (lambda: gru_viz.read_table(path, id="name"), lambda: read_bare(path))
    for units in UNITS:
        weights = gru_viz.random_weights("torch", FEATURES, units)
        found = survey(weights, sequences)
        if not found.proven:
            raise SystemExit("The traces are not proven.")
        frame = listed(found)
        steps[f"run, prove, measure and average all, {units} units"] = (
            lambda weights=weights: survey(weights, sequences),  # type: ignore[misc]
            lambda units=units: run_bare(arrays, units),  # type: ignore[misc]
        )
        steps[f"draw the average, {units} units"] = (
            lambda found=found, kind=weights.convention: draw(average_view(found, kind)),  # type: ignore[misc]
            None,
        )
    steps["list them"] = (lambda: listed(found), None)
    steps["search the list for a part of a name"] = (
        lambda: frame[frame["sequence"].str.contains("0777", regex=False)],
        None,
    )
    steps["sort the list by how far the state travelled"] = (lambda: frame.sort_values("travelled"), None)
    seconds: dict[str, list[list[float]]] = {name: [[], []] for name in steps}
    for _ in range(ROUNDS):
        for name, ways in steps.items():
            for way, taken in zip(ways, seconds[name], strict=True):
                if way is not None:
                    start = time.perf_counter()
                    way()
                    taken.append(time.perf_counter() - start)
    return [[name, *compared(*taken)] for name, taken in seconds.items()]


def compared(ours: list[float], rival: list[float]) -> list[str]:
    """Median seconds of both, and the median of their ratios in each round with its quartiles."""
    if not rival:
        return [f"{np.median(ours):.4f}", "", ""]
    low, middle, high = np.percentile(np.array(ours) / np.array(rival), (25, 50, 75))
    return [f"{np.median(ours):.4f}", f"{np.median(rival):.4f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]


def peak(path: Path, units: int) -> str:
    """The peak of a survey in a process of its own, kernels loaded, in MiB above the process's memory before."""
    found = in_a_child(f"""
from gru_viz.analysis import survey
weights = gru_viz.random_weights("torch", {FEATURES}, {units})
sequences = gru_viz.read_table({str(path)!r}, id="name")
survey(weights, type(sequences)(tuple(sequences)[:50], sequences.scaling))
print(json.dumps(measured(lambda: survey(weights, sequences) and 0)))
""")
    return f"{found['peak']:.0f}"


def main() -> None:
    """Measure everything and write it down."""
    torch.set_num_threads(1)
    machine = describe_machine(("torch", "numpy", "pandas", "numba"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "long.csv"
        count = write_table(path)
        rows = rows_of(path)
        peaks = [[f"{units} units", peak(path, units)] for units in UNITS]
    write(
        "many.md",
        f"""# Ten thousand sequences

`python -m benchmarks.many`

{machine}

{SEQUENCES:,} sequences of {SHORTEST} to {LONGEST} steps of {FEATURES} features, {count:,} rows of a long-form CSV
with a column of names; a GRU of one layer, float32, one thread. Medians of {ROUNDS} rounds that take turns, and
quartiles of the ratios. Opening is compared with pandas given the dialect, an array for each name; running, against
`nn.GRU` over all sequences packed, which gives no gates, no proof and no averages. Search and sort are those of pandas
on the list; on the page the browser's table does both.

{table(("what", "s", "rival, s", "ratio"), rows)}

Peak of memory while all are run, measured and averaged (VmHWM of a process of its own, above its memory before):

{table(("network", "peak, MiB"), peaks)}""",
    )


if __name__ == "__main__":
    main()

"""A training update with the compiled recurrences, against torch's: ``python -m benchmarks.training_kernel``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import describe_machine, table, write
from gru_viz import CONVENTIONS
from gru_viz.backends import compiled

BATCH, STEPS, FEATURES = 32, 50, 8
HIDDEN = (32, 64, 128)
RIVALS = {"torch": "GRU", "torch_lstm": "LSTM", "torch_rnn": "RNN", "chung_2014": None}
MODELS = 5

SECONDS, FEWEST, MOST = 12.0, 15, 300

Update = Callable[[], object]


def updates(parameters: list[Tensor], loss: Callable[[], Tensor]) -> Update:
    """One full update: forward, backward, gradients clipped, Adam; the cheapest that torch has for each."""
    optimiser = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def update() -> None:
        optimiser.zero_grad(set_to_none=True)
        loss().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimiser.step()

    return update


def torchs(kind: str, hidden: int, *, batch_first: bool = False, onednn: bool = True) -> Update:
    """torch's own layer, a linear head on its last state, and the mean squared error."""
    torch.manual_seed(0)
    layer = getattr(torch.nn, kind)(FEATURES, hidden, batch_first=batch_first)
    head = torch.nn.Linear(hidden, 1)
    x, y = torch.randn(STEPS, BATCH, FEATURES), torch.randn(BATCH, 1)
    x = x.transpose(0, 1).contiguous() if batch_first else x

    def loss() -> Tensor:
        every = layer(x)[0]
        return torch.nn.functional.mse_loss(head(every[:, -1] if batch_first else every[-1]), y)

    update = updates([*layer.parameters(), *head.parameters()], loss)
    if onednn:
        return update

    def without_onednn() -> None:
        with torch.backends.mkldnn.flags(enabled=False):
            update()

    return without_onednn


def ours(name: str, hidden: int, models: int = 1) -> Update:
    """The same with the compiled recurrence, and several models in one update."""
    torch.manual_seed(0)
    convention = CONVENTIONS[name]
    rows, scale = len(convention.gates) * hidden, hidden**-0.5
    shapes = [(FEATURES, rows), (1, rows), (rows, hidden), (rows,), (hidden, 1), (1, 1)]
    parameters = [(scale * torch.randn(models, *shape)).requires_grad_() for shape in shapes]
    w, b, u, c, head, head_bias = parameters
    x, y = torch.randn(STEPS * BATCH, FEATURES).expand(models, -1, -1), torch.randn(models, BATCH, 1)
    states = tuple(torch.zeros(models, BATCH, hidden) for _ in convention.states)

    def loss() -> Tensor:
        projected = torch.baddbmm(b, x, w).view(models, STEPS, BATCH, rows)
        every = compiled.recurrence(convention, projected, u, c, states)
        return (torch.baddbmm(head_bias, every[:, -1], head) - y).square().mean((1, 2)).sum()

    return updates(parameters, loss)


def several(update: Callable[[], Update], times: int) -> Update:
    """So many separate models, updated one after another."""
    each = [update() for _ in range(times)]

    def every() -> None:
        for one in each:
            one()

    return every


def parts(name: str, hidden: int) -> dict[str, Update]:
    """The compiled recurrence alone, forward, and forward and backward."""
    torch.manual_seed(0)
    convention = CONVENTIONS[name]
    rows = len(convention.gates) * hidden
    x, u, c = torch.randn(1, STEPS, BATCH, rows), hidden**-0.5 * torch.randn(1, rows, hidden), torch.randn(1, rows)
    states = tuple(torch.zeros(1, BATCH, hidden) for _ in convention.states)
    upstream = torch.randn(1, STEPS, BATCH, hidden)
    leaves = [each.requires_grad_() for each in (x, u, c)]

    def forward() -> Tensor:
        return compiled.recurrence(convention, x, u, c, states)

    return {
        "recurrence forward": forward,
        "recurrence forward and backward": lambda: torch.autograd.grad(forward(), leaves, upstream),
    }


def interleave(runs: dict[str, Update]) -> dict[str, np.ndarray]:
    """Time all in turn, round after round, so that a busy moment of the machine meets each of them."""
    for run in runs.values():
        run()
        run()
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    for n in range(MOST):
        if n >= FEWEST and time.perf_counter() - began > SECONDS:
            break
        for name, run in runs.items():
            start = time.thread_time()  # one thread does it all; its own time does not count what others took
            run()
            seconds[name].append(time.thread_time() - start)
    return {name: np.array(taken) for name, taken in seconds.items()}


def quartiles(ratios: np.ndarray) -> str:
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def milliseconds(seconds: np.ndarray) -> str:
    return f"{1e3 * np.median(seconds):.2f}"


def of_one_model() -> list[list[str]]:
    """Every cell and size, against its rivals in torch."""
    rows = []
    for name, kind in RIVALS.items():
        for hidden in HIDDEN:
            runs: dict[str, Update] = {"ours": ours(name, hidden), **parts(name, hidden)}
            if kind:
                runs["time first"] = torchs(kind, hidden)
                runs["batch first"] = torchs(kind, hidden, batch_first=True)
            if kind == "LSTM":
                runs["without oneDNN"] = torchs(kind, hidden, onednn=False)
            seconds = interleave(runs)
            row = [name, str(hidden), str(len(seconds["ours"])), milliseconds(seconds["ours"])]
            rivals = [seconds[each] for each in ("time first", "batch first") if each in seconds]
            best = min(rivals, key=np.median, default=None)
            row += (
                [f"nn.{kind}, {milliseconds(best)}", quartiles(best / seconds["ours"])]
                if best is not None
                else ["none", ""]
            )
            row.append(quartiles(seconds["without oneDNN"] / seconds["ours"]) if kind == "LSTM" else "")
            row += [milliseconds(seconds[each]) for each in parts(name, hidden)]
            rows.append(row)
    return rows


def of_several_models() -> list[list[str]]:
    """Models in one call, against one after another, and against torch's."""
    rows = []
    for name, kind in RIVALS.items():
        runs = {
            "stacked": ours(name, HIDDEN[0], MODELS),
            "apart": several(lambda name=name: ours(name, HIDDEN[0]), MODELS),  # type: ignore[misc]
        }
        if kind:
            runs["torch"] = several(lambda kind=kind: torchs(kind, HIDDEN[0]), MODELS)  # type: ignore[misc]
        seconds = interleave(runs)
        ratios = [
            quartiles(seconds[each] / seconds["stacked"]) if each in seconds else "" for each in ("apart", "torch")
        ]
        rows.append([name, str(len(seconds["stacked"])), milliseconds(seconds["stacked"]), *ratios])
    return rows


def of_compiling() -> list[list[str]]:
    """The first use of each cell in a new process, without and with what numba keeps on disk."""
    code = (
        "import sys, time, torch, gru_viz; from gru_viz.backends import compiled; began = time.perf_counter();"
        "compiled.warm([gru_viz.CONVENTIONS[sys.argv[1]]]); print(time.perf_counter() - began)"
    )
    rows = []
    for name in RIVALS:
        with tempfile.TemporaryDirectory() as folder:
            command = ["env", f"NUMBA_CACHE_DIR={folder}", sys.executable, "-c", code, name]
            taken = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(4)]
        rows.append([name, f"{float(taken[0]):.1f}", f"{np.median([float(each) for each in taken[1:]]):.2f}"])
    return rows


def main() -> None:
    """Measure all and write it down."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="TF32")  # a warning of switching oneDNN off
    machine = describe_machine(("torch", "numba", "numpy"))
    one = ("cell", "hidden", "rounds", "ours, ms", "rival, ms", "rival ÷ ours", "nn.LSTM without oneDNN ÷ ours")
    several_models = ("cell", "rounds", f"{MODELS} stacked, ms", "one after another ÷ stacked", "torch's ÷ stacked")
    write(
        "training_kernel.md",
        f"""# What a training update costs

{machine}

A full update: forward, a linear head on the last state, the mean squared error, backward, clipping of the gradients'
norm, Adam (fused). Batch {BATCH} × time {STEPS} × features {FEATURES}, float32, one thread, whose own processor time is
what is given. The ways take turns, round after round; a ratio is of one round, and given as its median and its
quartiles. A higher ratio is better: how many updates ours makes while the rival makes one. The rival is torch's layer,
with the batch first or the time first, whichever was faster; `chung_2014` has the reset before the product, for which
torch has no layer.

{table((*one, "recurrence forward, ms", "forward and backward, ms"), of_one_model())}

## {MODELS} models at hidden {HIDDEN[0]}

{table(several_models, of_several_models())}

## Waiting for the first update

In a new process, with torch imported, forward and backward in float32.

{table(("cell", "compiling, s", "from the cache on disk, s"), of_compiling())}""",
    )


if __name__ == "__main__":
    main()

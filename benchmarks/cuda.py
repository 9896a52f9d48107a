"""All that is promised of a GPU, measured by one command: ``python -m benchmarks.cuda``.

Without a GPU the result says so, and holds no figure. ``--device cpu --quick`` runs the same code for a look at it,
and writes nothing down.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

import gru_viz
from benchmarks import watch
from benchmarks.machine import RESULTS, describe_machine, table, write
from gru_viz import CONVENTIONS, Weights, equations
from gru_viz.backends.gate_recovery import recover_layer
from gru_viz.backends.layers import full_precision
from gru_viz.backends.reference import run_steps
from gru_viz.backends.torch_fused import fuse
from gru_viz.equations import Parameters
from gru_viz.training import Lane, Settings, Trainer, make_task
from gru_viz.training.recurrence import run_layer

Shape = tuple[int, int, int, int]
Ways = dict[str, Callable[[], object]]

SHAPES: tuple[Shape, ...] = ((1, 200, 8, 64), (32, 200, 16, 128), (64, 500, 32, 256), (8, 1000, 64, 512))
"""batch × time × features × hidden"""

QUICK: tuple[Shape, ...] = ((1, 70, 3, 8), (4, 130, 3, 8))
LANES = {"GRU": "torch", "LSTM": "torch_lstm"}
HIDDEN, BATCH, UPDATES = (64, 256), 64, 200
FEWEST, MOST = 5, 100


# --- timing -------------------------------------------------------------------------------------------------------


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """How long a run takes, by the GPU's own events; on a CPU by the clock."""
    if device.type == "cpu":
        settle(device)
        began = time.perf_counter()
        run()
        settle(device)
        return time.perf_counter() - began
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    settle(device)
    begin.record()
    run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3


def settle(device: torch.device) -> None:
    """Wait for all that the GPU was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleave(runs: Ways, device: torch.device, seconds: float) -> dict[str, np.ndarray]:
    """Time all ways in turn, round after round, so that a busy moment of the machine meets each of them."""
    for run in [*runs.values()] * 2:
        run()
    taken: dict[str, list[float]] = {name: [] for name in runs}
    began = time.perf_counter()
    for n in range(MOST):
        if n >= FEWEST and time.perf_counter() - began > seconds:
            break
        for name, run in runs.items():
            taken[name].append(seconds_of(run, device))
    return {name: np.array(each) for name, each in taken.items()}


def quartiles(ratios: np.ndarray) -> str:
    low, middle, high = np.percentile(ratios, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def milliseconds(seconds: np.ndarray) -> str:
    return f"{1e3 * np.median(seconds):.2f}"


def named(shape: Shape) -> str:
    return "×".join(map(str, shape))


# --- one network, ready on the device -----------------------------------------------------------------------------


class Network:
    """A layer of random weights, an input and a state of zero, on the device."""

    def __init__(self, convention: str, shape: Shape, device: torch.device) -> None:
        batch, steps, features, hidden = shape
        self.weights = gru_viz.random_weights(convention, features, hidden, seed=0)
        self.layer = self.weights.layers[0]
        self.convention = CONVENTIONS[convention]
        self.p: Parameters = self.layer[0].parameters(device, torch.float32)
        self.x = torch.randn(batch, steps, features, generator=torch.Generator().manual_seed(0)).to(device)
        self.lengths = (steps,) * batch
        self.start = {name: self.x.new_zeros(batch, hidden) for name in self.convention.states}

    def recovered(self) -> Mapping[str, Tensor]:
        """torch's fused pass, and every gate from its states; as a trace does it."""
        start = {name: state[None] for name, state in self.start.items()}
        hidden, last = fuse(Weights((self.layer,)), self.x, self.lengths, start)
        return recover_layer(self.layer, self.x, self.lengths, start, hidden, last)[0][0].quantities

    def by_steps(self) -> Mapping[str, Tensor]:
        """The loop that people write: the equations, a step at a time, nothing recorded for gradients."""
        return run_steps(self.convention, self.p, self.x, self.start)

    def closure(self) -> float:
        """How far the states that the recovered gates lead to are from the states of the fused pass."""
        run = self.recovered()
        hidden = run["hidden"]
        before = [torch.cat([s[:, None], run[name][:, :-1]], 1) for name, s in self.start.items()]
        return float((equations.state(self.convention, run, *before)["hidden"] - hidden).abs().max())


# --- what is measured ---------------------------------------------------------------------------------------------


def fused(shapes: tuple[Shape, ...], device: torch.device, seconds: float) -> str:
    """The fused pass and the recovery, against bare cuDNN and against the loop."""
    rows = []
    for kind in ("torch", "torch_lstm"):
        for shape in shapes:
            network = Network(kind, shape, device)
            module = network.weights.to_module().to(device)
            runs: Ways = {
                "bare": lambda module=module, network=network: module(network.x),  # type: ignore[misc]
                "recovered": network.recovered,
                "loop": network.by_steps,
            }
            with full_precision(device):
                taken = interleave(runs, device, seconds)
            row = [kind, named(shape), str(len(taken["bare"])), milliseconds(taken["bare"])]
            rows.append([*row, quartiles(taken["recovered"] / taken["bare"]),
                         quartiles(taken["loop"] / taken["recovered"])])  # fmt: skip
    header = ("cell", "shape", "rounds", "bare layer, ms", "every gate ÷ bare layer", "loop ÷ every gate")
    return table(header, rows)


def closed(shapes: tuple[Shape, ...], device: torch.device) -> str:
    """The proof with TF32 off, as traces have it, and the same closure with TF32 left on, as torch comes."""
    rows = []
    for kind in ("torch", "torch_lstm", "cho_2014_v3"):
        for shape in shapes:
            network = Network(kind, shape, device)
            trace = gru_viz.trace(network.weights, network.x.cpu().numpy(), device=str(device))
            row = [kind, named(shape), f"{trace.proof.difference:.1e}", "yes" if trace.proof.holds else "no"]
            rows.append([*row, f"{network.closure():.1e}" if kind != "cho_2014_v3" else "not fused"])
    return table(("cell", "shape", "proof, TF32 off", "proven", "closure, TF32 as torch has it"), rows)


def gradients(cell: str, hidden: int, device: torch.device) -> float:
    """The largest difference of any gradient from the CPU's, as a share of the largest gradient of its matrix."""
    found = []
    for where in (torch.device("cpu"), device):
        rng, convention = torch.Generator().manual_seed(0), CONVENTIONS[cell]
        rows, x = len(convention.gates) * hidden, torch.randn(1, 50, BATCH, 8, generator=rng).to(where)
        shapes, scale = ((rows, 8), (rows, hidden), (rows,), (rows,)), hidden**-0.5
        p = Parameters(*((scale * torch.randn(1, *s, generator=rng)).to(where).requires_grad_() for s in shapes))
        with full_precision(where):
            loss = run_layer("torch", convention, p, x).square().mean()
            found.append([each.cpu() for each in torch.autograd.grad(loss, list(p))])
    return max(float((here - there).abs().max() / here.abs().max()) for here, there in zip(*found, strict=True))


def trained(device: torch.device, hidden: tuple[int, ...], updates: int) -> str:
    """Updates a second of a training on the device and on this machine's processor, and the gradient of both."""
    rows = []
    for name, cell in LANES.items():
        for units in hidden:
            taken = []
            for where in (str(device), "cpu"):
                lane = Lane(name, cell, hidden=units, device=where)
                settings = Settings("adding", {"length": 50}, (lane,), updates=updates, batch=BATCH)
                warm = Settings("adding", {"length": 50}, (lane,), updates=3, batch=BATCH)
                list(Trainer(make_task(warm), warm, name))
                trainer = Trainer(make_task(settings), settings, name)
                settle(device)
                began = time.perf_counter()
                list(trainer)
                settle(device)
                taken.append(updates / (time.perf_counter() - began))
            rows.append([name, str(units), *(f"{each:.0f}" for each in taken), f"{gradients(cell, units, device):.1e}"])
    header = ("cell", "hidden", "updates a second there", "on the CPU", "gradient from the CPU's, relative")
    return table(header, rows)


def watched(device: torch.device, seconds: float) -> str:
    """What ``watch`` costs there."""
    header = ("module", "mode", "shape", "rounds", "bare, ms", "watched ÷ bare", "every gate read ÷ bare")
    return table(header, watch.measure(device.type, seconds))


def report(device: torch.device, quick: bool) -> str:
    """Every table."""
    seconds, shapes = (0.2, QUICK) if quick else (6.0, SHAPES)
    hidden, updates = ((8,), 5) if quick else (HIDDEN, UPDATES)
    with torch.inference_mode():
        tables = [fused(shapes, device, seconds), closed(shapes, device)]
    tables += [watched(device, min(seconds, 2.0)), trained(device, hidden, updates)]
    return "\n\n".join(f"## {title}\n\n{each}" for title, each in zip(TITLES, tables, strict=True))


TITLES = (
    "Every gate: the fused pass and the recovery (at most 1.15 of the bare layer, at least 10 × the loop)",
    "The proof (at most 1e-5 with TF32 off)",
    "Watching a model (at most 1.5 × bare)",
    "Training",
)

WORDS = """Shapes are batch×time×features×hidden, float32. The ways take turns, round after round, timed by CUDA's own
events; a ratio is of one round, and reported as its median and its quartiles.
The bare layer is cuDNN's, with TF32 off as in a trace; the loop is the equations step by step, recording no
gradients; every gate includes bringing the weights to the device, as a trace does."""

NONE = """**No GPU was at hand, and so nothing was measured.** On a machine with one, `make cuda` runs the tests that
need it and replaces this page by its tables: the fused pass with the recovery of every gate against bare cuDNN and
against the loop; the proof with TF32 off; watching a model; training, with its gradient compared with the CPU's."""


def main() -> None:
    """Measure and write it down; or say that there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="another one is for a look: printed, not written down")
    parser.add_argument("--quick", action="store_true", help="small shapes, printed and not written down")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    device, there = torch.device(asked.device), torch.cuda.is_available()
    gpu = torch.cuda.get_device_name() if there else "none"
    more = {
        "gpu": gpu,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version() if there else None),
    }
    heading = f"# What a GPU gives\n\n{describe_machine(('torch', 'numpy'), **more)}\n\n"
    if device.type == "cuda" and not there:
        before = RESULTS / "cuda.md"
        if before.exists() and NONE not in before.read_text(encoding="utf-8"):
            raise SystemExit("No GPU is at hand; benchmarks/results/cuda.md stays as it was measured on one.")
        write("cuda.md", heading + NONE)
    elif asked.quick or device.type != "cuda":
        print(heading + report(device, asked.quick))
    else:
        write("cuda.md", f"{heading}{WORDS}\n\n{report(device, quick=False)}")


if __name__ == "__main__":
    main()

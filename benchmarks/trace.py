"""What every gate costs, against a bare ``nn.GRU`` that gives none of them: ``python -m benchmarks.trace``."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

import gru_viz
from benchmarks import plot
from benchmarks.machine import describe_machine, table, write
from gru_viz import Weights

SHAPES = ((1, 100, 3, 16), (1, 1000, 8, 64), (32, 200, 16, 128), (1, 20000, 4, 64), (8, 1000, 64, 512))
"""batch × time × features × hidden"""

AIMS = {
    ("torch", "float32"): (0.05, 0.12, 0.75, 0.10, 0.85),
    ("onnx", "float32"): (0.06, 0.15, 0.85, 0.12, 0.95),
    ("torch", "float64"): (0.10, 0.25, 0.90, 0.25, 0.95),
}
PROOF_AIMS = {"torch": (0.4, 0.2, 1.2, 0.13, 1.1), "onnx": (0.6, 0.3, 1.8, 0.195, 1.65)}
"""Of gates and proof, in float32."""

TITLES = {
    ("torch", "float32"): "float32, reset after",
    ("onnx", "float32"): "float32, reset before",
    ("torch", "float64"): "float64, reset after",
}
SECONDS, FEWEST, MOST = 6.0, 5, 200
TURN = 4e-3
"""How long a turn of a way is at least, in seconds."""

Ways = dict[str, Callable[[], object]]


def interleave(ways: Ways) -> dict[str, np.ndarray]:
    """Time all ways in turn, round after round, so that a busy moment of the machine meets each of them.

    A turn is as many calls as take a few milliseconds, or all ways but the longest would be timed with cold caches.
    """
    calls = {}
    for name, way in ways.items():
        way()
        calls[name] = max(round(TURN / min(timeit.repeat(way, number=1, repeat=3))), 1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    began = time.perf_counter()
    for n in range(MOST):
        if n >= FEWEST and time.perf_counter() - began > SECONDS:
            break
        for name, way in ways.items():
            seconds[name].append(timeit.timeit(way, number=calls[name]) / calls[name])
    return {name: np.array(taken) for name, taken in seconds.items()}


def ratio(seconds: Mapping[str, np.ndarray], way: str, rival: str) -> tuple[float, str]:
    """The median of a way's ratios to its rival in the same round; and in words, with the quartiles."""
    if way not in seconds:
        return float("nan"), "—"
    low, middle, high = np.percentile(seconds[way] / seconds[rival], (25, 50, 75))
    return float(middle), f"{middle:.3g} ({low:.2g} to {high:.2g})"


def network(name: str, shape: Sequence[int], dtype: str, layers: int = 1) -> tuple[Weights, np.ndarray]:
    """Weights as a new torch module has, and random inputs."""
    batch, steps, features, hidden = shape
    weights = gru_viz.random_weights(name, features, hidden, layers, seed=0, dtype=dtype)
    return weights, np.random.default_rng(0).standard_normal((batch, steps, features)).astype(dtype)


def bare(cell: str, shape: Sequence[int], dtype: str) -> Callable[[], object]:
    """torch's own layer, which gives the hidden states alone."""
    weights, x = network(cell, shape, dtype)
    module, given = weights.to_module(), torch.from_numpy(x)

    def run() -> object:
        with torch.inference_mode():
            return module(given)

    return run


def onnx_runtime(weights: Weights, x: np.ndarray) -> Callable[[], object]:
    """The GRU of onnxruntime, one thread, its input and output bound to memory that is there already."""
    after = weights.convention.reset == "after"
    cell = gru_viz.convert(weights, to="onnx_linear_before_reset" if after else "onnx").matrices
    x = np.ascontiguousarray(x.swapaxes(0, 1))
    kind = onnx.helper.np_dtype_to_tensor_dtype(x.dtype)
    given = [onnx.numpy_helper.from_array(cell[name][None], name) for name in ("W", "R", "B")]
    node = onnx.helper.make_node(
        "GRU", ["X", "W", "R", "B"], ["Y"], hidden_size=weights.hidden, linear_before_reset=int(after)
    )
    states = (len(x), 1, x.shape[1], weights.hidden)
    ends = [onnx.helper.make_tensor_value_info(name, kind, shape) for name, shape in (("X", x.shape), ("Y", states))]
    graph = onnx.helper.make_graph([node], "gru", ends[:1], ends[1:], given)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("X", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output("Y", onnxruntime.OrtValue.ortvalue_from_shape_and_type(states, x.dtype))

    def run() -> object:
        session.run_with_iobinding(binding)
        return binding

    run()
    found = binding.copy_outputs_to_cpu()[0][:, 0].swapaxes(0, 1)
    assert np.abs(found - gru_viz.trace(weights, x.swapaxes(0, 1)).hidden).max() < 1e-5
    return run


def module_ways(shape: Sequence[int], dtype: str, x: np.ndarray) -> Ways:
    """The same from a torch module: the first time, after one of its numbers has changed, and again."""
    module = network("torch", shape, dtype)[0].to_module()
    number = module.bias_ih_l0.data[:1]

    def first() -> gru_viz.Trace:
        number.add_(1e-3)
        return gru_viz.trace(module, x)

    return {
        "gates, module first": first,
        "gates, module again": lambda: gru_viz.trace(module, x),
        "proof, module first": lambda: first().proof,
        "proof, module again": lambda: gru_viz.trace(module, x).proof,
    }


def tables_of_gates() -> tuple[str, str, dict[str, list[float]], list[float]]:
    """Gates with their proof, and gates alone, of every shape in every precision and variant; the plot's medians."""
    proved, alone, rival = [], [], "bare nn.GRU"
    series = {f"gru_viz, {text}": [float("nan")] * len(SHAPES) for text in TITLES.values()}
    series["onnxruntime, states alone, float32"] = []
    for (name, dtype), aims in AIMS.items():
        for n, (shape, aim) in enumerate(zip(SHAPES, aims, strict=True)):
            weights, x = network(name, shape, dtype)
            ways: Ways = {
                rival: bare("torch", shape, dtype),
                "gates": lambda weights=weights, x=x: gru_viz.trace(weights, x),
                "proof": lambda weights=weights, x=x: gru_viz.trace(weights, x).proof,
            }
            if name == "torch":
                ways |= module_ways(shape, dtype, x)
            if dtype == "float32":  # onnxruntime has no GRU in float64
                ways["onnxruntime"] = onnx_runtime(weights, x)
            seconds = interleave(ways)
            series[f"gru_viz, {TITLES[name, dtype]}"][n], text = ratio(seconds, "proof", rival)
            other, theirs = ratio(seconds, "onnxruntime", rival)
            if (name, dtype) == ("torch", "float32"):
                series["onnxruntime, states alone, float32"].append(other)
            which = [TITLES[name, dtype], "×".join(map(str, shape))]
            middle, rounds = f"{1e3 * np.median(seconds[rival]):.3g}", str(len(seconds[rival]))
            goal = f"{PROOF_AIMS[name][n]:g}" if dtype == "float32" else "—"
            modules = [ratio(seconds, f"{what}, module {time}", rival)[1]
                       for what in ("proof", "gates") for time in ("first", "again")]  # fmt: skip
            proved.append([*which, middle, text, goal, *modules[:2], rounds])
            alone.append([*which, ratio(seconds, "gates", rival)[1], f"{aim:g}", *modules[2:], theirs])
    columns = ["", "batch×time×features×hidden"]
    header = [*columns, "bare nn.GRU, ms", "gates and proof", "aim", "from a module, first", "again", "rounds"]
    others = [*columns, "gates alone", "aim", "from a module, first", "again", "onnxruntime, states alone"]
    return table(header, proved), table(others, alone), series, list(PROOF_AIMS["torch"])


def table_of_others() -> str:
    """The ways of running that need no compiler."""
    rows = []
    for name, dtype in (("torch", "float32"), ("onnx", "float32"), ("torch", "float64")):
        for shape in SHAPES:
            weights, x = network(name, shape, dtype)
            backends = ["loop", "scratch", "torch"] if (name, dtype) == ("torch", "float32") else ["loop"]
            ways: Ways = {"bare": bare("torch", shape, dtype)}
            for backend in backends:
                ways[backend] = lambda backend=backend, w=weights, x=x: gru_viz.trace(w, x, backend=backend)
            seconds = interleave(ways)
            row = [TITLES[name, dtype], "×".join(map(str, shape)), ratio(seconds, "loop", "bare")[1], "1.15"]
            rows.append([*row, *(ratio(seconds, each, "bare")[1] for each in ("torch", "scratch"))])
    header = ["", "batch×time×features×hidden", "without numba: loop", "aim", "torch, recovered", "scratch"]
    return table(header, rows)


def table_of_the_rest() -> str:
    """LSTMs, unequal lengths, layers: each with its own rival."""
    rows = []

    def add(what: str, rival: str, aim: float, ways: Ways) -> None:
        first, second = ways
        seconds = interleave(ways)
        rows.append(
            [what, rival, f"{1e3 * np.median(seconds[first]):.3g}", ratio(seconds, second, first)[1], f"{aim:g}"]
        )

    for shape, aim in (((1, 100, 3, 16), 0.9), ((1, 1000, 8, 64), 0.9), ((1, 1000, 64, 512), 0.9),
                       ((32, 200, 16, 128), 2.2), ((128, 200, 16, 64), 2.2), ((32, 200, 64, 512), 2.2)):  # fmt: skip
        weights, x = network("torch_lstm", shape, "float32")
        ways: Ways = {"bare": bare("torch_lstm", shape, "float32"),
                      "gates": lambda weights=weights, x=x: gru_viz.trace(weights, x)}  # fmt: skip
        add(f"LSTM {'×'.join(map(str, shape))}, gates and every c", "bare nn.LSTM", aim, ways)
    weights, x = network("torch", (64, 500, 8, 64), "float32")
    lengths = np.linspace(1, 500, 64).astype(int).tolist()
    unequal: Ways = {
        "padded": lambda: gru_viz.trace(weights, x),
        "lengths": lambda: gru_viz.trace(weights, x, lengths=lengths),
    }
    add("64 sequences of 1 to 500 steps, 8 features, 64 units", "the same, padded to 500", 0.7, unequal)
    stacked, x = network("torch", (8, 500, 64, 64), "float32", layers=3)
    alone = [Weights((layer,)) for layer in stacked.layers]
    hidden = [x, *(layer.hidden for layer in gru_viz.trace(stacked, x).layers)]
    layers: Ways = {
        "sum": lambda: [gru_viz.trace(each, read) for each, read in zip(alone, hidden, strict=False)],
        "whole": lambda: gru_viz.trace(stacked, x),
    }
    add("3 layers of 64 units, 8×500", "the same layers one by one", 1.05, layers)
    weights, x = network("torch", (1, 20000, 4, 64), "float32")
    streamed: Ways = {
        "bare": bare("torch", (1, 20000, 4, 64), "float32"),
        "stream": lambda: gru_viz.stream(weights, x[0]).proof,
    }
    add("a stream of 20,000 steps, 4 features, 64 units, with its proof", "bare nn.GRU", 0.2, streamed)
    proven = gru_viz.trace(weights, x[:, :1000])
    assert proven.proof.holds
    reports: Ways = {
        "proved": lambda: gru_viz.report(proven),
        "both": lambda: gru_viz.report(gru_viz.trace(weights, x[:, :1000])),
    }
    add("trace, proof and report of 1,000 steps, 4 features, 64 units", "the report alone", 1.2, reports)
    return table(["what", "against", "that, ms", "ratio", "aim"], rows)


def table_of_errors() -> str:
    """The largest differences over every step, at torch's initialisation: 4 sequences of 500 steps, 64 units."""
    rows = []
    for name in ("torch", "onnx", "torch_lstm", "torch_rnn"):
        for dtype, near, closed in (("float32", "5e-7", "1e-6"), ("float64", "1e-14", "1e-13")):
            weights, x = network(name, (4, 500, 8, 64), dtype)
            trace = gru_viz.trace(weights, x)
            gates, closure = _errors(trace)
            title = weights.convention.title
            rows.append([title, dtype, f"{gates:.1e}", near, f"{closure:.1e}", closed, f"{trace.proof.difference:.1e}"])
    return table(["variant", "precision", "gates", "aim", "closure", "aim", "proof"], rows)


def _errors(trace: Any) -> tuple[float, float]:
    """Of the gates, from the recorded states, against the equations in float64; and of the states rebuilt from them."""
    run, equations = trace.layers[0].forward, gru_viz.equations
    p, x = run.weights.parameters(dtype=torch.float64), torch.from_numpy(run.inputs.astype(np.float64))
    before = [torch.from_numpy(run.previous(name).astype(np.float64)) for name in run.convention.states]
    true = equations.gates(run.convention, p, equations.project(p, x), before[0])
    gates = max(float(np.abs(run.quantities[name] - values.numpy()).max()) for name, values in true.items())
    recorded = {name: torch.from_numpy(values.astype(np.float64)) for name, values in run.quantities.items()}
    states = equations.state(run.convention, recorded, *before)
    return gates, max(float(np.abs(run.quantities[n] - each.numpy()).max()) for n, each in states.items())


def main() -> None:
    """Measure everything and write it down."""
    torch.set_num_threads(1)
    machine = describe_machine(("torch", "numpy", "numba", "onnxruntime"), onnx=onnx.__version__)
    proved, alone, series, aims = tables_of_gates()
    shapes = ["×".join(map(str, shape)) for shape in SHAPES]
    title = "What every gate and its proof cost: ratio to a bare nn.GRU, which gives the states alone"
    plot.keep("trace.svg", plot.bars(title, "ratio, lower is better", shapes, series, aims, log=True))
    write(
        "trace.md",
        f"""# What a trace costs

`python -m benchmarks.trace`

{machine}

`gru_viz.trace(…).proof`, the whole call: every gate and state of every step, and every step evaluated again and
compared. Each figure is a ratio to a bare forward pass of torch's own layer of the same size and precision, which gives
hidden states only; also where torch has no such variant (reset before, which is proved with sums in float64). One
thread. The ways take turns of at least {1e3 * TURN:g} ms, round after round; a ratio is of one round, and given as its
median and quartiles. A lower figure is better; 1 is the cost of torch's hidden states alone. The weights are
`Weights`, or those of a torch module: the first time, which here is after one of its numbers has changed, and again.

![The table as bars](trace.svg)

{proved}

## Gates alone

A proof is made when it is first asked for; this is without. onnxruntime gives the states alone too, its input and
output bound to memory that is there; it is set at their side as the fastest that others have, in float32, since it has
no GRU in float64.

{alone}

## Without a compiler, and the other backends

{table_of_others()}

## LSTM, unequal lengths, layers

{table_of_the_rest()}

## Errors

The gates from the recorded states, against the equations in float64; closure: states rebuilt from the gates.

{table_of_errors()}""",
    )


if __name__ == "__main__":
    main()

"""What training under the engine costs and gains: ``python -m benchmarks.training_live``.

``--quick`` only shows that it works: it measures too little, and stores nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from benchmarks.browser import chromium, serve
from benchmarks.machine import describe_machine, table, write
from benchmarks.session import Visitor
from gru_viz.training import Settings, Trainer, make_task
from gru_viz.training.engine import Engine
from gru_viz.training.runs import RunStore

Session = Callable[[str], AbstractContextManager[object]]
"""A viewer of a run, given by its id, while the block lasts."""

SETTINGS = Settings("adding", {"length": 50}, updates=20_000)
SEEDS = 5
SETTLE_SECONDS = 3.5
"""The engine reports the rate of the last three seconds."""


@contextmanager
def nobody(_run_id: str) -> Iterator[None]:
    """No one watches."""
    yield


@contextmanager
def spectators(home: Path) -> Iterator[dict[str, Session]]:
    """A dashboard on the same runs, and two kinds of viewers: without a browser, and with one on the same cores."""
    with serve("dashboard.py", home) as address, chromium() as browser:

        def visit(run_id: str) -> Visitor:
            return Visitor(address.removeprefix("http://"), "GRU_against_LSTM", f"run={run_id}")

        @contextmanager
        def browse(run_id: str) -> Iterator[None]:
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{address}/GRU_against_LSTM?run={run_id}")
            yield
            page.close()

        yield {"nobody": nobody, "page": visit, "browser": browse}


def wait(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.005)


def rate_of_loop(settings: Settings, window: float) -> float:
    """Updates a second of a bare loop in this process that drops its records."""
    trainer = Trainer(make_task(settings), settings, settings.lanes[0].name)
    began, first = time.perf_counter(), 0
    for _ in trainer:
        now = time.perf_counter() - began
        if not first and now > SETTLE_SECONDS:
            first, then = trainer.update, now
        if now > SETTLE_SECONDS + window:
            break
    return (trainer.update - first) / (now - then)


def rate_of_loops(pool: ProcessPoolExecutor, settings: Settings, window: float) -> float:
    """The same for every lane at once, in a process each; the mean over the lanes."""
    alone = [replace(settings, lanes=(lane,)) for lane in settings.lanes]
    return float(np.mean(list(pool.map(rate_of_loop, alone, [window] * len(alone)))))


def rate_of_engine(engine: Engine, settings: Settings, session: Session, window: float) -> float:
    """Updates a second of a lane under the engine, as its worker counts them; the mean over the lanes."""
    store = engine.store
    run_id = store.create(settings)
    engine.start(run_id)
    wait(lambda: all(lane.status == "running" for lane in store.run(run_id).lanes))
    rates = []
    with session(run_id):
        time.sleep(SETTLE_SECONDS)
        until = time.monotonic() + window
        while time.monotonic() < until:
            rates.append(np.mean([lane.rate for lane in store.run(run_id).lanes]))
            time.sleep(0.1)
    engine.stop(run_id)
    wait(lambda: not store.run(run_id).active)
    return float(np.mean(rates))


def seconds_of_engine(engine: Engine, *runs: Settings) -> float:
    """From the click to the end of the last of some runs, started at once."""
    store = engine.store
    run_ids = [store.create(settings) for settings in runs]
    began = time.perf_counter()
    for run_id in run_ids:
        engine.start(run_id)
    wait(lambda: not any(store.run(run_id).active for run_id in run_ids))
    return time.perf_counter() - began


def seconds_of_loops(settings: Settings) -> float:
    """Every lane and every seed after the other, in this process, by our own loop and kernels."""
    began = time.perf_counter()
    for lane in settings.lanes:
        for seed in settings.all_seeds:
            alone = replace(settings, lanes=(lane,), seeds=1, first_seed=seed)
            for _ in Trainer(make_task(alone), alone, lane.name):
                pass
    return time.perf_counter() - began


def seconds_of_torch(settings: Settings) -> float:
    """Every lane and every seed after the other as anyone would write it with torch.nn, on the same batches."""
    task = make_task(settings)
    began = time.perf_counter()
    for kind in (torch.nn.GRU, torch.nn.LSTM):
        for seed in settings.all_seeds:
            torch.manual_seed(seed)
            layer = kind(task.features, settings.lanes[0].hidden, batch_first=True)
            head = torch.nn.Linear(settings.lanes[0].hidden, task.outputs)
            parameters = [*layer.parameters(), *head.parameters()]
            optimiser = torch.optim.Adam(parameters, lr=0.005)
            for update in range(settings.updates):
                examples = task.batch(seed, update, settings.batch)
                answers = head(layer(torch.from_numpy(examples.x))[0][:, -1])
                loss = torch.nn.functional.mse_loss(answers, torch.from_numpy(examples.y))
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimiser.step()
    return time.perf_counter() - began


def interleave(variants: dict[str, Callable[[], float]], rounds: int) -> dict[str, np.ndarray]:
    """Measure all variants in turn, round after round, so that a busy moment of the machine meets each of them."""
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            measured[name].append(measure())
    return {name: np.array(values) for name, values in measured.items()}


def ratio(values: np.ndarray) -> str:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def measure_watching(engine: Engine, sessions: dict[str, Session], window: float, rounds: int) -> list[list[str]]:
    rows = []
    with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for session in sessions.values():  # a dashboard's first visitors pay for its imports
            rate_of_engine(engine, SETTINGS, session, window)
        for lanes in (*((lane,) for lane in SETTINGS.lanes), SETTINGS.lanes):
            settings = replace(SETTINGS, lanes=lanes)
            variants: dict[str, Callable[[], float]] = {
                "bare": lambda settings=settings: rate_of_loops(pool, settings, window),
                **{
                    name: lambda settings=settings, session=session: rate_of_engine(engine, settings, session, window)
                    for name, session in sessions.items()
                },
            }
            rates = interleave(variants, rounds)
            ratios = [ratio(rates[name] / rates["bare"]) for name in sessions]
            titles = " and ".join(lane.title for lane in lanes)
            rows.append([titles, str(rounds), f"{np.median(rates['bare']):.0f}", *ratios])
    return rows


def measure_together(both: Engine, one: Engine, updates: int, rounds: int) -> list[list[str]]:
    settings = replace(SETTINGS, updates=updates)
    single = [replace(settings, lanes=(lane,)) for lane in settings.lanes]
    variants: dict[str, Callable[[], float]] = {
        "together": lambda: seconds_of_engine(both, settings),
        "after": lambda: seconds_of_engine(one, *single),
    }
    seconds = interleave(variants, rounds)
    middle = [f"{np.median(seconds[name]):.1f}" for name in variants]
    return [
        [
            f"GRU and LSTM, 32 units, {updates:,} updates",
            str(rounds),
            *middle,
            ratio(seconds["after"] / seconds["together"]),
        ]
    ]


def measure_seeds(both: Engine, sizes: tuple[int, ...], updates: int, rounds: int) -> list[list[str]]:
    rows = []
    for hidden in sizes:
        settings = replace(SETTINGS, updates=updates, seeds=SEEDS).with_lanes(hidden=hidden)
        variants: dict[str, Callable[[], float]] = {
            "together": lambda settings=settings: seconds_of_engine(both, settings),
            "our loop": lambda settings=settings: seconds_of_loops(settings),
            "torch.nn": lambda settings=settings: seconds_of_torch(settings),
        }
        seconds = interleave(variants, rounds)
        ratios = [ratio(seconds[name] / seconds["together"]) for name in ("our loop", "torch.nn")]
        what = f"{hidden} units, {updates:,} updates"
        rows.append([what, str(rounds), f"{np.median(seconds['together']):.1f}", *ratios])
    return rows


def main() -> None:
    """Measure, and write it down."""
    quick = "--quick" in sys.argv
    rounds, updates, window, sizes = (1, 300, 1.0, (32,)) if quick else (3, 600, 4.0, (32,))
    torch.set_num_threads(1)
    machine = describe_machine(("torch", "numpy", "numba", "distributed"))
    with tempfile.TemporaryDirectory() as folder, RunStore(f"{folder}/a") as store, RunStore(f"{folder}/b") as other:
        both, one = Engine(store, slots=2), Engine(other, slots=1)
        try:
            for engine in (both, one):
                seconds_of_engine(engine, replace(SETTINGS, updates=50))
            with spectators(store.folder) as sessions:
                watching = measure_watching(both, sessions, window, rounds)
            together = measure_together(both, one, 2 * updates, rounds)
            seeds = measure_seeds(both, sizes, 2 * updates, rounds)
        finally:
            both.close()
            one.close()
    text = format_results(machine, watching, together, seeds)
    print(text) if quick else write("training_live.md", text)


def format_results(machine: str, watching: list[list[str]], together: list[list[str]], seeds: list[list[str]]) -> str:
    """The tables."""
    return f"""# Training under the engine

{machine}

The task is adding over 50 steps, batches of {SETTINGS.batch}, Adam, float32, one thread a process. All variants take
turns, round after round; a ratio is of one round, and given as its median and its quartiles.

## What being watched costs

Updates a second of a lane: a bare `for _ in Trainer(…)`, one process for each lane; under the engine with nobody
watching; watched by a session of the dashboard that refreshes its charts twice a second, over a websocket and without a
browser, as from another machine; and by Chromium on the same two cores. As a ratio to the bare loop; 1 is no cost. The
dashboard has a process of its own here, with idle workers of its own.

{table(("lanes", "rounds", "bare, updates/s", "unwatched", "watched from elsewhere", "watched in Chromium"), watching)}

## Both lanes at once

Seconds from the click to the end: both lanes at once, a process each, against one after the other, both under the
engine. A higher ratio is better; 2 is all that two cores can give.

{table(("what", "rounds", "together, s", "one after the other, s", "ratio"), together)}

## Five seeds of both

GRU and LSTM with {SEEDS} seeds each, trained together under the engine: the seeds of a lane in one stack, both lanes at
once, and everything measured and stored. How many times longer it takes to train the ten models one after another, by
our own loop and kernels, and by a plain loop with `torch.nn` that measures and stores nothing.

{table(("what", "rounds", "together, s", "our loop, one by one", "torch.nn, one by one"), seeds)}"""


if __name__ == "__main__":
    main()

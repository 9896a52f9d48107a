"""Do gates help memory? GRU, LSTM and tanh RNN on tasks of growing length: ``python -m benchmarks.science [--quick]``.

Each lane trains in a process of its own, one thread each; the longest ones first, so that all processes end together.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import torch
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from benchmarks.browser import ROOT, chromium
from benchmarks.machine import describe_machine, table, write
from gru_viz.figures.style import CURVES, FONT
from gru_viz.training import Curve, Diverged, Lane, Point, Settings, Trainer, equal_hidden, make_task
from gru_viz.training.network import count_parameters
from gru_viz.training.verdict import Verdict, verdict

CELLS = {"GRU": "torch", "LSTM": "torch_lstm", "tanh RNN": "torch_rnn"}
HIDDEN = 48
PICTURE = ROOT / "docs" / "pictures" / "science.svg"
WIDTH, HEIGHT = 1000, 430


@dataclass(frozen=True)
class Study:
    """One task at several lengths.

    Attributes:
        title: of the task.
        task: its name.
        knob: the option that is its length.
        lengths: what the knob is set to.
        options: the others.
        updates: of every training.
        measure: what is drawn: ``"held_out"`` or the task's own.
        axis: its title.
    """

    title: str
    task: str
    knob: str
    lengths: tuple[int, ...]
    options: Mapping[str, int]
    updates: int
    measure: str
    axis: str

    def settings(self, length: int, seeds: int) -> Settings:
        """All three cells, with as many parameters as the GRU has."""
        whole = Settings(
            self.task, {**self.options, self.knob: length}, (Lane("GRU"),), updates=self.updates, batch=32, seeds=seeds
        )
        task = make_task(whole)
        wanted = count_parameters("torch", task.features, HIDDEN, 1, task.outputs)
        lanes = tuple(
            Lane(
                name,
                cell=cell,
                hidden=equal_hidden(cell, task.features, 1, task.outputs, wanted),
                learning_rate=0.003,
                clip=1.0,
            )
            for name, cell in CELLS.items()
        )
        return Settings(self.task, whole.options, lanes, updates=self.updates, batch=32, seeds=seeds)


FULL = (
    Study("Adding two marked numbers", "adding", "length", (10, 25, 50, 100, 200), {}, 4000, "held_out",
          "held-out loss (mean squared error)"),
    Study("Copying five symbols", "copy", "distance", (10, 25, 50, 100), {"symbols": 5}, 3000, "accuracy",
          "share of symbols recalled right"),
)  # fmt: skip
QUICK = (
    Study("Adding two marked numbers", "adding", "length", (5, 20), {}, 300, "held_out",
          "held-out loss (mean squared error)"),
    Study("Copying two symbols", "copy", "distance", (3, 20), {"symbols": 2}, 300, "accuracy",
          "share of symbols recalled right"),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One lane of one study at one length."""

    study: int
    length: int
    lane: str
    settings: Settings

    @property
    def cost(self) -> float:
        """Roughly, to begin with what takes longest."""
        cell = self.settings.lane(self.lane)
        return self.length * self.settings.updates * {"torch": 3, "torch_lstm": 4, "torch_rnn": 2}[cell.cell]


def train(job: Job) -> tuple[Job, list[Curve], Diverged | None, float]:
    """Train a lane to its end; its curves, whether it diverged, and how long it trained."""
    task = make_task(job.settings)
    trainer = Trainer(task, job.settings, job.lane)
    records = [record for record in trainer if isinstance(record, Point | Diverged)]
    points = [record for record in records if isinstance(record, Point)]
    curves = [Curve.gather(job.lane, measure, points) for measure in ("held_out", task.measure.name)]
    return job, curves, next((record for record in records if isinstance(record, Diverged)), None), trainer.seconds


def prepare() -> None:
    """One thread a process."""
    torch.set_num_threads(1)


def jobs(studies: Sequence[Study], seeds: int) -> Iterator[Job]:
    """Everything there is to train."""
    for at, study in enumerate(studies):
        for length in study.lengths:
            settings = study.settings(length, seeds)
            for lane in settings.lanes:
                yield Job(at, length, lane.name, settings)


@dataclass
class Trained:
    """What came of one study at one length."""

    curves: list[Curve] = field(default_factory=list)
    diverged: dict[str, Diverged] = field(default_factory=dict)


def train_all(studies: Sequence[Study], seeds: int, processes: int) -> dict[tuple[int, int], Trained]:
    """Train everything, by study and length."""
    trained: dict[tuple[int, int], Trained] = defaultdict(Trained)
    todo = sorted(jobs(studies, seeds), key=lambda job: -job.cost)
    with ProcessPoolExecutor(processes, get_context("spawn"), prepare) as pool:
        for done, future in enumerate(as_completed([pool.submit(train, job) for job in todo]), 1):
            job, curves, diverged, seconds = future.result()
            trained[job.study, job.length].curves.extend(curves)
            if diverged:
                trained[job.study, job.length].diverged[job.lane] = diverged
            ends = ", ".join(f"{value:.3g}" for value in curves[0].values[-1])
            name = studies[job.study].task
            print(f"{done}/{len(todo)} {name} {job.length}, {job.lane}: {seconds:.0f} s, held-out {ends}", flush=True)
    return trained


def finals(found: Verdict, measure: str) -> dict[str, np.ndarray]:
    """For each lane the final value of every seed."""
    return {
        name: np.array(values)
        for pair in found.comparisons
        if pair.measure.name == measure
        for name, values in zip(pair.lanes, pair.finals, strict=True)
    }


def who_is_ahead(found: Verdict, measure: str) -> str:
    """The pairs that the seeds tell apart, in a cell of a table."""
    listed = [
        f"{pair.ahead} > {next(name for name in pair.lanes if name != pair.ahead)}"
        for pair in found.comparisons
        if pair.measure.name == measure and pair.ahead
    ]
    return "; ".join(listed) or "no significant difference"


def table_of(study: Study, verdicts: Mapping[int, Verdict], baseline: Mapping[int, float]) -> str:
    """A row for each length: the median and the range of the seeds, and who is ahead."""
    rows = []
    for length, found in verdicts.items():
        ends = finals(found, study.measure)
        spread = [f"{np.median(ends[name]):.3g} ({ends[name].min():.3g} to {ends[name].max():.3g})" for name in CELLS]
        rows.append([f"{length}", f"{baseline[length]:.3g}", *spread, who_is_ahead(found, study.measure)])
    return table((study.knob, "best baseline", *CELLS, "significant differences"), rows)


def draw(
    studies: Sequence[Study], verdicts: Sequence[Mapping[int, Verdict]], baselines: Sequence[Mapping[int, float]]
) -> str:
    """The final value of every seed against the length, as SVG; lines join the medians."""
    figure = make_subplots(cols=len(studies), subplot_titles=[study.title for study in studies])
    for column, (study, found, baseline) in enumerate(zip(studies, verdicts, baselines, strict=True), 1):
        place = {"row": 1, "col": column}
        lengths = list(found)
        for name, colour, nudge in zip(CELLS, CURVES, (0.97, 1.0, 1.03), strict=False):
            ends = [finals(found[length], study.measure)[name] for length in lengths]
            x = np.array(lengths) * nudge
            dots = {"x": np.repeat(x, [len(e) for e in ends]), "y": np.concatenate(ends)}
            mark, line = {"color": colour, "size": 6, "opacity": 0.5}, {"color": colour, "width": 2.5}
            figure.add_scatter(**dots, mode="markers", marker=mark, showlegend=False, **place)
            medians = [np.median(e) for e in ends]
            figure.add_scatter(x=x, y=medians, name=name, mode="lines", line=line, showlegend=column == 1, **place)
        line = {"color": "#555555", "width": 1.5, "dash": "dot"}
        drawn = {"x": lengths, "y": [baseline[length] for length in lengths], "mode": "lines", "line": line}
        figure.add_scatter(**drawn, name="without learning", showlegend=column == 1, **place)
        ticks = {"tickvals": lengths, "ticktext": [str(n) for n in lengths], "minor": {"ticks": ""}}
        figure.update_xaxes(type="log", **ticks, title=f"{study.knob}, in steps", **place)
        logarithmic = {"type": "log", "dtick": 1, "exponentformat": "none"}
        shape = logarithmic if study.measure == "held_out" else {"range": [0, 1.03]}
        figure.update_yaxes(title=study.axis, **shape, **place)
    figure.update_layout(
        template="simple_white",
        font={"family": FONT, "size": 14},
        legend={"orientation": "h", "y": -0.22},
        margin={"l": 70, "r": 20, "t": 40, "b": 90},
        width=WIDTH,
        height=HEIGHT,
    )
    with chromium() as browser:
        page = browser.new_page()
        page.set_content(f"<script>{get_plotlyjs()}</script>")
        size = f"{{format: 'svg', width: {WIDTH}, height: {HEIGHT}}}"
        address = page.evaluate(f"figure => Plotly.toImage(figure, {size})", json.loads(figure.to_json()))
    return unquote(address.removeprefix("data:image/svg+xml,")) + "\n"


def reach(study: Study, verdicts: Mapping[int, Verdict], baseline: Mapping[int, float]) -> str:
    """For each cell, how far it got: the longest up to which most of what guessing lacks was learnt."""
    listed = []
    for name in CELLS:
        learnt = []
        for length, found in verdicts.items():
            end = float(np.median(finals(found, study.measure)[name]))
            good = end < 0.1 * baseline[length] if study.measure == "held_out" else end > 0.9
            learnt.append(good)
        far = [length for at, length in enumerate(verdicts) if all(learnt[: at + 1])]
        listed.append(f"{name} {far[-1]}" if far else f"{name} none")
    wanted = "a tenth of the best baseline's loss" if study.measure == "held_out" else "nine symbols of ten recalled"
    return f"Longest {study.knob} up to which the median of the seeds reached {wanted}: {', '.join(listed)}."


def describe(study: Study, seeds: int, verdicts: Mapping[int, Verdict], baseline: Mapping[int, float]) -> str:
    """A study's part of the result: how it was done, its table, and what the longest length came to, in words."""
    example = study.settings(study.lengths[0], seeds)
    sizes = ", ".join(f"{lane.name} {lane.hidden}" for lane in example.lanes)
    lane, longest = example.lanes[0], max(verdicts)
    by = "held-out loss" if study.measure == "held_out" else study.axis
    return f"""## {study.title}

{study.updates:,} updates of {example.batch} fresh sequences, {seeds} seeds. Units: {sizes}, so that all have about
as many parameters. {lane.optimiser.title()}, learning rate {lane.learning_rate}, the gradient's norm at most
{lane.clip:g}, torch's first weights; the same for all cells, and tuned for none. Given is the {by}, over the last tenth
of the updates: the median of the seeds, in brackets their range. Distinguished: by paired t over the seeds, corrected
by Holm for the three pairs.

{table_of(study, verdicts, baseline)}

{reach(study, verdicts, baseline)}

At {longest} steps: {verdicts[longest].sentence}"""


def main() -> None:
    """Train all, write the table and draw the picture; a quick one writes neither over the full one's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short trainings, to see that it works")
    parser.add_argument("--seeds", type=int, default=None, help="models of a cell; 5, or 3 with --quick")
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time")
    asked = parser.parse_args()
    studies, seeds = (QUICK, asked.seeds or 3) if asked.quick else (FULL, asked.seeds or 5)
    machine = describe_machine(("torch", "numpy", "numba"), processes=f"{asked.processes}, one thread each")
    begun = time.monotonic()
    trained = train_all(studies, seeds, asked.processes)
    minutes = (time.monotonic() - begun) / 60
    verdicts, baselines = [], []
    for at, study in enumerate(studies):
        tasks = {length: make_task(study.settings(length, seeds)) for length in study.lengths}
        came = {n: trained[at, n] for n in study.lengths}
        verdicts.append({n: verdict(one.curves, tasks[n], list(CELLS), one.diverged) for n, one in came.items()})
        best = {n: min(task.baselines, key=lambda baseline: baseline.loss) for n, task in tasks.items()}
        baselines.append({n: b.loss if study.measure == "held_out" else b.measure for n, b in best.items()})
    parts = [describe(*each) for each in zip(studies, [seeds] * len(studies), verdicts, baselines, strict=True)]
    text = "\n\n".join(["# Do gates help memory?", f"{machine}\n- minutes: {minutes:.1f}", *parts])
    picture = Path(tempfile.mkdtemp()) / PICTURE.name if asked.quick else PICTURE
    if asked.quick:
        print(text)
    else:
        write("science.md", text)
    picture.write_text(draw(studies, verdicts, baselines), encoding="utf-8")
    print(f"\n{picture}")


if __name__ == "__main__":
    main()

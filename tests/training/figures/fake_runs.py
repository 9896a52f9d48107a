"""Runs as they might have been: noisy, falling, of several lanes and seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

import gru_viz
from gru_viz.training import Curve
from gru_viz.training.tasks import Baseline, Measure

BASELINES = (Baseline("constant prediction 1", 1 / 6, 1 / 3),)
MEASURE = Measure("error", "mean absolute error", "lower")


def run(lanes: tuple[str, ...] = ("GRU", "LSTM"), points: int = 2000, seeds: int = 1) -> list[Curve]:
    rng, curves = np.random.default_rng(7), []
    for k, lane in enumerate(lanes):
        updates = np.arange(1, 20_001)[:points]
        noise = np.exp(rng.normal(0, 0.3, (20_000, seeds)))[:points]
        loss = (0.5 * np.exp(-updates / (200 * (k + 1))) + 0.01)[:, None] * noise
        seconds = updates * 0.001 * (k + 1)
        curves += [Curve(lane, "train", updates, seconds, loss), Curve(lane, "gradient", updates, seconds, 3 * loss)]
        some = np.arange(0, points, 40)
        curves += [
            Curve(lane, "held_out", updates[some], seconds[some], 1.1 * loss[some]),
            Curve(lane, "error", updates[some], seconds[some], np.sqrt(loss[some])),
        ]
    return curves


def snapshots(cell: Any, updates: tuple[int, ...], hidden: int = 4, steps: int = 9) -> list[tuple[int, gru_viz.Trace]]:
    x = np.random.default_rng(0).normal(size=(steps, 2)).astype(np.float32)
    made = []
    for update in updates:
        torch.manual_seed(update)
        made.append((update, gru_viz.trace(cell(2, hidden), x)))
    return made

"""A part of a long run once more: in segments from checkpoint to checkpoint, which run side by side as a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gru_viz.trace import DirectionTrace, LayerTrace, Trace

__all__ = ["Again"]


class Again(NamedTuple):
    """What ran again, and which of it was wanted.

    Attributes:
        batch: the trace of the segments, neighbours in time: each step of a segment but the last is there.
        wanted: the requested steps, counted from the first segment's first.
    """

    batch: Trace
    wanted: slice

    def quantities(self, layer: int, direction: int) -> dict[str, np.ndarray]:
        """Name → (time, hidden) of the steps wanted."""
        run = self.batch.layers[layer].directions[direction]
        return {name: _join(values)[self.wanted] for name, values in run.quantities.items()}

    def layers(self) -> tuple[LayerTrace, ...]:
        """The steps wanted, as the layers of a trace of one sequence; copied, so that the rest need not stay."""
        return tuple(LayerTrace(*(self._cut(run) for run in layer.directions)) for layer in self.batch.layers)

    def _cut(self, run: DirectionTrace) -> DirectionTrace:
        start, stop = self.wanted.start, self.wanted.stop
        edge, before = (-1, stop) if run.backward else (0, start - 1)
        within = stop < sum(run.lengths) if run.backward else start > 0
        return replace(
            run,
            quantities={name: _join(values)[None, start:stop].copy() for name, values in run.quantities.items()},
            inputs=_join(run.inputs)[None, start:stop].copy(),
            initial={
                name: _join(run.quantities[name])[before : before + 1].copy() if within else states[[edge]]
                for name, states in run.initial.items()
            },
            lengths=(stop - start,),
        )


def _join(values: np.ndarray) -> np.ndarray:
    """From (segments, time, units) to (time, units)."""
    return values.reshape(-1, values.shape[-1])

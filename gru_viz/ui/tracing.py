"""From the choices to what is shown of them: which sequences are run how, kept for all, cancellable."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial

from gru_viz.figures.budget import most_steps, traced_together
from gru_viz.sequences import Sequences
from gru_viz.streaming import LongTrace, stream
from gru_viz.trace import Trace, trace
from gru_viz.ui.kept import kept, weigh
from gru_viz.ui.model_choice import Model
from gru_viz.ui.progress import Progress, long_work
from gru_viz.ui.sequence_choice import Chosen
from gru_viz.weights import Weights

__all__ = ["Run", "run_network"]


@dataclass(frozen=True)
class Run:
    """A network's run over the sequence that is shown.

    Attributes:
        made: the trace, or the long trace of a sequence with more steps than a view has columns.
        sequence: the sequence's place in the trace.
        length: how many steps it has.
        key: the same for the same run.
    """

    made: Trace | LongTrace
    sequence: int
    length: int
    key: Hashable

    def steps(self, start: int, stop: int) -> tuple[Trace, int]:
        """The trace of these steps, and the sequence's place in it."""
        if isinstance(self.made, LongTrace):
            return self.made.window(start, stop), 0
        return self.made, self.sequence


def run_network(name: str, chosen: Chosen, model: Model, sequence: int, read_as: str | None = None) -> Run:
    """Run a network over one of the sequences, or over all of them where that costs little; or find that it has been.

    Args:
        name: what the work is called, for ``long_work``.
        chosen: the sequences, as the network reads them.
        model: the network.
        sequence: which one is shown, counted from 0.
        read_as: the variant that its weights are read as, if another.

    Raises:
        CancelledError: the visitor did not want to wait.
        GruVizError: the network cannot read them.
    """
    sequences, weights, backend = chosen.sequences, model.weights(len(chosen.sequences.features)), model.backend
    if read_as:
        weights, backend = weights.read_as(read_as), "auto"
    length = sequences.lengths[sequence]
    whole = traced_together(weights, sequences.lengths, sequences.features, outputs(model))
    key = (model, chosen.fingerprint, read_as, None if whole else sequence)
    made = kept().find(key)
    if made is None:
        if not whole:
            sequences = replace(sequences, items=(sequences[sequence],))
        short = length <= most_steps(weights, sequences.features, outputs(model))
        work = partial(_trace if whole or short else _stream, weights, sequences, backend, model.device)
        label = f"Tracing {sum(sequences.lengths):,} steps"
        made = long_work(name, label, repr(key), lambda progress: kept().make(key, work, weigh, progress))
    return Run(made, sequence if whole else 0, length, key)


def outputs(model: Model) -> int:
    """How many rows the answers of a network may take."""
    head = model.file.answers_by if model.file else None
    return len(head.weight) if head else 0


def _trace(weights: Weights, sequences: Sequences, backend: str, device: str, progress: Progress) -> Trace:
    return trace(weights, sequences, backend=backend, device=device)  # type: ignore[arg-type]


def _stream(weights: Weights, sequences: Sequences, backend: str, device: str, progress: Progress) -> LongTrace:
    return stream(weights, sequences, progress=progress, backend=backend, device=device)

"""The trace of the chosen sequence by the chosen model: cached for all visitors, cancellable."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial

from gru_viz.figures.budget import most_steps, traced_together
from gru_viz.progress import Progress
from gru_viz.sequences import Sequences
from gru_viz.streaming import LongTrace, TraceLike, stream
from gru_viz.trace import Trace, trace
from gru_viz.ui.model_choice import ModelChoice
from gru_viz.ui.result_cache import cached
from gru_viz.ui.sequence_choice import SequenceChoice
from gru_viz.ui.view_choice import ComparisonChoice
from gru_viz.weights import Weights

__all__ = ["TracedSequence", "cached_trace", "cached_traces", "is_small"]

SMALL_STEPS, SMALL_PRODUCTS = 1500, 100_000
"""Up to so many steps, by layer and direction, and multiplications in a step, numpy takes 50 ms at most."""


@dataclass(frozen=True)
class TracedSequence:
    """One sequence of a trace.

    Attributes:
        trace: the trace, or the long trace of a sequence with more steps than a view has columns.
        sequence: the sequence's index in the trace.
        key: identifies model, data and sequence.
    """

    trace: TraceLike
    sequence: int
    key: Hashable

    def window(self, start: int, stop: int) -> tuple[Trace, int]:
        """A trace with these steps, and the sequence's index in it."""
        if self.trace.complete:
            return self.trace.complete, self.sequence
        return self.trace.window(start, stop), 0


def cached_traces(
    name: str, sequences: SequenceChoice, model: ModelChoice, comparison: ComparisonChoice | None, sequence: int
) -> tuple[TracedSequence, ...]:
    """The trace of a sequence, and the other one where two are compared.

    Raises:
        GruVizError: one of them cannot be computed, or was cancelled.
    """
    first = cached_trace(name, sequences, model, sequence)
    if comparison is None:
        return (first,)
    other = sequence if comparison.sequence is None else comparison.sequence
    return first, cached_trace(f"other {name}", sequences, model, other, comparison.variant)


def cached_trace(
    name: str, choice: SequenceChoice, model: ModelChoice, sequence: int, variant: str | None = None
) -> TracedSequence:
    """Trace one of the sequences, or all of them where that is cheap; or find the trace in the cache.

    ``choice`` has the sequences as fitted to the model; its weights are read under ``variant``, if that is another.

    Raises:
        CancelledError: the visitor cancelled it.
        GruVizError: the model cannot read the sequences.
    """
    sequences, weights, backend = choice.sequences, model.weights(len(choice.sequences.features)), model.backend
    if variant:
        weights, backend = weights.read_as(variant), "auto"
    together = traced_together(weights, sequences.lengths, sequences.features, model.outputs)
    key = (model, choice.fingerprint, variant, None if together else sequence)
    short = sequences.lengths[sequence] <= most_steps(weights, sequences.features, model.outputs)
    if not together:
        sequences = replace(sequences, items=(sequences[sequence],))
    if backend == "auto" and model.device == "cpu" and is_small(weights, sequences):
        backend = "loop"
    compute: Callable[[Progress], TraceLike] = partial(
        _trace if together or short else _stream, weights, sequences, backend, model.device
    )
    found = cached(name, f"Tracing {sum(sequences.lengths):,} steps", key, compute, lambda trace: trace.nbytes)
    return TracedSequence(found, sequence if together else 0, key)


def is_small(weights: Weights, sequences: Sequences) -> bool:
    """Whether numpy runs it in an instant: sooner than a kernel is loaded, let alone compiled."""
    steps = max(sequences.lengths) * sum(len(layer) for layer in weights.layers)
    return steps <= SMALL_STEPS and weights.parameters * len(sequences) <= SMALL_PRODUCTS


def _trace(weights: Weights, sequences: Sequences, backend: str, device: str, progress: Progress) -> Trace:
    return trace(weights, sequences, backend=backend, device=device)  # type: ignore[arg-type]


def _stream(weights: Weights, sequences: Sequences, backend: str, device: str, progress: Progress) -> LongTrace:
    return stream(weights, sequences, progress=progress, backend=backend, device=device)

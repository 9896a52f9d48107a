"""LongTrace: the trace of a sequence too long to keep, as bins at any zoom and exactly in any window."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence as AbstractSequence
from dataclasses import dataclass, field, replace

import numpy as np

from gru_viz.bins import Bins, align, reduce
from gru_viz.conventions import Convention
from gru_viz.proof import Proof
from gru_viz.sequences import Scaling
from gru_viz.streaming.chunk_runner import ChunkRunner
from gru_viz.streaming.plan import Plan
from gru_viz.streaming.pyramid import Pyramid, Rows, Scratch
from gru_viz.trace import Direction, Trace, check_steps, find_direction
from gru_viz.weights import Weights

__all__ = ["LongTrace"]

FEW = 4
"""Bins this many times as wide as the narrowest stored ones are made from these, without running again."""

NBYTES = 128 << 20

REMEMBERED, WINDOWS = 128 << 20, 8
"""How many bytes of recomputed windows are cached as bins in temporary files, and of how many windows at most: a
picture asks for each quantity of a layer in turn."""


@dataclass(frozen=True, eq=False, repr=False)
class LongTrace:
    """Every gate and state of a run over one long sequence; immutable, and safe to read from several threads.

    It stores bins of steps (low, high and mean, of many widths), and the states at checkpoints, from which any
    window is run again in full.

    Attributes:
        inputs: (time, features) the caller's own numbers, read-only here; they are read again for each window.
        names: one name, that of the sequence.
        features: what each input feature is called.
        time: one entry, the sequence's step labels or None.
        scaling: how the inputs were scaled, or None where that is not known.
        details: what else is known of the sequences.
        proof: of all steps.
        backend: the one that ran.
        device: where it ran.
    """

    inputs: np.ndarray
    names: tuple[str]
    features: tuple[str, ...]
    time: tuple[AbstractSequence[str] | None]
    scaling: Scaling | None
    details: Mapping[str, str]
    proof: Proof
    backend: str
    device: str
    _runner: ChunkRunner
    _pyramids: Mapping[tuple[int, int, str], Pyramid]
    _recent: OrderedDict[tuple[int, ...], dict[tuple[int, str], Rows]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def weights(self) -> Weights:
        """The network."""
        return self._runner.weights

    @property
    def length(self) -> int:
        """How many steps the sequence has."""
        return len(self.inputs)

    @property
    def plan(self) -> Plan:
        """How the sequence is cut."""
        return self._runner.plan

    @property
    def cached_windows(self) -> tuple[tuple[int, ...], ...]:
        """First step, end, width and layer of the windows whose recomputed bins are cached, the oldest first."""
        with self._lock:
            return tuple(self._recent)

    @property
    def lengths(self) -> tuple[int]:
        """One entry, the steps of the sequence."""
        return (self.length,)

    @property
    def complete(self) -> None:
        """None: it does not store every step."""

    @property
    def proof_ready(self) -> bool:
        """True: the proof was computed while the sequence ran."""
        return True

    @property
    def nbytes(self) -> int:
        """Bytes to count for it in a cache: its part in memory, and its share of the disk."""
        return NBYTES

    @property
    def convention(self) -> Convention:
        """The variant that ran."""
        return self.weights.convention

    @property
    def dtype(self) -> str:
        """The floating-point type it ran in."""
        return str(self.weights.compute_dtype)

    @property
    def recomputed(self) -> int:
        """A window of up to so many steps is shown from the steps themselves, and a wider one from the stored bins.

        So is a narrower one with few columns, since then the stored bins are narrow enough.
        """
        return self.plan.recomputed

    def __len__(self) -> int:
        return self.length

    def __repr__(self) -> str:
        layers = f"{len(self.weights.layers)} layer{'s' * (len(self.weights.layers) != 1)}"
        return f"<LongTrace of {self.convention.title}: {layers}, {self.length} steps, proof {float(self.proof):.0e}>"

    def window(self, start: int, stop: int, sequence: int = 0) -> Trace:
        """The exact trace of the steps from ``start`` to before ``stop``, counted from 0.

        It is run again from the nearest checkpoint, and is the same slice of the trace of the whole sequence: each
        direction's ``initial`` is the state before the first step that it reads here.

        Raises:
            TraceError: the sequence has no such steps.

        Example:
            >>> from gru_viz import random_weights, stream
            >>> long = stream(random_weights("torch", 2, 3), np.zeros((1000, 2), np.float32))
            >>> long.window(500, 510).update.shape
            (1, 10, 3)
        """
        check_steps(start, stop, self.lengths[sequence])
        again = self._runner.again(start, stop, len(self.weights.layers))
        return replace(
            again.batch,
            layers=again.layers(),
            weights=self.weights,
            lengths=(stop - start,),
            names=self.names,
            features=self.features,
            time=tuple(labels and tuple(labels[start:stop]) for labels in self.time),
            scaling=self.scaling,
            details=self.details,
        )

    def bins(
        self,
        quantity: str,
        start: int,
        stop: int,
        columns: int,
        layer: int = 0,
        direction: Direction = "forward",
        sequence: int = 0,
    ) -> Bins:
        """Low, high and mean of a quantity in at most ``columns`` bins that cover the steps from ``start`` to ``stop``.

        All bins are equally wide, and begin at multiples of their width, so that they stay the same while one pans;
        the first may begin a little before ``start``, the last end a little after ``stop`` or with the sequence. The
        edges depend on nothing but start, stop, columns and the network, so that all quantities have the same.

        Args:
            quantity: a name of the convention's quantities, or ``"inputs"``.
            start: the first step, counted from 0.
            stop: the step after the last.
            columns: how many bins there are at most.
            layer: counted from 0.
            direction: ``"forward"`` or ``"backward"``.
            sequence: 0, the only one.

        Raises:
            TraceError: there are no such steps, quantity, layer or direction.

        Example:
            >>> from gru_viz import random_weights, stream
            >>> long = stream(random_weights("torch", 2, 3), np.zeros((1000, 2), np.float32))
            >>> long.bins("update", 0, 1000, 100).low.shape, long.bins("update", 0, 1000, 100).width
            ((3, 100), 10)
        """
        check_steps(start, stop, self.lengths[sequence])
        d = find_direction(self.weights, quantity, layer, direction)
        first, last, width, exact = self._grid(start, stop, columns)
        if exact and quantity == "inputs":
            pieces = [self.inputs[each].astype(self.dtype, copy=False) for each in self._pieces(first, last, width)]
            bins = np.concatenate([reduce(piece, width) for piece in pieces])
        elif exact:
            rows = self._recompute(first, last, width, layer)[d, quantity]
            bins = rows.read(0, rows.count)
        else:
            key = (-1, 0, quantity) if quantity == "inputs" else (layer, d, quantity)
            bins = self._pyramids[key].view(first, last, width)
        return Bins.of(bins, first, last, width)

    @property
    def _recent_bytes(self) -> int:
        return sum(rows.nbytes for bins in self._recent.values() for rows in bins.values())

    def _grid(self, start: int, stop: int, columns: int) -> tuple[int, int, int, bool]:
        """Where the bins of a view begin and end, how wide they are, and whether they are made from the steps."""
        first, last, width = align(start, stop, columns, self.length)
        base, *coarser = self.plan.widths
        if last - first <= self.recomputed and width < FEW * base:
            return first, last, width, True
        unit = max([base, *(each for each in coarser if 2 * each <= width)])
        return *align(start, stop, columns, self.length, unit), False

    def _pieces(self, first: int, last: int, width: int) -> list[slice]:
        """A window cut into what may run again at a time, in whole bins."""
        piece = max(self.plan.piece // width, 1) * width
        return [slice(begin, min(begin + piece, last)) for begin in range(first, max(last, first + 1), piece)]

    def _recompute(self, first: int, last: int, width: int, layer: int) -> dict[tuple[int, str], Rows]:
        """The bins of all quantities and directions of a layer, from the steps themselves."""
        key = (first, last, width, layer)
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key]
        scratch, shape = Scratch(), (3, self.weights.units[layer])
        bins = {
            (d, q.name): Rows(-(-(last - first) // width), shape, self.dtype, scratch)
            for d in range(len(self.weights.layers[layer]))
            for q in self.convention.quantities
        }
        for steps in self._pieces(first, last, width):
            for which, values in self._reduced(steps, width, layer):
                bins[which].write((steps.start - first) // width, values)
        with self._lock:
            self._recent[key] = bins
            while len(self._recent) > 1 and (len(self._recent) > WINDOWS or self._recent_bytes > REMEMBERED):
                self._recent.popitem(last=False)
        return bins

    def _reduced(self, steps: slice, width: int, layer: int) -> Iterator[tuple[tuple[int, str], np.ndarray]]:
        """The bins of each quantity and direction of a layer over a piece; its steps go with the last of them."""
        again = self._runner.again(steps.start, steps.stop, layer + 1)
        for d in range(len(self.weights.layers[layer])):
            for name, values in again.quantities(layer, d).items():
                yield (d, name), reduce(values, width)


TraceLike = Trace | LongTrace
"""A trace whose steps and bins can be requested, whether it stores every step or computes them again."""

"""``gru-viz report``: a table or a text, a network, and one HTML file of what the one does with the other."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gru_viz import reporting
from gru_viz.cli.output import STDOUT, Progress, check_target, note, write_whole
from gru_viz.errors import FormatError, SequenceError
from gru_viz.formats import Embedding, FoundModel, Head, read_model
from gru_viz.initialisation import random_weights
from gru_viz.sequences import Scaling, Sequence, Sequences, read_table, read_text
from gru_viz.trace import trace
from gru_viz.weights import Weights

__all__ = ["report"]

RANDOM = "These weights are random and were never trained: the gates follow the input without a purpose."


@dataclass(frozen=True)
class _Network:
    """What runs, and what must be said of it."""

    weights: Weights
    head: Head | None
    notices: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def report(options: argparse.Namespace, progress: Progress) -> None:
    """Read, trace, and write the report."""
    check_target(options.output, options.force)
    found: FoundModel | None = None
    told: tuple[str, ...] = ()
    if options.model:
        progress.say(f"Reading {options.model}")
        file = read_model(options.model)
        found, told = file.model(options.network), file.notices
    progress.say(f"Reading {options.data}")
    data = _read(options, found)
    network = _random(options, data) if found is None else _trained(options, found)
    notices = (*data.notices, *told, *network.notices)
    for each in (*network.warnings, *notices):
        note(progress, each)
    progress.say(f"Tracing {sum(data.lengths):,} steps of {len(data):,} sequences")
    run = trace(network.weights, data, device=options.device)
    page = reporting.report(
        run,
        title=options.title or f"{run.convention.title} on {Path(options.data).name}",
        notices=notices,
        warnings=network.warnings,
        head=network.head,
        sequences=options.sequence and [n - 1 for n in options.sequence],
        window=options.steps,
        order=options.order,
        progress=lambda done, total: progress.say(f"Drawing map {done:,} of {total:,}"),
    )
    write_whole(options.output, page.encode(), options.force)
    progress.clear()
    if options.output != STDOUT:
        print(options.output)


def _random(options: argparse.Namespace, data: Sequences) -> _Network:
    weights = random_weights(
        options.variant, len(data.features), options.random, options.layers, options.both_ways, options.seed
    )
    return _Network(weights, None, (), (RANDOM,))


def _trained(options: argparse.Namespace, found: FoundModel) -> _Network:
    notices = found.notices
    if found.check is not None:
        verdict = "agree" if found.check.agrees else "DISAGREE"
        notices += (
            f"On a probe, {found.check.framework} and gru_viz {verdict}: their hidden states differ by at most "
            f"{found.check.difference:.1e}.",
        )
    if options.no_head or (options.head is None and not found.heads):
        return _Network(found.weights, None, notices)
    named = {head.name: head for head in found.heads}
    if options.head is not None and options.head not in named:
        known = ", ".join(repr(name) for name in named) or "none, since the file has no linear layer that fits"
        raise FormatError("--head", repr(options.head), f"one of {known}", "Name one of these.")
    head = found.heads[0] if options.head is None else named[options.head]
    if options.head is None and len(named) > 1:
        notices += (f"The answers are those of {head.name}, the likeliest of {len(named)} linear layers that fit.",)
    return _Network(found.weights, head, notices)


def _read(options: argparse.Namespace, found: FoundModel | None) -> Sequences:
    if options.text:
        try:
            text = Path(options.data).read_text(encoding=options.encoding or "utf-8")
        except (OSError, ValueError, LookupError) as error:
            found_there = getattr(error, "strerror", None) or str(error)
            raise SequenceError(options.data, found_there, "a text", "Check the path and --encoding.") from error
        return read_text(text, options.alphabet, name=Path(options.data).name)
    data = _read_table(options, options.scale)
    looked_up = found is not None and found.embeddings and len(data.features) == 1 != found.weights.features
    return _embed(_read_table(options, "none"), found.embeddings[0]) if found and looked_up else data


def _read_table(options: argparse.Namespace, scale: str) -> Sequences:
    def chosen(name: str) -> Any:
        return False if getattr(options, f"no_{name}") else getattr(options, name)

    return read_table(
        options.data,
        options.features,
        chosen("id"),
        chosen("time"),
        scale,
        options.missing,
        options.one_hot,
        delimiter=options.delimiter,
        decimal=options.decimal,
        encoding=options.encoding,
        max_steps=options.max_steps,
    )


def _embed(data: Sequences, table: Embedding) -> Sequences:
    """Look the numbers of the only column up in the embedding of the model's file."""
    column, (symbols, width) = data.features[0], table.matrix.shape
    features = tuple(f"{table.name} {j + 1}" for j in range(width))

    def look_up(item: Sequence) -> Sequence:
        numbers = item.values[:, 0]
        wrong = np.flatnonzero((numbers != np.rint(numbers)) | (numbers < 0) | (numbers >= symbols))
        if len(wrong):
            raise SequenceError(
                f"{item.name}, step {wrong[0] + 1}",
                f"{numbers[wrong[0]]:g} in {column!r}",
                f"a whole number from 0 to {symbols - 1:,}, a row of the embedding {table.name}",
                "Choose the column that holds the numbers of the symbols, or as many columns as the network reads.",
            )
        labels = item.time or tuple(f"{number:g}" for number in numbers)
        return Sequence(table.matrix[numbers.astype(int)].astype(np.float32), features, labels, item.name)

    scaling = Scaling("none", features, np.zeros(width), np.ones(width))
    said = f"{column!r} was looked up in the embedding {table.name} of the model's file, {symbols:,} symbols."
    return Sequences(tuple(look_up(item) for item in data), scaling, (*data.notices, said), data.source, data.details)

"""``gru-viz report``: a table or a text, a network, and one HTML file of what the one does with the other."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gru_viz import reporting
from gru_viz.cli.output import STDOUT, StatusLine, check_target, note, write_whole
from gru_viz.errors import FormatError, SequenceError
from gru_viz.formats import FoundModel, Head, fit, read_model
from gru_viz.initialisation import random_weights
from gru_viz.sequences import Sequences, read_table, read_text
from gru_viz.trace import trace
from gru_viz.weights import Weights

__all__ = ["report"]

RANDOM = "These weights are random and were never trained: the gates follow the input without a purpose."

NOT_ITS_INPUTS = (
    "The inputs of the network are not those of the whole model: {} stands in front of it and is not applied."
)
OWN_SCALING = (
    "The inputs were scaled by the statistics of this table ({}), not by those of the training; where the model was "
    "trained with others, its gates are not those of its use."
)


@dataclass(frozen=True)
class _Network:
    """What runs, and its notices."""

    weights: Weights
    head: Head | None
    notices: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def report(options: argparse.Namespace, progress: StatusLine) -> None:
    """Read, trace, and write the report."""
    check_target(options.output, options.force)
    found: FoundModel | None = None
    file_notices: tuple[str, ...] = ()
    if options.model:
        progress.say(f"Reading {options.model}")
        file = read_model(options.model)
        found, file_notices = file.model(options.network), file.notices
    progress.say(f"Reading {options.data}")
    data = _read(options, found)
    network = _random(options, data) if found is None else _trained(options, found)
    notices = (*data.notices, *file_notices, *network.notices)
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
    warnings: tuple[str, ...] = (NOT_ITS_INPUTS.format(found.unapplied),) if found.unapplied else ()
    if options.scale != "none" and not options.text:
        warnings += (OWN_SCALING.format(options.scale),)
    if found.check is not None:
        verdict = "agree" if found.check.agrees else "DISAGREE"
        notices += (
            f"On a probe, {found.check.framework} and gru_viz {verdict}: their hidden states differ by at most "
            f"{found.check.difference:.1e}.",
        )
    if options.no_head or (options.head is None and not found.heads):
        return _Network(found.weights, None, notices, warnings)
    named = {head.name: head for head in found.heads}
    if options.head is not None and options.head not in named:
        known = ", ".join(repr(name) for name in named) or "none, since the file has no linear layer that fits"
        raise FormatError("--head", repr(options.head), f"one of {known}", "Name one of these.")
    head = found.heads[0] if options.head is None else named[options.head]
    if options.head is None and len(named) > 1:
        notices += (f"The output layer is {head.name}, the most likely of {len(named)} linear layers that fit.",)
    if head.hidden:
        notices += (f"{head.name} is a hidden layer: another linear layer reads it.",)
    return _Network(found.weights, head, notices, warnings)


def _read(options: argparse.Namespace, found: FoundModel | None) -> Sequences:
    """The data as the network reads them: its alphabet, its embedding, as many features."""
    data = _read_text(options, options.alphabet if found is None else None) if options.text else _read_table(options)
    return data if found is None else fit(found, data, options.alphabet if options.text else None)


def _read_text(options: argparse.Namespace, alphabet: str | None) -> Sequences:
    try:
        text = Path(options.data).read_text(encoding=options.encoding or "utf-8")
    except (OSError, ValueError, LookupError) as error:
        found = getattr(error, "strerror", None) or str(error)
        raise SequenceError(options.data, found, "a text", "Check the path and --encoding.") from error
    return read_text(text, alphabet, name=Path(options.data).name)


def _read_table(options: argparse.Namespace) -> Sequences:
    def chosen(name: str) -> Any:
        return False if getattr(options, f"no_{name}") else getattr(options, name)

    return read_table(
        options.data,
        options.features,
        chosen("id"),
        chosen("time"),
        options.scale,
        options.missing,
        options.one_hot,
        delimiter=options.delimiter,
        decimal=options.decimal,
        encoding=options.encoding,
        max_steps=options.max_steps,
    )

"""The words of the command line: which command, with which options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from gru_viz.cli.model_files import FORMATS, convert, inspect
from gru_viz.cli.output import StatusLine
from gru_viz.cli.report import report
from gru_viz.conventions import CONVENTIONS
from gru_viz.version import __version__

__all__ = ["parse"]

Command = Callable[[argparse.Namespace, StatusLine], None]

SCALES = ("none", "standardise", "minmax", "robust")
MISSING = ("forward", "interpolate", "drop")
ORDERS = ("index", "peak", "time_scale", "similarity")
EXITS = "Ends with 0 when done, 1 when the input is refused, 2 when called wrongly, 130 when interrupted."


def parse(words: Sequence[str]) -> tuple[Command | None, Any]:
    """The command with its options; or None, with those that Streamlit is given, where it is the dashboard."""
    parser = _parser()
    if words and not words[0].startswith("-"):
        options = parser.parse_args(words)
        return options.command, options
    # Streamlit's own options are passed on, so that a value after one must not be taken for a command.
    dashboard = argparse.ArgumentParser("gru-viz", add_help=False, allow_abbrev=False)
    _add_dashboard(dashboard)
    known, rest = dashboard.parse_known_args(words)
    if known.help:
        parser.print_help()
        parser.exit()
    passed = [f"--server.port={known.port}"] if known.port is not None else []
    passed += [f"--server.address={known.address}"] if known.address is not None else []
    return None, [*passed, *rest]


def _add_dashboard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"gru_viz {__version__}")
    parser.add_argument("--port", type=int, metavar="N", help="where the dashboard listens; 8501 if free")
    parser.add_argument("--address", metavar="A", help="from where it can be reached; this machine only by default")
    if not parser.add_help:
        parser.add_argument("-h", "--help", action="store_true")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "gru-viz",
        description="See the gates of a GRU. Without a command, open the dashboard; "
        "any other option, such as --server.headless=true, is Streamlit's.",
        epilog=EXITS,
        allow_abbrev=False,
    )
    _add_dashboard(parser)
    commands = parser.add_subparsers(metavar="command", required=True)
    for name, command, words, add in (
        ("report", report, "make one HTML file of every gate of a network on a table or a text", _add_report),
        ("convert", convert, "write a trained network for another framework, where that is exact", _add_convert),
        ("inspect", inspect, "list the networks in a model's file", _add_inspect),
    ):
        one = commands.add_parser(name, help=words, description=f"{words.capitalize()}.", epilog=EXITS)
        one.set_defaults(command=command)
        add(one)
    return parser


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", help="a table (CSV, TSV, …, xlsx, Parquet, JSON), or a text with --text")
    _add_target(parser)
    network = parser.add_argument_group("the network")
    which = network.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="FILE", help="a trained model: PyTorch, safetensors, NPZ, Keras or ONNX")
    which.add_argument("--random", type=_positive, metavar="UNITS", help="no trained model: random weights")
    network.add_argument("--network", metavar="NAME", help="which network of the file, as gru-viz inspect lists them")
    network.add_argument("--head", metavar="NAME", help="output layer to draw; default: the most likely one")
    network.add_argument("--no-head", action="store_true", help="draw no output layer")
    network.add_argument("--seed", type=_natural, default=0, help="of random weights (default 0)")
    network.add_argument("--variant", choices=CONVENTIONS, default="torch", metavar="NAME", help="of random weights")
    network.add_argument("--layers", type=_positive, default=1, help="of random weights (default 1)")
    network.add_argument("--both-ways", action="store_true", help="let random weights read in both directions")
    network.add_argument("--device", default="cpu", help="cpu, cuda or cuda:k (default cpu)")
    reading = parser.add_argument_group("reading the data (default: detected and reported)")
    reading.add_argument("--features", nargs="+", metavar="COLUMN", help="columns of numbers to read")
    reading.add_argument("--id", metavar="COLUMN", help="sequence ID column")
    reading.add_argument("--no-id", action="store_true", help="read the table as one sequence")
    reading.add_argument("--time", metavar="COLUMN", help="the column that orders and labels the steps")
    reading.add_argument("--no-time", action="store_true", help="take the rows in their order")
    reading.add_argument("--one-hot", nargs="+", default=(), metavar="COLUMN", help="columns of text, as 0 and 1")
    reading.add_argument("--scale", choices=SCALES, default="standardise", help="of the features (default %(default)s)")
    reading.add_argument("--missing", choices=MISSING, default="forward", help="cells (default %(default)s)")
    reading.add_argument("--delimiter", help="what stands between cells")
    reading.add_argument("--decimal", help="the mark before a fraction")
    reading.add_argument("--encoding", help="of the text")
    reading.add_argument("--max-steps", type=_positive, metavar="N", help="keep the first steps of longer sequences")
    reading.add_argument("--text", action="store_true", help="read the file as text, a character a step")
    reading.add_argument("--alphabet", metavar="LETTERS", help="of the text, in the order the network knows")
    showing = parser.add_argument_group("what the report shows")
    showing.add_argument("--title", default="", help="its heading")
    showing.add_argument("--sequence", type=_positive, action="append", metavar="N", help="counted from 1; repeatable")
    showing.add_argument("--steps", type=_span, metavar="FIRST:LAST", help="counted from 1; else the first that fit")
    showing.add_argument("--order", choices=ORDERS, default="index", help="of the units (default %(default)s)")


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the file of a trained model")
    parser.add_argument("--to", required=True, choices=FORMATS, help="the format to write")
    parser.add_argument("--network", metavar="NAME", help="which network of the file")
    _add_target(parser)


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the file of a trained model")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="what to write; - is the standard output")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return number


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def _span(text: str) -> tuple[int, int]:
    first, _, last = text.partition(":")
    start, stop = _positive(first), _positive(last)
    if stop < start:
        raise argparse.ArgumentTypeError(f"{text} ends before it begins")
    return start - 1, stop

"""Reads Keras files (``.keras``, ``.weights.h5``, ``.h5``) without Keras and without running their code."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gru_viz.conventions import CONVENTIONS, STATE_FUNCTIONS, Convention, with_functions
from gru_viz.errors import ConventionError, FormatError
from gru_viz.formats.keras_chain import KerasChains
from gru_viz.formats.keras_cudnn import from_cudnn
from gru_viz.formats.keras_graph import (
    CELLS,
    CUDNN,
    KerasConfig,
    KerasGraph,
    KerasLayer,
    Output,
    VariablePath,
    name_in_config,
    read_config,
)
from gru_viz.formats.keras_h5 import KerasVariables, Tree, read_tree
from gru_viz.formats.layer_stacks import GraphHead, Origin, RecurrentLayer, build_networks, stack_layers
from gru_viz.formats.model_bytes import ModelBytes, damaged, open_zip, printable, refuse_many_networks
from gru_viz.formats.model_file import Embedding, Head, ModelFile
from gru_viz.weights import CellWeights

__all__ = ["read"]

CONVENTION = {"LSTM": "keras_lstm", "SimpleRNN": "keras_rnn"}
NO_CONFIG = (
    "The file has no known description of its model: tanh and sigmoid are assumed, and consecutive layers whose sizes "
    "fit are assumed to be stacked."
)


def read(content: ModelBytes) -> ModelFile:
    """Read every GRU, LSTM and SimpleRNN, with the Embedding and Dense layers around it."""
    try:
        return _read(content)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError) as error:
        raise damaged(content.name, error) from error  # a configuration that Keras would not load either


def _read(content: ModelBytes) -> ModelFile:
    tree, config, version = _unpack(content)
    variables = KerasVariables(tree)
    chains = KerasChains(variables, version or "3." * variables.numbered)
    graph = KerasGraph(content.name, content.limits)
    notices: list[str] = []
    described = config is not None and graph.model(config, VariablePath("", ())) is not None
    if described:
        placed: Sequence[KerasLayer] = list(graph.placed.values())
    else:
        placed = variables.layers()
        notices.append(NO_CONFIG)
        if config is not None:
            notices.append(f"The class {printable(config.get('class_name'))} is a custom class: its code was not run.")
    recurrent = [each for each in placed if each.kind in CELLS or each.kind in CUDNN]
    refuse_many_networks(len(recurrent), content.name, content.limits)
    layers, problems = _recurrent(content, chains, recurrent)
    tables, heads = _embeddings_and_heads(chains, placed, graph.activations)
    notices += graph.left_out + [f"{problem.where} is left out: {problem.found}." for problem in problems]
    if not layers:
        if problems:
            raise problems[0]
        found = graph.left_out[0].rstrip(".") if graph.left_out else "no recurrent layer"
        raise FormatError(content.name, found, "a GRU, LSTM or SimpleRNN", "Choose a model that has one.")
    models = build_networks(content.name, stack_layers(layers), f"Keras, {content.name}", tables, heads)
    return ModelFile(content.name, "Keras", models, tuple(notices))


def _unpack(content: ModelBytes) -> tuple[Tree, dict[str, Any] | None, str]:
    """The variables, the configuration if there is one, and the version of Keras that wrote them."""
    if not content.data.startswith(b"PK"):
        tree = read_tree(content.data, content.name, content.limits)
        config = read_config(tree.config, content.name, content.limits) if tree.config else None
        return tree, config, tree.version
    with open_zip(content.data, content.name, content.limits) as archive:
        names = archive.namelist()
        if "config.json" not in names or "model.weights.h5" not in names:
            found = f"an archive that contains {printable(', '.join(names))}"
            raise FormatError(content.name, found, "config.json and model.weights.h5", "Save it in one file.")
        config = read_config(_member(archive, "config.json", content), content.name, content.limits)
        weights = _member(archive, "model.weights.h5", content)
        about = _member(archive, "metadata.json", content) if "metadata.json" in names else b"{}"
    version = read_config(about, content.name, content.limits).get("keras_version")
    return read_tree(weights, content.name, content.limits), config, str(version or "")


def _member(archive: zipfile.ZipFile, name: str, content: ModelBytes) -> bytes:
    """Unpack an entry of a plausible size."""
    entry, where = archive.getinfo(name), f"{content.name}, {name}"
    most = min(32 * len(content.data) + (1 << 20), content.limits.max_array_bytes)
    if entry.file_size > most:
        found = f"an entry of {entry.file_size:,} bytes, compressed to {entry.compress_size:,}"
        raise FormatError(where, found, f"at most {most:,} bytes", "Save it again in Keras: model.save(path).")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FormatError(where, "an unusual compression", "no compression, as in Keras", "Save it again in Keras.")
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise damaged(where, error) from error


def _recurrent(
    content: ModelBytes, chains: KerasChains, placed: Sequence[KerasLayer]
) -> tuple[list[RecurrentLayer], list[FormatError]]:
    layers: list[RecurrentLayer] = []
    problems: list[FormatError] = []
    for each in placed:
        where = f"{content.name}, {printable(each.name)}"
        try:
            layers.append(_layer(where, each, chains))
        except FormatError as problem:
            problems.append(problem)
        except ConventionError as error:
            problems.append(FormatError(where, error.found, error.wanted, error.remedy))
    return layers, problems


def _layer(where: str, placed: KerasLayer, chains: KerasChains) -> RecurrentLayer:
    notices = placed.notices
    alternatives: tuple[str, ...] = ()
    assumed = ""
    cells = []
    for place, config in placed.cells:
        arrays = chains.variables.arrays(place)
        if len(arrays) not in (2, 3):
            raise FormatError(where, f"{len(arrays) or 'no'} arrays", "a kernel, a recurrent kernel and a bias",
                              "Save the model after it is built.")  # fmt: skip
        if placed.kind in CUDNN:
            arrays = from_cudnn(arrays)
        name = CONVENTION.get(CUDNN.get(placed.kind, placed.kind)) or _gru(config, arrays)
        kind = CONVENTIONS[name]
        if config:
            kind = kind if placed.kind in CUDNN else _with_functions(where, kind, config, chains)
        elif placed.kind not in CUDNN:
            kind, alternatives, assumed = _without_config(kind, chains.version)
        cells.append(_cell(kind, arrays))
        if isinstance(units := config.get("units"), int) and units != cells[-1].hidden:
            found, wanted = f"{cells[-1].hidden} units", f"{units}, as in its configuration"
            raise FormatError(where, found, wanted, "Save the model again.")
        if placed.kind == "GRU" and len(arrays) == 2 and "reset_after" not in config:
            assumed = f"{placed.name} has no bias that would show where its reset acts: reset_after=True is assumed."
            notices += (assumed,)
            alternatives = (*alternatives, "keras_reset_before")
        if "float16" in (policy := name_in_config(config.get("dtype"))) or "float8" in policy or "int" in policy:
            notices += (f"{placed.name} computes in {policy} in Keras, and in float32 or finer here.",)
    return RecurrentLayer(
        placed.name,
        tuple(cells),
        _origin(placed.reads, chains),
        placed.backward,
        placed.merges == "concat",
        alternatives,
        notices,
        assumed,
    )


def _origin(reads: Output, chains: KerasChains) -> Origin:
    chain, unknown = chains.chain(reads.chain)
    return Origin(reads.kind, reads.source, chain, unknown or reads.unknown)


def _with_functions(where: str, kind: Convention, config: KerasConfig, chains: KerasChains) -> Convention:
    """A convention with the functions that a layer's configuration names.

    Raises:
        FormatError: one of them is unknown, or is code.
    """
    wanted = {"activation": STATE_FUNCTIONS} | ({"recurrent_activation": ("sigmoid",)} if kind.cell != "rnn" else {})
    found = {key: name_in_config(config[key]) for key in wanted if key in config}
    for key, function in found.items():
        if function == "__lambda__":
            remedy = "Its gates would differ from the model's; train it with a function that has a name."
            what = f"{key}, a Python function, which is code and was not run"
            raise FormatError(where, what, " or ".join(wanted[key]), remedy)
        if function not in wanted[key] and (key, function) != ("recurrent_activation", "hard_sigmoid"):
            remedy = "Its gates would differ from the model's; train it with one of these."
            raise FormatError(where, f"{key} {function!r}", ", ".join(wanted[key]), remedy)
    hard = found.get("recurrent_activation") == "hard_sigmoid"
    return with_functions(kind, chains.hard_sigmoid if hard else None, found.get("activation"))


def _without_config(kind: Convention, version: str) -> tuple[Convention, tuple[str, ...], str]:
    """A cell whose functions the file does not name, as its version of Keras makes it; what else it may be, and a note.

    The gates of Keras before 2.3 are hard sigmoids by default.
    """
    if kind.cell == "rnn":
        return kind, (f"{kind.name}+relu",), "tanh is assumed"
    hard = with_functions(kind, gate="hard_sigmoid(0.2,0.5)")
    if re.match(r"[01]\.|2\.[012]\.\d+$", version):
        return hard, (kind.name,), f"hard sigmoid gates are assumed, as in Keras {version}"
    return (
        kind,
        () if version.startswith("3.") else (hard.name,),
        "" if version.startswith("3.") else "sigmoid gates are assumed",
    )


def _gru(config: Mapping[str, Any], arrays: Sequence[np.ndarray]) -> str:
    after = config.get("reset_after", arrays[2].ndim == 2 if len(arrays) == 3 else True)
    return "keras_reset_after" if after else "keras_reset_before"


def _cell(convention: Convention, arrays: Sequence[np.ndarray]) -> CellWeights:
    dtype = np.result_type(*arrays)
    kernel, recurrent, *bias = [array.astype(dtype, copy=False) for array in arrays]
    if not bias and kernel.ndim == 2:
        rows = (2,) if convention.reset == "after" else ()
        bias = [np.zeros((*rows, kernel.shape[1]), dtype)]
    return CellWeights(convention, {"kernel": kernel, "recurrent_kernel": recurrent, "bias": bias[0]})


def _embeddings_and_heads(
    chains: KerasChains, placed: Sequence[KerasLayer], activations: Mapping[str, str]
) -> tuple[list[Embedding], list[GraphHead]]:
    """The Embedding and Dense layers that are plain matrices."""
    tables, heads = [], []
    for each in placed:
        place, config = each.cells[0]
        arrays = chains.variables.arrays(place)
        if each.kind == "Embedding" and len(arrays) == 1 and arrays[0].ndim == 2:
            tables.append(Embedding(each.name, arrays[0], config.get("mask_zero") is True))
        if each.kind == "Dense" and 1 <= len(arrays) <= 2 and arrays[0].ndim == 2:
            kernel = arrays[0]
            bias = arrays[1] if len(arrays) == 2 else np.zeros(kernel.shape[1], kernel.dtype)
            if bias.shape == kernel.shape[1:]:
                activation = config.get("activation")
                if name_in_config(activation) == "linear":
                    activation = activations.get(each.name, activation)
                activation = chains.activation(activation)
                heads.append(GraphHead(Head(each.name, kernel.T, bias, activation), _origin(each.reads, chains)))
    return tables, heads

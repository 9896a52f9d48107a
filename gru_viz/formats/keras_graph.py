"""The layers of a Keras model and their connections, from its JSON configuration; nothing is built or run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Limits, damaged, printable

__all__ = [
    "CELLS",
    "Applied",
    "KerasGraph",
    "KerasLayer",
    "Output",
    "VariablePath",
    "name_in_config",
    "read_config",
]

CELLS = {"GRU": "GRUCell", "LSTM": "LSTMCell", "SimpleRNN": "SimpleRNNCell"}
"""The recurrent layers and the class of their cells."""
CUDNN = {"CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM"}
"""The layers of Keras 2 that ran on GPUs alone, and the layers that compute the same."""

KerasConfig = Mapping[str, Any]
"""Any part of a configuration that is a JSON object."""

INERT = {"Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout", "ActivityRegularization",
         "Identity", "InputLayer"}  # fmt: skip
"""Layers that return their input unchanged outside of training."""

EACH_STEP = {"Dense", "Normalization", "BatchNormalization", "LayerNormalization", "Rescaling", "Activation", "Softmax",
             "ReLU", "LeakyReLU", "ELU"}  # fmt: skip
"""Layers that read every step by itself."""
OVER_STEPS = {"Conv1D", "Convolution1D", "SeparableConv1D", "DepthwiseConv1D", "MaxPooling1D", "AveragePooling1D",
              "ZeroPadding1D", "Cropping1D", "RepeatVector", "Masking"}  # fmt: skip
"""Layers that read several steps, or leave some out; all but Masking end the mask of the layers below."""
POOLED = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "maximum"}

MODELS = {"Sequential", "Functional", "Model"}


class VariablePath(NamedTuple):
    """The path of a layer's variables: attributes in a file of Keras 3, names of layers in an older one."""

    store: str
    labels: tuple[str, ...]

    def inside(self, attribute: str, label: object = None) -> VariablePath:
        """The path of a layer inside this one."""
        labels = (*self.labels, label) if isinstance(label, str) else self.labels
        return VariablePath(f"{self.store}/{attribute}" if self.store else attribute, labels)

    @property
    def name(self) -> str:
        """The layer's name in messages."""
        return "/".join(self.labels)


class Applied(NamedTuple):
    """A layer that is applied to what another one outputs."""

    kind: str
    name: str
    place: VariablePath
    config: KerasConfig


@dataclass(frozen=True)
class Output:
    """What a layer outputs: all hidden states, the last one, rows of an embedding, or something else.

    Attributes:
        kind: ``"input"`` of the model, ``"states"``, ``"last"``, ``"table"`` or ``"other"``.
        source: the name of the layer that the chain starts at.
        reversed: whether the last step comes first, as with go_backwards.
        chain: the layers that were applied since.
        unknown: for ``"other"``, what cannot be followed.
    """

    kind: str = "other"
    source: str = ""
    reversed: bool = False
    chain: tuple[Applied, ...] = ()
    unknown: str = ""

    def through(self, layer: Applied) -> Output:
        """The output of a layer that is applied to this one."""
        return self if self.kind == "other" else replace(self, chain=(*self.chain, layer))


@dataclass(frozen=True)
class KerasLayer:
    """A recurrent, ``Embedding`` or ``Dense`` layer of a model.

    Attributes:
        cells: for each direction: the path of its variables, and its configuration.
        backward: whether its only direction reads backward.
        merges: how its directions are merged.
        notices: what is unusual about its connections, in sentences.
    """

    kind: str
    name: str
    cells: tuple[tuple[VariablePath, KerasConfig], ...]
    reads: Output = Output()
    backward: bool = False
    merges: str = "concat"
    notices: tuple[str, ...] = ()


def read_config(text: str | bytes, where: str, limits: Limits) -> dict[str, Any]:
    """Parse a model's configuration; the code of a Lambda layer in it stays text."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, f"its configuration is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise damaged(where, "its configuration is not a JSON object")
    _refuse_many_parts(config, where, limits)
    return config


def _refuse_many_parts(config: object, where: str, limits: Limits) -> None:
    pending = [config]
    count = 0
    while pending:
        node = pending.pop()
        count += 1
        if count > 20 * limits.max_entries:
            raise FormatError(where, "a configuration of too many parts", "that of a model", "Save only the weights.")
        if isinstance(node, dict):
            pending += [each for key, each in node.items() if key != "compile_config"]
        elif isinstance(node, list):
            pending += node


def name_in_config(value: object) -> str:
    """The name of an activation or dtype policy in a configuration; of a custom one, its class or function."""
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    return "linear" if value is None else printable(value, 60)


def _name(entry: KerasConfig) -> str:
    config = entry.get("config")
    name = config.get("name") if isinstance(config, Mapping) else None
    return str(name if isinstance(name, str) else entry.get("name") or "")


def _is_own(entry: KerasConfig) -> bool:
    """Whether a class is custom, whatever its name."""
    module, registered = entry.get("module"), entry.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return True
    return isinstance(module, str) and module.partition(".")[0] not in ("keras", "tf_keras", "tensorflow", "builtins")


def _numbered(classes: Iterable[object]) -> Iterator[str]:
    """Class names in snake case, numbered from the second of a kind, as Keras names the groups of layers."""
    used: Counter[str] = Counter()
    for each in classes:
        name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", str(each)))
        base = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
        yield f"{base}_{used[base]}" if used[base] else base
        used[base] += 1


@dataclass
class KerasGraph:
    """The layers of a model, found by following its configuration from the inputs.

    Attributes:
        placed: the layers by the path of their variables.
        activations: name of a Dense layer → the activation layer after it.
        left_out: sentences about unknown recurrent layers.
    """

    where: str
    limits: Limits
    placed: dict[str, KerasLayer] = field(default_factory=dict)
    activations: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    depth: int = 0

    def model(self, entry: KerasConfig, place: VariablePath, inputs: Sequence[Output] = ()) -> list[Output] | None:
        """Follow a model to its outputs; None for a custom class, whose layers only its code knows."""
        if entry.get("class_name") not in MODELS or _is_own(entry):
            return None
        config = entry.get("config")
        layers = config if isinstance(config, list) else self._dict(config, place).get("layers")
        if not isinstance(layers, list) or len(layers) > self.limits.max_entries // 20:
            raise damaged(f"{self.where}, {printable(place.name)}", "a model without a list of layers")
        self.depth += 1
        if self.depth > self.limits.max_depth:
            wanted = f"at most {self.limits.max_depth} levels"
            raise FormatError(self.where, "models nested too deeply", wanted, "Save only the weights.")
        entries = [self._dict(each, place) for each in layers]
        stores = _numbered(each.get("class_name") for each in entries)
        places = [place.inside(f"layers/{store}", _name(each)) for store, each in zip(stores, entries, strict=True)]
        if entry["class_name"] == "Sequential":
            flow = list(inputs[:1]) or [Output("input")]
            for each, at in zip(entries, places, strict=True):
                flow = self._apply(each, at, flow)
        else:
            flow = self._functional(self._dict(config, place), entries, places, inputs)
        self.depth -= 1
        return flow

    def _functional(
        self,
        config: KerasConfig,
        entries: Sequence[KerasConfig],
        places: Sequence[VariablePath],
        inputs: Sequence[Output],
    ) -> list[Output]:
        done: dict[tuple[str, int], list[Output]] = {}
        given = dict(
            zip(((name, node) for name, node, _ in _references(config.get("input_layers"))), inputs, strict=False)
        )
        waiting = []
        for each, at in zip(entries, places, strict=True):
            name = str(each.get("name") or _name(each))
            nodes = each.get("inbound_nodes")
            calls = [list(_references(node)) for node in nodes] if isinstance(nodes, list) else []
            if not calls:
                done[name, 0] = [given.get((name, 0), Output("input", name))]
            waiting += [(name, k, each, at, call) for k, call in enumerate(calls)]
        while waiting:
            ready = [item for item in waiting if all((name, node) in done for name, node, _ in item[4])]
            for name, k, each, at, call in ready or waiting:  # a cycle is followed in file order
                tensors = [self._pick(done.get((source, node)), index) for source, node, index in call]
                done[name, k] = self._apply(each, at, tensors or [Output()])
            waiting = [item for item in waiting if (item[0], item[1]) not in done]
        return [self._pick(done.get((name, node)), k) for name, node, k in _references(config.get("output_layers"))]

    @staticmethod
    def _pick(outputs: Sequence[Output] | None, index: int) -> Output:
        return outputs[index] if outputs is not None and 0 <= index < len(outputs) else Output()

    def _apply(self, entry: KerasConfig, place: VariablePath, inputs: list[Output]) -> list[Output]:
        """The outputs of a layer for its inputs."""
        kind = str(entry.get("class_name"))
        if kind in MODELS and not _is_own(entry):
            return self.model(entry, place, inputs) or [Output(unknown=f"the model {place.name}")]
        config = self._dict(entry.get("config"), place)
        if _is_own(entry):
            if re.search("GRU|LSTM|RNN", kind):
                self.left_out.append(f"{place.name} is left out: {printable(kind)} is a custom class.")
            return [Output(unknown=f"{place.name}, of the custom class {printable(kind)}")]
        if kind in INERT:
            return inputs
        if kind in CELLS or kind in CUDNN or kind == "RNN":
            return self._recurrent(kind, config, place, inputs)
        if kind == "Bidirectional":
            return self._bidirectional(config, place, inputs)
        if re.search("GRU|LSTM|RNN", kind):
            self.left_out.append(f"{place.name} is left out: {printable(kind)} is not a GRU, LSTM or RNN.")
        return [self._other(kind, config, place, inputs)]

    def _other(self, kind: str, config: KerasConfig, place: VariablePath, inputs: list[Output]) -> Output:
        """The output of a layer that is not recurrent."""
        if kind == "TimeDistributed":
            layer = self._dict(config.get("layer"), place)
            inner = str(layer.get("class_name"))
            if inner in INERT | EACH_STEP and not _is_own(layer):
                return self._apply(layer, place.inside("layer"), inputs)[0]
            return Output(unknown=f"{place.name}, which applies {printable(inner)} to every step")
        if len(inputs) > 1:
            return Output(unknown=f"{place.name} ({printable(kind)}), which joins {len(inputs)} outputs")
        applied = Applied(kind, place.name, place, config)
        if kind == "Embedding":
            self._place(KerasLayer(kind, place.name, ((place, config),), inputs[0]))
            return Output("table", place.name)
        if kind in EACH_STEP | OVER_STEPS:
            if kind == "Dense":
                self._place(KerasLayer(kind, place.name, ((place, config),), inputs[0]))
            below = inputs[0].chain[-1:]
            if kind in ("Activation", "Softmax", "ReLU") and below and below[0].kind == "Dense":
                self.activations[below[0].name] = name_in_config(config.get("activation", kind.lower()))
            if kind == "RepeatVector" and inputs[0].kind != "last":
                return Output(unknown=f"{place.name} ({kind}), which reads something else than a last state")
            return inputs[0].through(applied)
        if kind in POOLED and inputs[0].kind == "states":
            return replace(inputs[0].through(applied), kind="last")
        code = ", which is code and was not run" if kind == "Lambda" else ""
        return Output(unknown=f"{place.name} ({printable(kind)}){code}")

    def _recurrent(self, kind: str, config: KerasConfig, place: VariablePath, inputs: list[Output]) -> list[Output]:
        cell = place.inside("cell")
        cells: list[tuple[str, str, VariablePath, KerasConfig]] = [(kind, place.name, cell, config)]
        if kind in CUDNN:
            cells = [(kind, place.name, place, config)]
        if kind == "RNN":
            cells = self._cells(self._dict(config.get("cell"), place), place, cell)
        reads = inputs[0]
        backward = (config.get("go_backwards") is True) != reads.reversed
        notices: tuple[str, ...] = ()
        if len(inputs) > 1:
            notices = (f"{place.name} gets its initial state from another layer; here it starts from h0.",)
        for known, name, at, described in cells:
            self._place(KerasLayer(known, name, ((at, described),), reads, backward, notices=notices))
            reads, notices = Output("states", name, backward), ()
        if not cells:
            return [Output(unknown=place.name)]
        everything = config.get("return_sequences") is True
        return [Output("states" if everything else "last", cells[-1][1], backward)]

    def _cells(
        self, cell: KerasConfig, place: VariablePath, at: VariablePath
    ) -> list[tuple[str, str, VariablePath, KerasConfig]]:
        """The cells of an RNN layer, lowest first; none if one of them is unknown."""
        layer_of = {each: layer for layer, each in CELLS.items()}
        config = self._dict(cell.get("config"), place)
        kind = cell.get("class_name")
        if kind in layer_of and not _is_own(cell):
            return [(layer_of[kind], place.name, at, config)]
        listed = config.get("cells") if kind == "StackedRNNCells" else None
        inners = [self._dict(each, place) for each in (listed if isinstance(listed, list) else [cell])]
        custom = [each for each in inners if each.get("class_name") not in layer_of or _is_own(each)]
        if custom:
            kind = printable(custom[0].get("class_name"))
            self.left_out.append(f"{place.name} is left out: its cell, {kind}, is custom.")
            return []
        stores = _numbered(each["class_name"] for each in inners)
        return [
            (
                layer_of[inner["class_name"]],
                f"{place.name}/{k}",
                at.inside(f"cells/{store}", _name(inner)),
                self._dict(inner.get("config"), place),
            )
            for k, (store, inner) in enumerate(zip(stores, inners, strict=True))
        ]

    def _bidirectional(self, config: KerasConfig, place: VariablePath, inputs: list[Output]) -> list[Output]:
        layer = self._dict(config.get("layer"), place)
        forward = self._dict(layer.get("config"), place)
        other = config.get("backward_layer")
        given = self._dict(other, place) if other else layer
        backward = self._dict(given.get("config"), place)
        kind, label = str(layer.get("class_name")), _name(layer).removeprefix("forward_")
        own = _is_own(layer) or _is_own(given) or given.get("class_name") != kind or kind not in CELLS
        if own or forward.get("go_backwards") or not (backward.get("go_backwards") or given is layer):
            what = f"{printable(kind)} and {printable(given.get('class_name'))}, forward and backward"
            self.left_out.append(f"{place.name} is left out: it wraps {what}, which is not supported.")
            return [Output(unknown=place.name)]
        merges = config.get("merge_mode")
        notices: tuple[str, ...] = ()
        if merges != "concat":
            how = "does not merge them" if merges is None else f"merges them by {printable(merges)!r}"
            notices = (f"{place.name} has two directions and {how}: layers that read it are not joined to it.",)
        last = _name(given).removeprefix("backward_") if other else label
        at = (
            (place.inside("forward_layer", f"forward_{label}").inside("cell"), forward),
            (place.inside("backward_layer", f"backward_{last.removeprefix('forward_')}").inside("cell"), backward),
        )
        if len(inputs) > 1:
            notices += (f"{place.name} gets its initial state from another layer; here it starts from h0.",)
        self._place(KerasLayer(kind, place.name, at, inputs[0], merges=str(merges), notices=notices))
        if merges != "concat":
            return [Output(unknown=f"{place.name}, whose two directions are not side by side")]
        return [Output("states" if forward.get("return_sequences") is True else "last", place.name)]

    def _place(self, found: KerasLayer) -> None:
        key = found.cells[0][0].store
        before = self.placed.get(key)
        if before is not None and before.reads != found.reads:
            notice = f"{found.name} is used several times in the model."
            found = replace(
                found,
                reads=Output(unknown=f"{found.name}, which is used several times"),
                notices=(*before.notices, notice),
            )
        self.placed[key] = found

    def _dict(self, value: object, place: VariablePath) -> KerasConfig:
        if not isinstance(value, dict):
            where = f"{self.where}, {printable(place.name or 'configuration')}"
            raise damaged(where, "its configuration is incomplete")
        return value


def _references(node: object) -> Iterator[tuple[str, int, int]]:
    """The tensors named in a configuration, in order: (layer, number of its call, number of the output)."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if each.get("class_name") == "__keras_tensor__":
                config = each.get("config")
                waiting.append(config.get("keras_history") if isinstance(config, dict) else None)
            else:
                waiting += [value for key, value in reversed(each.items()) if key != "mask"]
        elif isinstance(each, list):
            match each:
                case [str(name), int(node_index), int(index), *rest]:
                    yield name, node_index, index
                    waiting += rest[:1]
                case _:
                    waiting += reversed(each)

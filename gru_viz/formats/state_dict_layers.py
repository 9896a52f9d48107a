"""What stands around a network in a file of named arrays: guesses from shapes, names and the order of its modules.

A state_dict has the numbers of every layer and not how they are connected. What is found here fits by width and place,
is assumed, and is reported so; only the layers of a module that was saved whole have their settings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gru_viz.formats.layer_chain import (
    ActivationLayer,
    ChainLayer,
    ConvolutionLayer,
    DenseLayer,
    LayerChain,
    NormalizationLayer,
    RecurrentBefore,
    ScalingLayer,
)
from gru_viz.formats.model_bytes import NamedArrays
from gru_viz.weights import Weights

__all__ = ["FileLayer", "FileLayers", "Front"]

_LEAF = re.compile(
    r"(.*?)[./:|_-]?(weight|bias|kernel|running_mean|running_var|num_batches_tracked|gamma|beta)", re.DOTALL
)
_INERT = re.compile(r"drop|identity|flatten|noise", re.IGNORECASE)
_FUNCTIONS = {
    "LeakyReLU": "leaky_relu", "ReLU": "relu", "ReLU6": "relu6", "Tanh": "tanh", "Sigmoid": "sigmoid", "ELU": "elu",
    "SELU": "selu", "GELU": "gelu", "SiLU": "silu", "Mish": "mish", "Softplus": "softplus", "Softmax": "softmax",
    "LogSoftmax": "log_softmax", "Softsign": "softsign", "Hardswish": "hard_swish",
}  # fmt: skip
_NAMED = re.compile(r"leaky|relu|tanh|sigmoid|gelu|selu|elu|softmax|silu|swish", re.IGNORECASE)
_OUTPUT = re.compile(r"fc|head|out|dense|decode|classif|predict|logit|readout|score|answer|h2o", re.IGNORECASE)
_INPUT = re.compile(r"\bin(put|p)?\b|_in\b|in_|proj|embed|front|\bpre|expand|x2|i2", re.IGNORECASE)
_ATTENTION = re.compile(r"attn|attention|query|\bkey\b|\bvalue\b", re.IGNORECASE)
EPSILON = 1e-5
"""What torch adds to a variance by default."""


@dataclass(frozen=True, eq=False)
class FileLayer:
    """A layer of a file: its arrays by their last names, and what is known of its module.

    Attributes:
        place: its position in the order of the file's modules.
        kind: ``"linear"``, ``"norm"``, ``"conv"``, ``"network"``, ``"inert"``, ``"blank"`` for a module without arrays
            that may be an activation, or ``"other"``.
        function: of an activation whose name is known.
    """

    name: str
    place: int
    kind: str
    arrays: Mapping[str, np.ndarray]
    settings: Mapping[str, Any]
    function: str = ""

    @property
    def folder(self) -> str:
        """The path of the module that it is in."""
        return self.name.rpartition(".")[0]

    @property
    def number(self) -> int:
        """Its position in an nn.Sequential; −1 if its name is no number."""
        last = self.name.rpartition(".")[2]
        return int(last) if last.isdecimal() and len(last) < 6 else -1

    @property
    def weight(self) -> np.ndarray:
        """The matrix of a linear layer, (outputs, inputs)."""
        return self.arrays["kernel"].T if "kernel" in self.arrays else self.arrays["weight"]

    @property
    def widths(self) -> tuple[int, int]:
        """How many features it reads and gives; (0, 0) for any number."""
        if self.kind == "linear":
            return self.weight.shape[1], self.weight.shape[0]
        if self.kind == "conv":
            groups = self.settings.get("groups", 1)
            return self.arrays["weight"].shape[1] * (groups if isinstance(groups, int) else 1), len(
                self.arrays["weight"]
            )
        if self.kind == "norm":
            size = next(iter(self.arrays.values())).size
            return size, size
        return 0, 0

    def build(self) -> ChainLayer | None:
        """The layer as one of a chain; None if its settings are not in the file."""
        if self.kind == "linear":
            bias = self.arrays.get("bias")
            return DenseLayer(self.name, self.weight, np.zeros(len(self.weight)) if bias is None else bias)
        if self.kind == "norm":
            return self._normalization()
        if self.kind == "conv":
            return self._convolution()
        return ActivationLayer(self.name, self.function) if self.function else None

    def _normalization(self) -> ChainLayer:
        epsilon = self.settings.get("eps", EPSILON)
        numbers = {name: array.astype(np.float64) for name, array in self.arrays.items()}
        some = next(iter(numbers.values()))
        gamma = numbers.get("weight", numbers.get("gamma", np.ones_like(some)))
        beta = numbers.get("bias", numbers.get("beta", np.zeros_like(some)))
        if "running_mean" not in numbers:
            return NormalizationLayer(self.name, gamma, beta, epsilon)
        deviation = np.sqrt(numbers["running_var"] + epsilon)
        return ScalingLayer(self.name, numbers["running_mean"], deviation, gamma, beta, "BatchNormalization")

    def _convolution(self) -> ChainLayer | None:
        def one(name: str) -> int | None:
            value = self.settings.get(name)
            value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
            return value if isinstance(value, int) and 0 <= value < 1 << 16 else None

        stride, dilation, padding, groups = (one(name) for name in ("stride", "dilation", "padding", "groups"))
        if not stride or not dilation or padding is None or not groups:
            return None
        kernel = self.arrays["weight"].transpose(2, 1, 0)
        bias = self.arrays.get("bias", np.zeros(kernel.shape[2]))
        return ConvolutionLayer(self.name, kernel, bias, stride, dilation, groups, (padding, padding))


@dataclass(frozen=True)
class Front:
    """What may stand in front of a network: the layers, and in words what is missing of them or was assumed."""

    chain: LayerChain
    unapplied: str = ""
    assumed: str = ""


class FileLayers:
    """The layers of a file in the order of its modules; ``networks`` are the paths of the recurrent networks."""

    def __init__(self, arrays: NamedArrays, used: set[str], networks: Sequence[str]) -> None:
        self.sorted_by_name = list(arrays.arrays) == sorted(arrays.arrays)  # then the order means nothing
        groups: dict[str, dict[str, np.ndarray]] = {}
        for path, array in arrays.arrays.items():
            match = _LEAF.fullmatch(path)
            if match and path not in used:
                groups.setdefault(match[1], {})[match[2]] = array
        names = dict.fromkeys([*arrays.modules, *groups, *networks])
        if not arrays.modules:
            names = dict.fromkeys(sorted(names, key=self._place_of(arrays, networks).__getitem__))
        parents = {name.rpartition(".")[0] for name in arrays.modules}
        self.layers: list[FileLayer] = []
        for name in names:
            if name and name in parents and name not in groups and name not in networks:
                continue
            module = arrays.modules.get(name)
            kind, settings = (module.kind, module.settings) if module else ("", {})
            if name in networks:
                layer = FileLayer(name, len(self.layers), "network", {}, settings)
            else:
                layer = _layer(name, len(self.layers), groups.get(name, {}), kind, settings)
            self.layers.append(layer)

    @staticmethod
    def _place_of(arrays: NamedArrays, networks: Sequence[str]) -> dict[str, int]:
        """Where each layer and network begins in the file."""
        places: dict[str, int] = {}
        for k, path in enumerate(arrays.arrays):
            match = _LEAF.fullmatch(path)
            if match:
                places.setdefault(match[1], k)
            for name in networks:
                if path == name or path.startswith(f"{name}." if name else ""):
                    places.setdefault(name, k)
        return {**dict.fromkeys(networks, len(arrays.arrays)), **places}

    def in_front(self, name: str, weights: Weights, below: Mapping[str, tuple[Weights, Front]]) -> Front | None:
        """What may stand in front of a network, the layers just before it whose widths fit; None if nothing does.

        Args:
            name: of the network.
            weights: of the network.
            below: name → weights and front of the networks before it in the file.
        """
        at = next(k for k, layer in enumerate(self.layers) if layer.name == name and layer.kind == "network")
        width, found = weights.features, list[ChainLayer]()
        hidden = sum(cell.hidden for cell in weights.layers[-1])
        for k in range(at - 1, -1, -1):
            layer = self.layers[k]
            if layer.kind == "network" and layer.name in below:
                lower, front = below[layer.name]
                if sum(cell.hidden for cell in lower.layers[-1]) != width:
                    break
                network = RecurrentBefore(layer.name, lower)
                return Front(LayerChain((*front.chain, network, *found)), front.unapplied, f"{layer.name} feeds {name}")
            if layer.kind in ("inert", "blank"):
                if layer.function or layer.number >= 0:
                    found.insert(0, ActivationLayer(layer.name, layer.function or "relu"))
                continue
            if layer.widths[1] != width or self._is_output(layer, hidden):
                break
            built = layer.build()
            if built is None:
                chain = LayerChain(tuple(found))
                return Front(chain, f"{layer.name}, a convolution whose stride and padding the file does not say")
            found.insert(0, built)
            width = layer.widths[0]
        if not any(not isinstance(layer, ActivationLayer) for layer in found):
            return None
        while isinstance(found[0], ActivationLayer):
            found.pop(0)
        names = " and ".join(layer.name for layer in found if not isinstance(layer, ActivationLayer))
        return Front(LayerChain(tuple(found)), "", f"{names} in front is assumed")

    def _is_output(self, layer: FileLayer, hidden: int) -> bool:
        """Whether a layer before a network is rather one that reads its states."""
        if layer.kind not in ("linear", "conv", "norm") or _ATTENTION.search(layer.name):
            return True
        if self.sorted_by_name and not _INPUT.search(layer.name):
            return True
        return layer.widths[0] == hidden and bool(_OUTPUT.search(layer.name)) and not _INPUT.search(layer.name)

    def above(self, layer: FileLayer) -> tuple[FileLayer, LayerChain, str] | None:
        """The linear layer that reads a linear layer, what is between them, and in words what of that is assumed."""
        later = self.layers[layer.place + 1 :]
        wide, same = layer.widths[1], layer.widths[0] == layer.widths[1]
        for each in later:
            if each.kind == "network":
                return None
            if each.kind != "linear" or each.widths[0] != wide or _ATTENTION.search(each.name):
                continue
            one_folder = each.folder == layer.folder
            together = one_folder and (layer.number >= 0) == (each.number >= 0)
            if not together or (same and layer.number < 0 and not _numbered(layer.name, each.name)):
                continue
            between, assumed = self._between(layer, each)
            return each, LayerChain(tuple(between)), assumed
        return None

    def _between(self, low: FileLayer, high: FileLayer) -> tuple[list[ChainLayer], str]:
        """The layers between two linear layers; ReLU is assumed where the file does not say."""
        if low.number < 0:
            named = [each for each in self.layers if each.function and each.folder == low.folder]
            functions = {each.function for each in named}
            function = functions.pop() if len(functions) == 1 else "relu"
            return [ActivationLayer("", function)], f"{function} between {low.name} and {high.name} is assumed"
        within = [each for each in self.layers if each.folder == low.folder and low.number < each.number < high.number]
        found, blank = list[ChainLayer](), None
        for each in within:
            built = each.build() if each.kind in ("norm", "linear") or each.function else None
            if built is not None:
                found.append(built)
            elif each.kind == "blank":
                blank = each
        unnamed = high.number - low.number - 1 - len(within)  # modules without arrays, in a file that names none
        if (blank or unnamed > 0) and not any(isinstance(each, ActivationLayer) for each in found):
            found.append(ActivationLayer(blank.name if blank else "", "relu"))
            return found, f"relu between {low.name} and {high.name} is assumed"
        return found, ""

    def after(self, layer: FileLayer) -> str:
        """The activation that follows a linear layer in its nn.Sequential, where the file names it."""
        for each in self.layers[layer.place + 1 :]:
            if each.folder != layer.folder or layer.number < 0 or each.kind not in ("inert", "blank"):
                return ""
            if each.function:
                return each.function
        return ""


def _layer(name: str, place: int, arrays: dict[str, np.ndarray], kind: str, settings: Mapping[str, Any]) -> FileLayer:
    weight = arrays.get("weight", arrays.get("kernel"))
    last = name.rpartition(".")[2]
    if weight is not None and weight.dtype.kind == "f" and weight.size:
        bias = arrays.get("bias")
        what = {1: "norm", 2: "linear", 3: "conv"}.get(weight.ndim, "other")
        outputs = weight.shape[-1 if "kernel" in arrays else 0]
        if (bias is not None and bias.shape != (outputs,)) or "Embedding" in kind:
            what = "other"
        if what == "norm" and bias is None:
            what = "other"
        return FileLayer(name, place, what, {key: a for key, a in arrays.items() if a.dtype.kind == "f"}, settings)
    if "running_mean" in arrays and "running_var" in arrays:
        return FileLayer(name, place, "norm", {k: a for k, a in arrays.items() if a.dtype.kind == "f"}, settings)
    if arrays:
        return FileLayer(name, place, "other", arrays, settings)
    cls = kind.rpartition(".")[2]
    if cls in _FUNCTIONS:
        slope = settings.get("negative_slope", settings.get("alpha")) if cls in ("LeakyReLU", "ELU") else None
        function = _FUNCTIONS[cls] + (f"({slope})" if isinstance(slope, float) else "")
        return FileLayer(name, place, "blank", {}, settings, function)
    if _INERT.search(cls or last):
        return FileLayer(name, place, "inert", {}, settings)
    if match := _NAMED.search(last):
        function = {"leaky": "leaky_relu", "swish": "silu"}.get(match[0].lower(), match[0].lower())
        return FileLayer(name, place, "blank", {}, settings, function)
    known = last.isdecimal() or re.search(r"act|nonlin", last, re.IGNORECASE)
    return FileLayer(name, place, "blank" if known and not kind else "other", {}, settings, "")


def _numbered(a: str, b: str) -> bool:
    """Whether two names differ in a number alone, which rises, as fc1 and fc2."""
    one, two = (re.fullmatch(r"(.*?)(\d+)(\D*)", name) for name in (a, b))
    return bool(one and two and one[1] == two[1] and one[3] == two[3] and int(one[2]) < int(two[2]))

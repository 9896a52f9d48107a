"""Layers in front of a network or on top of it, as a file describes them: applied one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import ClassVar, NamedTuple

import numpy as np

from gru_viz.errors import FormatError
from gru_viz.formats.activations import activate
from gru_viz.trace import trace
from gru_viz.weights import Weights

__all__ = [
    "NO_LAYERS",
    "ActivationLayer",
    "ConvolutionLayer",
    "DenseLayer",
    "LayerChain",
    "MaskingLayer",
    "NormalizationLayer",
    "PaddingLayer",
    "PoolingLayer",
    "RecurrentBefore",
    "RepeatLayer",
    "ScalingLayer",
    "Steps",
]


@dataclass(frozen=True, eq=False)
class Steps:
    """The values of some steps of one sequence.

    Attributes:
        values: (time, features).
        places: (time,) the step of the sequence that each of them is, or the last one that it depends on.
    """

    values: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class ChainLayer:
    """A layer of a chain.

    Attributes:
        name: its path in the file.
        kind: what frameworks call it, or what it is.
    """

    name: str
    kind: ClassVar[str] = "Layer"

    @property
    def inputs(self) -> int:
        """How many features it reads; 0 for any number."""
        return 0

    @property
    def outputs(self) -> int:
        """How many features it gives; 0 for as many as it reads."""
        return 0

    def apply(self, steps: Steps) -> Steps:
        """What it makes of some steps."""
        return replace(steps, values=self.transform(steps.values))

    def transform(self, values: np.ndarray) -> np.ndarray:
        """What it makes of values (…, features), where it reads every step by itself."""
        raise NotImplementedError

    @property
    def each_step(self) -> bool:
        """Whether it reads every step by itself."""
        return type(self).transform is not ChainLayer.transform

    def __str__(self) -> str:
        sizes = f", {self.inputs} → {self.outputs} features" if self.inputs and self.outputs else ""
        return f"{self.kind} {self.name}{sizes}".replace("  ", " ").strip()


@dataclass(frozen=True, eq=False)
class DenseLayer(ChainLayer):
    """A linear layer and its activation: activation(weight @ x + bias).

    Attributes:
        weight: (outputs, inputs).
        bias: (outputs,).
        activation: by its name.
    """

    weight: np.ndarray
    bias: np.ndarray
    activation: str = ""
    kind: ClassVar[str] = "Dense"

    @property
    def inputs(self) -> int:
        """How many features it reads."""
        return self.weight.shape[1]

    @property
    def outputs(self) -> int:
        """How many features it gives."""
        return self.weight.shape[0]

    def transform(self, values: np.ndarray) -> np.ndarray:
        """The outputs for values (…, inputs)."""
        return activate(self.activation, values @ self.weight.T.astype(values.dtype) + self.bias)

    def __str__(self) -> str:
        return super().__str__() + (f", {self.activation}" if self.activation not in ("", "linear") else "")


@dataclass(frozen=True, eq=False)
class ScalingLayer(ChainLayer):
    """A shift and a scale of each feature by stored numbers: (x − centre) / scale · gamma + beta.

    Attributes:
        centre, scale, gamma, beta: (features,), or (1,) for all features alike.
        called: what frameworks call it.
    """

    centre: np.ndarray
    scale: np.ndarray
    gamma: np.ndarray = field(default_factory=lambda: np.ones(1))
    beta: np.ndarray = field(default_factory=lambda: np.zeros(1))
    called: str = "Normalization"

    @property
    def kind(self) -> str:  # type: ignore[override]
        """What frameworks call it."""
        return self.called

    @property
    def inputs(self) -> int:
        """How many features it reads."""
        size = max(len(self.centre), len(self.gamma))
        return size if size > 1 else 0

    def transform(self, values: np.ndarray) -> np.ndarray:
        """The values (…, features), scaled."""
        return (values - self.centre) / self.scale * self.gamma + self.beta


@dataclass(frozen=True, eq=False)
class NormalizationLayer(ChainLayer):
    """A normalisation of every step over its own features, LayerNormalization.

    Attributes:
        gamma, beta: (features,).
        epsilon: what is added to the variance.
    """

    gamma: np.ndarray
    beta: np.ndarray
    epsilon: float
    kind: ClassVar[str] = "LayerNormalization"

    @property
    def inputs(self) -> int:
        """How many features it reads."""
        return len(self.gamma)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """The values (…, features), normalised."""
        away = values - values.mean(-1, keepdims=True)
        return away / np.sqrt(values.var(-1, keepdims=True) + self.epsilon) * self.gamma + self.beta


@dataclass(frozen=True, eq=False)
class ActivationLayer(ChainLayer):
    """An activation by its name."""

    activation: str
    kind: ClassVar[str] = "Activation"

    def transform(self, values: np.ndarray) -> np.ndarray:
        """The activation of values (…, features)."""
        return activate(self.activation, values)

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.activation})"


@dataclass(frozen=True, eq=False)
class ConvolutionLayer(ChainLayer):
    """A convolution over time and its activation, Conv1D.

    Attributes:
        kernel: (width, inputs / groups, outputs).
        bias: (outputs,).
        padding: ``"valid"``, ``"same"`` or ``"causal"`` as in Keras; or zeros before and after, as (before, after).
    """

    kernel: np.ndarray
    bias: np.ndarray
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    padding: str | tuple[int, int] = "valid"
    activation: str = ""
    kind: ClassVar[str] = "Conv1D"

    @property
    def inputs(self) -> int:
        """How many features it reads."""
        return self.kernel.shape[1] * self.groups

    @property
    def outputs(self) -> int:
        """How many features it gives."""
        return self.kernel.shape[2]

    def apply(self, steps: Steps) -> Steps:
        """The convolution of some steps."""
        width = (len(self.kernel) - 1) * self.dilation + 1
        windows = _windows(self.padding, len(steps.values), width, self.stride)
        out = np.tile(self.bias.astype(steps.values.dtype), (windows.total, 1))
        each_in, each_out = self.kernel.shape[1], self.outputs // self.groups
        for read, taps in zip(windows.taps(steps.values, 0.0, self.dilation), self.kernel, strict=True):
            for g in range(self.groups):
                o = slice(g * each_out, (g + 1) * each_out)
                out[:, o] += read[:, g * each_in : (g + 1) * each_in] @ taps[:, o]
        return Steps(activate(self.activation, out), windows.places(steps))

    def __str__(self) -> str:
        every = f", every {self.stride} steps" if self.stride > 1 else ""
        then = f", {self.activation}" if self.activation not in ("", "linear") else ""
        return f"{super().__str__()}, {len(self.kernel)} steps wide{every}{then}"


@dataclass(frozen=True, eq=False)
class PoolingLayer(ChainLayer):
    """The maximum or mean of neighbouring steps, MaxPooling1D or AveragePooling1D.

    Attributes:
        how: ``"max"`` or ``"average"``.
        padding: as of a convolution.
        counts_padding: whether zeros of the padding count in a mean.
    """

    how: str
    width: int
    stride: int
    padding: str | tuple[int, int] = "valid"
    counts_padding: bool = False
    kind: ClassVar[str] = "Pooling1D"

    def apply(self, steps: Steps) -> Steps:
        """The pooled steps."""
        windows = _windows(self.padding, len(steps.values), self.width, self.stride)
        if self.how == "max":
            values = reduce(np.maximum, windows.taps(steps.values, -np.inf))
        else:
            ones = np.ones((len(steps.values), 1))
            counted = reduce(np.add, windows.taps(ones, float(self.counts_padding)))
            values = reduce(np.add, windows.taps(steps.values, 0.0)) / counted
        return Steps(values, windows.places(steps))

    def __str__(self) -> str:
        return f"{self.how} pooling {self.name}, {self.width} steps wide, every {self.stride} steps"


@dataclass(frozen=True, eq=False)
class PaddingLayer(ChainLayer):
    """Steps of zeros before and after, ZeroPadding1D; negative numbers crop."""

    before: int
    after: int
    kind: ClassVar[str] = "ZeroPadding1D"

    def apply(self, steps: Steps) -> Steps:
        """The steps, padded or cropped."""
        n = len(steps.values)
        inside = np.arange(-self.before, n + self.after)
        values = np.zeros((len(inside), steps.values.shape[1]), steps.values.dtype)
        real = (inside >= 0) & (inside < n)
        values[real] = steps.values[inside[real]]
        return Steps(values, steps.places[np.clip(inside, 0, max(n - 1, 0))] if n else np.zeros(len(inside), np.int64))


@dataclass(frozen=True, eq=False)
class MaskingLayer(ChainLayer):
    """Passes over the steps whose features all have one value, as Masking and the layers above it do.

    Attributes:
        value: the value of a masked step.
        drops: whether the network passes over them; otherwise a layer between ends the mask, and they become 0.
    """

    value: float
    drops: bool = True
    kind: ClassVar[str] = "Masking"

    def apply(self, steps: Steps) -> Steps:
        """The steps that are not masked."""
        read = np.any(steps.values.astype(np.float32) != np.float32(self.value), axis=-1)
        if not self.drops:
            return replace(steps, values=np.where(read[:, None], steps.values, 0.0))
        return Steps(steps.values[read], steps.places[read])

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.value:g}"


@dataclass(frozen=True, eq=False)
class RecurrentBefore(ChainLayer):
    """A recurrent network whose hidden states are read, in place of which its weights stand.

    Attributes:
        weights: the network.
        last: whether only its last states are read, as one step.
    """

    weights: Weights
    last: bool = False
    kind: ClassVar[str] = "the network"

    @property
    def inputs(self) -> int:
        """How many features it reads."""
        return self.weights.features

    @property
    def outputs(self) -> int:
        """How many hidden values it gives at every step."""
        return sum(cell.hidden for cell in self.weights.layers[-1])

    def apply(self, steps: Steps) -> Steps:
        """Its hidden states, both directions side by side."""
        run = trace(self.weights, steps.values[None])
        directions = run.layers[-1].directions
        if self.last:
            values = np.concatenate([direction.final() for direction in directions], -1)
            return Steps(values.astype(steps.values.dtype), steps.places[-1:])
        values = np.concatenate([direction.hidden[0] for direction in directions], -1)
        return replace(steps, values=values.astype(steps.values.dtype))


@dataclass(frozen=True, eq=False)
class RepeatLayer(ChainLayer):
    """The one step that it reads, so often, RepeatVector."""

    count: int
    kind: ClassVar[str] = "RepeatVector"

    def apply(self, steps: Steps) -> Steps:
        """The step, repeated."""
        return Steps(np.repeat(steps.values, self.count, 0), np.repeat(steps.places, self.count, 0))


@dataclass(frozen=True)
class LayerChain:
    """Layers that are applied one after the other to the steps of a sequence; none for an empty chain.

    Attributes:
        layers: the first reads the sequence.

    Example:
        >>> double = DenseLayer("double", np.array([[2.0]]), np.zeros(1))
        >>> LayerChain((double, ActivationLayer("", "relu")))(np.array([[-1.0], [3.0]])).tolist()
        [[0.0], [6.0]]
    """

    layers: tuple[ChainLayer, ...] = ()

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[ChainLayer]:
        return iter(self.layers)

    @property
    def inputs(self) -> int:
        """How many features it reads; 0 if any number."""
        return next((layer.inputs for layer in self.layers if layer.inputs), 0)

    @property
    def each_step(self) -> bool:
        """Whether it reads every step by itself."""
        return all(layer.each_step for layer in self.layers)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """What it makes of values (…, features), where it reads every step by itself."""
        for layer in self.layers:
            values = layer.transform(values)
        return values

    def apply(self, steps: Steps) -> Steps:
        """What the last layer makes of some steps.

        Raises:
            FormatError: they have another number of features than it reads.
        """
        for layer in self.layers:
            features = steps.values.shape[1]
            if layer.inputs not in (0, features):
                found, wanted = f"{features} features", f"{layer.inputs}"
                raise FormatError(f"{layer.kind} {layer.name}", found, wanted, f"Choose {layer.inputs} columns.")
            if len(steps.values):
                steps = layer.apply(steps)
            elif layer.outputs:
                steps = replace(steps, values=np.zeros((0, layer.outputs), steps.values.dtype))
        return steps

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Apply it to one sequence, or to several of one length.

        Args:
            values: (time, features) or (batch, time, features).

        Returns:
            What the network reads, of as many axes; in float64 if the values are, else in float32.

        Raises:
            FormatError: the number of features is wrong, or the sequences differ in length afterwards.
        """
        wide = np.asarray(values)
        dtype = np.float64 if wide.dtype == np.float64 else np.float32
        if wide.ndim == 2:
            return self.apply(Steps(wide.astype(np.float64), np.arange(len(wide)))).values.astype(dtype)
        found = [self(each.astype(np.float64)) for each in wide]
        if len({each.shape for each in found}) > 1:
            lengths = ", ".join(str(len(each)) for each in found[:6])
            remedy = "Apply it to each sequence by itself."
            raise FormatError("layers in front", f"sequences of {lengths} steps after masking", "one length", remedy)
        return np.stack(found).astype(dtype) if found else wide.astype(dtype)

    def __str__(self) -> str:
        return ", then ".join(map(str, self.layers))

    def __repr__(self) -> str:
        return f"<LayerChain: {self or 'no layers'}>"


NO_LAYERS = LayerChain()


def _windows(padding: str | tuple[int, int], steps: int, width: int, stride: int) -> _Windows:
    """How many windows there are, and the steps before the first and after the last."""
    before, after = (0, 0) if isinstance(padding, str) else padding
    if padding == "causal":
        before = width - 1
    elif padding == "same":
        missing = max((-(-steps // stride) - 1) * stride + width - steps, 0)
        before, after = missing // 2, missing - missing // 2
    return _Windows(max((steps + before + after - width) // stride + 1, 0), before, after, width, stride)


class _Windows(NamedTuple):
    """Windows over time: how many, steps padded before and after, their width and distance."""

    total: int
    before: int
    after: int
    width: int
    stride: int

    def taps(self, values: np.ndarray, fill: float, dilation: int = 1) -> Iterator[np.ndarray]:
        """The values at each place of a window, (windows, features)."""
        edges = [np.full((n, values.shape[1]), fill, values.dtype) for n in (self.before, self.after)]
        padded = np.concatenate([edges[0], values, edges[1]])
        for k in range(0, self.width, dilation):
            yield padded[k:][: self.total * self.stride : self.stride][: self.total]

    def places(self, steps: Steps) -> np.ndarray:
        """(windows,) the last step that each depends on."""
        last = np.arange(self.total) * self.stride + self.width - 1 - self.before
        return steps.places[np.clip(last, 0, len(steps.places) - 1)]

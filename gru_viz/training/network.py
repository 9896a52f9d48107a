"""The network of a lane: recurrent layers and a linear head, for several models side by side."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from gru_viz.conventions import BIASES, CONVENTIONS
from gru_viz.equations import Parameters
from gru_viz.errors import TrainingError
from gru_viz.initialisation import random_weights
from gru_viz.inputs import check_device
from gru_viz.training.randomness import torch_seed
from gru_viz.training.recurrence import choose, run_layer
from gru_viz.training.settings import Lane, Settings
from gru_viz.weights import CellWeights, Weights

__all__ = ["Network", "count_parameters", "equal_hidden", "estimate_memory"]


class Network:
    """A lane's models, one per seed, of the same shape and independent of each other.

    Every parameter has a leading axis of models, so that one operation runs all of them. A model depends on its own
    seed alone.

    Attributes:
        backend: of the recurrence: ``"compiled"``, ``"torch"`` or ``"scratch"``.
        parameters: name → (models, …) leaf tensor.

    Example:
        >>> network = Network(Lane(hidden=4), features=2, outputs=1, seeds=(0, 1))
        >>> network.predict(np.zeros((3, 5, 2), np.float32), "last").shape
        (2, 3, 1)
    """

    def __init__(self, lane: Lane, features: int, outputs: int, seeds: tuple[int, ...]) -> None:
        check_device(lane.device)
        self.lane, self.seeds, self.device = lane, seeds, torch.device(lane.device)
        self.convention = CONVENTIONS[lane.cell]
        self.backend = choose(lane)
        drawn = [_draw(lane, features, outputs, seed) for seed in seeds]
        self.parameters = {
            name: torch.stack([one[name] for one in drawn]).to(self.device).requires_grad_() for name in drawn[0]
        }
        self._fix_absent_biases()

    def _fix_absent_biases(self) -> None:
        """Mask the gradients of biases that the variant lacks: they stay 0."""
        hidden = self.lane.hidden
        for part, kind in zip(BIASES, ("bias_input", "bias_recurrent"), strict=True):
            present = [self.convention.has(part, gate) for gate in self.convention.gates]
            if all(present):
                continue
            mask = torch.tensor(present, device=self.device).repeat_interleave(hidden)
            for layer in range(self.lane.layers):
                tensor = self.parameters[f"layer{layer}.{kind}"]
                tensor.register_hook(lambda gradient, mask=mask: gradient * mask)  # type: ignore[no-untyped-call]

    def layer(self, k: int) -> Parameters:
        """Parameters of layer k, (models, …) each."""
        return Parameters(*(self.parameters[f"layer{k}.{name}"] for name in Parameters._fields))

    def forward(
        self,
        x: Tensor,
        output_at: Literal["last", "every"],
        lengths: Tensor | None = None,
        dropout: Sequence[torch.Generator] | None = None,
    ) -> Tensor:
        """Run every model on its own sequences.

        Args:
            x: (models, batch, time, features).
            output_at: the last step, or every step.
            lengths: (models, batch) steps of each sequence; None: all.
            dropout: a generator per model for the dropout masks; None: no dropout.

        Returns:
            (models, batch, outputs), or (models, batch, time, outputs).
        """
        read = x.transpose(1, 2)
        for k in range(self.lane.layers):
            if k and dropout is not None and self.lane.dropout:
                drawn = [torch.rand(read.shape[1:], generator=each, device=self.device) for each in dropout]
                read = read * (torch.stack(drawn) >= self.lane.dropout) / (1 - self.lane.dropout)
            read = run_layer(self.backend, self.convention, self.layer(k), read, onednn=self.lane.onednn)
        models, time, batch, hidden = read.shape
        if output_at == "last":
            if lengths is None:
                read = read[:, -1]
            else:
                last = (lengths - 1)[:, None, :, None].expand(models, 1, batch, hidden)
                read = read.gather(1, last)[:, 0]
        head = torch.baddbmm(
            self.parameters["head.bias"][:, None],
            read.reshape(models, -1, hidden),
            self.parameters["head.weight"].mT,
        )
        return head if output_at == "last" else head.view(models, time, batch, -1).transpose(1, 2)

    @torch.no_grad()
    def predict(
        self, x: np.ndarray, output_at: Literal["last", "every"], lengths: np.ndarray | None = None
    ) -> np.ndarray:
        """Run every model on the same sequences, (batch, time, features): (models, batch, …)."""
        same = torch.tensor(x, dtype=torch.float32, device=self.device).expand(len(self.seeds), *x.shape)
        ends = None
        if lengths is not None:
            ends = torch.tensor(lengths, dtype=torch.int64, device=self.device).expand(len(self.seeds), -1)
        return self.forward(same, output_at, ends).cpu().numpy()

    def weights(self, model: int = 0) -> Weights:
        """The recurrent layers of one model, to trace or inspect."""
        layers = (
            (CellWeights.from_parameters(self.convention, Parameters(*(part[model] for part in self.layer(k)))),)
            for k in range(self.lane.layers)
        )
        return Weights(tuple(layers), f"trained, model {self.lane.name}, seed {self.seeds[model]}")

    def arrays(self, model: int = 0) -> dict[str, np.ndarray]:
        """All parameters of one model with its head, by name."""
        return {name: tensor.detach()[model].cpu().numpy().copy() for name, tensor in self.parameters.items()}

    def stacked(self) -> dict[str, np.ndarray]:
        """All parameters of every model, (models, …) each, by name."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.parameters.items()}

    @torch.no_grad()
    def load(self, arrays: Mapping[str, np.ndarray | Tensor]) -> None:
        """Load parameters: (models, …) each, without the first axis for a single model.

        Raises:
            TrainingError: they belong to another network.
        """
        for name, tensor in self.parameters.items():
            shape, wanted = tuple(arrays[name].shape) if name in arrays else None, tuple(tensor.shape)
            if shape != wanted and (len(tensor) > 1 or shape != wanted[1:]):
                found = "none" if shape is None else f"shape {shape}"
                remedy = "Load parameters that the same model has saved."
                raise TrainingError(f"lane {self.lane.name}, {name}", found, f"shape {wanted}", remedy)
            tensor.copy_(torch.as_tensor(arrays[name]).reshape(tensor.shape))


def _draw(lane: Lane, features: int, outputs: int, seed: int) -> dict[str, Tensor]:
    """Initial parameters of one model: recurrent ones by the lane's initialisation, the head uniform as in torch."""
    weights = random_weights(
        lane.cell, features, lane.hidden, lane.layers, seed=seed, initialisation=lane.initialisation
    )
    drawn: dict[str, Tensor] = {}
    for k, (cell,) in enumerate(weights.layers):
        parameters = cell.parameters()._asdict()
        drawn |= {f"layer{k}.{name}": tensor for name, tensor in parameters.items()}
    rng = torch.Generator().manual_seed(torch_seed(seed, "head"))
    bound = lane.hidden**-0.5
    drawn["head.weight"] = torch.empty(outputs, lane.hidden).uniform_(-bound, bound, generator=rng)
    drawn["head.bias"] = torch.empty(outputs).uniform_(-bound, bound, generator=rng)
    return drawn


def count_parameters(cell: str, features: int, hidden: int, layers: int, outputs: int) -> int:
    """Count the parameters of a network with its head.

    Example:
        >>> count_parameters("torch", features=1, hidden=32, layers=1, outputs=1)
        3393
    """
    convention, count = CONVENTIONS[cell], outputs * (hidden + 1)
    biases = sum(convention.has(part, gate) for part in BIASES for gate in convention.gates)
    for k in range(layers):
        reads = features if k == 0 else hidden
        count += len(convention.gates) * hidden * (reads + hidden) + biases * hidden
    return count


def estimate_memory(lane: Lane, features: int, outputs: int, steps: int, settings: Settings) -> int:
    """Estimate the bytes of training a lane: activations for the gradient, and four arrays per parameter."""
    gates = len(CONVENTIONS[lane.cell].gates)
    step = features + outputs + 4 * lane.layers * (gates + 1) * lane.hidden
    parameters = 4 * count_parameters(lane.cell, features, lane.hidden, lane.layers, outputs)
    return 4 * settings.seeds * (settings.batch * steps * step + parameters)


def equal_hidden(cell: str, features: int, layers: int, outputs: int, parameters: int) -> int:
    """Find the hidden size whose number of parameters is closest to a given one.

    Example:
        >>> equal_hidden("torch_lstm", features=1, layers=1, outputs=1, parameters=3393)
        28
    """

    def counted(hidden: int) -> int:
        return count_parameters(cell, features, hidden, layers, outputs)

    high = bisect_left(range(parameters + 2), parameters, lo=2, key=counted)
    return min((high - 1, high), key=lambda hidden: abs(counted(hidden) - parameters))

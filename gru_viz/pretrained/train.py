"""Train the small networks that belong to the examples: ``python -m gru_viz.pretrained.train [name ...]``.

A GRU with a linear head, Adam, fresh sequences at every update; the same seed gives the same bytes on one machine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from gru_viz import equations
from gru_viz.conventions import CONVENTIONS
from gru_viz.pretrained import Training, path_of
from gru_viz.pretrained.tasks import TASKS, PretrainedTask

__all__ = ["RECIPES", "Recipe", "train"]

BATCH = 32
FRESH_SEED = 1_000_003
"""The measuring sequences' seed, far from every training seed."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        hidden: units.
        steps: updates of the weights.
        rate: Adam's learning rate, brought to 0 along a cosine.
        seed: of the first weights and of every sequence.
        quiet: penalty on an update gate that is open (1 − z) at steps without a cue.
        head: penalty on the head's squared weights, which makes the states large.
        dropout: share of units hidden from the head, sequence by sequence, so that every unit learns to be of use;
            none in the last third of the training.
    """

    hidden: int
    steps: int
    rate: float = 0.01
    seed: int = 0
    quiet: float = 0.0
    head: float = 0.0
    dropout: float = 0.0

    @property
    def description(self) -> str:
        """The pushes beyond the task itself, in words; empty without any."""
        pushes = (
            (self.quiet, "a penalty on opening the update gate without a cue"),
            (self.head, "small weights of the head"),
            (self.dropout, "dropout of units"),
        )
        given = [words for amount, words in pushes if amount]
        return f" Trained with {', '.join(given)}, so that the gates are crisp." if given else ""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "impulse": Recipe(hidden=8, steps=3000, rate=0.02, quiet=0.3, head=0.03, dropout=0.3),
        "sine": Recipe(hidden=12, steps=3000),
        "square": Recipe(hidden=8, steps=1500),
        "sentence": Recipe(hidden=24, steps=3000, rate=0.015, quiet=1.0),
    }
)


def train(name: str, steps: int | None = None) -> tuple[dict[str, np.ndarray], Training]:
    """Train one network by its recipe, or only its first ``steps`` updates.

    Returns the arrays that the file holds, and what is to be known about them.

    Example:
        >>> arrays, training = train("sine", steps=1)
        >>> arrays["weight_ih"].shape, training.steps
        ((36, 1), 1)
    """
    task, recipe = TASKS[name], RECIPES[name]
    gru, head = _begin(task, recipe)
    for _ in _updates(task, recipe, gru, head, steps or recipe.steps):
        pass
    inputs, wanted = task.sample(np.random.default_rng(FRESH_SEED), 200, 120)
    with torch.no_grad():
        final = float(_loss(head(gru(torch.from_numpy(inputs))[0]), torch.from_numpy(wanted)))
    training = Training(
        description=task.description + recipe.description,
        features=task.features,
        outputs=task.outputs,
        alphabet=task.alphabet,
        measure="mean square error" if wanted.dtype == np.float32 else "cross-entropy in nats",
        loss=final,
        baseline=task.baseline,
        baseline_loss=task.baseline_loss(inputs, wanted),
        steps=steps or recipe.steps,
        seed=recipe.seed,
        torch=torch.__version__,
    )
    named = {key.removesuffix("_l0"): value for key, value in gru.state_dict().items()}
    named |= {f"head_{key}": value for key, value in head.state_dict().items()}
    return {key: value.numpy() for key, value in named.items()}, training


def _begin(task: PretrainedTask, recipe: Recipe) -> tuple[nn.GRU, nn.Linear]:
    """Both modules from generators of their own; the global one stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return (
            nn.GRU(len(task.features), recipe.hidden, batch_first=True),
            nn.Linear(recipe.hidden, len(task.outputs)),
        )


def _updates(task: PretrainedTask, recipe: Recipe, gru: nn.GRU, head: nn.Linear, steps: int) -> Iterator[float]:
    """Update the weights again and again, giving each update's loss."""
    rng = np.random.default_rng(recipe.seed)
    cues = [task.features.index(cue) for cue in task.cues]
    parameters = [*gru.parameters(), *head.parameters()]
    adam = torch.optim.Adam(parameters, recipe.rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, recipe.steps)
    for step in range(steps):
        inputs, wanted = map(torch.from_numpy, task.sample(rng, BATCH, task.length))
        hidden, _ = gru(inputs)
        hiding = recipe.dropout if step < recipe.steps * 2 / 3 else 0.0
        mask = torch.from_numpy(rng.random((BATCH, 1, recipe.hidden), np.float32) >= hiding) / (1 - hiding)
        loss = _loss(head(hidden * mask), wanted)
        push = min(1.0, 2 * step / recipe.steps)  # the task is learned first
        price = push * recipe.head * head.weight.square().sum()
        if recipe.quiet:
            quiet = (inputs[..., cues] == 0).all(-1, keepdim=True)
            price = price + push * recipe.quiet * (quiet * (1 - _update_gate(gru, inputs, hidden))).mean()
        adam.zero_grad()
        (loss + price).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        adam.step()
        cosine.step()
        yield loss.item()


def _loss(predictions: Tensor, wanted: Tensor) -> Tensor:
    if wanted.is_floating_point():
        return nn.functional.mse_loss(predictions, wanted)
    return nn.functional.cross_entropy(predictions.flatten(0, 1), wanted.flatten())


def _update_gate(gru: nn.GRU, inputs: Tensor, hidden: Tensor) -> Tensor:
    """(batch, time, hidden), recovered from the states."""
    p = equations.Parameters(*(getattr(gru, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")))
    before = nn.functional.pad(hidden[:, :-1], (0, 0, 1, 0))
    return equations.gates(CONVENTIONS["torch"], p, equations.project(p, inputs), before)["update"]


def main(names: list[str]) -> None:
    """Train each network named, or all, write its file, and print its loss beside the baseline's."""
    torch.set_num_threads(1)  # the order of sums, and so the last bit, depends on it
    for name in names or list(RECIPES):
        arrays, training = train(name)
        # One entry of JSON: the order in which safetensors writes several entries changes from run to run.
        save_file(arrays, path_of(name), {"training": json.dumps(asdict(training), ensure_ascii=False)})
        print(
            f"{name}: {training.measure} {training.loss:.4f}, against {training.baseline_loss:.4f} "
            f"for {training.baseline}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])

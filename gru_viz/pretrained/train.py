"""Train the small networks that belong to the examples: ``python -m gru_viz.pretrained.train [name ...]``.

A GRU with a linear head, Adam, fresh sequences at every update, of the same kind as the built-in examples; the same
seed gives the same bytes on one machine.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from gru_viz import equations
from gru_viz.conventions import CONVENTIONS
from gru_viz.pretrained import Training, path_of
from gru_viz.sequences.examples import SENTENCE, SENTENCE_ALPHABET
from gru_viz.sequences.one_hot_text import visible_character

Sample = tuple[np.ndarray, np.ndarray]


def _memoryless_loss(inputs: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.mean((inputs[..., :1] - wanted) ** 2))


@dataclass(frozen=True)
class PretrainedTask:
    """What a network is to learn.

    Attributes:
        description: what it predicts at every step, in words.
        features: what it reads.
        outputs: what it predicts.
        sample: ``(rng, batch, steps)`` → inputs (batch, time, features) float32, and what is wanted: numbers
            (batch, time, outputs) float32, or classes (batch, time) int64.
        baseline: the naive prediction that memory has to beat, in words.
        baseline_loss: the naive prediction's loss on such a sample: mean square error, or cross-entropy in nats.
        cues: the features that announce that something is to be written or forgotten.
        length: steps of the sequences to train on.
        alphabet: the characters behind the features, where it reads text.
    """

    description: str
    features: tuple[str, ...]
    outputs: tuple[str, ...]
    sample: Callable[[np.random.Generator, int, int], Sample]
    baseline: str = "the value just read"
    baseline_loss: Callable[[np.ndarray, np.ndarray], float] = _memoryless_loss
    cues: tuple[str, ...] = ()
    length: int = 80
    alphabet: str | None = None


def _impulses(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    inputs = np.zeros((batch, steps, 3), np.float32)
    wanted = np.zeros((batch, steps, 1), np.float32)
    inputs[..., 0] = rng.uniform(-0.15, 0.15, (batch, steps))
    for row in range(batch):
        step, stored = int(rng.integers(15)), 0.0
        while step < steps:
            if stored and rng.random() < 0.7:
                stored = 0.0
                inputs[row, step, 2] = 1
            else:
                stored = rng.uniform(0.3, 1) * rng.choice([-1, 1])
                inputs[row, step, :2] = stored, 1
            wanted[row, step:] = stored
            step += int(rng.integers(3, 40))
    return inputs, wanted


def _sines(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    period, phase, size = (rng.uniform(*ends, (batch, 1)) for ends in ((12.0, 40.0), (0.0, 2 * np.pi), (0.7, 1.0)))
    wave = size * np.sin(2 * np.pi * np.arange(steps + 1) / period + phase)
    noisy = (wave + 0.05 * rng.standard_normal(wave.shape)).astype(np.float32)[..., None]
    return noisy[:, :-1], noisy[:, 1:]


def _squares(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    level = np.empty((batch, steps, 1), np.float32)
    for row in level:
        runs = rng.integers(10, 31, steps // 10 + 1)
        signs = np.resize([1, -1] if rng.random() < 0.5 else [-1, 1], len(runs))
        row[:, 0] = np.repeat(signs, runs)[:steps]
    return (level + 0.5 * rng.standard_normal(level.shape)).astype(np.float32), level


_ANIMALS = ["cat", "dog", "bird", "horse", "fox", "mouse", "duck", "goat", "hen", "owl"]
_QUALITIES = ["old", "small", "young", "black", "brown", "quiet", "hungry", "happy", "little", "white"]
_DOINGS = ["sleeps", "waits", "sings", "rests", "sits", "stands", "plays", "walks", "eats", "hides"]
_PEOPLE = [
    "my brother",
    "my sister",
    "the teacher",
    "the farmer",
    "our friend",
    "the baker",
    "a neighbour",
    "the child",
]
_MAKINGS = ["reads", "writes", "finds", "brings", "takes", "paints", "keeps", "folds"]
_THINGS = ["a letter", "a book", "the map", "a song", "the news", "a picture", "the list", "a story"]
_WHERE = ["near", "in", "by", "behind", "under", "beside"]
_PLACES = ["garden", "window", "stove", "river", "house", "door", "bridge", "barn", "table", "forest"]
_OF_PLACES = ["warm", "cold", "green", "long", "open", "dark"]


def _sentences(rng: np.random.Generator, batch: int, steps: int) -> Sample:
    classes = np.array([_classes(_text(rng, steps + 1)) for _ in range(batch)])
    return np.eye(len(SENTENCE_ALPHABET), dtype=np.float32)[classes[:, :-1]], classes[:, 1:]


def _classes(text: str) -> np.ndarray:
    return np.array([SENTENCE_ALPHABET.index(character) for character in text], np.int64)


def _text(rng: np.random.Generator, length: int) -> str:
    text = ""
    while len(text) < length:
        text += _clause(rng)
        text += f", {rng.choice(['and', 'but', 'while'])} " if rng.random() < 0.4 else ". "
    return text[:length]


def _clause(rng: np.random.Generator) -> str:
    """One clause, but none of those in the example, which stays unseen."""

    def maybe(words: list[str]) -> str:
        return f"{rng.choice(words)} " if rng.random() < 0.5 else ""

    place = f"{rng.choice(_WHERE)} the {maybe(_OF_PLACES)}{rng.choice(_PLACES)}"
    if rng.random() < 0.6:
        who = f"{rng.choice(['the', 'a', 'our'])} {maybe(_QUALITIES)}{rng.choice(_ANIMALS)}"
        clause = f"{who} {rng.choice(_DOINGS)} {place}"
    else:
        clause = f"{rng.choice(_PEOPLE)} {rng.choice(_MAKINGS)} {rng.choice(_THINGS)} {place}"
    return _clause(rng) if clause in SENTENCE else clause


def bigram_loss(inputs: np.ndarray, wanted: np.ndarray) -> float:
    """Cross-entropy, in nats a character, of guessing the next character from the current one alone."""
    return float(-np.mean(_bigrams()[inputs.argmax(-1), wanted]))


@cache
def _bigrams() -> np.ndarray:
    """(current, next) log probabilities, counted in a hundred thousand characters, no pair impossible."""
    classes = _classes(_text(np.random.default_rng(0), 100_000))
    counts = np.ones((len(SENTENCE_ALPHABET),) * 2)
    np.add.at(counts, (classes[:-1], classes[1:]), 1)
    return np.log(counts / counts.sum(axis=1, keepdims=True))


_LETTERS = tuple(visible_character(character) for character in SENTENCE_ALPHABET)

TASKS: Mapping[str, PretrainedTask] = MappingProxyType(
    {
        "impulse": PretrainedTask(
            "Predicts the value that came with the last take, and 0 after a drop.",
            ("value", "take", "drop"),
            ("stored value",),
            _impulses,
            cues=("take", "drop"),
        ),
        "sine": PretrainedTask("Predicts the wave's next value.", ("value",), ("next value",), _sines),
        "square": PretrainedTask("Predicts the level, −1 or 1, behind the noise.", ("value",), ("level",), _squares),
        "sentence": PretrainedTask(
            "Predicts the next character: a score for each, the highest for the most likely.",
            _LETTERS,
            _LETTERS,
            _sentences,
            "pairs of characters, counted",
            bigram_loss,
            cues=(visible_character(" "),),
            length=110,
            alphabet=SENTENCE_ALPHABET,
        ),
    }
)
"""The tasks by the name of the example that they belong to."""

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
    """Train one network by its recipe, or only its first ``steps`` updates: its arrays, and what is known of them."""
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

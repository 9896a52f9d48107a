"""Text: cut by position, counted by hand, and written on the same way every time."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st
from task_laws import alike, hold_laws, hold_losses, trained

from gru_viz.errors import TrainingError
from gru_viz.training import Lane, Settings, make_task
from gru_viz.training.network import Network
from gru_viz.training.sampling import sample
from gru_viz.training.tasks import Examples
from gru_viz.training.tasks.text_task import Alphabet, Step, Text, fables

pytestmark = pytest.mark.usefixtures("unchecked")
EMOJI = "The 🦊 saw a 🐭; the 🐭 saw a 🦊. Café, naïve: e\u0301 is é.\r\n" * 20
COUNTING = "".join(chr(0x4E00 + k) for k in range(90))


def read(task: Text, examples: Examples) -> list[str]:
    """The characters of each window, with the one after it."""
    tokens = np.concatenate([examples.x.argmax(-1), examples.y[:, -1:]], axis=1)
    return [task.alphabet.decode(row) for row in tokens.tolist()]


def writer(task: Text, cell: str = "torch", layers: int = 1) -> Step:
    network = Network(Lane(cell=cell, hidden=6, layers=layers), task.features, task.outputs, (0,))
    arrays = network.arrays()
    return partial(sample, network.weights(), arrays["head.weight"], arrays["head.bias"])


def test_the_built_in_text_is_long_enough_and_plain() -> None:
    assert 15_000 < len(fables()) < 60_000
    assert fables().isascii()
    assert set("\n ,.") < set(fables())


@pytest.mark.parametrize("text", [None, EMOJI, "ab" * 40, "ab" * 20 + "\ud800" * 3 + "\0"])
def test_the_laws_hold(text: str | None) -> None:
    task = make_task(Settings("text"), text)
    hold_laws(task)
    hold_losses(task)
    assert task.probe.time is not None
    assert set(task.probe.time) <= set(task.probe.features)


@given(length=st.integers(1, 8), validation=st.floats(0.15, 0.5))
def test_windows_are_pieces_of_their_own_part(length: int, validation: float) -> None:
    task = Text(COUNTING, length, validation)
    cut = 90 - round(validation * 90)
    rows = cut - length
    windows = read(task, task.batch(0, 0, rows))
    assert sorted(windows) == [COUNTING[k : k + length + 1] for k in range(rows)]
    assert (task.held_out.x.argmax(-1) == task.alphabet.other).all(), "no held-out character was ever trained on"
    assert any("held-out characters are not in the alphabet" in notice for notice in task.notices)


def test_every_target_is_the_next_character() -> None:
    task = Text("hello, world. " * 30, 9)
    for examples in (task.batch(0, 0, 5), task.held_out):
        assert np.array_equal(examples.x[:, 1:].argmax(-1), examples.y[:, :-1])
    held_out = ("hello, world. " * 30)[-42:]
    assert "".join(window[:-1] for window in read(task, task.held_out)) == held_out[:36]


def test_the_held_out_part_changes_no_batch_and_no_alphabet() -> None:
    one, other = (Text("to be or not to be, " * 45 + end) for end in ("that is it" * 10, "QUITE OTHER" * 9 + "."))
    assert one.alphabet == other.alphabet
    assert alike(one.batch(0, 2, 8), other.batch(0, 2, 8))
    assert not alike(one.held_out, other.held_out)


def test_the_baselines_are_counted_again() -> None:
    task = Text(length=50)
    cut = len(fables()) - round(0.1 * len(fables()))
    training, held_out = fables()[:cut], fables()[cut:]
    singles, pairs, size = Counter(training), Counter(itertools.pairwise(training)), len(set(training)) + 1
    firsts, kinds = Counter(training[:-1]), Counter(first for first, _ in pairs)
    logs: tuple[list[float], list[float]] = ([], [])
    for start in range(0, len(held_out) - 50, 50):
        for before, after in zip(held_out[start : start + 50], held_out[start + 1 : start + 51], strict=True):
            single = (singles[after] + 1) / (len(training) + size)
            n, t = firsts[before], kinds[before]
            logs[0].append(-math.log(single))
            logs[1].append(-math.log((pairs[before, after] + t * single) / (n + t) if n else single))
    wanted = [float(np.mean(each)) for each in logs]
    assert np.allclose([each.loss for each in task.baselines], wanted, rtol=1e-6)
    assert np.allclose([each.measure for each in task.baselines], np.exp(wanted), rtol=1e-6)


def test_probabilities_by_counting_are_probabilities() -> None:
    from gru_viz.training.tasks.text_task import count_pairs, count_singles

    tokens = np.random.default_rng(0).integers(0, 5, 40)
    assert np.isclose(count_singles(tokens, 7).sum(), 1)
    assert np.allclose(count_pairs(tokens, 7).sum(1), 1)
    assert (count_pairs(tokens, 7) > 0).all()


def test_rare_characters_are_folded_with_a_notice() -> None:
    text = ("".join(chr(0x4E00 + k) for k in range(96)) + "a") * 20 + "b" + "a" * 100
    task = Text(text)
    assert task.features == 97
    assert "b" not in task.alphabet.characters
    assert any("beyond the 96 commonest" in notice for notice in task.notices)


@given(st.text(st.characters(), min_size=1, max_size=30), st.integers(1, 10))
def test_an_alphabet_reads_back_what_it_knows(text: str, most: int) -> None:
    alphabet = Alphabet.of(text, most)
    tokens = alphabet.encode(text).tolist()
    assert alphabet.decode(tokens) == "".join(c if c in alphabet.characters else "�" for c in text)
    assert len(set(alphabet.names)) == len(alphabet) == max(tokens, default=0) + 1 or max(tokens) < len(alphabet)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "0 characters.*longer text"),
        ("a", {}, "1 character, .*longer text"),
        ("aaaa" * 50, {}, "one character only, 'a'"),
        ("to be or not" * 20, {"length": 64}, r"240 characters, 24 of them .*65 there.*at most 23, or change"),
        (b"bytes", {}, "found bytes; wanted text"),
        ("ab", {"length": 1001}, "1,001.*1,000"),
    ],
)
def test_what_does_not_fit_is_explained(text: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make_task(Settings("text", options), text)


def test_a_text_too_long_is_refused() -> None:
    with pytest.raises(TrainingError, match="2,000,001 characters; wanted at most 2,000,000"):
        Text("ab" * 1_000_000 + "a")


def test_a_long_held_out_part_is_thinned_with_a_notice() -> None:
    task = Text("to be or not to be, " * 10_000, 64)
    assert task.held_out.y.size <= 16_384
    assert any("evenly spaced windows of 64" in notice for notice in task.notices)


@pytest.mark.parametrize(("cell", "layers"), [("torch", 1), ("torch_lstm", 2), ("cho_2014_v1", 2), ("torch_rnn", 1)])
def test_stepping_answers_what_the_network_answers_to_the_whole(cell: str, layers: int) -> None:
    """Greedy writing, checked against the network that reads all that was written at once."""
    task = Text("hello, world. " * 30)
    network = Network(Lane(cell=cell, hidden=6, layers=layers, backend="scratch"), task.features, task.outputs, (1,))
    arrays = network.arrays()
    step = partial(sample, network.weights(), arrays["head.weight"], arrays["head.bias"])
    tokens = task.alphabet.encode("wor").tolist()
    written = step(tokens, 20, 0)
    whole = np.eye(task.features, dtype=np.float32)[[*tokens, *written]][None]
    logits = network.predict(whole, "every")[0, 0]
    assert logits.argmax(-1)[2:-1].tolist() == written


def test_the_same_arguments_write_the_same() -> None:
    task = Text()
    step = writer(task)
    one = task.continue_text(step, "The fox", 80, 1.0, 3)
    assert one == task.continue_text(step, "The fox", 80, 1.0, 3)
    assert one != task.continue_text(step, "The fox", 80, 1.0, 4)
    assert one[:20] == task.continue_text(step, "The fox", 20, 1.0, 3)
    assert len(one) == 80
    assert set(one) <= set(task.alphabet.characters)
    assert task.continue_text(step, "The fox", 9, 0.0, 1) == task.continue_text(step, "The fox", 9, 0.0, 2)


def test_any_beginning_can_be_written_on() -> None:
    task, length = Text(EMOJI), 12
    step = writer(task)
    for prefix in ("", "🦊", "中文", "\ud800", "x" * 5000):
        assert len(task.continue_text(step, prefix, length)) == length
    assert task.continue_text(step, "中", 5) == task.continue_text(step, "文", 5), "both read as the other symbol"
    assert task.continue_text(step, "", 5) == task.continue_text(step, "\n", 5)
    assert task.continue_text(step, "The", 0) == ""


def test_the_temperature_sharpens_and_flattens() -> None:
    weights, bias = Network(Lane(hidden=2), 3, 3, (0,)).weights(), np.log([0.6, 0.3, 0.1])
    for temperature, wanted in ((1.0, [0.6, 0.3, 0.1]), (0.5, [0.783, 0.196, 0.022]), (100.0, [1 / 3] * 3)):
        drawn = sample(weights, np.zeros((3, 2)), bias, [0], 3000, temperature)
        assert np.allclose(np.bincount(drawn, minlength=3) / 3000, wanted, atol=0.03)
    assert set(sample(weights, np.zeros((3, 2)), bias, [0], 50, never=(0, 2))) == {1}


def test_a_few_windows_are_shown() -> None:
    task = Text()
    drawn = task.predictions(lambda examples: np.eye(task.outputs)[examples.y])
    assert drawn.kind == "symbols"
    assert np.array_equal(drawn.truth, drawn.predicted)
    assert len(drawn.names) == task.outputs


def test_a_short_training_does_better_than_knowing_the_character_before() -> None:
    lane = Lane(hidden=48, learning_rate=0.01, backend="torch")
    task = make_task(Settings("text"))
    assert trained(task, 200, (lane,), batch=16)["perplexity"] < task.baselines[1].measure

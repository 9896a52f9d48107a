"""The trained networks solve their tasks on fresh sequences, by gates that open and close for a reason."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open

from gru_viz import random_weights, trace
from gru_viz.errors import GruVizError, TraceError
from gru_viz.pretrained import PRETRAINED, load_pretrained, path_of
from gru_viz.pretrained.train import RECIPES, TASKS, bigram_loss, train
from gru_viz.sequences.examples import EXAMPLES, SENTENCE

each = pytest.mark.parametrize("name", PRETRAINED)


def fresh(name, batch=50, steps=120):
    return TASKS[name].sample(np.random.default_rng(77), batch, steps)


def cross_entropy(scores, wanted):
    log = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
    return float(-np.take_along_axis(log, wanted[..., None], axis=-1).mean())


def loss(predictions, wanted):
    if wanted.dtype.kind == "f":
        return float(np.mean((predictions - wanted) ** 2))
    return cross_entropy(predictions, wanted)


@each
def test_a_file_is_small_and_says_all_about_itself(name):
    assert path_of(name).stat().st_size < 100_000
    network, task = load_pretrained(name), TASKS[name]
    training = network.training
    assert (training.features, training.outputs, training.alphabet) == (task.features, task.outputs, task.alphabet)
    assert training.description.startswith(task.description)
    assert (training.steps, training.seed) == (RECIPES[name].steps, RECIPES[name].seed)
    assert training.torch
    assert network.weights.convention.name == "torch"
    assert network.head_weight.shape == (len(network.training.outputs), network.weights.hidden)
    assert network.head_bias.shape == (len(network.training.outputs),)
    with safe_open(path_of(name), "np") as file:
        assert json.loads(file.metadata()["training"])["measure"] == training.measure


@each
def test_loading_twice_gives_the_same_network_which_cannot_be_changed(name):
    network = load_pretrained(name)
    assert load_pretrained(name) is network
    with pytest.raises(ValueError, match="read-only"):
        network.head_weight[0, 0] = 1


@each
def test_the_network_reads_its_example_with_proof(name):
    network = load_pretrained(EXAMPLES[name].pretrained)
    sequences = EXAMPLES[name].load()
    assert sequences.features == network.training.features
    run = trace(network.weights, sequences)
    assert run.proof.holds
    assert network.predictions(run).shape == (len(sequences), len(sequences[0]), len(network.training.outputs))


@pytest.mark.parametrize(("name", "factor"), [("impulse", 50), ("sine", 5), ("square", 5), ("sentence", 4)])
def test_fresh_sequences_are_answered_far_better_than_by_the_baseline(name, factor):
    inputs, wanted = fresh(name)
    network = load_pretrained(name)
    found = loss(network.predictions(trace(network.weights, inputs)), wanted)
    assert found * factor < TASKS[name].baseline_loss(inputs, wanted)
    assert found == pytest.approx(network.training.loss, rel=0.5)


def test_a_value_is_held_over_forty_steps():
    network = load_pretrained("impulse")
    for value in (-0.9, -0.4, 0.4, 0.9):
        inputs = np.zeros((60, 3), np.float32)
        inputs[5], inputs[45] = (value, 1, 0), (0, 0, 1)
        stored = network.predictions(trace(network.weights, inputs))[0, :, 0]
        assert np.abs(stored[6:45] - value).max() < 0.3
        assert np.mean((stored[6:45] - value) ** 2) < 0.01
        assert np.mean(stored[47:] ** 2) < 0.01


def test_the_value_is_held_well_enough_and_by_the_update_gate():
    inputs, wanted = fresh("impulse")
    network = load_pretrained("impulse")
    run = trace(network.weights, inputs)
    take, drop = inputs[..., 1] == 1, inputs[..., 2] == 1
    hold = (wanted[..., 0] != 0) & ~take
    assert loss(network.predictions(run), wanted) < 0.01
    assert run.update[hold].mean() > 0.95
    assert run.update[take].mean() < 0.5
    assert run.update[drop].mean() < 0.6
    falls = run.update[hold].mean(axis=0) - run.update[take].mean(axis=0)
    assert (falls > 0.2).all()
    assert (falls > 0.9).sum() >= 2
    assert run.reset[take | drop].mean() < 0.2
    assert run.reset[hold].mean() > 0.4


def test_the_sentence_is_unseen_and_read_better_than_by_pairs():
    network = load_pretrained("sentence")
    sequences = EXAMPLES["sentence"].load()
    inputs = sequences[0].values[None]
    wanted = inputs[:, 1:].argmax(-1)
    found = cross_entropy(network.predictions(trace(network.weights, sequences))[:, :-1], wanted)
    assert found * 4 < bigram_loss(inputs[:, :-1], wanted)


def test_no_clause_of_the_sentence_is_drawn():
    inputs, _ = fresh("sentence", batch=300, steps=400)
    texts = ["".join(np.array(list(TASKS["sentence"].alphabet))[row.argmax(-1)]) for row in inputs]
    clauses = SENTENCE.rstrip(".").replace(", and ", ". ").split(". ")
    assert len(clauses) == 3
    assert not any(clause in text for clause in clauses for text in texts)


def test_update_gates_fall_at_the_end_of_every_word():
    network = load_pretrained("sentence")
    run = trace(network.weights, EXAMPLES["sentence"].load())
    space = np.array(run.time[0]) == "␣"
    assert run.update[0][space].mean() < 0.25
    assert run.update[0][~space].mean() > 0.45


def test_hidden_states_turn_only_where_the_level_changes():
    inputs, wanted = fresh("square")
    run = trace(load_pretrained("square").weights, inputs)
    moves = np.abs(np.diff(run.hidden, axis=1)).mean(axis=-1)
    turns = np.diff(wanted[..., 0], axis=1) != 0
    near = turns | np.pad(turns, ((0, 0), (1, 0)))[:, :-1] | np.pad(turns, ((0, 0), (2, 0)))[:, :-2]
    assert moves[near].mean() > 4 * moves[~near].mean()


def test_answers_end_with_the_sequence():
    network = load_pretrained("sine")
    run = trace(network.weights, np.zeros((2, 5, 1), np.float32), lengths=[5, 3])
    predictions = network.predictions(run)
    assert np.isfinite(predictions[0]).all()
    assert np.isnan(predictions[1, 3:]).all()


def test_a_trace_of_other_units_is_refused():
    run = trace(random_weights("torch", 1, 3), np.zeros((5, 1), np.float32))
    with pytest.raises(TraceError, match="3 units; wanted 12"):
        load_pretrained("sine").predictions(run)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(GruVizError, match="'cosine'; wanted one of impulse, sine"):
        load_pretrained("cosine")


@each
def test_training_gives_the_same_numbers_again_whatever_was_drawn_before(name):
    first, facts = train(name, steps=3)
    torch.rand(7)
    state = torch.random.get_rng_state()
    second, again = train(name, steps=3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert facts == again
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)


@each
def test_a_few_updates_already_help(name):
    losses = [train(name, steps=steps)[1].loss for steps in (1, 40)]
    assert losses[1] < losses[0]

"""The built-in examples are complete, the same at every call, and fit the screen."""

import numpy as np
import pytest

from gru_viz.sequences.examples import EXAMPLES, IMPULSES, SENTENCE, SENTENCE_ALPHABET

each = pytest.mark.parametrize("name", EXAMPLES)


def test_the_impulse_comes_first():
    assert next(iter(EXAMPLES)) == "impulse"
    assert set(EXAMPLES) >= {"impulse", "sine", "square", "sentence", "stocks"}


@each
def test_an_example_is_the_same_to_the_last_bit(name):
    first, second = EXAMPLES[name].load(), EXAMPLES[name].load()
    assert [one.values.tobytes() for one in first] == [one.values.tobytes() for one in second]
    assert (first.features, first[0].time, first.source) == (second.features, second[0].time, second.source)


@each
def test_an_example_fills_the_screen_and_can_be_read(name):
    read = EXAMPLES[name].load()
    for one in read:
        assert 60 <= len(one) <= 160
        assert one.values.dtype == np.float32
        assert np.isfinite(one.values).all()
        assert one.values.shape[1] == len(read.features) == len(set(read.features))
        assert one.time is None or len(one.time) == len(one)
    assert len({one.name for one in read}) == len(read)
    assert read[0].name == name
    assert read.notices == ()
    assert read.source


@each
def test_what_to_look_for_is_one_sentence(name):
    example = EXAMPLES[name]
    assert example.look_for.endswith(".")
    assert example.look_for.count(". ") == 0
    assert example.title


def test_impulses_of_both_signs_come_with_a_take_and_go_with_a_drop():
    for one, (_, impulses, drops) in zip(EXAMPLES["impulse"].load(), IMPULSES, strict=True):
        assert np.flatnonzero(one.values[:, 1]).tolist() == sorted(impulses)
        assert np.flatnonzero(one.values[:, 2]).tolist() == sorted(drops)
        sizes = one.values[sorted(impulses), 0]
        assert (sizes > 0).any()
        assert (sizes < 0).any()
        assert np.abs(sizes).min() >= 2 * np.abs(one.values[one.values[:, 1] == 0, 0]).max() * 0.99


def test_the_sentence_keeps_to_its_alphabet():
    assert len(SENTENCE_ALPHABET) <= 30
    assert set(SENTENCE) <= set(SENTENCE_ALPHABET)
    assert "".join(EXAMPLES["sentence"].load()[0].time).replace("␣", " ") == SENTENCE


def test_stocks_are_standardised_and_can_be_undone():
    read = EXAMPLES["stocks"].load()
    assert read[0].time[0] == "2018-01-01"
    assert len(read.features) == 6
    np.testing.assert_allclose(read[0].values.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(read[0].values.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(read.scaling.undo(read[0].values)[0], 1, atol=1e-5)

"""Held-out data: how many examples are evaluated, and probabilities from logits."""

from __future__ import annotations

import numpy as np

from gru_viz.training.tasks.held_out_data import affordable, softmax, spaced


def test_long_examples_are_evaluated_less() -> None:
    assert (affordable(50), affordable(2000 * 100)) == (512, 20)


def test_rows_are_evenly_spaced_with_the_first_and_the_last() -> None:
    assert spaced(np.arange(10), 4).tolist() == [0, 3, 6, 9]


def test_probabilities_sum_to_one_whatever_is_added_to_the_logits() -> None:
    assert softmax(np.zeros(2)).tolist() == [0.5, 0.5]
    assert softmax(np.array([1000.0, 1000.0])).tolist() == [0.5, 0.5]

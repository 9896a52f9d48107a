"""Sequences converted for a network: by number, alphabet or embedding; what does not fit is refused with both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gru_viz.errors import FormatError
from gru_viz.formats import Embedding, FoundModel, fit
from gru_viz.initialisation import random_weights
from gru_viz.sequences import Sequences, read_table, read_text

TABLE = b"word,size,colour\n3,0.5,1\n0,0.25,2\n4,0.5,3\n"
EMBEDDING = Embedding("embed", np.arange(15, dtype=np.float32).reshape(5, 3))


def table(*features: str, scale: str = "standardise") -> Sequences:
    return read_table(TABLE, features=features, scale=scale)


def network(features: int, *embeddings: Embedding) -> FoundModel:
    return FoundModel("rnn", random_weights("torch", features, 4), embeddings)


def test_what_has_as_many_features_is_left_alone() -> None:
    sequences = table("word", "size", "colour")
    assert fit(network(3, EMBEDDING), sequences) is sequences


@pytest.mark.parametrize("scale", ["none", "standardise", "minmax", "robust"])
def test_a_column_of_numbers_goes_through_the_embedding_whatever_its_scaling(scale: str) -> None:
    fitted = fit(network(3, EMBEDDING), table("word", scale=scale))
    assert fitted[0].values.tolist() == EMBEDDING.matrix[[3, 0, 4]].tolist()
    assert fitted.features == ("embed.1", "embed.2", "embed.3")
    assert "embedding embed" in fitted.notices[-1]


def test_characters_go_through_the_embedding_by_their_place_in_the_alphabet() -> None:
    fitted = fit(network(3, EMBEDDING), read_text("cab?"), alphabet="abc")
    assert fitted[0].values.tolist() == [*EMBEDDING.matrix[[2, 0, 1]].tolist(), [0, 0, 0]]
    assert fitted[0].time == ("c", "a", "b", "?")
    assert any("?" in notice and "zeros" in notice for notice in fitted.notices)


def test_a_text_of_as_many_characters_as_the_embedding_knows_needs_no_alphabet() -> None:
    assert fit(network(3, EMBEDDING), read_text("edcba"))[0].values.tolist() == EMBEDDING.matrix[::-1].tolist()


def test_another_of_several_embeddings_is_taken_when_it_is_named() -> None:
    other = Embedding("other", -EMBEDDING.matrix)
    fitted = fit(network(3, EMBEDDING, other), table("word"), embedding=other)
    assert fitted[0].values.tolist() == other.matrix[[3, 0, 4]].tolist()


def test_an_alphabet_orders_one_hot_columns_and_leaves_the_rest_empty() -> None:
    fitted = fit(network(4), read_text("ab a"), alphabet=" ba")
    assert fitted[0].values.tolist() == [[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0]]


def test_an_assumed_order_is_reported() -> None:
    fitted = fit(network(2), read_text("abba"))
    assert "in this order: a b" in fitted.notices[-1]


@pytest.mark.parametrize(
    ("call", "found", "wanted", "remedy"),
    [
        (lambda: fit(network(2), table("word", "size", "colour")), "3 features", "2, as the", "Choose 2 columns"),
        (lambda: fit(network(9, EMBEDDING), table("word", "size")), "2 features", "9, as the", "the one column"),
        (lambda: fit(network(65), read_text("abc")), "3 characters", "65, as the", "in the order in which"),
        (lambda: fit(network(2), read_text("abc"), alphabet="abc"), "3 characters", "at most 2", "Remove"),
        (lambda: fit(network(3), table("word", "size"), alphabet="abc"), "numbers", "text", "Read a text"),
        (lambda: fit(network(3, EMBEDDING), table("size")), "size = 0.5", "from 0 to 4", "Choose the column"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_numbers(
    call: Callable[[], object], found: str, wanted: str, remedy: str
) -> None:
    with pytest.raises(FormatError) as caught:
        call()
    assert found in caught.value.found
    assert wanted in caught.value.wanted
    assert remedy in caught.value.remedy


def test_a_number_beyond_the_embedding_is_refused_with_its_step() -> None:
    with pytest.raises(FormatError, match=r"step 3: found word = 9"):
        fit(network(3, EMBEDDING), read_table(b"word\n1\n2\n9\n", scale="none"))

"""Text becomes one-hot steps, whatever the characters, or is refused with a remedy."""

import numpy as np
import pytest

from gru_viz.errors import SequenceError
from gru_viz.sequences.one_hot_text import MAX_ALPHABET, read_text, visible_character


def test_every_step_is_one_hot_in_its_characters_column():
    text = "abba, baba"
    (read,) = read_text(text)
    assert read.values.dtype == np.float32
    assert read.values.shape == (10, 4)
    assert (read.values.sum(axis=1) == 1).all()
    assert [read.features[k] for k in read.values.argmax(axis=1)] == list(read.time) == list("abba,␣baba")


def test_the_alphabet_gives_the_order_and_size_of_the_features():
    assert read_text("ab", alphabet="cba").features == ("c", "b", "a")
    assert read_text("ab", alphabet="cba")[0].values.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_scaling_leaves_values_alone():
    read = read_text("ab")
    assert read.scaling.method == "none"
    np.testing.assert_array_equal(read.scaling.undo(read[0].values), read[0].values)


def test_unknown_characters_are_rows_of_zeros_named_and_counted():
    read = read_text("a?b!?", alphabet="ab")
    assert read[0].values.sum(axis=1).tolist() == [1, 0, 1, 0, 0]
    assert read[0].time == ("a", "?", "b", "!", "?")
    assert read.notices == ("3 of 5 characters are not in the alphabet and are read as zeros: '?' (2), '!' (1)",)


def test_many_unknown_characters_make_a_short_notice():
    (notice,) = read_text("a" + "".join(map(chr, range(0x400, 0x420))), alphabet="a").notices
    assert "and 24 others" in notice


def test_composed_and_decomposed_letters_are_the_same():
    assert read_text("e\u0301")[0].time == ("é",)
    assert read_text("é", alphabet="e\u0301x").features == ("é", "x")


def test_every_line_end_is_one_step():
    assert read_text("a\r\nb\rc\nd")[0].time == ("a", "⏎", "b", "⏎", "c", "⏎", "d")


@pytest.mark.parametrize("text", ["👩‍🔬", "x̂ŷ", "नमस्ते", "שלום", "\x00\u202e\ud800", "\ufeffa", "日本語"])
def test_any_script_is_read_with_visible_names(text):
    read = read_text(text)
    assert len(set(read.features)) == len(read.features)
    assert all(label.isprintable() and not label.isspace() for label in read[0].time)
    "".join(read.features).encode()


def test_visible_symbols_have_names_of_their_own():
    assert len(set(read_text(" ␣\n⏎\t⇥").features)) == 6
    assert visible_character("␣") == "U+2423"


def test_one_character_is_one_step():
    assert read_text("a")[0].values.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"text": ""}, "no character"),
        ({"text": "ab", "alphabet": ""}, "no distinct character"),
        ({"text": "a" * 5001}, "5001 characters"),
        ({"text": "abc", "max_characters": 2}, "3 characters"),
        ({"text": "".join(map(chr, range(0x4E00, 0x4E01 + MAX_ALPHABET)))}, "257 distinct characters"),
        ({"text": "ab", "alphabet": "aab"}, "a more than once"),
        ({"text": "AB", "alphabet": "ab"}, "only characters outside the alphabet: 'A', 'B'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_remedy(arguments, found):
    with pytest.raises(SequenceError) as caught:
        read_text(**arguments)
    assert caught.value.found == found
    assert caught.value.where.startswith("text")
    assert caught.value.remedy.endswith(".")


def test_the_longest_text_allowed_is_read_whole():
    assert len(read_text("ab" * 2500)[0]) == 5000

"""Reads text as a sequence of one-hot characters: a step for each character, a feature for each letter."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from gru_viz.errors import SequenceError
from gru_viz.sequences.scaling import Scaling
from gru_viz.sequences.sequence import Sequence, Sequences

__all__ = ["MAX_ALPHABET", "MAX_CHARACTERS", "normalise_text", "read_text", "visible_character"]

MAX_CHARACTERS = 5000
MAX_ALPHABET = 256
_SYMBOLS = {" ": "␣", "\n": "⏎", "\t": "⇥"}
_MOST_LISTED = 8


def visible_character(character: str) -> str:
    """Return a visible name: ␣ for a space, ⏎ for a line end, ⇥ for a tab, a code for others that cannot be seen.

    Distinct characters have distinct names.

    Example:
        >>> [visible_character(c) for c in ("a", " ", chr(10), chr(0x200B), chr(0x301), "␣")]
        ['a', '␣', '⏎', 'U+200B', 'U+0301', 'U+2423']
    """
    if character in _SYMBOLS:
        return _SYMBOLS[character]
    visible = character.isprintable() and not unicodedata.combining(character) and character not in _SYMBOLS.values()
    return character if visible else f"U+{ord(character):04X}"


def read_text(
    text: str, alphabet: str | None = None, name: str = "text", max_characters: int = MAX_CHARACTERS
) -> Sequences:
    """Read text as one sequence of one-hot characters.

    Text is brought to Unicode NFC first, so that é is one character however it was typed, and each line end to one
    character. Names of the features and labels of the steps are the characters, ␣ for a space and ⏎ for a line end.

    Args:
        text: the text, case-sensitive.
        alphabet: the characters in the order of the features, such as those of a trained network; None takes the
            sorted characters of the text. Other characters become steps of zeros, with a notice that counts them.
        name: the name of the sequence.
        max_characters: the longest text allowed.

    Returns:
        One sequence with values (time, alphabet): 1 in the column of the step's character, else 0.

    Raises:
        SequenceError: the text is empty or too long, has too many distinct characters, or none of the alphabet.

    Example:
        >>> hello = read_text("to be")
        >>> hello.features, hello[0].time
        (('␣', 'b', 'e', 'o', 't'), ('t', 'o', '␣', 'b', 'e'))
        >>> hello[0].values[0].tolist()
        [0.0, 0.0, 0.0, 0.0, 1.0]
        >>> read_text("Be", alphabet="bet").notices
        ("1 of 2 characters is not in the alphabet and is read as zeros: 'B' (1)",)
    """
    characters = normalise_text(text)
    _check_number(name, len(characters), "character", max_characters, "Shorten the text.")
    letters = sorted(set(characters)) if alphabet is None else list(normalise_text(alphabet))
    column = _columns(name, letters)
    unknown = Counter(c for c in characters if c not in column)
    if unknown.total() == len(characters):
        found = f"only characters outside the alphabet: {_first(unknown, repr)}"
        wanted = f"some of {''.join(map(visible_character, letters))}"
        raise SequenceError(name, found, wanted, "Use these characters.")
    columns = np.array([column.get(c, -1) for c in characters])
    values = (columns[:, None] == np.arange(len(letters))).astype(np.float32)
    features = tuple(visible_character(letter) for letter in letters)
    return Sequences(
        (Sequence(values, features, tuple(visible_character(c) for c in characters), name),),
        Scaling("none", features, np.zeros(len(letters)), np.ones(len(letters))),
        notices=(_notice(unknown, len(characters)),) if unknown else (),
        source=f"text, {len(characters)} characters",
        details={"alphabet": "".join(letters)},
    )


def normalise_text(text: str) -> str:
    """Bring text to Unicode NFC and line ends to one character.

    Example:
        >>> normalise_text("e" + chr(0x301) + chr(13) + chr(10)) == "é" + chr(10)
        True
    """
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _columns(name: str, letters: list[str]) -> dict[str, int]:
    _check_number(f"{name}, alphabet", len(letters), "distinct character", MAX_ALPHABET, "Use fewer.")
    column = {letter: k for k, letter in enumerate(letters)}
    if len(column) < len(letters):
        repeated = _first((c for c, n in Counter(letters).items() if n > 1), visible_character)
        raise SequenceError(f"{name}, alphabet", f"{repeated} more than once", "each once", "Remove the repetition.")
    return column


def _check_number(where: str, number: int, what: str, most: int, remedy: str) -> None:
    if number == 0:
        raise SequenceError(where, f"no {what}", f"1 to {most}", "Type or paste some text.")
    if number > most:
        raise SequenceError(where, f"{number} {what}s", f"at most {most}", remedy)


def _notice(unknown: Counter[str], length: int) -> str:
    number = unknown.total()
    verb = "is not in the alphabet and is" if number == 1 else "are not in the alphabet and are"
    names = _first(unknown, lambda c: f"{visible_character(c)!r} ({unknown[c]})")
    return f"{number} of {length} characters {verb} read as zeros: {names}"


def _first(characters: Iterable[str], write: Callable[[str], str]) -> str:
    """The first few characters, and the number of others."""
    every = list(characters)
    others = [f"and {len(every) - _MOST_LISTED} others"] if len(every) > _MOST_LISTED else []
    return ", ".join([write(c) for c in every[:_MOST_LISTED]] + others)

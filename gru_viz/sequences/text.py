"""Text: every character one step, one-hot over an alphabet."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from gru_viz.errors import SequenceError
from gru_viz.sequences.model import Scaling, Sequence, Sequences

__all__ = ["MAX_ALPHABET", "MAX_CHARACTERS", "composed", "read_text", "shown"]

MAX_CHARACTERS = 5000
MAX_ALPHABET = 256
_MARKS = {" ": "␣", "\n": "⏎", "\t": "⇥"}
_NAMED = 8


def shown(character: str) -> str:
    """Write one character so that it can be seen: ␣ for a space, ⏎ for a line's end, ⇥ for a tab, a code for others.

    Distinct characters stay distinct, so that a name of this kind can be read back.

    Example:
        >>> [shown(c) for c in ("a", " ", chr(10), chr(0x200B), chr(0x301), "␣")]
        ['a', '␣', '⏎', 'U+200B', 'U+0301', 'U+2423']
    """
    if character in _MARKS:
        return _MARKS[character]
    seen = character.isprintable() and not unicodedata.combining(character) and character not in _MARKS.values()
    return character if seen else f"U+{ord(character):04X}"


def read_text(
    text: str, alphabet: str | None = None, name: str = "text", max_characters: int = MAX_CHARACTERS
) -> Sequences:
    """Read text as one sequence whose steps are characters and whose features are the letters of an alphabet.

    Text is composed first (Unicode NFC, so that é is one character however it was typed) and every line's end is one
    ⏎. A step holds a 1 in its character's column and 0 elsewhere; values are (time, alphabet) without a unit. Labels
    of the steps and names of the features are the characters as ``shown`` writes them.

    Args:
        text: what to read, case and all.
        alphabet: the characters in the order of the features, such as those a trained network knows; None takes the
            text's own, sorted. Characters outside it become steps of zeros only, and a notice counts them.
        name: what the sequence is called.
        max_characters: the most that is read; longer text is refused, never cut.

    Raises:
        SequenceError: the text is empty, too long, has too many distinct characters, or none of the alphabet's.

    Example:
        >>> hello = read_text("to be")
        >>> hello.features, hello[0].time
        (('␣', 'b', 'e', 'o', 't'), ('t', 'o', '␣', 'b', 'e'))
        >>> hello[0].values[0].tolist()
        [0.0, 0.0, 0.0, 0.0, 1.0]
        >>> read_text("Be", alphabet="bet").notices
        ("1 of 2 characters is not in the alphabet and reads as zeros only: 'B' (1)",)
    """
    characters = composed(text)
    _refuse_unless_between(name, len(characters), "character", max_characters, "Shorten the text.")
    letters = sorted(set(characters)) if alphabet is None else list(composed(alphabet))
    _refuse_unless_between(f"{name}, alphabet", len(letters), "distinct character", MAX_ALPHABET, "Use fewer.")
    column = {letter: k for k, letter in enumerate(letters)}
    if len(column) < len(letters):
        twice = _counted((c for c, n in Counter(letters).items() if n > 1), shown)
        raise SequenceError(f"{name}, alphabet", f"{twice} more than once", "each once", "Remove the repetition.")
    strangers = Counter(c for c in characters if c not in column)
    if strangers.total() == len(characters):
        raise SequenceError(
            name,
            f"only characters outside the alphabet: {_counted(strangers, repr)}",
            f"some of {''.join(map(shown, letters))}",
            "Write with these characters.",
        )
    values = np.zeros((len(characters), len(letters)), np.float32)
    for step, character in enumerate(characters):
        if character in column:
            values[step, column[character]] = 1
    features = tuple(shown(letter) for letter in letters)
    return Sequences(
        (Sequence(values, features, tuple(shown(c) for c in characters), name),),
        Scaling("none", features, np.zeros(len(letters)), np.ones(len(letters))),
        notices=(_notice(strangers, len(characters)),) if strangers else (),
        source=f"text, {len(characters)} characters",
        details={"alphabet": "".join(letters)},
    )


def composed(text: str) -> str:
    """Bring text to Unicode NFC, so that é is one character however it was typed, and line ends to one character.

    Example:
        >>> composed("e" + chr(0x301) + chr(13) + chr(10)) == "é" + chr(10)
        True
    """
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def _refuse_unless_between(where: str, count: int, what: str, most: int, remedy: str) -> None:
    if count == 0:
        raise SequenceError(where, f"no {what}", f"1 to {most}", "Type or paste some text.")
    if count > most:
        raise SequenceError(where, f"{count} {what}s", f"at most {most}", remedy)


def _notice(strangers: Counter[str], length: int) -> str:
    count = strangers.total()
    verb = "is not in the alphabet and reads" if count == 1 else "are not in the alphabet and read"
    told = _counted(strangers, lambda c: f"{shown(c)!r} ({strangers[c]})")
    return f"{count} of {length} characters {verb} as zeros only: {told}"


def _counted(characters: Iterable[str], write: Callable[[str], str]) -> str:
    """The first few, and how many others there are."""
    every = list(characters)
    others = [f"and {len(every) - _NAMED} others"] if len(every) > _NAMED else []
    return ", ".join([write(c) for c in every[:_NAMED]] + others)

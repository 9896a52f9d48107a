"""Data come back from bytes as they were, to the last bit, and nothing else comes back at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load, save

from gru_viz.errors import TrainingError
from gru_viz.sequences import LabelledSequences, Scaling, Sequence, Sequences
from gru_viz.training.tasks.data_bytes import pack_data, unpack_data

pytestmark = pytest.mark.usefixtures("unchecked")
words = st.text(st.characters(), max_size=8)  # emoji, NUL and lone surrogates among them
numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def sequences(draw: st.DrawFn) -> Sequences:
    features = tuple(draw(st.lists(words, min_size=1, max_size=4)))
    items = []
    for length in draw(st.lists(st.integers(0, 5), max_size=4)):
        values = draw(arrays.arrays(np.float32, (length, len(features)), elements=numbers))
        time = draw(st.none() | st.lists(words, min_size=length, max_size=length).map(tuple))
        items.append(Sequence(values, features, time, draw(words)))
    doubles = arrays.arrays(np.float64, len(features), elements=st.floats(allow_nan=False))
    scaling = Scaling(draw(words), features, draw(doubles), draw(doubles))
    details = draw(st.dictionaries(words, words, max_size=2))
    return Sequences(tuple(items), scaling, tuple(draw(st.lists(words, max_size=2))), draw(words), details)


def same(one: Sequences, other: Sequences) -> bool:
    pairs = list(zip(one, other, strict=True))
    return (
        all(a.values.tobytes() == b.values.tobytes() and a.values.shape == b.values.shape for a, b in pairs)
        and all((a.features, a.time, a.name) == (b.features, b.time, b.name) for a, b in pairs)
        and (one.scaling.method, one.features) == (other.scaling.method, other.features)
        and one.scaling.centre.tobytes() == other.scaling.centre.tobytes()
        and one.scaling.scale.tobytes() == other.scaling.scale.tobytes()
        and (one.notices, one.source, one.details) == (other.notices, other.source, other.details)
    )


@given(sequences())
def test_sequences_come_back(data: Sequences) -> None:
    back = unpack_data(pack_data(data))
    assert isinstance(back, Sequences)
    assert same(data, back)


@given(sequences(), words, st.data())
def test_labelled_sequences_come_back(data: Sequences, label: str, more: st.DataObject) -> None:
    labels = tuple(more.draw(words) for _ in data)
    back = unpack_data(pack_data(LabelledSequences(data, labels, label)))
    assert isinstance(back, LabelledSequences)
    assert same(data, back.sequences)
    assert (back.labels, back.label) == (labels, label)


@given(st.none() | st.text(st.characters()))
def test_text_and_nothing_come_back(data: str | None) -> None:
    assert unpack_data(pack_data(data)) == data


@pytest.mark.parametrize("damaged", [b"", b"text", pack_data("text")[:-3], b"\x80\x04N."])
def test_damaged_bytes_are_refused(damaged: bytes) -> None:
    with pytest.raises(TrainingError, match="Choose the data again"):
        unpack_data(damaged)


def test_data_saved_under_the_header_s_earlier_name_still_open() -> None:
    arrays = load(pack_data("To be"))
    assert unpack_data(save({"told": arrays["header"]})) == "To be"

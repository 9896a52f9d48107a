"""StepLabels written on demand are the tuple of texts that they stand for."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from gru_viz.sequences.step_labels import label_steps

VALUES = [
    (np.array([1, 2, 30]), ("1", "2", "30")),
    (np.array([0.1, 2.0, 1e-7, 1 / 3]), ("0.1", "2", "1e-07", "0.333333333333333")),
    (np.array(["a", None, "b c"], dtype=object), ("a", "", "b c")),
    (np.array(["2019", "2020"], "datetime64[us]"), ("2019", "2020")),
    (np.array(["2019-03", "2020-01"], "datetime64[us]"), ("2019-03", "2020-01")),
    (np.array(["2019-03-01", "2020-01-02"], "datetime64[us]"), ("2019-03-01", "2020-01-02")),
    (
        np.array(["2019-03-01T00:00:00", "2020-01-02T00:00:00.5"], "datetime64[us]"),
        ("2019-03-01 00:00:00.000", "2020-01-02 00:00:00.500"),
    ),
    (np.array(["1900-01-01T10:30", "1900-01-01T11:00"], "datetime64[us]"), ("10:30", "11:00")),
]


@pytest.mark.parametrize(("values", "texts"), VALUES, ids=lambda v: repr(v)[:30])
def test_labels_are_a_tuple_of_texts(values: np.ndarray, texts: tuple[str, ...]) -> None:
    labels = label_steps(values)
    assert labels == texts
    assert texts == labels
    assert tuple(labels) == texts
    assert repr(labels) == repr(texts)
    assert hash(labels) == hash(texts)
    assert len(labels) == len(texts)
    assert [labels[k] for k in range(-len(texts), len(texts))] == [*texts, *texts]
    assert labels[1:] == texts[1:]
    assert labels[::-1] == texts[::-1]
    assert labels.take(np.array([0, 1])) == texts[:2]
    assert labels.take(np.array([len(texts) - 1])) == texts[-1:]
    assert labels.take(np.array([], int)) == ()
    assert pickle.loads(pickle.dumps(labels)) == texts
    assert labels != texts[:-1]
    assert labels != "text"
    with pytest.raises(IndexError):
        labels[len(texts)]


def test_a_part_writes_its_dates_as_the_whole_does() -> None:
    dates = np.array(["2019-03-01T00:00", "2019-03-01T00:30"], "datetime64[us]")
    assert label_steps(dates)[:1] == ("2019-03-01 00:00",)


def test_many_labels_take_the_room_of_their_numbers() -> None:
    numbers = np.arange(1_000_000)
    labels = label_steps(numbers)
    assert np.shares_memory(labels.values, numbers)
    assert np.shares_memory(labels.take(np.arange(5, 900_000)).values, numbers)
    assert labels[999_999] == "999999"

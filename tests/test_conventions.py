"""The table of variants is what the sources say, written down here a second time by hand."""

from __future__ import annotations

import re

import pytest
from lopsided import ALL, BIASES, CELL, GRUS, RESET_BEFORE, SHAPES, TAKES

from gru_viz import CONVENTIONS, ConventionError
from gru_viz.conventions import convention


def test_every_published_variant_is_there_and_no_other() -> None:
    assert set(CONVENTIONS) == set(ALL)


@pytest.mark.parametrize("name", GRUS)
def test_each_gru_made_the_choices_its_source_made(name: str) -> None:
    kind = CONVENTIONS[name]
    assert kind.name == name
    assert kind.cell == "gru"
    assert kind.reset == ("before" if name in RESET_BEFORE else "after")
    assert kind.update == ("takes" if name in TAKES else "keeps")
    assert kind.biases == BIASES[name]


@pytest.mark.parametrize("name", ALL)
def test_the_count_of_biases_is_what_the_matrices_have_room_for(name: str) -> None:
    kind = CONVENTIONS[name]
    parts = {(p.part, p.gate) for matrix in kind.matrices for row in matrix.grid for p in row}
    for gate in kind.gates:
        assert {("W", gate), ("U", gate)} <= parts
        assert sum((part, gate) in parts for part in ("b", "b_h")) == kind.biases


@pytest.mark.parametrize("name", ALL)
def test_matrices_have_the_names_of_the_source(name: str) -> None:
    assert [matrix.name for matrix in CONVENTIONS[name].matrices] == list(SHAPES[name](3, 5)) or {
        matrix.name for matrix in CONVENTIONS[name].matrices
    } == set(SHAPES[name](3, 5))


@pytest.mark.parametrize("name", ALL)
def test_quantities_are_complete_and_their_ranges_go_by_meaning(name: str) -> None:
    wanted = {
        "gru": ("reset", "update", "candidate", "hidden"),
        "lstm": ("input", "forget", "output", "cell_candidate", "cell", "hidden"),
        "rnn": ("hidden",),
    }[CELL[name]]
    kind = CONVENTIONS[name]
    assert tuple(q.name for q in kind.quantities) == wanted
    assert len({q.symbol for q in kind.quantities}) == len(wanted)
    for q in kind.quantities:
        assert (q.low, q.high) == ((0, 1) if q.kind == "gate" else (-1, 1))
        assert q.meaning
        assert q.low_means
        assert q.high_means
        assert q.low_means != q.high_means
        assert kind.quantity(q.name) == q


@pytest.mark.parametrize("name", GRUS)
def test_the_words_at_the_ends_of_the_update_gate_follow_what_it_means(name: str) -> None:
    update = CONVENTIONS[name].quantity("update")
    keeps, takes = (update.low_means, update.high_means) if name in TAKES else (update.high_means, update.low_means)
    assert "old" in keeps
    assert "new" in takes


def test_the_table_is_read_only() -> None:
    with pytest.raises(TypeError):
        CONVENTIONS["mine"] = CONVENTIONS["torch"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        CONVENTIONS["torch"].reset = "before"  # type: ignore[misc]


def test_every_variant_has_its_own_title_and_a_source() -> None:
    assert len({kind.title for kind in CONVENTIONS.values()}) == len(CONVENTIONS)
    assert all(re.search(r"\w{3}", kind.source) for kind in CONVENTIONS.values())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConventionError) as caught:
        convention("GRU2")
    assert "GRU2" in caught.value.found
    assert all(name in caught.value.wanted for name in ALL)
    assert caught.value.remedy


def test_a_convention_looks_itself_up() -> None:
    kind = CONVENTIONS["tf1"]
    assert convention(kind) is kind

"""Weights: layouts both ways, conversion exactly where it exists, refusal with the reason where it does not."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from lopsided import ALL, BIASES, CELL, GRUS, RESET_AFTER, RESET_BEFORE, SHAPES, TAKES, inputs, matrices, stack

import gru_viz
from gru_viz import ConventionError, Weights, convert
from gru_viz.matrix_layout import assemble, sizes, take_apart

SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))


def lopsided(name: str, **options: object) -> Weights:
    return Weights.from_matrices(name, matrices(name, **options))  # type: ignore[arg-type]


def unequal_matrices(name: str, directions: int) -> list[list[dict[str, np.ndarray]]]:
    """Two layers, of 6 and of 4 units."""
    return [stack(name, reads, hidden, 1, directions)[0] for reads, hidden in ((3, 6), (6 * directions, 4))]


def unequal(name: str, directions: int) -> Weights:
    return Weights.from_matrices(name, unequal_matrices(name, directions))


def says_everything(error: gru_viz.GruVizError) -> None:
    """Where, found, wanted, what to do: all there, and in the text."""
    for part in (error.where, error.found, error.wanted, error.remedy):
        assert part.strip()
        assert part in str(error)


# --- layout -----------------------------------------------------------------------------------------------------


@given(SIZES)
@pytest.mark.parametrize("name", ALL)
def test_taking_apart_and_putting_together_is_the_identity(name: str, size: tuple[int, int, int]) -> None:
    features, hidden, seed = size
    arrays, kind = matrices(name, features, hidden, seed), gru_viz.CONVENTIONS[name]
    assert sizes(kind, arrays) == {"W": features, "U": hidden}
    for matrix in kind.matrices:
        blocks = take_apart(matrix, arrays[matrix.name], {"W": features, "U": hidden})
        rebuilt = assemble(matrix, blocks)
        assert rebuilt.shape == arrays[matrix.name].shape
        assert np.array_equal(rebuilt, arrays[matrix.name])
        assert sum(block.size for block in blocks.values()) == arrays[matrix.name].size
        for (part, _), block in blocks.items():
            assert block.shape == {"W": (hidden, features), "U": (hidden, hidden)}.get(part, (hidden,))


@pytest.mark.parametrize("name", ALL)
def test_random_weights_have_the_documented_names_and_shapes(name: str) -> None:
    w = gru_viz.random_weights(name, features=3, hidden=5)
    assert {key: array.shape for key, array in w.matrices.items()} == SHAPES[name](3, 5)
    assert (w.features, w.hidden, w.dtype) == (3, 5, np.float32)


@pytest.mark.parametrize("name", ALL)
def test_parameters_are_counted_from_the_shapes(name: str) -> None:
    assert lopsided(name).parameters == sum(int(np.prod(shape)) for shape in SHAPES[name](3, 5).values())


def test_swapping_two_gates_is_noticed() -> None:
    """The check of the layout can fail: blocks in another order are other numbers, and other states."""
    arrays = matrices("torch")
    swapped = {k: np.concatenate([v[5:10], v[:5], v[10:]]) for k, v in arrays.items()}
    x = inputs(9, 3)
    right, wrong = (gru_viz.trace(Weights.from_matrices("torch", each), x) for each in (arrays, swapped))
    assert np.abs(right.hidden - wrong.hidden).max() > 1e-2
    assert wrong.proof.holds  # a proof shows that the gates are those used, not that the file was read rightly


# --- what from_matrices refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_missing_or_unknown_name_is_refused(name: str) -> None:
    arrays = matrices(name)
    first = next(iter(arrays))
    for wrong in ({k: v for k, v in arrays.items() if k != first}, arrays | {"spare": np.zeros(3)}):
        with pytest.raises(ConventionError) as caught:
            Weights.from_matrices(name, wrong)
        says_everything(caught.value)
        assert first in caught.value.wanted


@pytest.mark.parametrize("name", ALL)
def test_every_wrong_shape_is_refused(name: str) -> None:
    """Each array in turn one longer on each axis, one shorter, with an axis more, or transposed where that shows."""
    arrays = matrices(name, features=3, hidden=5)
    for key, array in arrays.items():
        wrong = [np.pad(array, [(0, int(k == axis)) for k in range(array.ndim)]) for axis in range(array.ndim)]
        wrong += [np.delete(array, 0, axis) for axis in range(array.ndim)]
        wrong += [array[None], array.ravel()[0]]
        wrong += [array.T] if array.T.shape != array.shape else []
        for each in wrong:
            if _is_a_legal_network(name, arrays | {key: each}):
                continue
            with pytest.raises(ConventionError) as caught:
                Weights.from_matrices(name, arrays | {key: np.asarray(each)})
            says_everything(caught.value)


def _is_a_legal_network(name: str, arrays: dict[str, np.ndarray]) -> bool:
    """Growing the only array that depends on the features gives a network of another size, which is right."""
    found = {k: np.shape(v) for k, v in arrays.items()}
    return any(SHAPES[name](i, h) == found for i in range(1, 9) for h in range(1, 9))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("size", [(0, 5), (3, 0)])
def test_empty_matrices_are_refused(name: str, size: tuple[int, int]) -> None:
    with pytest.raises(ConventionError):
        Weights.from_matrices(name, {k: np.zeros(shape) for k, shape in SHAPES[name](*size).items()})


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex128", "object"])
def test_matrices_that_are_no_floating_point_numbers_are_refused(dtype: str) -> None:
    with pytest.raises(ConventionError) as caught:
        Weights.from_matrices("torch", {k: np.round(v).astype(dtype) for k, v in matrices("torch").items()})
    says_everything(caught.value)
    assert dtype in caught.value.found


def test_layers_that_do_not_fit_on_each_other_are_refused() -> None:
    first, second = matrices("torch", 3, 5), matrices("torch", 4, 5)
    with pytest.raises(ConventionError) as caught:
        Weights.from_matrices("torch", [first, second])
    says_everything(caught.value)
    assert "layer 1" in caught.value.where
    with pytest.raises(ConventionError):
        Weights.from_matrices("torch", [(first, first), matrices("torch", 10, 5)])
    with pytest.raises(ConventionError):
        Weights.from_matrices("torch", [(first, matrices("torch", 3, 4))])
    with pytest.raises(ConventionError) as caught:
        Weights.from_matrices("torch", [[first], []])
    says_everything(caught.value)


@pytest.mark.parametrize("name", ["torch", "keras_reset_before", "torch_lstm"])
@pytest.mark.parametrize("directions", [1, 2])
def test_layers_may_differ_in_size_where_each_reads_what_the_one_below_hands_up(name: str, directions: int) -> None:
    w = unequal(name, directions)
    assert (w.features, w.units, w.hidden) == (3, (6, 4), 4)
    assert w.layers[1][0].features == 6 * directions
    for change in (w.read_as(name), pickle.loads(pickle.dumps(w))):
        assert change.units == (6, 4)
    with pytest.raises(ConventionError):
        Weights.from_matrices(name, [each[:1] for each in unequal_matrices(name, 2)])


def test_torch_has_no_module_for_layers_of_unequal_size() -> None:
    w = unequal("torch", 1)
    with pytest.raises(ConventionError) as caught:
        w.to_module()
    says_everything(caught.value)
    assert "6, 4 units" in caught.value.found
    assert [Weights((layer,)).to_module().hidden_size for layer in w.layers] == [6, 4]


@pytest.mark.parametrize("layers", [[], [[]]])
def test_no_layer_at_all_is_refused(layers: list[list[dict[str, np.ndarray]]]) -> None:
    with pytest.raises(ConventionError) as caught:
        Weights.from_matrices("torch", layers)
    says_everything(caught.value)


def test_three_directions_are_refused() -> None:
    one = matrices("torch")
    with pytest.raises(ConventionError) as caught:
        Weights.from_matrices("torch", [(one, one, one)])
    says_everything(caught.value)


# --- frozen, compared, copied -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_matrices_are_copied_in_and_read_only(name: str) -> None:
    arrays = matrices(name)
    w = Weights.from_matrices(name, arrays)
    key = next(iter(arrays))
    before = w.matrices[key].copy()
    arrays[key][:] = 0
    assert np.array_equal(w.matrices[key], before)
    with pytest.raises(ValueError, match="read-only"):
        w.matrices[key][...] = 0
    with pytest.raises(TypeError):
        w.matrices[key] = before  # type: ignore[index]


def test_matrices_of_a_stack_are_asked_for_by_layer() -> None:
    w = Weights.from_matrices("torch", stack("torch", layers=2, directions=2))
    with pytest.raises(ConventionError) as caught:
        _ = w.matrices
    says_everything(caught.value)
    assert "layers[k][d]" in caught.value.remedy
    assert w.matrices_of(1, 1)["weight_ih"].shape == (15, 10)
    assert w.bidirectional
    assert w.layers[1][0].features == 10


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda w: pickle.loads(pickle.dumps(w))])
@pytest.mark.parametrize("name", ALL)
def test_weights_can_be_copied_and_pickled(name: str, copied: object) -> None:
    w = Weights.from_matrices(name, stack(name, layers=2, directions=2), origin="a test")
    again: Weights = copied(w)  # type: ignore[operator]
    assert again.convention == w.convention
    assert again.origin == "a test"
    for k in range(2):
        for d in range(2):
            for key, array in w.matrices_of(k, d).items():  # type: ignore[arg-type]
                twin = again.layers[k][d].matrices[key]
                assert np.array_equal(twin, array)
                assert not twin.flags.writeable


# --- modules ----------------------------------------------------------------------------------------------------

MODULES = {"torch": torch.nn.GRU, "torch_lstm": torch.nn.LSTM, "torch_rnn": torch.nn.RNN}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_goes_in_and_comes_out_the_same(
    name: str, dtype: torch.dtype, layers: int, bidirectional: bool, bias: bool
) -> None:
    module = MODULES[name](3, 5, num_layers=layers, bidirectional=bidirectional, bias=bias, dtype=dtype)
    w = Weights.from_module(module)
    back = w.to_module()
    assert not back.training
    assert back.batch_first
    theirs = module.state_dict()
    for key, tensor in back.state_dict().items():
        assert tensor.dtype == dtype
        assert torch.equal(tensor, theirs.get(key, torch.zeros_like(tensor)))
    assert set(theirs) <= set(back.state_dict())
    again = Weights.from_module(back)
    assert all(
        np.array_equal(again.layers[k][d].matrices[key], array)
        for k, layer in enumerate(w.layers)
        for d, cell in enumerate(layer)
        for key, array in cell.matrices.items()
    )


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", [torch.nn.GRUCell, torch.nn.LSTMCell, torch.nn.RNNCell])
def test_the_weights_of_a_cell_run_as_the_cell_does(cell: type[torch.nn.RNNCellBase], bias: bool) -> None:
    module, x = cell(3, 5, bias=bias, dtype=torch.float64), torch.tensor(inputs(2, 4, 3))
    w = Weights.from_module(module)
    assert w.origin == f"torch.nn.{cell.__name__}"
    state = None
    for t in range(4):
        state = module(x[:, t], state)
        own = gru_viz.trace(w, x[:, : t + 1]).hidden[:, -1]
        assert np.abs(own - (state[0] if isinstance(state, tuple) else state).detach().numpy()).max() < 1e-14


def test_a_module_that_learns_on_does_not_change_weights_taken_before() -> None:
    module = torch.nn.GRU(3, 5)
    w = Weights.from_module(module)
    before = w.matrices["weight_ih"].copy()
    with torch.no_grad():
        module.weight_ih_l0.zero_()
    assert np.array_equal(w.matrices["weight_ih"], before)


CHANGES = {
    "an optimiser's step": lambda p: torch.optim.SGD([p], lr=1.0).step(),
    "in place": lambda p: p.detach().add_(1),
    "behind torch's count of versions": lambda p: p.data.mul_(2),
    "through memory that numpy shares": lambda p: p.detach().numpy().__iadd__(1),
    "another sign of zero": lambda p: p.data.neg_(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_weights_are_those_that_the_module_has_now(how: str) -> None:
    module = torch.nn.GRU(3, 5)
    module.bias_hh_l0.data.zero_()
    earlier = Weights.from_module(module)
    assert Weights.from_module(module) is earlier  # prepared already, since no number has changed
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
        CHANGES[how](parameter)
    for name, array in Weights.from_module(module).matrices.items():
        assert array.tobytes() == getattr(module, f"{name}_l0").detach().numpy().tobytes(), name
    assert earlier.matrices["weight_ih"].tobytes() != module.weight_ih_l0.detach().numpy().tobytes()


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (torch.nn.LSTM(3, 5, proj_size=2), "proj_size"),
        (torch.nn.Linear(3, 5), "Linear"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_modules_with_other_equations_are_refused(module: torch.nn.Module, word: str) -> None:
    with pytest.raises(ConventionError) as caught:
        Weights.from_module(module)  # type: ignore[arg-type]
    says_everything(caught.value)
    assert word in str(caught.value)


# --- conversion -------------------------------------------------------------------------------------------------


def can_convert(source: str, target: str) -> bool:
    """What the two choices and the count of biases say, when every bias is set and U is full."""
    if CELL[source] != CELL[target]:
        return False
    if source == target or CELL[source] != "gru":
        return True
    if (source in RESET_AFTER) != (target in RESET_AFTER):
        return False
    if BIASES[target] == 0:
        return BIASES[source] == 0
    # Two biases sum into one, but for the candidate where the reset multiplies only the recurrent one.
    return not (target in RESET_AFTER and BIASES[target] < BIASES[source])


@pytest.mark.parametrize("source", ALL)
def test_the_whole_matrix_of_conversions_is_as_the_choices_say(source: str) -> None:
    w, x, h0 = lopsided(source), inputs(9, 3), np.tanh(inputs(5))
    start = (h0, h0) if CELL[source] == "lstm" else h0
    mine = gru_viz.trace(w, x, h0=start, backend="scratch")
    for target in ALL:
        if not can_convert(source, target):
            with pytest.raises(ConventionError) as caught:
                convert(w, to=target)
            says_everything(caught.value)
            assert target in caught.value.where
            continue
        other = convert(w, to=target)
        assert {k: v.shape for k, v in other.matrices.items()} == SHAPES[target](3, 5)
        theirs = gru_viz.trace(other, x, h0=start, backend="scratch")
        for q in mine.convention.quantities:
            a, b = getattr(mine, q.name), getattr(theirs, q.name)
            flips = q.name == "update" and (source in TAKES) != (target in TAKES)
            assert np.abs(a - (1 - b if flips else b)).max() < 1e-13, (target, q.name)
        if can_convert(target, source) and BIASES.get(source, 2) <= BIASES.get(target, 2):
            back = convert(other, to=source)
            assert all(np.array_equal(back.matrices[k], v) for k, v in w.matrices.items()), target


def test_the_matrix_of_conversions_has_both_answers() -> None:
    answers = [can_convert(a, b) for a in GRUS for b in GRUS]
    assert len(answers) == 15 * 15
    assert 40 < sum(answers) < 15 * 15 - 40


@pytest.mark.parametrize("source", RESET_AFTER)
@pytest.mark.parametrize("target", RESET_BEFORE)
def test_moving_the_reset_is_refused_with_the_reason_both_ways(source: str, target: str) -> None:
    for a, b, found, wanted in (
        (source, target, "after the recurrent product", "before it"),
        (target, source, "before it", "after the recurrent product"),
    ):
        with pytest.raises(ConventionError) as caught:
            convert(lopsided(a), to=b)
        says_everything(caught.value)
        assert found in caught.value.found
        assert wanted in caught.value.wanted
        assert "different models" in str(caught.value)


@pytest.mark.parametrize("source", RESET_AFTER)
@pytest.mark.parametrize("target", RESET_BEFORE)
def test_read_as_moves_the_reset_and_the_states_differ(source: str, target: str) -> None:
    w, x = lopsided(source), inputs(20, 3)
    a, b = gru_viz.trace(w, x), gru_viz.trace(w.read_as(target), x)
    assert np.abs(a.hidden - b.hidden).max() > 1e-3
    assert b.convention.name == target


@pytest.mark.parametrize("source", GRUS)
@pytest.mark.parametrize("target", GRUS)
def test_read_as_is_convert_where_convert_exists(source: str, target: str) -> None:
    w = lopsided(source)
    if not can_convert(source, target):
        return
    exact, read = convert(w, to=target), w.read_as(target)
    assert all(np.array_equal(exact.matrices[k], read.matrices[k]) for k in exact.matrices)


DIAGONAL = {"U": ("U",), "Uh": ("Uh",), "W_hh": ("W_hh",)}


def with_diagonal_candidate(source: str, recurrent_bias: float = 0.0) -> Weights:
    """A torch-stacked model, put into ``source``, whose candidate's U is diagonal."""
    arrays = matrices("torch")
    arrays["weight_hh"][10:] = np.diag(np.linspace(0.5, 1.5, 5))
    arrays["bias_hh"][10:] = recurrent_bias
    return Weights.from_matrices("torch", arrays).read_as(source)


@pytest.mark.parametrize("source", RESET_AFTER)
@pytest.mark.parametrize("target", ["onnx", "keras_reset_before", "d2l_equation", "tf1"])
def test_a_diagonal_candidate_is_the_exception_both_ways(source: str, target: str) -> None:
    w, x = with_diagonal_candidate(source), inputs(12, 3)
    there = convert(w, to=target)
    a, b = gru_viz.trace(w, x, backend="scratch"), gru_viz.trace(there, x, backend="scratch")
    for name in ("reset", "update", "candidate", "hidden"):
        assert np.abs(getattr(a, name) - getattr(b, name)).max() < 1e-14
    if BIASES[source] >= BIASES[target]:
        back = gru_viz.trace(convert(there, to=source), x)
        assert np.abs(back.hidden - a.hidden).max() < 1e-13


def test_a_diagonal_candidate_with_a_recurrent_bias_is_no_exception_from_after_to_before() -> None:
    with pytest.raises(ConventionError) as caught:
        convert(with_diagonal_candidate("torch", recurrent_bias=0.3), to="onnx")
    says_everything(caught.value)
    assert "bias" in caught.value.found


def test_a_diagonal_candidate_with_a_recurrent_bias_from_before_to_after() -> None:
    """U (r * h) + b_h: the bias stands outside the reset there, so it must move to the input side."""
    w, x = with_diagonal_candidate("onnx", recurrent_bias=0.3), inputs(12, 3)
    assert np.any(w.matrices["B"][-5:])
    there = convert(w, to="torch")
    own, theirs = (gru_viz.trace(each, x, backend="scratch") for each in (w, there))
    assert np.abs(own.hidden - theirs.hidden).max() < 1e-13
    assert gru_viz.trace(w, x, backend="torch").proof.holds


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        ("torch", "d2l_code", "recurrent bias"),
        ("torch", "cho_2014_v1", "bias"),
        ("d2l_code", "gentle_introduction", "input bias"),
        ("onnx", "gru_simple", "bias"),
    ],
)
def test_a_bias_without_a_place_is_refused_by_name_unless_it_is_zero(source: str, target: str, word: str) -> None:
    arrays = matrices(source)
    with pytest.raises(ConventionError) as caught:
        convert(Weights.from_matrices(source, arrays), to=target)
    says_everything(caught.value)
    assert re.search(word, caught.value.found)
    for array in arrays.values():
        if array.ndim == 1:
            array[:] = 0
    w = Weights.from_matrices(source, arrays)
    x = inputs(9, 3)
    assert np.abs(gru_viz.trace(w, x).hidden - gru_viz.trace(convert(w, to=target), x).hidden).max() < 1e-13


@pytest.mark.parametrize("source", ["torch", "torch_lstm", "torch_rnn"])
def test_stacks_convert_layer_by_layer_and_keep_their_origin(source: str) -> None:
    w = Weights.from_matrices(source, stack(source, layers=3, directions=2), origin="somewhere")
    target = {"torch": "keras_reset_after"}.get(source, source)
    there = convert(w, to=target)
    assert there.origin == "somewhere"
    back = convert(there, to=source)
    for k in range(3):
        for d in range(2):
            for key, array in w.layers[k][d].matrices.items():
                assert np.array_equal(back.layers[k][d].matrices[key], array)


def test_float32_stays_float32_through_conversions() -> None:
    w = lopsided("torch", dtype="float32")
    for target in ("keras_reset_after", "onnx_linear_before_reset", "cudnn", "ai_summer"):
        assert convert(w, to=target).dtype == np.float32
    assert convert(lopsided("d2l_equation", dtype="float32"), to="onnx").dtype == np.float32

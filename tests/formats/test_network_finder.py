"""Finding networks among named arrays: by name and shape, whatever stands before the name; or why not."""

from __future__ import annotations

import lopsided
import numpy as np
import pytest

from gru_viz import trace
from gru_viz.conventions import convention
from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import NamedArrays
from gru_viz.formats.model_file import FoundModel
from gru_viz.formats.network_finder import find_networks
from gru_viz.weights import Weights


def found(arrays: dict[str, np.ndarray], **options: object) -> tuple[FoundModel, ...]:
    return find_networks(NamedArrays(arrays, **options), "file")[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("prefix", ["", "a.b.", "model/rnn/", "cell_"])
@pytest.mark.parametrize("name", lopsided.ALL)
def test_every_convention_is_found_by_its_own_names_under_any_prefix(name: str, prefix: str) -> None:
    matrices = lopsided.matrices(name)
    arrays = {"before.weight": np.zeros((2, 2)), **{prefix + key: array for key, array in matrices.items()}}
    (model,) = found(arrays)
    assert model.name == prefix.rstrip("./_")
    assert name in (model.weights.convention.name, *model.alternatives)
    assert all(each in " ".join(model.notices) for each in [convention(key).title for key in model.alternatives])
    (specified,) = found(arrays, convention=name)
    assert specified.weights.convention.name == name
    assert specified.alternatives == ()
    for key, array in matrices.items():
        np.testing.assert_array_equal(specified.weights.matrices[key], array)


@pytest.mark.parametrize("name", lopsided.ALL)
def test_layers_and_directions_are_assembled_in_any_convention(name: str) -> None:
    stack = lopsided.stack(name, layers=3, directions=2)
    arrays = {
        f"x.{key}_l{k}{'_reverse' * d}": array
        for k, layer in enumerate(stack)
        for d, cell in enumerate(layer)
        for key, array in cell.items()
    }
    shuffled = dict(sorted(arrays.items(), key=lambda item: hash(item[1].tobytes())))
    (model,) = found(shuffled, convention=name)
    x = lopsided.inputs(1, 3, 3)
    want = trace(Weights.from_matrices(name, stack), x).layers[-1]
    got = trace(model.weights, x).layers[-1]
    np.testing.assert_array_equal(got.forward.hidden, want.forward.hidden)
    np.testing.assert_array_equal(got.backward.hidden, want.backward.hidden)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["ai_summer", "gru_simple", "cudnn", "chung_2014"])
def test_gates_saved_as_linear_layers_are_found(name: str) -> None:
    arrays = {}
    for key, array in lopsided.matrices(name).items():
        bias = array.ndim == 1
        weight = {"b_i": "W_i", "b_h": "W_h", "b_W": "W_", "b_R": "R_"}.get(key[:3], "") + key[3:] if bias else key
        arrays[f"net.{weight}.{'bias' if bias else 'weight'}"] = array
    (model,) = found(arrays, convention=name)
    for key, array in lopsided.matrices(name).items():
        np.testing.assert_array_equal(model.weights.matrices[key], array)


def test_a_bias_without_a_place_is_never_dropped() -> None:
    arrays = {f"{key}.weight": array for key, array in lopsided.matrices("gru_simple").items()}
    assert found({**arrays, "Wz.bias": np.zeros(5)})[0].weights.convention.name == "gru_simple"
    bias = np.array([0, 0, 1.0, 0, 0])
    (model,) = found({**arrays, "Wz.bias": bias})
    assert model.weights.convention.name == "torch"  # which has a place for it
    np.testing.assert_array_equal(model.weights.matrices["bias_ih"][5:10], bias)


def test_onnx_arrays_keep_their_direction_axis() -> None:
    forward, backward = lopsided.stack("onnx", directions=2)[0]
    both = {key: np.stack([forward[key], backward[key]]) for key in forward}
    (model,) = found(both)
    assert model.weights.bidirectional
    np.testing.assert_array_equal(model.weights.matrices_of(0, 1)["R"], backward["R"])
    (one,) = found({key: array[None] for key, array in forward.items()})
    np.testing.assert_array_equal(one.weights.matrices["B"], forward["B"])


def test_what_fits_several_conventions_says_so() -> None:
    kernels = {key: array for key, array in lopsided.matrices("keras_reset_after").items() if key != "bias"}
    (model,) = found({f"gru/{key}": array for key, array in kernels.items()})
    assert model.weights.convention.name == "keras_reset_after"
    assert model.alternatives == ("keras_reset_before",)
    assert any("reset_after=False" in notice for notice in model.notices)
    assert any("no biases" in notice for notice in model.notices)
    (plain,) = found(lopsided.matrices("chung_2014"))
    assert {plain.weights.convention.name, *plain.alternatives} == {
        "cho_2014_v1", "cho_2014_v3", "chung_2014", "gentle_introduction"}  # fmt: skip


def test_many_networks_in_one_file_come_in_its_order() -> None:
    cells = {"z.gru": "torch", "a.lstm": "torch_lstm", "m.rnn": "torch_rnn", "k": "keras_lstm", "o": "onnx_rnn"}
    arrays = {f"{at}.{key}": m for at, name in cells.items() for key, m in lopsided.matrices(name).items()}
    models = found(arrays)
    assert {model.name: model.weights.convention.name for model in models} == cells
    assert [model.name for model in models] == list(cells)
    assert any("tanh is assumed" in notice for notice in models[2].notices)
    assert [model.check is not None for model in models] == [True, True, True, False, False]


def test_non_finite_numbers_are_reported_and_matrices_of_several_types_are_widened() -> None:
    arrays = lopsided.matrices("torch")
    arrays["weight_hh"][0, :2] = np.nan, np.inf
    arrays["bias_ih"] = arrays["bias_ih"].astype(np.float16)
    (model,) = found(arrays)
    assert model.weights.dtype == np.float64
    assert any("weight_hh has 2 non-finite numbers of 75" in notice for notice in model.notices)
    assert any("widened to float64" in notice for notice in model.notices)


def stack(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    whole = {
        f"rnn.{key}_l{k}": np.ones(array.shape)
        for k, (cell,) in enumerate(lopsided.stack("torch", layers=2))
        for key, array in cell.items()
    }
    return {**whole, **{f"rnn.{key}": np.ones(shape) for key, shape in shapes.items()}}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (stack(weight_hh_l1=(15, 4)), ["rnn.weight_hh_l1", "(15, 4)", "(15, 5)"]),
        (stack(weight_hh_l0=(10, 5)), ["rnn.weight_hh_l0", "(10, 5)", "4 of an LSTM"]),
        (stack(weight_hh_l0=(12, 4)), ["rnn.weight_ih_l0", "(15, 3)", "(12, 4)"]),
        (stack(weight_ih_l1=(15, 3)), ["rnn.weight_ih_l1", "(15, 3)", "rnn.weight_hh_l0", "(15, 5)"]),
        (stack(bias_ih_l0=(12,)), ["rnn.bias_ih_l0", "(12,)", "(15,)"]),
        (stack(weight_ih_l0=(15, 3, 1)), ["rnn.weight_ih_l0", "(15, 3, 1)", "2 axes"]),
        (stack(weight_ih_l0=(15, 0)), ["rnn.weight_ih_l0", "(15, 0)"]),
        (stack(weight_hr_l0=(2, 5)), ["rnn.weight_hr_l0", "projection", "proj_size"]),
        (stack(weight_ih_l7=(15, 5)), ["rnn.weight_ih_l2", "no such array", "0 to 7"]),
        (stack(weight_ih_l0_reverse=(15, 3)), ["rnn.weight_hh_l0_reverse", "no such array"]),
        ({k: v for k, v in stack().items() if "hh_l1" not in k}, ["rnn.weight_hh_l1", "rnn.weight_ih_l1"]),
        ({k: v for k, v in stack().items() if k != "rnn.bias_hh_l1"}, ["rnn.bias_hh_l1", "no such array"]),
        ({"a.weight_ih": np.ones((15, 3))}, ["a.weight_hh", "no such array"]),
        ({"a.recurrent_kernel": np.ones((5, 15))}, ["a.kernel", "no such array"]),
        (
            {k.replace("hh_l0", "hh_l0_raw"): v for k, v in stack().items()},
            ["rnn.weight_hh_l0", "rnn.weight_hh_l0_raw", "remove weight normalisation"],
        ),
        (
            {k: v for k, v in lopsided.matrices("ai_summer").items() if k != "W_hn"},
            ["W_hn", "no such array", "W_hr"],
        ),
        ({"dense.kernel": np.ones((3, 2)), "W": np.ones((3, 3))}, ["no recurrent layer among 2 arrays", "dense."]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_explained_with_its_name_and_both_shapes(
    arrays: dict[str, np.ndarray], words: list[str]
) -> None:
    with pytest.raises(FormatError) as caught:
        found(arrays)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_one_network_that_does_not_fit_leaves_the_others() -> None:
    whole = {f"good.{key}": array for key, array in lopsided.matrices("torch").items()}
    models, notices = find_networks(NamedArrays({**whole, **stack(weight_hh_l0=(12, 4))}), "file")
    assert [model.name for model in models] == ["good"]
    assert "Left out: file, rnn.weight_hh_l0" in notices[0]


def around(**arrays: tuple[int, ...]) -> tuple[list[str], list[str]]:
    rnn = {f"net.rnn.{key}": array for key, array in lopsided.matrices("torch", features=3, hidden=5).items()}
    before, after = (
        {key.replace("__", "."): np.ones(shape) for key, shape in arrays.items() if key.startswith("z") == last}
        for last in (False, True)
    )
    (model,) = found({**before, **rnn, **after})
    return [each.name for each in model.embeddings], [each.name for each in model.heads]


def test_embeddings_and_heads_are_distinguished_by_shape_name_and_place() -> None:
    assert around(encoder__weight=(7, 3), decoder__weight=(7, 5), decoder__bias=(7,)) == (["encoder"], ["decoder"])
    assert around(emb__weight=(7, 4)) == ([], [])
    assert around(other__weight=(7, 3), other__bias=(7,)) == ([], [])
    assert around(word_emb__weight=(9, 3), table__weight=(7, 3))[0] == ["word_emb", "table"]
    assert around(z__fc__weight=(2, 6), z__fc__bias=(2,)) == ([], [])
    assert around(z__fc__weight=(2, 5), z__fc__bias=(3,)) == ([], [])
    assert around(z__attn__weight=(5, 5), z__fc__weight=(2, 5))[1] == ["z.fc", "z.attn"]
    assert around(z__dense__kernel=(5, 2), z__dense__bias=(2,))[1] == ["z.dense"]
    assert around(head_weight=(2, 5), head_bias=(2,))[1] == ["head"]
    assert around(norm__weight=(5,), norm__bias=(5,)) == ([], [])


def test_the_head_beside_a_network_comes_before_one_elsewhere() -> None:
    arrays = {
        f"{at}.{key}": array
        for at in ("encoder", "decoder")
        for key, array in {**lopsided.matrices("torch"), "fc.weight": np.ones((2, 5))}.items()
    }
    named = {key.replace(".weight_", ".rnn.weight_").replace(".bias_", ".rnn.bias_"): a for key, a in arrays.items()}
    heads = {model.name: [head.name for head in model.heads] for model in found(named)}
    assert heads == {
        "encoder.rnn": ["encoder.fc", "decoder.fc"],
        "decoder.rnn": ["decoder.fc", "encoder.fc"],
    }


def test_a_head_of_two_directions_reads_both() -> None:
    arrays = {
        f"{key}_l0{'_reverse' * d}": array
        for d, cell in enumerate(lopsided.stack("torch", directions=2)[0])
        for key, array in cell.items()
    }
    (model,) = found({**arrays, "half.weight": np.ones((2, 5)), "whole.weight": np.ones((2, 10))})
    assert [head.name for head in model.heads] == ["whole"]
    np.testing.assert_array_equal(model.heads[0].bias, np.zeros(2))

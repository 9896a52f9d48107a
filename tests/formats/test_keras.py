"""Keras writes and runs models; what is read from its files must show the same hidden states."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from lopsided import inputs

import gru_viz
from gru_viz import FormatError, Weights, read_model
from gru_viz.formats import FoundModel, ModelFile

WHOLE = ("m.keras", "m.h5")
ENDINGS = (*WHOLE, "m.weights.h5")
KINDS = ("GRU after", "GRU before", "LSTM", "SimpleRNN")
CONVENTIONS = dict(zip(KINDS, ("keras_reset_after", "keras_reset_before", "keras_lstm", "keras_rnn"), strict=True))


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    return pytest.importorskip("keras")


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any, str], Path]:
    def saved(model: Any, ending: str) -> Path:
        path = tmp_path / ending
        (model.save_weights if ending.endswith(".weights.h5") else model.save)(path)
        return path

    return saved


pytestmark = pytest.mark.filterwarnings("ignore")  # Keras warns of its own older format


def recurrent(keras: ModuleType, kind: str, units: int, **options: Any) -> Any:
    name, _, reset = kind.partition(" ")
    known = {"reset_after": reset == "after"} if reset else {}
    return getattr(keras.layers, name)(units, **{"return_sequences": True} | known | options)


def scrambled(model: Any, seed: int = 0) -> Any:
    """Random numbers everywhere, biases too."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.6, np.shape(each)) for each in model.get_weights()])
    return model


def sequential(keras: ModuleType, features: int, *layers: Any, dtype: str = "float32") -> Any:
    return scrambled(keras.Sequential([keras.layers.Input((None, features), dtype=dtype), *layers]))


def states_of(keras_model: Any, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(keras_model(x).cpu())


def states(weights: Weights, x: np.ndarray) -> np.ndarray:
    top = gru_viz.trace(weights, x.astype(np.result_type(x, np.float32))).layers[-1].directions
    return np.concatenate([direction.hidden for direction in top], -1)


def difference(model: FoundModel, keras_model: Any, x: np.ndarray) -> float:
    return float(np.abs(states(model.weights, x) - states_of(keras_model, x)).max())


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_three_layers_of_unequal_size_from_every_kind_of_file(keras, save, kind: str, both: bool) -> None:
    layers = [recurrent(keras, kind, units) for units in (5, 4, 6)]
    if both:
        layers = [keras.layers.Bidirectional(layer) for layer in layers]
    layers.insert(1, keras.layers.Dropout(0.3))
    model, x = sequential(keras, 3, *layers), inputs(2, 7, 3, dtype="float32")
    for ending in ENDINGS:
        file = read_model(save(model, ending))
        found = file.model()
        assert (file.format, found.weights.convention.name) == ("Keras", CONVENTIONS[kind])
        assert (found.weights.features, found.weights.units, found.weights.bidirectional) == (3, (5, 4, 6), both)
        assert difference(found, model, x) < 1e-6
        assert bool(file.notices) == (ending == "m.weights.h5"), "assumptions are reported, and only then"


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 2e-3), ("bfloat16", 2e-2), ("float64", 1e-12)])
@pytest.mark.parametrize("kind", ["GRU after", "LSTM"])
def test_other_types(keras, save, kind: str, dtype: str, bound: float) -> None:
    layer = recurrent(keras, kind, 4, dtype=dtype, recurrent_initializer="glorot_uniform")
    model, x = sequential(keras, 3, layer, dtype=dtype), inputs(2, 5, 3, dtype="float32")
    wide = torch.tensor(x, dtype=getattr(torch, dtype))
    with torch.no_grad():
        theirs = model(wide).double().numpy()
    for ending in ("m.keras", "m.weights.h5"):
        found = read_model(save(model, ending)).model()
        assert str(found.weights.dtype) == {"bfloat16": "float32"}.get(dtype, dtype)
        assert np.abs(states(found.weights, wide.double().numpy()) - theirs).max() < bound


def test_a_network_without_bias(keras, save) -> None:
    for kind in KINDS:
        model, x = sequential(keras, 3, recurrent(keras, kind, 4, use_bias=False)), inputs(2, 6, 3, dtype="float32")
        for ending in WHOLE:
            assert difference(read_model(save(model, ending)).model(), model, x) < 1e-6
        alone = read_model(save(model, "m.weights.h5")).model()
        if kind.startswith("GRU"):
            assert alone.weights.convention.name == "keras_reset_after"
            assert alone.alternatives == ("keras_reset_before",)
            assert any("no bias" in notice for notice in alone.notices)


def test_an_embedding_and_a_head_with_its_activation(keras, save) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((None,)),
            layers.Embedding(9, 3, mask_zero=True, name="letters"),
            layers.GRU(4, name="memory"),
            layers.Dropout(0.5),
            layers.Dense(5, name="answer", activation="softmax"),
        ]
    )
    scrambled(model)
    symbols = np.random.default_rng(0).integers(1, 9, (2, 6))
    for ending in ENDINGS:
        found = read_model(save(model, ending)).model()
        (table,), (head,) = found.embeddings, found.heads
        logits = states(found.weights, table.matrix[symbols])[:, -1] @ head.weight.T + head.bias
        theirs = states_of(model, symbols)
        assert np.abs(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True) - theirs).max() < 1e-6
        if ending in WHOLE:
            assert (found.name, table.name, head.name, head.activation) == ("memory", "letters", "answer", "softmax")


def functional(keras: ModuleType) -> tuple[Any, dict[str, Any]]:
    """Branches, a nested model, a shared reading, a residual, a decoder that starts from a state; and each state."""
    layers = keras.layers
    x = layers.Input((None, 3), name="x")
    low, high = (layers.GRU(units, return_sequences=True, name=name) for units, name in ((4, "a"), (5, "b")))
    nested = keras.Sequential([layers.Input((None, 3)), low, layers.GaussianNoise(0.1), high], name="nested")
    deep = nested(x)
    top = layers.GRU(6, return_sequences=True, name="top")(deep)
    left, right = (layers.LSTM(4, return_sequences=True, name=name)(x) for name in ("left", "right"))
    mixed = layers.LSTM(4, return_sequences=True, name="mixed")(layers.Add()([left, right]))
    _, state = layers.SimpleRNN(6, return_state=True, name="encoder")(x)
    decoder = layers.SimpleRNN(6, return_sequences=True, name="decoder")(x, initial_state=state)
    outputs = {"top": top, "left": left, "right": right, "mixed": mixed, "decoder": decoder}
    model = scrambled(keras.Model(x, [*outputs.values(), layers.TimeDistributed(layers.Dense(2), name="read")(top)]))
    return model, {name: k for k, name in enumerate(outputs)}


@pytest.mark.parametrize("ending", WHOLE)
def test_a_graph_is_followed_as_it_is_wired(keras, save, ending: str) -> None:
    model, outputs = functional(keras)
    file = read_model(save(model, ending))
    assert set(file.names) == {"nested/a + nested/b + top", "left", "right", "mixed", "encoder", "decoder"}
    x = inputs(2, 6, 3, dtype="float32")
    with torch.no_grad():
        theirs = [np.asarray(each) for each in model(x)]
    for name in ("nested/a + nested/b + top", "left", "right"):
        found = file.model(name)
        assert np.abs(states(found.weights, x) - theirs[outputs[name.rpartition(" ")[2]]]).max() < 1e-6
    between = theirs[outputs["left"]] + theirs[outputs["right"]]
    assert np.abs(states(file.model("mixed").weights, between) - theirs[outputs["mixed"]]).max() < 1e-6
    start = states(file.model("encoder").weights, x)[:, -1]
    ran = gru_viz.trace(file.model("decoder").weights, x, h0=start[None])
    assert np.abs(ran.hidden - theirs[outputs["decoder"]]).max() < 1e-6
    assert "gets its initial state" in file.model("decoder").notices[0]
    assert [head.name for head in file.model("nested/a + nested/b + top").heads] == ["read"]


def test_what_reads_backward_is_the_backward_half_of_both(keras, save) -> None:
    """Keras hands on the states of go_backwards last step first."""
    x = inputs(2, 6, 3, dtype="float32")
    for stack in ([(4, True)], [(4, True), (5, False)], [(4, True), (5, False), (3, False)]):
        layers = (recurrent(keras, "LSTM", units, go_backwards=backwards) for units, backwards in stack)
        model = sequential(keras, 3, *layers)
        found = read_model(save(model, "m.keras")).model()
        forward, backward = gru_viz.trace(found.weights, x).layers[-1].directions
        assert not forward.hidden.any()
        assert np.abs(backward.hidden - states_of(model, x)[:, ::-1]).max() < 1e-6
        assert "reads sequences backward only" in found.notices[0]


def test_a_second_turn_round_is_the_first_order_again(keras, save) -> None:
    layers = [recurrent(keras, "GRU after", 3, go_backwards=True, name=name) for name in ("first", "second")]
    model, x = sequential(keras, 3, *layers), inputs(2, 6, 3, dtype="float32")
    file = read_model(save(model, "m.keras"))
    assert file.names == ("first", "second")
    below = gru_viz.trace(file.model("first").weights, x).layers[0].backward.hidden
    assert np.abs(states(file.model("second").weights, below) - states_of(model, x)).max() < 1e-6


def test_cells_in_an_rnn_layer(keras, save) -> None:
    layers, x = keras.layers, inputs(2, 6, 3, dtype="float32")
    cells = [layers.GRUCell(4), layers.GRUCell(5), layers.GRUCell(3)]
    model = sequential(
        keras, 3, layers.RNN(cells, return_sequences=True), layers.RNN(layers.GRUCell(6), return_sequences=True)
    )
    for ending in WHOLE:
        found = read_model(save(model, ending)).model()
        assert found.weights.units == (4, 5, 3, 6)
        assert difference(found, model, x) < 1e-6


@pytest.mark.parametrize("merge", ["sum", "mul", "ave", None])
def test_directions_that_are_not_put_side_by_side_are_not_joined(keras, save, merge: str | None) -> None:
    layers, x = keras.layers, inputs(2, 6, 3, dtype="float32")
    both = layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode=merge, name="both")
    source = layers.Input((None, 3))
    given = both(source)
    above = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="above")(
        given[0] if merge is None else given
    )
    model = scrambled(keras.Model(source, above))
    file = read_model(save(model, "m.keras"))
    assert file.names == ("both", "above")
    forward, backward = (d.hidden for d in gru_viz.trace(file.model("both").weights, x).layers[0].directions)
    merged = {"sum": forward + backward, "mul": forward * backward, "ave": (forward + backward) / 2, None: forward}
    assert np.abs(states(file.model("above").weights, merged[merge]) - states_of(model, x)).max() < 1e-6
    assert "not joined" in file.model("both").notices[0]


@pytest.mark.parametrize(
    ("kind", "options"), [("GRU after", {"activation": "gelu"}), ("LSTM", {"recurrent_activation": "relu"})]
)
def test_other_functions_are_refused_by_name(keras, save, kind: str, options: dict[str, str]) -> None:
    model = sequential(keras, 3, recurrent(keras, kind, 4, name="odd", **options))
    with pytest.raises(FormatError, match="odd.*" + next(iter(options.values()))):
        read_model(save(model, "m.keras"))


def test_one_that_is_refused_leaves_the_others(keras, save) -> None:
    layers = [
        recurrent(keras, "GRU after", 4, name="good"),
        recurrent(keras, "GRU after", 5, name="odd", activation="elu"),
    ]
    file = read_model(save(sequential(keras, 3, *layers), "m.keras"))
    assert file.names == ("good",)
    assert any("odd" in notice and "elu" in notice for notice in file.notices)


def test_a_class_of_the_authors_own(keras, save) -> None:
    """A model whose code only its author has: its matrices are found, and assumptions are reported."""

    class Mine(keras.Model):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = keras.layers.GRU(4, return_sequences=True)

        def call(self, x: Any) -> Any:
            return -self.inner(x)

    model, x = Mine(), inputs(2, 6, 3, dtype="float32")
    model(x)
    file = read_model(save(scrambled(model), "m.keras"))
    assert np.abs(states(file.model().weights, x) + states_of(model, x)).max() < 1e-6
    assert any("Mine" in notice for notice in file.notices)
    assert any("tanh and sigmoid are assumed" in notice for notice in file.notices)


def test_many_layers_without_a_description_keep_their_order(keras, save) -> None:
    """HDF5 lists gru_10 before gru_2."""
    model, x = (
        sequential(keras, 3, *(recurrent(keras, "GRU after", 3) for _ in range(12))),
        inputs(2, 6, 3, dtype="float32"),
    )
    found = read_model(save(model, "m.weights.h5")).model()
    assert len(found.weights.layers) == 12
    assert difference(found, model, x) < 1e-5


# --- files of Keras 2, written here as it wrote them ------------------------------------------------------------


def keras_2_file(path: Path, described: bool) -> dict[str, np.ndarray]:
    """A functional model of two GRUs with a Bidirectional on them, in the layout and JSON of Keras 2.4."""
    rng = np.random.default_rng(0)
    shapes = {
        "low/gru_cell/": ((3, 12), (4, 12), (2, 12)),
        "high/gru_cell_1/": ((4, 12), (4, 12), (2, 12)),
        "around/forward_lstm/lstm_cell_1/": ((4, 8), (2, 8), (8,)),
        "around/backward_lstm/lstm_cell_2/": ((4, 8), (2, 8), (8,)),
    }
    arrays = {
        f"{group}{name}:0": rng.normal(0, 0.5, shape).astype("float32")
        for group, each in shapes.items()
        for name, shape in zip(("kernel", "recurrent_kernel", "bias"), each, strict=True)
    }
    common = {"activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": True, "use_bias": True}

    def layer(kind: str, name: str, reads: str | None, **config: Any) -> dict[str, Any]:
        inbound = [[[reads, 0, 0, {}]]] if reads else []
        return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": inbound}

    inner = {"class_name": "LSTM", "config": {"name": "lstm", "units": 2, **common}}
    layers = [
        layer("InputLayer", "x", None),
        layer("GRU", "low", "x", units=4, reset_after=True, **common),
        layer("Dropout", "drop", "low", rate=0.5),
        layer("GRU", "high", "drop", units=4, reset_after=True, **common),
        layer("Bidirectional", "around", "high", merge_mode="concat", layer=inner),
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["x", 0, 0]], "output_layers": [["around", 0, 0]]}
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if described else file
        root.attrs["layer_names"] = [each["name"].encode() for each in layers]
        for name, array in arrays.items():
            root[f"{name.partition('/')[0]}/{name}"] = array
        if described:
            file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": config}).encode()
    return arrays


@pytest.mark.parametrize("described", [True, False])
def test_the_layout_of_keras_2(tmp_path: Path, described: bool) -> None:
    arrays = keras_2_file(tmp_path / "old.h5", described)
    file = read_model(tmp_path / "old.h5")
    stack, around = file.models
    assert [stack.weights.units, around.weights.units] == [(4, 4), (2,)]
    assert np.array_equal(stack.weights.matrices_of(0)["kernel"], arrays["low/gru_cell/kernel:0"])
    assert np.array_equal(stack.weights.matrices_of(1)["bias"], arrays["high/gru_cell_1/bias:0"])
    for d, way in enumerate(("forward_lstm/lstm_cell_1", "backward_lstm/lstm_cell_2")):
        assert np.array_equal(around.weights.matrices_of(0, d)["kernel"], arrays[f"around/{way}/kernel:0"])
    assert bool(file.notices) != described
    assert isinstance(file, ModelFile)

"""What stands in front of a network in a Keras file is applied: its last state is that of the whole model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from files import table

import gru_viz
from gru_viz import read_model
from gru_viz.formats import FoundModel, fit

STEPS = 20
RNG = np.random.default_rng(0)
X = RNG.normal(2.0, 3.0, (STEPS, 3)).astype("float32")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    return pytest.importorskip("keras")


def scrambled(model: Any) -> Any:
    """Random numbers everywhere; variances above 0, and none so large that the network saturates."""
    rng = np.random.default_rng(1)
    numbers = [rng.normal(0, 0.4, np.shape(each)) for each in model.weights]
    pairs = zip(model.weights, numbers, strict=True)
    model.set_weights([0.5 + np.abs(n) if "variance" in each.path else n for each, n in pairs])
    return model


FRONTS: dict[str, Callable[[Any], list[Any]]] = {
    "dense": lambda layers: [layers.Dense(4, activation="tanh")],
    "dense and its activation": lambda layers: [layers.Dense(4), layers.LeakyReLU(), layers.Dropout(0.5)],
    "dense at every step": lambda layers: [layers.TimeDistributed(layers.Dense(4, activation="selu"))],
    "normalization": lambda layers: [layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25])],
    "adapted normalization": lambda layers: [layers.Normalization()],
    "batch normalization": lambda layers: [layers.BatchNormalization(epsilon=0.1)],
    "batch normalization without gamma": lambda layers: [layers.BatchNormalization(scale=False)],
    "layer normalization": lambda layers: [layers.LayerNormalization(center=False)],
    "rescaling": lambda layers: [layers.Rescaling(0.5, offset=-1.0)],
    "convolution": lambda layers: [layers.Conv1D(4, 3, padding="same", activation="relu")],
    "causal convolution": lambda layers: [layers.Conv1D(4, 3, padding="causal", dilation_rate=2)],
    "strided convolution": lambda layers: [layers.Conv1D(4, 4, strides=2), layers.ReLU()],
    "same and strided": lambda layers: [layers.Conv1D(4, 4, strides=3, padding="same")],
    "grouped convolution": lambda layers: [layers.Conv1D(6, 2, groups=3)],
    "separable convolution": lambda layers: [layers.SeparableConv1D(5, 3, depth_multiplier=2)],
    "depthwise convolution": lambda layers: [layers.DepthwiseConv1D(3, depth_multiplier=2)],
    "max pooling": lambda layers: [layers.Conv1D(4, 3), layers.MaxPooling1D(2)],
    "average pooling": lambda layers: [layers.AveragePooling1D(3, 1, padding="same"), layers.AveragePooling1D(2)],
    "padding": lambda layers: [layers.ZeroPadding1D((2, 1)), layers.Cropping1D((1, 0))],
    "activations": lambda layers: [layers.Activation("softsign"), layers.ELU(0.3), layers.Activation("hard_sigmoid")],
    "masking": lambda layers: [layers.Masking(0.0)],
    "masking and dense": lambda layers: [layers.Masking(0.0), layers.Dense(4, activation="gelu")],
    "a mask that ends": lambda layers: [layers.Masking(0.0), layers.Conv1D(4, 2)],
}


def with_pauses(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[[0, 3, 4, STEPS - 1]] = 0.0
    return x


def last_state(found: FoundModel, x: np.ndarray) -> np.ndarray:
    run = gru_viz.trace(found.weights, fit(found, table(x)))
    assert run.proof.holds
    return np.concatenate([each[0] for each in run.final["hidden"]])


@pytest.mark.parametrize("front", FRONTS)
def test_the_last_state_is_that_of_the_model(keras, tmp_path: Path, front: str) -> None:
    x = with_pauses(X) if "mask" in front else X
    for ending, top in (("m.keras", keras.layers.GRU(5)), ("m.h5", keras.layers.Bidirectional(keras.layers.LSTM(5)))):
        model = scrambled(keras.Sequential([keras.layers.Input((STEPS, 3)), *FRONTS[front](keras.layers), top]))
        model.save(tmp_path / ending)
        found = read_model(tmp_path / ending).model()
        theirs = np.asarray(model(x[None]).detach())[0]
        assert np.abs(last_state(found, x) - theirs).max() < 2e-6
        assert np.abs(last_state(found, np.roll(x, 1, 1)) - theirs).max() > 1e-4
        assert (found.features, found.unapplied) == (3, "")
        assert found.before.layers[0].name == model.layers[0].name
        assert any(str(found.before) in notice for notice in found.notices)
        inner = found.before(x)
        assert np.array_equal(inner, found.before(np.stack([x, x]))[1])


def test_layers_in_front_of_a_functional_model_and_an_embedding(keras, tmp_path: Path) -> None:
    layers = keras.layers
    source = layers.Input((STEPS,))
    read = layers.Dense(4, name="narrow")(layers.Embedding(9, 6, mask_zero=True, name="letters")(source))
    model = scrambled(keras.Model(source, layers.GRU(5, name="memory")(layers.LayerNormalization()(read))))
    model.save(tmp_path / "m.keras")
    found = read_model(tmp_path / "m.keras").model()
    symbols = RNG.integers(0, 9, (STEPS, 1))
    assert (found.features, [each.name for each in found.embeddings]) == (6, ["letters"])
    fitted = fit(found, table(symbols.astype(float)))
    assert len(fitted[0]) == np.count_nonzero(symbols)
    run = gru_viz.trace(found.weights, fitted)
    theirs = np.asarray(model(symbols.T).detach())[0]
    assert np.abs(run.final["hidden"][0][0] - theirs).max() < 2e-6


def test_a_network_that_reads_another_one_is_fed_by_it(keras, tmp_path: Path) -> None:
    """An autoencoder, and layers between two networks that only together are the model."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((STEPS, 3)),
            layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]),
            layers.Bidirectional(layers.LSTM(4, return_sequences=True), name="low"),
            layers.BatchNormalization(name="between"),
            layers.LSTM(5, name="code"),
            layers.RepeatVector(7),
            layers.GRU(6, name="out"),
        ]
    )
    scrambled(model).save(tmp_path / "m.keras")
    file = read_model(tmp_path / "m.keras")
    assert file.names == ("low", "code", "out")
    for name, layer in (("code", 3), ("out", 5)):
        found = file.model(name)
        theirs = np.asarray(keras.Model(model.inputs, model.layers[layer].output)(X[None]).detach())[0]
        assert found.features == 3
        assert np.abs(last_state(found, X) - theirs).max() < 2e-6
    fitted = fit(file.model("out"), table(X))
    assert fitted.lengths == (7,)
    assert "In front of it, and applied" in file.model("out").notices[0]


@pytest.mark.parametrize("between", ["add", "lambda", "flatten", "custom"])
def test_what_cannot_be_applied_is_reported(keras, tmp_path: Path, between: str) -> None:
    layers = keras.layers

    class Own(layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    source = layers.Input((STEPS, 3))
    made = {
        "add": lambda: layers.Add(name="strange")([source, layers.Dense(3)(source)]),
        "lambda": lambda: layers.Lambda(lambda x: x + 1, name="strange")(source),
        "flatten": lambda: layers.Reshape((STEPS * 3 // 2, 2), name="strange")(source),
        "custom": lambda: Own(name="strange")(source),
    }
    model = scrambled(keras.Model(source, layers.GRU(5)(layers.Dense(3, name="above")(made[between]()))))
    model.save(tmp_path / "m.keras")
    found = read_model(tmp_path / "m.keras").model()
    assert found.unapplied.startswith("strange")
    assert any("not applied: strange" in notice for notice in found.notices)
    assert ("was not run" in found.unapplied) == (between == "lambda")


def test_a_table_scaled_by_the_model_alone_knows_its_units(keras, tmp_path: Path) -> None:
    layers = keras.layers
    front = [layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 1.0, 0.25]), layers.BatchNormalization()]
    scrambled(keras.Sequential([layers.Input((STEPS, 3)), *front, layers.GRU(5)])).save(tmp_path / "m.keras")
    found = read_model(tmp_path / "m.keras").model()
    for scale in ("none", "minmax"):
        given = table(X, scale)
        fitted = fit(found, given)
        assert fitted.features == given.features
        assert np.abs(fitted.scaling.undo(fitted[0].values) - X).max() < 1e-4


def test_heads_of_several_layers(keras, tmp_path: Path) -> None:
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((STEPS, 3)),
            layers.GRU(5, return_sequences=True),
            layers.BatchNormalization(),
            layers.TimeDistributed(layers.Dense(4, activation="relu", name="inner"), name="wide"),
            layers.Dropout(0.2),
            layers.Dense(2, name="answer"),
            layers.Softmax(),
        ]
    )
    scrambled(model).save(tmp_path / "m.keras")
    found = read_model(tmp_path / "m.keras").model()
    answer, wide = found.heads
    assert (answer.name, answer.hidden, answer.activation, wide.hidden) == ("answer", False, "softmax", True)
    run = gru_viz.trace(found.weights, X)
    assert np.abs(answer.outputs(run)[0] - np.asarray(model(X[None]).detach())[0]).max() < 2e-6
    assert wide.outputs(run).shape == (1, STEPS, 4)

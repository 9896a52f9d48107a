"""The numbers by which inputs were scaled in training are found in a checkpoint, and applied where they are chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from files import network, npz, saved, table

from gru_viz import FormatError, read_model
from gru_viz.formats import fit

CENTRE, SCALE = np.array([10.0, -2.0, 0.5]), np.array([4.0, 0.25, 100.0])
STATE = network("gru").state_dict()


class StandardScaler:
    """As scikit-learn pickles one: a class that the reader has not, with arrays as attributes."""

    def __init__(self) -> None:
        self.with_mean, self.n_features_in_, self.n_samples_seen_ = True, 3, np.int64(50)
        self.mean_, self.var_, self.scale_ = CENTRE, SCALE**2, SCALE


class MinMaxScaler:
    def __init__(self) -> None:
        self.feature_range, self.n_features_in_ = (0, 1), 3
        self.data_min_, self.data_max_, self.data_range_ = CENTRE, CENTRE + SCALE, SCALE
        self.scale_, self.min_ = 1 / SCALE, -CENTRE / SCALE


BESIDE: dict[str, Any] = {
    "tensors": {"mean": torch.tensor(CENTRE), "std": torch.tensor(SCALE)},
    "lists": {"norm": {"mean": CENTRE.tolist(), "std": SCALE.tolist()}},
    "by column": {"mu": dict(zip("abc", CENTRE.tolist(), strict=True)),
                  "sigma": dict(zip("abc", SCALE.tolist(), strict=True))},
    "arrays": {"x_min": CENTRE, "x_max": CENTRE + SCALE, "y_min": np.zeros(3), "y_max": np.ones(3)},
    "variance": {"input_mean": torch.tensor(CENTRE)[None], "input_var": torch.tensor(SCALE**2)[None]},
    "standard scaler": {"scaler": StandardScaler()},
    "min-max scaler": {"preprocessing": {"scaler": MinMaxScaler()}},
    "hyperparameters": {"hparams": {"feature_mean": CENTRE.tolist(), "feature_std": SCALE.tolist(), "lr": 0.1}},
}  # fmt: skip


@pytest.mark.parametrize("kind", BESIDE)
def test_numbers_under_their_usual_names_are_found(kind: str) -> None:
    found = read_model(saved({"epoch": 3, "state_dict": STATE, **BESIDE[kind]})).model()
    scaling = next(iter(found.scalings.values()))
    np.testing.assert_allclose(scaling.centre, CENTRE, rtol=1e-6)
    np.testing.assert_allclose(scaling.scale, SCALE, rtol=1e-6)
    x = np.random.default_rng(0).normal(CENTRE, SCALE, (9, 3))
    for own in ("none", "minmax"):
        given = table(x, own)
        fitted = fit(found, given, scaling=scaling)
        np.testing.assert_allclose(fitted[0].values, (x - CENTRE) / SCALE, atol=2e-5)
        assert fitted.scaling.method == "given"
        np.testing.assert_allclose(fitted.scaling.undo(fitted[0].values), x, atol=1e-3)
        assert "numbers in the model's file" in fitted.notices[-1]
        np.testing.assert_array_equal(fit(found, given)[0].values, given[0].values)


def test_buffers_of_a_module_and_arrays_of_an_npz() -> None:
    for data in (
        saved({**STATE, "scaler.mean": torch.tensor(CENTRE), "scaler.std": torch.tensor(SCALE)}),
        npz({**{name: t.numpy() for name, t in STATE.items()}, "train_mean": CENTRE, "train_std": SCALE}),
    ):
        (scaling,) = read_model(data).model().scalings.values()
        np.testing.assert_allclose(scaling.centre, CENTRE)


@pytest.mark.parametrize(
    "beside",
    [
        {"mean": np.zeros(4), "std": np.ones(4)},
        {"mean": CENTRE},
        {"mean": CENTRE, "std": -SCALE},
        {"bn1.running_mean": CENTRE, "bn1.running_var": SCALE},
        {"mean_loss": CENTRE, "std_loss": SCALE},
    ],
)
def test_other_numbers_are_not_taken_for_a_scaling(beside: dict[str, np.ndarray]) -> None:
    state = {name: tensor.numpy() for name, tensor in STATE.items()}
    assert read_model(npz({**state, **beside})).model().scalings == {}


def test_a_scaling_of_another_width_is_refused() -> None:
    found = read_model(saved({"w": STATE, **BESIDE["tensors"]})).model()
    with pytest.raises(FormatError, match=r"numbers for 3 features; wanted 2"):
        fit(found, table(np.ones((4, 2))), scaling=next(iter(found.scalings.values())))

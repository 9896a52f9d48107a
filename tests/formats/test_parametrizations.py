"""Matrices that torch stores in parts are the matrices that torch computes with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from files import network, saved
from safetensors.torch import save as save_safetensors

from gru_viz import FormatError, read_model
from gru_viz.formats import FoundModel

NAMES = ("weight_hh_l0", "weight_ih_l1")


def normalised(kind: str) -> torch.nn.GRU:
    module = network("gru", num_layers=2, seed=3)
    for name in NAMES:
        if kind == "weight norm":
            torch.nn.utils.parametrizations.weight_norm(module, name)
        elif kind == "weight norm of the columns":
            torch.nn.utils.parametrizations.weight_norm(module, name, dim=1)
        elif kind == "older weight norm":
            torch.nn.utils.weight_norm(module, name)
        elif kind == "spectral norm":
            torch.nn.utils.parametrizations.spectral_norm(module, name)
        elif kind == "older spectral norm":
            torch.nn.utils.spectral_norm(module, name)
        elif kind == "pruning":
            torch.nn.utils.prune.random_unstructured(module, name, 0.5)
    for name, parameter in module.named_parameters():
        if name.endswith(("original0", "_g")):
            parameter.data *= 1.5  # a length that is not that of v
    return module.eval()


KINDS = ["weight norm", "weight norm of the columns", "older weight norm", "spectral norm", "older spectral norm",
         "pruning"]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_a_parametrization_is_folded(kind: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = normalised(kind)
    with torch.no_grad():
        module(torch.zeros(1, 1, 3))
        state = {f"a.{name}": tensor for name, tensor in module.state_dict().items()}
    for data in (saved(state), save_safetensors(state)):
        file = read_model(data)
        matrices = [file.model().weights.matrices_of(k) for k in range(2)]
        assert np.abs(matrices[0]["weight_hh"] - module.weight_hh_l0.detach().numpy()).max() < 1e-6
        assert np.abs(matrices[1]["weight_ih"] - module.weight_ih_l1.detach().numpy()).max() < 1e-6
        assert "a.weight_hh_l0, a.weight_ih_l1" in file.notices[0]
        assert file.model().heads == ()


def test_an_unknown_parametrization_is_named() -> None:
    state = dict(network("gru").state_dict())
    state["parametrizations.weight_hh_l0.original"] = state.pop("weight_hh_l0")
    with pytest.raises(FormatError, match=r"weight_hh_l0: found a matrix under a parametrization"):
        read_model(saved(state))


def test_parts_that_do_not_fit_each_other_are_left_alone() -> None:
    state = {**network("gru").state_dict(), "a_g": torch.ones(7), "a_v": torch.ones(2, 5), "b_raw": torch.ones(2)}
    assert read_model(saved(state)).notices == ()


def test_the_raw_matrix_of_weight_dropout_is_the_matrix() -> None:
    """fastai stores it beside the module with the dropped copy; Salesforce in place of the matrix."""
    state = network("lstm").state_dict()
    raw = torch.full_like(state["weight_hh_l0"], 0.25)
    fastai = {f"0.rnns.0.module.{name}": tensor for name, tensor in state.items()} | {"0.rnns.0.weight_hh_l0_raw": raw}
    older = {f"rnns.0.module.{name}": tensor for name, tensor in state.items() if name != "weight_hh_l0"}
    older["rnns.0.module.weight_hh_l0_raw"] = raw
    for found in (read_model(saved(fastai)), read_model(saved(older))):
        model: FoundModel = found.model()
        assert model.name.endswith("rnns.0.module")
        np.testing.assert_array_equal(model.weights.matrices["weight_hh"], raw.numpy())
        assert model.heads == ()
        assert "weight dropout" in found.notices[0]

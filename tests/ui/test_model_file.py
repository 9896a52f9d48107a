"""Page 1 with a visitor's own trained model: found, fitted, traced, answered; refused without loss."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest  # noqa: TID251

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Streamlit's own
]
PAGE = str(Path(__file__).parents[2] / "dashboard.py")
TABLE = "a,b\n" + "".join(f"{k},{k % 7}\n" for k in range(30))


class Tagger(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(30, 6)
        self.encoder = torch.nn.GRU(6, 8, batch_first=True)
        self.decoder = torch.nn.LSTM(2, 5, num_layers=2, bidirectional=True)
        self.out = torch.nn.Linear(10, 3)


def saved(module: torch.nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return file.getvalue()


class Page:
    def __init__(self, **link: str) -> None:
        self.app = AppTest.from_file(PAGE, default_timeout=120)
        for name, value in {"own_weights": "File", **link}.items():
            self.app.query_params[name] = value
        self.run()

    def run(self) -> Page:
        self.app.run()
        assert not self.app.exception, [each.value for each in self.app.exception]
        return self

    def upload(self, name: str, data: bytes) -> Page:
        self.app.file_uploader(key="model_file").upload(name, data)
        return self.run()

    def choose(self, label: str, value: Any) -> Page:
        next(each for each in self.app.selectbox if each.label == label).set_value(value)
        return self.run()

    @property
    def errors(self) -> str:
        return " ".join(re.sub(r"\\(.)", r"\1", each.value) for each in self.app.error)

    @property
    def text(self) -> str:
        return " ".join(each.value for each in (*self.app.markdown, *self.app.caption)).replace("\\", "")


def table(**link: str) -> Page:
    return Page(source="Table", table=TABLE, **link)


def test_a_network_of_a_file_is_traced_and_compared_with_torch() -> None:
    torch.manual_seed(0)
    page = table().upload("net.pt", saved(torch.nn.GRU(2, 8, num_layers=2, bidirectional=True)))
    assert not page.errors
    assert "GRU, 2 layers of 8 units, bidirectional; 2 input features" in page.text
    assert "), same in torch]" in page.text
    assert ":green-badge[✓ matches PyTorch (max difference " in page.text


def test_one_of_several_is_chosen_and_its_answers_are_read_by_its_head() -> None:
    page = table().upload("net.pt", saved(Tagger()))
    assert "found 2 features" in page.errors  # the encoder comes first, and reads 6
    page.choose("Network", "decoder")
    assert not page.errors
    assert "LSTM, 2 layers of 5 units, bidirectional" in page.text
    page.choose("Output layer", "")
    assert not page.errors


def test_a_head_too_tall_for_the_page_is_left_out_and_reported() -> None:
    module = torch.nn.ModuleDict({"rnn": torch.nn.GRU(2, 4), "small": torch.nn.Linear(4, 2)})
    module["out"] = torch.nn.Linear(4, 5000)
    page = table().upload("net.pt", saved(module))
    assert not page.errors
    assert "more than 256 outputs" in page.text
    (heads,) = [each.options for each in page.app.selectbox if each.label == "Output layer"]
    assert heads == ["small: 2 outputs", "none"]


def test_text_goes_through_the_embedding_of_the_file() -> None:
    page = Page(source="Text", text="hello").upload("net.pt", saved(Tagger()))
    assert not page.errors
    assert "Predictions are meaningful only with the model's own" in page.text
    page.app.text_input[0].set_value("helo")
    page.run()
    assert not page.errors
    assert "embedding embed" in page.text


def test_a_misfit_is_reported_with_both_numbers_and_the_view_stays() -> None:
    page = table().upload("net.pt", saved(torch.nn.GRU(5, 4)))
    assert "found 2 features a step (a, b); wanted 5" in page.errors
    assert "is unchanged" in page.errors


def test_what_is_no_model_is_refused_and_the_view_stays() -> None:
    page = table().upload("net.pt", saved(torch.nn.GRU(2, 4)))
    before = page.text
    page.upload("net.pt", b"import os; os.system('true')")
    assert "net.pt" in page.errors
    assert "is unchanged" in page.errors
    assert ":green-badge[✓ matches PyTorch (max difference " in page.text
    assert "Your network" in before
    assert "Your network" in page.text
    assert not page.upload("again.pt", saved(torch.nn.LSTM(2, 4))).errors


def test_however_many_files_are_refused_the_view_before_them_stays() -> None:
    page = table().upload("net.pt", saved(torch.nn.GRU(2, 4)))
    refused = [b"no model", b"nor this", *(saved(torch.nn.GRU(5, units)) for units in (3, 4, 5))]
    for number, data in enumerate(refused):
        page.upload(f"{number}.pt", data)
        assert "is unchanged" in page.errors
        assert "Your network" in page.text
        assert ":green-badge[✓ matches PyTorch (max difference " in page.text


def test_matrices_that_could_be_meant_otherwise_are_asked_for() -> None:
    rng = np.random.default_rng(0)
    names = {"W_z": (4, 2), "W_r": (4, 2), "W": (4, 2), "U_z": (4, 4), "U_r": (4, 4), "U": (4, 4)}
    file = io.BytesIO()
    np.savez(file, **{name: rng.normal(size=shape).astype(np.float32) for name, shape in names.items()})  # type: ignore[arg-type]
    page = table().upload("net.npz", file.getvalue())
    assert not page.errors
    page.choose("Weights interpreted as", "chung_2014")
    assert not page.errors
    assert "light takes the new" in page.text


def checkpoint(**beside: Any) -> bytes:
    module = torch.nn.ModuleDict(
        {"inp": torch.nn.Linear(2, 3), "rnn": torch.nn.GRU(3, 4), "fc1": torch.nn.Linear(4, 6)}
    )
    module["fc2"] = torch.nn.Linear(6, 1)
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), **beside}, file)
    return file.getvalue()


def test_the_badge_beside_the_proof_says_whose_statistics_scaled_the_inputs() -> None:
    own = ":orange-badge[scaled by this file, not by your training]"
    page = table().upload("net.pt", saved(torch.nn.GRU(2, 4)))
    assert own in page.text
    assert own not in Page(source="Table", table=TABLE, own_weights="Random").text
    page.upload("net.pt", checkpoint(scaler={"mean": [15.0, 3.0], "std": [9.0, 2.0]}))
    assert not page.errors
    assert own not in page.text
    assert ":green-badge[scaled as in training]" in page.text
    assert "numbers in the model's file" in page.text
    page.choose("Inputs scaled", "")
    assert own in page.text


def test_what_stands_in_front_and_between_is_applied_assumed_and_can_be_chosen_otherwise() -> None:
    page = table().upload("net.pt", checkpoint())
    assert not page.errors
    assert "2 input features" in page.text
    assert ":orange-badge[inp in front is assumed]" in page.text
    assert "✓ rebuilt from the gates shown (max difference " in page.text
    (heads,) = [each.options for each in page.app.selectbox if each.label == "Output layer"]
    assert heads[0] == "fc2: 1 output (relu between fc1 and fc2 is assumed)"
    assert heads[2] == "fc1: 6 outputs, a hidden layer"
    page.choose("In front of the network", 1)
    assert "found 2 features" in page.errors  # the network alone reads 3


def test_an_rnn_that_may_be_tanh_or_relu_is_not_said_to_match_torch() -> None:
    page = table().upload("net.pt", saved(torch.nn.RNN(2, 4)))
    assert ":orange-badge[tanh is assumed]" in page.text
    assert "same in torch" not in page.text
    assert "matches PyTorch" not in page.text
    page.choose("Weights interpreted as", "torch_rnn+relu")
    assert "tanh is assumed]" not in page.text
    assert "A ReLU RNN has no gates" in page.text


def test_without_a_file_random_weights_are_shown() -> None:
    page = table()
    assert not page.errors
    assert "no code in them is executed" in page.text
    assert ":green-badge[✓ matches PyTorch (max difference " in page.text

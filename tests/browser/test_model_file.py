"""A visitor's own trained model through the real page: its gates, its numbers, its way out again."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from accessibility import barriers
from playwright.sync_api import expect

import gru_viz

TABLE = "step,a,b\n" + "".join(f"{k},{k % 5},{(3 * k) % 7}\n" for k in range(1, 25))
OWN = "?source=Table&own_weights=File&table=" + TABLE.replace("\n", "%0A")


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.ModuleDict({"memory": torch.nn.GRU(2, 6, batch_first=True), "out": torch.nn.Linear(6, 1)})


def saved(network: torch.nn.Module) -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": network.state_dict(), "epoch": 3}, file)
    return file.getvalue()


def upload(inspector, name: str, data: bytes) -> None:
    old = inspector.picture
    inspector.page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "", "buffer": data})
    inspector.wait_for_new_picture(old)


def test_ones_own_network_is_shown_and_saved_and_a_bad_file_leaves_it(inspector, network, tmp_path):
    inspector.open(OWN)
    upload(inspector, "memory.pt", saved(network))
    page = inspector.page
    expect(page.get_by_text("same in torch")).to_be_visible()
    assert "output of out" in " ".join(page.locator(".gv-plot .legendtext").all_text_contents())
    page.locator(".gv-slider").focus()
    inspector.press("End")
    sequences = gru_viz.read_table(TABLE.encode())
    x = torch.from_numpy(np.array(sequences[0].values))[None]
    expected = network["memory"](x)[0][0, -1, 0].item()
    assert inspector.result("hidden") == pytest.approx(expected, abs=6e-4)

    assert barriers(page, exclude="[data-testid=stIconMaterial]") == {}, "but for the uploader's plus sign, Streamlit's"

    page.get_by_test_id("stPopoverButton").click()
    inspector.choose("Framework", "ONNX")
    with page.expect_download() as download:
        page.get_by_role("button", name="Model", exact=True).click()
    download.value.save_as(tmp_path / "gru.onnx")
    found = gru_viz.read_model(tmp_path / "gru.onnx").model()
    same = gru_viz.convert(found.weights, to="torch").matrices["weight_hh"]
    assert np.array_equal(same, network["memory"].weight_hh_l0.detach().numpy())
    page.keyboard.press("Escape")

    bad = {"name": "model.pt", "mimeType": "", "buffer": b"PK\x03\x04 not much of a model"}
    page.locator("input[type=file]").set_input_files(bad)
    alert = page.get_by_test_id("stAlert").first
    expect(alert).to_contain_text("model.pt")
    expect(alert).to_contain_text("The view below is unchanged.")
    inspector.settle()

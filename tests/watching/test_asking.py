"""What is asked of what was seen: names, calls, and for what cannot be shown the reason, in words."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from watched import EncoderDecoder, Loop, reads, seeded

from gru_viz import TraceError, watch


def first(out: Any) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


def says(error: TraceError, *words: str) -> None:
    for part in (error.where, error.found, error.wanted, error.remedy):
        assert part.strip()
    for word in words:
        assert re.search(word, str(error)), str(error)


def test_several_calls_are_told_apart() -> None:
    model = nn.ModuleDict({"rnn": seeded(nn.GRU, 3, 5), "idle": nn.LSTM(3, 5)})
    x = [reads(6, 4, 3, seed=s) for s in range(3)]
    with watch(model) as seen:
        for each in x:
            model["rnn"](each)
    with pytest.raises(TraceError) as caught:
        _ = seen["rnn"]
    says(caught.value, "3 calls", re.escape("seen.calls('rnn')"))
    for trace, each in zip(seen.calls("rnn"), x, strict=True):
        assert np.array_equal(trace.inputs, each.transpose(0, 1).numpy())
    assert seen.calls("idle") == ()
    with pytest.raises(TraceError) as caught:
        _ = seen["idle"]
    says(caught.value, "no call", "idle of ModuleDict")
    with pytest.raises(TraceError) as caught:
        _ = seen["rrn"]
    says(caught.value, "'rnn', 'idle'", "rrn")
    assert (list(seen), len(seen), "rnn" in seen, "rrn" in seen) == (["rnn", "idle"], 2, True, False)
    assert seen.names == ("rnn", "idle")
    for words in ("'rnn': GRU(3, 5), 3 calls", "'idle': LSTM(3, 5), not called"):
        assert words in repr(seen)


def test_the_steps_of_a_cell_are_counted_in_words() -> None:
    model = seeded(Loop)
    with watch(model) as seen:
        model(reads(2, 9, 3))
    assert "'cell': GRUCell(3, 5), 9 steps in 1 sequence" in repr(seen)


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.LSTM(3, 5, proj_size=2), "proj_size=2"),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_other_equations_run_and_say_why_they_are_not_shown(module: nn.Module, word: str) -> None:
    x = reads(4, 3) if isinstance(module, nn.RNNCellBase) else reads(4, 2, 3)
    with watch(nn.Sequential(module)) as seen:
        out = module(x)
    assert torch.equal(first(out), first(module(x)))
    for ask in (lambda: seen["0"], lambda: seen.calls("0")):
        with pytest.raises(TraceError) as caught:
            ask()
        says(caught.value, word, "0 of Sequential")


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_module_runs_and_says_why_it_is_not_shown() -> None:
    quantisation = pytest.importorskip("torch.ao.quantization")
    model = quantisation.quantize_dynamic(nn.Sequential(nn.GRU(3, 5)), {nn.GRU})
    with watch(model) as seen:
        model(reads(4, 2, 3))
    with pytest.raises(TraceError) as caught:
        _ = seen["0"]
    says(caught.value, "GRU")


def test_a_subclass_that_answers_otherwise_runs_and_says_why_it_is_not_shown() -> None:
    class Only(nn.GRU):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x)[0]

    module = Only(3, 5)
    with watch(module) as seen:
        assert module(reads(6, 4, 3)).shape == (6, 4, 5)
    with pytest.raises(TraceError) as caught:
        _ = seen[""]
    says(caught.value, "could not be captured")


def test_a_module_on_the_meta_device_runs_and_says_why_it_is_not_shown() -> None:
    module = nn.GRU(3, 5, device="meta")
    with watch(module) as seen:
        module(torch.zeros(6, 4, 3, device="meta"))
    with pytest.raises(TraceError) as caught:
        _ = seen[""]
    says(caught.value, "meta")


def test_a_shared_module_has_both_names() -> None:
    shared = seeded(nn.GRU, 3, 5)
    model = nn.ModuleDict({"left": shared, "right": shared})
    with watch(model) as seen:
        model["left"](reads(6, 4, 3))
    assert list(seen) == ["left", "right"]
    assert np.array_equal(seen["left"].update, seen["right"].update)
    assert len(shared._forward_hooks) == 0


def test_only_what_is_asked_for_is_watched() -> None:
    model = seeded(EncoderDecoder)
    for only in ("decoder", ["decoder"], ("decoder",)):
        with watch(model, only=only) as seen:
            assert not model.encoder["rnn"]._forward_hooks
            model(reads(4, 7, 3), reads(6, 4, 2))
        assert list(seen) == ["decoder"]
        assert seen["decoder"].proof.holds
    for wrong in ("encoder", ["decoder", "nothing"]):
        with pytest.raises(TraceError) as caught:
            watch(model, only=wrong)
        says(caught.value, "'encoder.rnn', 'decoder'")


@pytest.mark.parametrize("model", [nn.Linear(3, 5), torch.zeros(3), None])
def test_what_has_nothing_to_watch_is_refused(model: Any) -> None:
    with pytest.raises(TraceError) as caught:
        watch(model)
    says(caught.value)

"""What is seen is what ran: five models, every layout, cells in loops, dropout, low precision; and proof that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from watched import LENGTHS, Convolutional, EncoderDecoder, Loop, Stack, Tagger, by_hand, differs, reads, seeded

import gru_viz
from gru_viz import watch

KINDS = {"GRU": nn.GRU, "LSTM": nn.LSTM, "RNN": nn.RNN}
CELLS = {"GRU": nn.GRUCell, "LSTM": nn.LSTMCell, "RNN": nn.RNNCell}
EXACT = {torch.float32: 2e-5, torch.float64: 1e-12}


def last_axis(value: Any) -> tuple[Tensor, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)


# --- five models ------------------------------------------------------------------------------------------------

MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "encoder-decoder": (lambda: seeded(EncoderDecoder), lambda: (reads(4, 7, 3), reads(6, 4, 2))),
    "a loop over a cell": (lambda: seeded(Loop), lambda: (reads(4, 50, 3),)),
    "a tagger": (lambda: seeded(Tagger), lambda: (torch.arange(24).reshape(4, 6) % 11,)),
    "a list of GRUs": (lambda: seeded(Stack), lambda: (reads(4, 9, 3),)),
    "a convolution": (lambda: seeded(Convolutional), lambda: (reads(4, 15, 3),)),
}
NAMES = {
    "encoder-decoder": ["encoder.rnn", "decoder"],
    "a loop over a cell": ["cell"],
    "a tagger": ["rnn"],
    "a list of GRUs": ["layers.0", "layers.1"],
    "a convolution": ["gru"],
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_five_models_show_the_gates_that_ran(name: str, training: bool) -> None:
    make, read = MODELS[name]
    model, given = make().train(training), read()
    passed: dict[str, list[tuple[Any, Any, Any]]] = {each: [] for each in NAMES[name]}
    hooks = [
        module.register_forward_hook(
            lambda _, args, named, out, k=each: passed[k].append((*[*args, *named.values(), None][:2], out)),
            with_kwargs=True,
        )
        for each, module in model.named_modules()
        if each in passed
    ]
    with watch(model) as seen:
        answer = model(*given)
    for hook in hooks:
        hook.remove()
    assert list(seen) == NAMES[name]
    assert torch.equal(answer, model(*given))
    for each, module in model.named_modules():
        if each not in passed:
            continue
        trace = seen[each]
        assert trace.proof.holds
        assert trace.proof.difference < 2e-6
        assert trace.proof.witness == f"{each} of {type(model).__name__}, as it ran"
        assert trace.weights.origin == f"{each} of {type(model).__name__}"
        assert trace.features == tuple(f"x{i + 1}" for i in range(trace.inputs.shape[2]))
        x, states, out = passed[each][0]
        lengths = None
        if isinstance(module, nn.RNNCellBase):
            x = torch.stack([step[0] for step in passed[each]], 1)
            top, states = torch.stack([step[2] for step in passed[each]], 1), None
        elif isinstance(x, PackedSequence):
            x, top = (pad_packed_sequence(each, batch_first=True)[0] for each in (x, out[0]))
            lengths = LENGTHS
        else:
            x, top = (t if module.batch_first else t.transpose(0, 1) for t in (x, out[0]))
        assert differs(trace, by_hand(module, x, lengths, last_axis(states))) < 2e-5
        shown = np.concatenate([run.hidden for run in trace.layers[-1].directions], -1)
        kept = ~np.isnan(shown)
        assert np.array_equal(shown[kept], top.detach().numpy()[kept])
        assert trace.lengths == (lengths or (x.shape[1],) * len(x))


# --- every layout -----------------------------------------------------------------------------------------------

LAYOUTS = ("batch first", "time first", "no batch", "sorted", "unsorted")


@pytest.mark.parametrize("given", ["zeros", "h0", "h0 by name"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_layout_is_seen_in_the_callers_order(kind: str, layout: str, given: str) -> None:
    bias, first = layout != "sorted", layout in ("batch first", "unsorted")
    module = seeded(KINDS[kind], 3, 5, 2, bias=bias, batch_first=first, bidirectional=True, dtype=torch.float64)
    lengths = {"sorted": (7, 5, 3, 1), "unsorted": LENGTHS}.get(layout)
    batch = 1 if layout == "no batch" else 4
    x = reads(batch, 7, 3, dtype=torch.float64)
    states = tuple(reads(4, batch, 5, seed=k, dtype=torch.float64).tanh() for k in range(1 + (kind == "LSTM")))
    states = () if given == "zeros" else states
    fed: Any = x if first else x.transpose(0, 1)
    if lengths:
        fed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=layout == "sorted")
    flat = states
    if layout == "no batch":
        fed, flat = x[0], tuple(state[:, 0] for state in states)
    hx = None if not flat else flat if len(flat) > 1 else flat[0]
    with watch(module) as seen:
        module(hx=hx, input=fed) if given == "h0 by name" else module(fed, hx)
    trace = seen[""]
    assert trace.proof.holds
    assert trace.proof.difference < 1e-14
    assert trace.lengths == (lengths or (7,) * batch)
    assert differs(trace, by_hand(module, x, lengths, states)) < 1e-12
    assert np.array_equal(np.nan_to_num(trace.inputs), np.where(np.isnan(trace.inputs), 0, x.numpy()))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("kind", KINDS)
def test_one_and_three_layers_both_ways_and_one_step(
    kind: str, dtype: torch.dtype, bidirectional: bool, layers: int
) -> None:
    module = seeded(KINDS[kind], 3, 5, layers, bidirectional=bidirectional, dtype=dtype)
    for steps in (6, 1):
        x = reads(steps, 2, 3, dtype=dtype)
        with watch(module) as seen:
            module(x)
        assert seen[""].proof.holds
        assert seen[""].dtype == str(dtype).removeprefix("torch.")
        assert differs(seen[""], by_hand(module, x.transpose(0, 1))) < EXACT[dtype]


# --- dropout ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_between_layers_is_dropped_again_as_it_was(kind: str, layout: str) -> None:
    first = layout in ("batch first", "unsorted")
    module = seeded(KINDS[kind], 3, 5, 3, batch_first=first, bidirectional=True, dropout=0.4).train()
    x = reads(4, 7, 3)
    fed: Any = {"no batch": x[0], "batch first": x}.get(layout, x.transpose(0, 1))
    lengths = {"sorted": (7, 5, 3, 1), "unsorted": LENGTHS}.get(layout)
    if lengths:
        fed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=layout == "sorted")
    torch.manual_seed(11)
    torch.rand(5)
    with watch(module) as seen:
        module(fed)
    after = torch.get_rng_state()
    trace = seen[""]
    assert torch.equal(torch.get_rng_state(), after)
    assert trace.proof.holds
    assert trace.proof.difference < 2e-6
    for below, above in zip(trace.layers, trace.layers[1:], strict=False):
        handed = np.concatenate([run.hidden for run in below.directions], -1)
        share = above.forward.inputs / handed
        share = share[~np.isnan(share)]
        assert set(np.round(share, 4)) == {0.0, np.float32(round(1 / 0.6, 4))}
        assert 0.15 < (share == 0).mean() < 0.65
    other = by_hand(module, x[:1] if layout == "no batch" else x, lengths)
    assert differs_top(trace, other) > 1e-2, "the masks matter"


def differs_top(trace: gru_viz.Trace, told: list[list[dict[str, np.ndarray]]]) -> float:
    return float(np.nanmax(np.abs(trace.layers[-1].forward.hidden - told[-1][0]["hidden"])))


def test_a_wrong_mask_would_be_noticed() -> None:
    """The proof can fail: with other random numbers the upper layers read something else."""
    module = seeded(nn.LSTM, 3, 5, 2, bidirectional=True, dropout=0.4).train()
    hook = module.register_forward_hook(lambda *_: None)
    with watch(module) as seen:
        early = module.register_forward_pre_hook(lambda *_: torch.manual_seed(5) and None)  # after ours has looked
        module(reads(6, 2, 3))
    early.remove(), hook.remove()
    assert not seen[""].proof.holds


@pytest.mark.parametrize("dropout", [1.0, 0.0])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
def test_all_or_nothing_dropped(dropout: float, training: bool) -> None:
    module = seeded(nn.GRU, 3, 5, 2, dropout=dropout).train(training)
    with watch(module) as seen:
        module(reads(6, 2, 3))
    assert seen[""].proof.holds
    assert np.any(seen[""].layers[1].inputs) != (dropout == 1.0 and training)


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS.values(), *CELLS.values()])
def test_autocast_is_proven_to_its_own_rounding(kind: type[nn.Module]) -> None:
    cell = issubclass(kind, nn.RNNCellBase)
    module = seeded(kind, 3, 5, **({} if cell else {"num_layers": 2, "bidirectional": True}))
    x = reads(4, 3) if cell else reads(6, 4, 3)
    with watch(module) as seen, torch.autocast("cpu", torch.bfloat16):
        module(x)
    with torch.autocast("cpu", torch.bfloat16):
        trace = seen[""]
    assert trace.dtype == "float32"
    assert trace.proof.holds
    assert trace.proof.difference < 0.05 < trace.proof.bound
    with watch(module) as plain:
        module(x)
    assert plain[""].proof.bound < trace.proof.bound / 1000


@pytest.mark.parametrize("dropped", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bound_never_grows_so_wide_that_nothing_could_break_it(kind: str, dropped: float) -> None:
    """Weights so large that 16 bits can round a gate from one end to the other: then it is not proven."""
    module = seeded(KINDS[kind], 3, 64, 2, bidirectional=True, dropout=dropped).train()
    with torch.no_grad():
        for p in module.parameters():
            p.mul_(20)
    with watch(module) as seen, torch.autocast("cpu", torch.bfloat16):
        module(reads(100, 4, 3))
    trace = seen[""]
    assert trace.proof.bound <= 1 / 16
    assert trace.proof.holds == (trace.proof.difference <= 1 / 16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_proven_to_its_own_rounding(kind: str, dtype: torch.dtype) -> None:
    module = seeded(KINDS[kind], 3, 5, 2, dtype=dtype)
    with watch(module) as seen:
        module(reads(6, 4, 3, dtype=dtype))
    trace = seen[""]
    assert trace.dtype == "float32"
    assert trace.proof.holds
    assert trace.proof.difference < 16 * torch.finfo(dtype).eps


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_mode_shows_the_same(mode: Callable[[], Any]) -> None:
    module, x = seeded(nn.LSTM, 3, 5, 2), reads(6, 4, 3)
    with watch(module) as seen, mode():
        module(x)
    assert seen[""].proof.difference < 2e-6
    assert differs(seen[""], by_hand(module, x.transpose(0, 1))) < 2e-5


# --- what happens later changes nothing -------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["in place", "data", "optimiser", "state dict"])
def test_each_call_is_shown_with_the_weights_it_ran_with(way: str) -> None:
    module, x = seeded(nn.GRU, 3, 5, 2), reads(6, 4, 3)
    with watch(module) as seen:
        for _ in range(3):
            module(x)[0].sum().backward()
            if way == "data":
                for p in module.parameters():
                    p.data -= 0.1
            elif way == "optimiser":
                torch.optim.SGD(module.parameters(), lr=0.5).step()
            elif way == "state dict":
                module.load_state_dict({k: v * 0.9 for k, v in module.state_dict().items()})
            else:
                with torch.no_grad():
                    module.weight_hh_l0.mul_(0.5)
    traces = seen.calls("")
    assert len(traces) == 3
    assert all(trace.proof.difference < 2e-6 for trace in traces)
    states = [trace.layers[1].hidden for trace in traces]
    assert np.abs(states[0] - states[1]).max() > 1e-3
    assert np.abs(states[1] - states[2]).max() > 1e-3


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.GRUCell, nn.LSTMCell])
def test_what_is_written_over_afterwards_is_shown_as_it_was(kind: type[nn.Module]) -> None:
    module = seeded(kind, 3, 5, dtype=torch.float64)
    cell = issubclass(kind, nn.RNNCellBase)
    x = reads(4, 3, dtype=torch.float64) if cell else reads(6, 4, 3, dtype=torch.float64)
    count, lead = 1 + (kind in (nn.LSTM, nn.LSTMCell)), () if cell else (1,)
    states = tuple(reads(*lead, 4, 5, seed=k, dtype=torch.float64).tanh() for k in range(count))
    told = by_hand(module, x[:, None] if cell else x.transpose(0, 1).clone(), None, [s.clone() for s in states])
    with watch(module) as seen, torch.no_grad():
        out = module(x, states if count > 1 else states[0])
        for tensor in (x, *states, *module.parameters(), *(out if isinstance(out, tuple) else (out,))):
            for each in last_axis(tensor):
                each.zero_()
    assert seen[""].proof.holds
    assert differs(seen[""], told) < 1e-12


# --- the proof can fail -----------------------------------------------------------------------------------------

FALSE = {
    "all of it": lambda out: (out[0] * 0.99, out[1]),
    "one step": lambda out: (torch.cat([out[0][:3], out[0][3:4] + 0.01, out[0][4:]]), out[1]),
    "the order of the batch": lambda out: (out[0].flip(1), out[1]),
    "the last states": lambda out: (out[0], out[1] * 0.99),
    "the last state of a lower layer": lambda out: (out[0], torch.cat([out[1][:1] + 0.01, out[1][1:]])),
}


@pytest.mark.parametrize("what", FALSE)
def test_an_output_that_the_gates_do_not_lead_to_is_not_proven(what: str) -> None:
    module = seeded(nn.GRU, 3, 5, 2)
    module.register_forward_hook(lambda _, __, out: FALSE[what](out))
    with watch(module) as seen:
        module(reads(6, 4, 3))
    assert not seen[""].proof.holds
    assert seen[""].proof.difference > 1e-3


def test_a_gate_that_was_not_used_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    true = gru_viz.equations.gates
    monkeypatch.setattr(gru_viz.equations, "gates", lambda *a: (g := true(*a)) | {"reset": g["reset"] * 0.99})
    module = seeded(nn.GRU, 3, 5)
    with watch(module) as seen:
        module(reads(6, 4, 3))
    assert not seen[""].proof.holds

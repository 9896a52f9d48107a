"""What is seen is what ran: five models, every layout, cells in loops, dropout, low precision; and proof that it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from watched import LENGTHS, Convolutional, EncoderDecoder, Loop, Stack, Tagger, by_hand, differs, reads, seeded

import gru_viz
from gru_viz import TraceError, watch

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
        assert trace.proven
        assert trace.proof < 2e-6
        assert trace.witness == f"{each} of {type(model).__name__}, as it ran"
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
    assert trace.proven
    assert trace.proof < 1e-14
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
        assert seen[""].proven
        assert seen[""].dtype == str(dtype).removeprefix("torch.")
        assert differs(seen[""], by_hand(module, x.transpose(0, 1))) < EXACT[dtype]


# --- cells ------------------------------------------------------------------------------------------------------


def hidden_of(state: Any) -> Tensor:
    return state[0] if isinstance(state, tuple) else state


@pytest.mark.parametrize("way", ["as they are", "detached", "no grad", "inference", "no batch", "from h0"])
@pytest.mark.parametrize("kind", CELLS)
def test_a_loop_over_a_cell_is_one_sequence(kind: str, way: str) -> None:
    cell = seeded(CELLS[kind], 3, 5, dtype=torch.float64)
    x = reads(4, 50, 3, dtype=torch.float64)[: 1 if way == "no batch" else 4]
    start = tuple(reads(len(x), 5, seed=k, dtype=torch.float64).tanh() for k in range(1 + (kind == "LSTM")))
    state: Any = (start if len(start) > 1 else start[0]) if way == "from h0" else None
    mode = {"no grad": torch.no_grad, "inference": torch.inference_mode}.get(way, torch.enable_grad)
    with watch(cell) as seen, mode():
        for step in x[0] if way == "no batch" else x.unbind(1):
            state = cell(step, hx=state)
            if way == "detached":
                state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
    trace = seen[""]
    assert trace.hidden.shape == (len(x), 50, 5)
    assert trace.proof < 1e-14
    assert trace.proven
    assert differs(trace, by_hand(cell, x, None, start if way == "from h0" else ())) < 1e-12


@pytest.mark.parametrize("kind", CELLS)
def test_two_sequences_stepped_in_turn_stay_apart(kind: str) -> None:
    cell = seeded(CELLS[kind], 3, 5, dtype=torch.float64)
    x = [reads(2, 6, 3, seed=s, dtype=torch.float64) for s in (1, 2)]
    states: list[Any] = [None, None]
    with watch(cell) as seen:
        for t in range(6):
            for k in range(2):
                states[k] = cell(x[k][:, t], states[k])
    both = seen.calls("")
    assert [trace.lengths for trace in both] == [(6, 6), (6, 6)]
    for trace, each in zip(both, x, strict=True):
        assert differs(trace, by_hand(cell, each)) < 1e-12


def test_a_state_that_was_changed_or_made_anew_begins_another_sequence() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5, dtype=torch.float64), reads(2, 3, dtype=torch.float64)
    with watch(cell) as seen, torch.no_grad():
        one = cell(x)
        one.mul_(0.5)  # written to in place
        two = cell(x, one)
        cell(x, two * 0.5)
        cell(x, two)  # goes on from two
        cell(x, two)  # and so does this, as a branch of its own
    traces = seen.calls("")
    assert [len(trace.time) and trace.lengths[0] for trace in traces] == [1, 2, 1, 1]
    assert all(trace.proven for trace in traces)
    assert np.array_equal(traces[1].initial["hidden"], one.numpy())
    assert not np.array_equal(traces[0].hidden[:, 0], one.numpy())


def test_weights_that_change_between_two_steps_begin_another_sequence() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5, dtype=torch.float64), reads(2, 3, dtype=torch.float64)
    with watch(cell) as seen, torch.no_grad():
        state = cell(x, cell(x))
        cell.weight_hh.mul_(0.5)
        state = cell(x, state)
    first, second = seen.calls("")
    assert (first.lengths, second.lengths) == ((2, 2), (1, 1))
    assert first.proven
    assert second.proven
    assert np.array_equal(first.weights.matrices["weight_hh"], 2 * second.weights.matrices["weight_hh"])


def test_a_loop_that_goes_on_after_a_look_is_seen_to_its_end() -> None:
    cell, x = seeded(nn.GRUCell, 3, 5), reads(2, 3)
    with watch(cell) as seen:
        state = cell(x)
        assert seen[""].lengths == (1, 1)
        cell(x, state)
        assert seen[""].lengths == (2, 2)
    assert seen[""] is seen[""]


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
    assert trace.proven
    assert trace.proof < 2e-6
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
    assert not seen[""].proven


@pytest.mark.parametrize("dropout", [1.0, 0.0])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
def test_all_or_nothing_dropped(dropout: float, training: bool) -> None:
    module = seeded(nn.GRU, 3, 5, 2, dropout=dropout).train(training)
    with watch(module) as seen:
        module(reads(6, 2, 3))
    assert seen[""].proven
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
    assert trace.proven
    assert trace.proof < 0.05 < trace.bound
    with watch(module) as plain:
        module(x)
    assert plain[""].bound < trace.bound / 1000


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
    assert trace.bound <= 1 / 16
    assert trace.proven == (trace.proof <= 1 / 16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_proven_to_its_own_rounding(kind: str, dtype: torch.dtype) -> None:
    module = seeded(KINDS[kind], 3, 5, 2, dtype=dtype)
    with watch(module) as seen:
        module(reads(6, 4, 3, dtype=dtype))
    trace = seen[""]
    assert trace.dtype == "float32"
    assert trace.proven
    assert trace.proof < 16 * torch.finfo(dtype).eps


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_every_mode_shows_the_same(mode: Callable[[], Any]) -> None:
    module, x = seeded(nn.LSTM, 3, 5, 2), reads(6, 4, 3)
    with watch(module) as seen, mode():
        module(x)
    assert seen[""].proof < 2e-6
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
    assert all(trace.proof < 2e-6 for trace in traces)
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
    assert seen[""].proven
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
    assert not seen[""].proven
    assert seen[""].proof > 1e-3


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell])
def test_a_false_step_of_a_cell_is_not_proven(kind: type[nn.RNNCellBase], which: int) -> None:
    cell = seeded(kind, 3, 5)

    def falsify(_: object, __: object, out: Any) -> Any:
        return tuple(s + 0.01 * (k == which) for k, s in enumerate(out)) if isinstance(out, tuple) else out + 0.01

    cell.register_forward_hook(falsify)
    with watch(cell) as seen:
        cell(reads(4, 3))
    assert not seen[""].proven


def test_a_gate_that_was_not_used_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    true = gru_viz.equations.gates
    monkeypatch.setattr(gru_viz.equations, "gates", lambda *a: (g := true(*a)) | {"reset": g["reset"] * 0.99})
    module = seeded(nn.GRU, 3, 5)
    with watch(module) as seen:
        module(reads(6, 4, 3))
    assert not seen[""].proven


# --- asking ------------------------------------------------------------------------------------------------------


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
        (nn.RNN(3, 5, nonlinearity="relu"), "relu"),
        (nn.RNNCell(3, 5, nonlinearity="relu"), "relu"),
    ],
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_other_equations_run_and_say_why_they_are_not_shown(module: nn.Module, word: str) -> None:
    x = reads(4, 3) if isinstance(module, nn.RNNCellBase) else reads(4, 2, 3)
    with watch(nn.Sequential(module)) as seen:
        out = module(x)
    assert torch.equal(hidden_of(out), hidden_of(module(x)))
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
    says(caught.value, "could not be kept")


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
        assert seen["decoder"].proven
    for wrong in ("encoder", ["decoder", "nothing"]):
        with pytest.raises(TraceError) as caught:
            watch(model, only=wrong)
        says(caught.value, "'encoder.rnn', 'decoder'")


@pytest.mark.parametrize("model", [nn.Linear(3, 5), torch.zeros(3), None])
def test_what_has_nothing_to_watch_is_refused(model: Any) -> None:
    with pytest.raises(TraceError) as caught:
        watch(model)
    says(caught.value)

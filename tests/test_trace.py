"""trace(): every form of input, every refusal with its words, nothing of the caller's touched, nothing mutable out."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import sys
import threading

import numpy as np
import pytest
import torch
from lopsided import ALL, RESET_BEFORE, inputs, stack

import gru_viz
from gru_viz import ConventionError, DeviceError, GruVizError, Trace, TraceError, Weights, verification
from gru_viz.proof import Proof
from gru_viz.sequences import Scaling, Sequence, Sequences
from gru_viz.trace import LayerTrace

EVERYWHERE = ("compiled", "loop", "scratch")
"""The backends that run every variant."""

MODULES = {"torch": torch.nn.GRU, "torch_lstm": torch.nn.LSTM, "torch_rnn": torch.nn.RNN}


def network(name: str = "torch", layers: int = 1, directions: int = 1, dtype: str = "float64") -> Weights:
    return Weights.from_matrices(name, stack(name, layers=layers, directions=directions, dtype=dtype))


def says_everything(error: GruVizError) -> None:
    for part in (error.where, error.found, error.wanted, error.remedy):
        assert part.strip()
        assert part in str(error)


def same(a: Trace, b: Trace) -> None:
    for mine, theirs in zip(a.layers, b.layers, strict=True):
        for x, y in zip(mine.directions, theirs.directions, strict=True):
            for q, values in x.quantities.items():
                assert np.array_equal(values, y.quantities[q], equal_nan=True), q


# --- what comes in ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchecked")
def test_every_form_of_the_same_input_gives_the_same_trace() -> None:
    w, x = network(), inputs(6, 3)
    first = gru_viz.trace(w, x)
    assert first.hidden.shape == (1, 6, 5)
    grads = torch.tensor(x, requires_grad=True)
    for form in (x[None], torch.tensor(x), torch.tensor(x)[None], [x], (x,), [torch.tensor(x)], grads, [x.tolist()]):
        again = gru_viz.trace(w, form)
        if not isinstance(form, list) or not isinstance(form[0], list):
            same(first, again)
        assert np.abs(first.hidden - again.hidden).max() < 1e-6


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", "bool", ">f8"])
def test_other_kinds_of_numbers_are_read_as_floats(dtype: str) -> None:
    w, x = network(), np.round(inputs(6, 3)).clip(0).astype(dtype)
    assert np.abs(gru_viz.trace(w, x).hidden - gru_viz.trace(w, x.astype("float64")).hidden).max() < 1e-6


def test_a_list_of_unequal_lengths_is_the_same_as_padding_and_lengths() -> None:
    w, x = network(layers=2, directions=2), [inputs(n, 3, seed=n) for n in (4, 7, 0, 1)]
    padded = np.zeros((4, 7, 3))
    for row, item in zip(padded, x, strict=True):
        row[: len(item)] = item
    a, b = gru_viz.trace(w, x), gru_viz.trace(w, padded, lengths=[4, 7, 0, 1])
    same(a, b)
    assert a.lengths == (4, 7, 0, 1)
    assert np.isnan(a.inputs[0, 4:]).all()
    assert not np.isnan(a.inputs[0, :4]).any()


def sequences() -> Sequences:
    features = ("temperature", "wind", "rain")
    items = (
        Sequence(inputs(3, 3, dtype="float32"), features, ("Mon", "Tue", "Wed"), "Oslo"),
        Sequence(inputs(5, 3, dtype="float32"), features, None, "Bergen"),
    )
    scaling = Scaling("standardise", features, np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0]))
    return Sequences(items, scaling, details={"encoding": "one-hot"})


def test_sequences_keep_names_labels_features_and_scaling() -> None:
    seqs = sequences()
    trace = gru_viz.trace(network(), seqs)
    assert trace.names == ("Oslo", "Bergen")
    assert trace.features == ("temperature", "wind", "rain")
    assert trace.time == (("Mon", "Tue", "Wed"), None)
    assert trace.lengths == (3, 5)
    assert trace.scaling is seqs.scaling
    assert dict(trace.details) == {"encoding": "one-hot"}
    same(trace, gru_viz.trace(network(), [item.values for item in seqs]))


def test_labels_of_a_sequence_cut_by_lengths_still_name_its_steps() -> None:
    trace = gru_viz.trace(network(), sequences(), lengths=[2, 5])
    assert trace.time[0] is not None
    assert trace.time[0][: trace.lengths[0]] == ("Mon", "Tue")


def test_plain_arrays_get_plain_names() -> None:
    trace = gru_viz.trace(network(), inputs(2, 4, 3))
    assert trace.names == ("sequence 1", "sequence 2")
    assert trace.features == ("x1", "x2", "x3")
    assert trace.time == (None, None)
    assert trace.scaling is None


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("batch", "steps"), [(1, 0), (3, 0), (1, 1), (2, 1)])
def test_no_time_and_one_step(name: str, batch: int, steps: int, backend: str) -> None:
    trace = gru_viz.trace(network(name, 2, 2), inputs(batch, steps, 3), backend=backend)  # type: ignore[arg-type]
    assert trace.proof.holds
    for layer in trace.layers:
        for run in layer.directions:
            assert all(values.shape == (batch, steps, 5) for values in run.quantities.values())
            assert run.previous().shape == (batch, steps, 5)


@pytest.mark.parametrize("name", ["torch", "onnx", "torch_rnn"])
def test_h0_broadcasts_and_is_the_state_before_the_first_step(name: str) -> None:
    w, x, h = network(name), inputs(2, 4, 3), np.tanh(inputs(5))
    first = gru_viz.trace(w, x, h0=h)
    for form in (h[None, None].repeat(2, 1), torch.tensor(h), h.tolist(), h[None]):
        same(first, gru_viz.trace(w, x, h0=form))
    assert np.array_equal(first.previous()[:, 0], np.stack([h, h]))
    assert np.array_equal(first.previous()[:, 1:], first.hidden[:, :-1])


@pytest.mark.parametrize("name", ALL)
def test_previous_is_the_shift_from_the_side_each_direction_reads_from(name: str) -> None:
    trace = gru_viz.trace(network(name, directions=2), inputs(2, 6, 3), lengths=[6, 3])
    for run in trace.layers[0].directions:
        for state in run.convention.states:
            previous, values = run.previous(state), run.quantities[state]
            for i, n in enumerate(trace.lengths):
                inner = values[i, 1:n] if run.backward else values[i, : n - 1]
                first = n - 1 if run.backward else 0
                assert np.array_equal(np.delete(previous[i, :n], first, 0), inner)
                assert not previous[i, first].any()
                assert np.isnan(previous[i, n:]).all()


def test_an_upper_layer_reads_both_directions_of_the_one_below() -> None:
    trace = gru_viz.trace(network(layers=2, directions=2), inputs(2, 6, 3), lengths=[6, 3])
    below = np.concatenate([run.hidden for run in trace.layers[0].directions], -1)
    for run in trace.layers[1].directions:
        assert np.array_equal(run.inputs, below, equal_nan=True)


def unequal(name: str, directions: int) -> Weights:
    """Two layers, of 6 and of 4 units."""
    sizes = ((3, 6), (6 * directions, 4))
    return Weights.from_matrices(name, [stack(name, reads, hidden, 1, directions)[0] for reads, hidden in sizes])


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("name", ["torch", "torch_lstm", "torch_rnn", "keras_reset_before"])
def test_a_stack_of_unequal_layers_runs_as_its_layers_run_one_after_the_other(
    name: str, directions: int, backend: str
) -> None:
    w, x, lengths = unequal(name, directions), inputs(3, 6, 3), [6, 2, 5]
    sizes = [n for n in (6, 4) for _ in range(directions)]
    states = w.convention.states
    starts = [[np.tanh(inputs(3, n, seed=9 * s + k)) for k, n in enumerate(sizes)] for s in range(len(states))]
    both = gru_viz.trace(w, x, h0=tuple(starts) if len(states) > 1 else starts[0], lengths=lengths, backend=backend)  # type: ignore[arg-type]
    assert both.proof.holds
    read = x
    for k, layer in enumerate(w.layers):
        own = [np.stack(each[k * directions : (k + 1) * directions]) for each in starts]
        alone = gru_viz.trace(
            Weights((layer,)), read, h0=tuple(own) if len(own) > 1 else own[0], lengths=lengths, backend="scratch"
        )
        for mine, theirs in zip(both.layers[k].directions, alone.layers[0].directions, strict=True):
            for q, values in mine.quantities.items():
                assert np.array_equal(np.isnan(values), np.isnan(theirs.quantities[q]))
                assert np.nanmax(np.abs(values - theirs.quantities[q])) < 1e-12
        read = np.nan_to_num(np.concatenate([run.hidden for run in alone.layers[0].directions], -1))
    assert gru_viz.trace(w, x, lengths=lengths).layers[1].directions[0].hidden.shape == (3, 6, 4)


@pytest.mark.parametrize("h0", [np.zeros(4), np.zeros((2, 3, 4)), [np.zeros(6)], [np.zeros(4), np.zeros(6)]])
def test_unequal_layers_want_a_state_each(h0: object) -> None:
    with pytest.raises(TraceError) as caught:
        gru_viz.trace(unequal("torch", 1), inputs(3, 6, 3), h0=h0)
    says_everything(caught.value)
    assert caught.value.where == "h0"


# --- refusals ---------------------------------------------------------------------------------------------------

REFUSED = {
    "too many features": ({"x": np.zeros((4, 2))}, TraceError, "3 features"),
    "features in one of several": ({"x": [np.zeros((4, 3)), np.zeros((4, 2))]}, TraceError, "sequence 2"),
    "one axis": ({"x": np.zeros(4)}, TraceError, "axes"),
    "four axes": ({"x": np.zeros((1, 1, 4, 3))}, TraceError, "axes"),
    "no sequence": ({"x": []}, TraceError, "at least one"),
    "an empty batch": ({"x": np.zeros((0, 4, 3))}, TraceError, "at least one"),
    "text": ({"x": np.full((4, 3), "a")}, TraceError, "numbers"),
    "objects": ({"x": np.full((4, 3), None)}, TraceError, "numbers"),
    "dates": ({"x": np.zeros((4, 3), "datetime64[D]")}, TraceError, "numbers"),
    "complex": ({"x": np.zeros((4, 3), complex)}, TraceError, "numbers"),
    "too few lengths": ({"lengths": [4]}, TraceError, "lengths"),
    "too many lengths": ({"lengths": [4, 4, 4]}, TraceError, "lengths"),
    "a length beyond the end": ({"lengths": [4, 5]}, TraceError, "lengths"),
    "a negative length": ({"lengths": [4, -1]}, TraceError, "lengths"),
    "h0 of other units": ({"h0": np.zeros(4)}, TraceError, "h0"),
    "h0 of another batch": ({"h0": np.zeros((1, 3, 5))}, TraceError, "h0"),
    "h0 of too many axes": ({"h0": np.zeros((1, 1, 2, 5))}, TraceError, "h0"),
    "h0 of text": ({"h0": "zero"}, TraceError, "h0"),
    "h0 of nothing": ({"h0": [None]}, TraceError, "h0"),
    "an unknown backend": ({"backend": "cudnn"}, TraceError, "scratch"),
    "apple's device": ({"device": "mps"}, DeviceError, "mps"),
    "no device": ({"device": "gpu please"}, DeviceError, "cpu"),
    "an empty device": ({"device": ""}, DeviceError, "cpu"),
    "the meta device": ({"device": "meta"}, DeviceError, "cpu"),
    "another network": ({"model": torch.nn.Linear(3, 5)}, ConventionError, "Linear"),
    "a state dict": ({"model": torch.nn.GRU(3, 5).state_dict()}, ConventionError, "nn.GRU"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("unchecked")
def test_what_does_not_fit_is_refused_in_words(case: str) -> None:
    wrong, kind, word = REFUSED[case]
    with pytest.raises(kind) as caught:
        gru_viz.trace(**({"model": network(), "x": inputs(2, 4, 3)} | wrong))  # type: ignore[arg-type]
    says_everything(caught.value)
    assert word in str(caught.value)


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:99"])
def test_an_absent_gpu_is_refused_and_never_replaced(device: str) -> None:
    if torch.cuda.is_available() and device != "cuda:99":
        pytest.skip("there is a GPU here")
    with pytest.raises(DeviceError) as caught:
        gru_viz.trace(network(), inputs(4, 3), device=device)
    says_everything(caught.value)
    assert "device='cpu'" in caught.value.remedy


@pytest.mark.parametrize("h0", [np.zeros((1, 2, 5)), (np.zeros((1, 2, 5)),), (np.zeros(5),) * 3, np.zeros((3, 5))])
@pytest.mark.usefixtures("unchecked")
def test_an_lstm_wants_both_states(h0: object) -> None:
    with pytest.raises(TraceError) as caught:
        gru_viz.trace(network("torch_lstm"), inputs(2, 4, 3), h0=h0)
    says_everything(caught.value)
    assert "c0" in caught.value.wanted


@pytest.mark.parametrize("name", RESET_BEFORE)
def test_torch_is_refused_where_it_has_not_the_variant(name: str) -> None:
    with pytest.raises(TraceError) as caught:
        gru_viz.trace(network(name), inputs(4, 3), backend="torch")
    says_everything(caught.value)
    assert "before" in caught.value.found
    assert "scratch" in caught.value.remedy


@pytest.mark.parametrize("name", ALL)
def test_what_ran_is_said_and_is_the_fastest_that_is_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gru_viz.trace(network(name), inputs(4, 3)).backend == "compiled"
    monkeypatch.setitem(sys.modules, "numba", None)
    trace = gru_viz.trace(network(name), inputs(4, 3))
    assert trace.backend == "loop"
    assert trace.proof.holds
    with pytest.raises(TraceError) as caught:
        gru_viz.trace(network(name), inputs(4, 3), backend="compiled")
    says_everything(caught.value)
    assert "numba" in caught.value.wanted


# --- what it holds ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_every_quantity_is_an_attribute_at_every_level(name: str) -> None:
    trace = gru_viz.trace(network(name), inputs(2, 4, 3))
    for q in trace.convention.quantities:
        values = getattr(trace, q.name)
        assert isinstance(values, np.ndarray), q.name
        assert values.shape == (2, 4, 5)
        assert values is getattr(trace.layers[0], q.name)
        assert values is getattr(trace.layers[0].forward, q.name)
        assert values is trace.layers[0].forward.quantities[q.name]


@pytest.mark.parametrize("name", ALL)
def test_an_unknown_quantity_is_answered_with_the_known_ones(name: str) -> None:
    trace = gru_viz.trace(network(name), inputs(2, 4, 3))
    for level in (trace, trace.layers[0], trace.layers[0].forward):
        with pytest.raises(TraceError) as caught:
            _ = level.forgetfulness
        says_everything(caught.value)
        assert all(q.name in caught.value.wanted for q in trace.convention.quantities)
        assert not hasattr(level, "_repr_latex_")


@pytest.mark.parametrize("wanted", ["update", "hidden", "quantities", "initial", "previous", "forward", "directions"])
def test_several_layers_are_never_shown_as_one(wanted: str) -> None:
    trace = gru_viz.trace(network(layers=2), inputs(2, 4, 3))
    with pytest.raises(TraceError) as caught:
        getattr(trace, wanted)
    says_everything(caught.value)
    assert f"trace.layers[k].{wanted}" in caught.value.remedy


@pytest.mark.parametrize("wanted", ["update", "hidden", "quantities", "initial", "previous"])
def test_two_directions_are_never_shown_as_one(wanted: str) -> None:
    trace = gru_viz.trace(network(directions=2), inputs(2, 4, 3))
    for level in (trace, trace.layers[0]):
        with pytest.raises(TraceError) as caught:
            getattr(level, wanted)
        says_everything(caught.value)
        assert f".forward.{wanted}" in caught.value.remedy


@pytest.mark.parametrize("name", ALL)
def test_nothing_in_a_trace_can_be_changed(name: str) -> None:
    trace = gru_viz.trace(network(name, 2, 2), inputs(2, 4, 3), lengths=[4, 2])
    for layer in trace.layers:
        for run in layer.directions:
            for array in (run.inputs, *run.quantities.values(), *run.initial.values()):
                with pytest.raises(ValueError, match="read-only"):
                    array[...] = 0
            with pytest.raises(TypeError):
                run.quantities["hidden"] = run.inputs  # type: ignore[index]
    with pytest.raises(AttributeError):
        trace.proof = 0.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        trace.details["a"] = "b"  # type: ignore[index]


def test_the_callers_array_stays_writable_and_apart() -> None:
    x = inputs(2, 4, 3)
    trace = gru_viz.trace(network(), x)
    before = trace.inputs.copy()
    x[:] = 0
    assert np.array_equal(trace.inputs, before)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("name", ["torch", "onnx", "torch_lstm", "torch_rnn"])
def test_a_trace_can_be_copied_and_pickled(name: str, copied: object) -> None:
    trace = gru_viz.trace(network(name, 2, 2), sequences())
    again: Trace = copied(trace)  # type: ignore[operator]
    same(trace, again)
    for field in ("lengths", "names", "features", "time", "backend", "device", "proof", "convention"):
        assert getattr(again, field) == getattr(trace, field)
    assert again.scaling is not None
    assert dict(again.details) == dict(trace.details)
    assert not again.layers[1].forward.hidden.flags.writeable
    assert again.layers[1].backward is not None
    assert again.layers[1].backward.backward


@pytest.mark.parametrize("backend", [*EVERYWHERE, "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_runs_in_the_dtype_of_the_weights(dtype: str, backend: str) -> None:
    for other in ("float32", "float64"):
        trace = gru_viz.trace(network(dtype=dtype), inputs(4, 3, dtype=other), backend=backend)  # type: ignore[arg-type]
        assert trace.dtype == dtype
        assert trace.hidden.dtype == dtype


def test_the_witness_is_named_after_what_ran() -> None:
    x = inputs(4, 3)
    assert gru_viz.trace(network(), x, backend="torch").proof.witness == "torch.nn.GRU"
    assert gru_viz.trace(network("torch_lstm"), x, backend="torch").proof.witness == "torch.nn.LSTM"
    for backend in EVERYWHERE:
        assert "torch.nn.GRUCell" in gru_viz.trace(network(), x, backend=backend).proof.witness  # type: ignore[arg-type]
    assert "float64" in gru_viz.trace(network("onnx"), x).proof.witness


SHOWN = [("torch", "reset"), ("torch", "update"), ("torch", "candidate"), ("torch_rnn", "hidden")]
SHOWN += [("torch_lstm", gate) for gate in ("input", "forget", "output", "cell_candidate")]


@pytest.mark.parametrize("backend", ["scratch", "torch"])
@pytest.mark.parametrize(("name", "gate"), SHOWN)
def test_the_proof_fails_where_a_shown_gate_is_not_the_one_used(
    name: str, gate: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gates shown that are not the gates used turn the proof red, on both ways of running."""
    true = gru_viz.equations.gates

    def tampered(*args: object) -> dict[str, torch.Tensor]:
        gates = true(*args)  # type: ignore[arg-type]
        return gates | {gate: gates[gate] * 0.99}

    monkeypatch.setattr(gru_viz.equations, "gates", tampered)
    trace = gru_viz.trace(network(name), inputs(6, 3), backend=backend)  # type: ignore[arg-type]
    assert not trace.proof.holds
    assert trace.proof.difference > 1e-4


STATES = [("torch", "hidden"), ("torch_lstm", "hidden"), ("torch_lstm", "cell")]
BEFORE = [("onnx", q) for q in ("reset", "update", "candidate", "hidden")]


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("backend", [*EVERYWHERE, "torch"])
@pytest.mark.parametrize(("name", "quantity"), [*SHOWN, *STATES, *BEFORE])
def test_one_wrong_step_among_those_shown_is_found(name: str, quantity: str, backend: str, direction: str) -> None:
    """Whatever ran, and wherever it stands: the last step too, of which no other state follows."""
    if backend == "torch" and name in RESET_BEFORE:
        pytest.skip("torch has no such layer")
    h0 = np.tanh(inputs(2, 3, 5))
    trace = gru_viz.trace(
        network(name, directions=2), inputs(3, 9, 3), (h0, h0) if "lstm" in name else h0, [9, 0, 4], backend  # type: ignore[arg-type]
    )  # fmt: skip
    for i, t in ((0, 0), (0, 8), (2, 0), (2, 3)):
        runs = {run: getattr(trace.layers[0], run) for run in ("forward", "backward")}
        values = runs[direction].quantities[quantity].copy()
        values[i, t] += 0.01
        runs[direction] = dataclasses.replace(
            runs[direction], quantities={**runs[direction].quantities, quantity: values}
        )
        wrong = dataclasses.replace(trace, layers=(LayerTrace(**runs),))
        assert not wrong.proof.holds
        assert wrong.proof.difference > (1e-6 if name in ("torch_lstm", "torch_rnn") else 0.0099)
    assert trace.proof.holds


@pytest.mark.parametrize("name", ["torch", "onnx", "chung_2014"])
def test_a_wrong_update_gate_is_found_where_a_wrong_candidate_makes_up_for_it(name: str) -> None:
    trace = gru_viz.trace(network(name), inputs(2, 9, 3))
    run = trace.layers[0].forward
    update, before = 0.9 * run.update, run.previous()
    share = update if run.convention.update == "takes" else 1 - update
    candidate = (run.hidden - (1 - share) * before) / share
    made_up = dataclasses.replace(run, quantities={**run.quantities, "update": update, "candidate": candidate})
    wrong = dataclasses.replace(trace, layers=(LayerTrace(made_up),))
    assert trace.proof.holds
    assert wrong.proof.difference > 0.01


def test_torchs_own_cell_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    trace, true = gru_viz.trace(network(), inputs(2, 9, 3)), torch.gru_cell
    monkeypatch.setattr(torch, "gru_cell", lambda *a: true(*a) + 0.01)
    assert trace.proof.difference > 0.0099


def test_the_proof_is_found_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    true = verification.prove
    monkeypatch.setattr(verification, "prove", lambda *a: (asked.append(1), true(*a))[1])
    trace, found = gru_viz.trace(network(), inputs(200, 3)), list[Proof]()
    assert not asked
    threads = [threading.Thread(target=lambda: found.append(trace.proof)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1]
    assert set(found) == {trace.proof}
    assert pickle.loads(pickle.dumps(trace)).proof == trace.proof
    assert asked == [1]


def test_a_proof_takes_every_step_in_whichever_block_it_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = gru_viz.trace(network("torch", directions=2), inputs(3, 700, 3), lengths=[700, 1, 131])
    monkeypatch.setattr(verification, "CELLS", 1)  # blocks of 256 steps
    again = dataclasses.replace(trace)
    assert again.proof == trace.proof


# --- the user's module ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore:dropout option adds dropout")
def test_the_users_module_and_the_global_state_are_untouched(name: str, training: bool) -> None:
    module = MODULES[name](3, 5, num_layers=2, bidirectional=True, dropout=0.5, batch_first=True).train(training)
    output, _ = module(torch.tensor(inputs(2, 4, 3, dtype="float32")))
    output.sum().backward()
    state = {k: v.clone() for k, v in module.state_dict().items()}
    grads = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    threads, rng, numpy_state = torch.get_num_threads(), torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    for backend in (*EVERYWHERE, "torch"):
        gru_viz.trace(module, inputs(2, 4, 3), backend=backend)  # type: ignore[arg-type]
    assert torch.equal(torch.random.get_rng_state(), rng)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert module.training is training
    assert module.dropout == 0.5
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())
    assert all(torch.equal(p.grad, g) for p, g in zip(module.parameters(), grads, strict=True) if p.grad is not None)
    assert all(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_traced_as_its_own_forward_runs(name: str, bias: bool, batch_first: bool) -> None:
    module = MODULES[name](3, 5, num_layers=2, bias=bias, batch_first=batch_first, dtype=torch.float64)
    x = inputs(2, 6, 3)
    with torch.no_grad():
        theirs = module(torch.tensor(x if batch_first else x.swapaxes(0, 1)))[0].numpy()
    trace = gru_viz.trace(module, x)
    assert np.abs(trace.layers[1].hidden - (theirs if batch_first else theirs.swapaxes(0, 1))).max() < 1e-14
    assert trace.proof.holds


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_modules_are_traced_in_float32(dtype: torch.dtype) -> None:
    module = torch.nn.GRU(3, 5).to(dtype)
    trace = gru_viz.trace(module, inputs(4, 3, dtype="float32"))
    full = gru_viz.trace(copy.deepcopy(module).float(), inputs(4, 3, dtype="float32"))
    assert trace.dtype == "float32"
    assert np.abs(trace.hidden - full.hidden).max() < 1e-6
    assert trace.proof.holds


def test_a_trace_equals_itself_after_a_second_run() -> None:
    w, x = network(layers=2, directions=2), inputs(2, 6, 3)
    same(gru_viz.trace(w, x), gru_viz.trace(w, x))


@pytest.mark.parametrize("backend", EVERYWHERE)
@pytest.mark.parametrize("name", ALL)
def test_the_states_of_a_run_carry_over_to_the_next(name: str, backend: str) -> None:
    """A sequence in two parts, the second from where the first ended, is the sequence in one; each row by its end."""
    w, x = unequal(name, 1), inputs(3, 10, 3)
    whole = gru_viz.trace(w, x, lengths=[10, 6, 4], backend=backend)  # type: ignore[arg-type]
    first = gru_viz.trace(w, x[:, :6], lengths=[6, 6, 0], backend=backend)  # type: ignore[arg-type]
    states = w.convention.states
    ends = [first.final[state] for state in states]
    assert all(not end[2].any() for each in ends for end in each)
    second = gru_viz.trace(
        w,
        x[:2, 6:],
        h0=tuple([e[:2] for e in each] for each in ends) if len(ends) > 1 else [e[:2] for e in ends[0]],
        lengths=[4, 0],
        backend=backend,
    )  # type: ignore[arg-type]
    for a, b in zip(whole.layers, second.layers, strict=True):
        assert np.abs(a.hidden[:1, 6:] - b.hidden[:1]).max() < 1e-13
    for state in states:
        for a, b in zip(whole.final[state], second.final[state], strict=True):
            assert np.abs(a[:2] - b).max() < 1e-13


@pytest.mark.parametrize("backend", [*EVERYWHERE, "torch"])
def test_the_final_state_of_the_backward_direction_is_that_after_the_first_step(backend: str) -> None:
    w, lengths = network("torch_lstm", 2, 2), [6, 0, 3]
    trace = gru_viz.trace(w, inputs(3, 6, 3), lengths=lengths, backend=backend)  # type: ignore[arg-type]
    runs = [run for layer in trace.layers for run in layer.directions]
    for state in ("hidden", "cell"):
        assert len(trace.final[state]) == 4
        for run, ends in zip(runs, trace.final[state], strict=True):
            for i, n in enumerate(lengths):
                last = run.quantities[state][i, 0 if run.backward else n - 1] if n else run.initial[state][i]
                assert np.array_equal(ends[i], last)

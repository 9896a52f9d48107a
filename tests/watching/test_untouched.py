"""A model that is watched is the model that it was: results, gradients, random numbers, hooks; whatever happens."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from watched import Convolutional, EncoderDecoder, Loop, Stack, Tagger, reads, seeded

from gru_viz import watch
from gru_viz.watching import Seen

MODELS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "encoder-decoder": (lambda: seeded(EncoderDecoder, nn.LSTM), lambda: (reads(4, 7, 3), reads(6, 4, 2))),
    "loop": (lambda: seeded(Loop, nn.LSTMCell), lambda: (reads(4, 20, 3).requires_grad_(),)),
    "tagger with dropout": (
        lambda: seeded(Tagger, nn.LSTM, dropout=0.5),
        lambda: (torch.arange(24).reshape(4, 6) % 11,),
    ),
    "list": (lambda: seeded(Stack), lambda: (reads(4, 9, 3).requires_grad_(),)),
    "convolution": (lambda: seeded(Convolutional), lambda: (reads(4, 15, 3).requires_grad_(),)),
}


def hooks(model: nn.Module) -> int:
    """Everything that torch keeps beside a module's hooks."""
    kept = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs")
    kept += ("_forward_hooks_always_called", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, name)) for module in model.modules() for name in kept)


def train(model: nn.Module, given: tuple[Tensor, ...], watched: bool) -> tuple[list[Tensor], Tensor]:
    """Three steps of training; what they gave, every gradient, and where the random numbers stand."""
    torch.manual_seed(5)
    optimiser, told = torch.optim.Adam(model.parameters(), lr=0.1), []
    for _ in range(3):
        optimiser.zero_grad()
        if watched:
            with watch(model) as seen:
                answer = model(*given)
                seen.calls(seen.names[0])
        else:
            answer = model(*given)
        answer.square().sum().backward()
        told += [
            answer.detach(),
            *(p.grad.clone() for p in model.parameters()),
            *(x.grad for x in given if x.requires_grad),
        ]  # type: ignore[union-attr, misc]
        optimiser.step()
    return told, torch.get_rng_state()


@pytest.mark.parametrize("name", MODELS)
def test_results_gradients_and_random_numbers_are_the_same_bits(name: str) -> None:
    make, read = MODELS[name]
    plain, watched = train(make(), read(), False), train(make(), read(), True)
    assert len(plain[0]) == len(watched[0])
    assert all(torch.equal(a, b) for a, b in zip(plain[0], watched[0], strict=True))
    assert torch.equal(plain[1], watched[1])


@pytest.mark.parametrize("name", MODELS)
def test_no_hook_is_left_behind(name: str) -> None:
    model, given = MODELS[name][0](), MODELS[name][1]()
    state = {key: set(vars(module)) for key, module in model.named_modules()}
    with watch(model):
        assert hooks(model) > 0
        model(*given)
    assert hooks(model) == 0
    assert {key: set(vars(module)) for key, module in model.named_modules()} == state


def test_no_hook_is_left_behind_by_a_model_that_fails() -> None:
    model = seeded(Loop)
    watching = watch(model)

    def fail() -> None:
        with watching as seen:
            seens.append(seen)
            model(reads(2, 4, 3))
            raise ZeroDivisionError

    seens: list[Seen] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    (seen,) = seens
    assert hooks(model) == 0
    assert seen["cell"].proof.holds
    gru = seeded(nn.GRU, 3, 5, 2, dropout=0.5)
    with watch(gru) as seen:
        with pytest.raises(RuntimeError):
            gru(reads(6, 4, 2))
        gru(reads(6, 4, 3))
    assert seen[""].proof.holds
    assert hooks(gru) == 0


def test_hooks_of_the_user_stay_and_run() -> None:
    model, ran = seeded(nn.GRU, 3, 5), []
    model.register_forward_hook(lambda *_: ran.append("before"))
    with watch(model):
        model.register_forward_pre_hook(lambda *_: ran.append("within"))
        model(reads(6, 4, 3))
    model(reads(6, 4, 3))
    assert ran == ["within", "before", "within", "before"]
    assert hooks(model) == 2


def test_one_watch_within_another_and_again() -> None:
    model, x = seeded(nn.GRU, 3, 5), reads(6, 4, 3)
    watching = watch(model)
    with watching as outer:
        model(x)
        with watching as inner, watch(model, only="") as third:
            model(x)
        model(x)
    assert [len(seen.calls("")) for seen in (outer, inner, third)] == [3, 1, 1]
    with watching as again:
        model(x)
    assert np.array_equal(again[""].hidden, inner[""].hidden)
    assert len(outer.calls("")) == 3
    assert hooks(model) == 0


def test_copies_and_files_made_meanwhile_are_not_watched() -> None:
    model, x = seeded(nn.GRU, 3, 5), reads(6, 4, 3)
    with watch(model) as seen:
        twin, file = copy.deepcopy(model), io.BytesIO()
        torch.save(model, file)
        file.seek(0)
        again = torch.load(file, weights_only=False)
        expected = model(x)[0]
        assert torch.equal(twin(x)[0], expected)
        assert torch.equal(again(x)[0], expected)
    assert seen[""].proof.holds
    assert torch.equal(twin(x)[0], expected)


def test_the_weights_of_a_functional_call_are_the_ones_shown() -> None:
    model, x = seeded(nn.GRU, 3, 5), reads(6, 4, 3)
    other = {name: p.detach() * 0.5 for name, p in model.named_parameters()}
    with watch(model) as seen:
        torch.func.functional_call(model, other, (x,))
    assert seen[""].proof.holds
    assert np.array_equal(seen[""].weights.matrices["weight_hh"], other["weight_hh_l0"].numpy())


def test_a_parametrised_weight_is_shown_as_it_ran() -> None:
    for kind, name in ((nn.GRU, "weight_hh_l0"), (nn.GRUCell, "weight_hh")):
        model = seeded(kind, 3, 5)
        torch.nn.utils.parametrizations.weight_norm(model, name)
        with watch(model) as seen:
            model(reads(4, 3))
        assert seen[""].proof.holds


def test_threads_that_share_a_model_are_seen_apart() -> None:
    model = seeded(nn.LSTM, 3, 5, 2)
    x = [reads(6, 4, 3, seed=s) for s in range(16)]
    with watch(model) as seen, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: model(each)[0].detach(), x))
    traces = seen.calls("")
    assert len(traces) == 16
    assert all(trace.proof.holds for trace in traces)
    shown = {trace.layers[1].hidden.tobytes() for trace in traces}
    assert shown == {answer.transpose(0, 1).contiguous().numpy().tobytes() for answer in answers}


def test_nothing_in_a_trace_is_the_models_memory() -> None:
    model, x = seeded(nn.GRU, 3, 5, batch_first=True), reads(4, 6, 3)
    with watch(model) as seen, torch.no_grad():
        out = model(x)[0]
    trace = seen[""]
    assert not np.shares_memory(trace.hidden, out.numpy())
    assert not np.shares_memory(trace.inputs, x.numpy())
    for array in (trace.inputs, *trace.quantities.values()):
        assert not array.flags.writeable


def test_the_graph_of_a_call_is_not_kept_alive() -> None:
    import gc
    import weakref

    cell = seeded(nn.GRUCell, 3, 5)
    with watch(cell) as seen:
        state = cell(reads(4, 3))
        node = weakref.ref(state)
        del state
        gc.collect()
        assert node() is None
    assert seen[""].proof.holds

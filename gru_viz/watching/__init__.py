"""Watching a model run: every gate of every recurrent module in it, with nothing patched and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from gru_viz.errors import TraceError
from gru_viz.watching.seen import Seen, Watched

__all__ = ["Seen", "Watch", "watch"]

_KINDS = (torch.nn.RNNBase, torch.nn.RNNCellBase)


def watch(model: torch.nn.Module, only: str | Iterable[str] | None = None) -> Watch:
    """Watch every ``nn.GRU``, ``LSTM`` and ``RNN`` in a model, and every cell of one, while the model runs.

    Each call is copied as it passes: its inputs, its results and the weights of that moment. The gates are worked out
    on first use, from the states that the module returned, and the trace's proof compares with these. Results,
    gradients and random numbers of the model stay what they are without.

    Args:
        model: any module, or a recurrent one itself, whose name is then ``""``.
        only: the name or names to watch, as in ``model.named_modules()``; all that are recurrent where None.

    Returns what stands in a ``with``, as often as you like, and gives a ``Seen``: traces by name.

    Raises:
        TraceError: the model has no recurrent module, or none of a name in ``only``.

    Example:
        >>> class Tagger(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.rnn = torch.nn.GRU(3, 4, bidirectional=True, batch_first=True)
        ...         self.head = torch.nn.Linear(8, 2)
        ...     def forward(self, x):
        ...         return self.head(self.rnn(x)[0])
        >>> model = Tagger()
        >>> with watch(model) as seen:
        ...     tags = model(torch.zeros(2, 5, 3))
        >>> seen["rnn"].backward.update.shape, seen["rnn"].proof.holds, seen["rnn"].proof.witness
        ((2, 5, 4), True, 'rnn of Tagger, as it ran')
    """
    if not isinstance(model, torch.nn.Module):
        raise TraceError("watch", type(model).__name__, "a torch.nn.Module", "Pass the model itself.")
    there = {name: module for name, module in model.named_modules(remove_duplicate=False) if _is_recurrent(module)}
    named = list(there) if only is None else [only] if isinstance(only, str) else list(only)
    known = ", ".join(repr(name) for name in there)
    for name in named:
        if name not in there:
            raise TraceError("watch, only", repr(name), f"one of {known}", "Use a name of model.named_modules().")
    if not named:
        found = f"no recurrent module in {type(model).__name__}" if not there else "no name"
        raise TraceError("watch", found, "an nn.GRU, LSTM or RNN, or a cell of one", "Pass a model that has one.")
    return Watch(type(model).__name__, {name: there[name] for name in named})


class Watch:
    """Hooks that stand while a ``with`` is open; each ``with`` gives a ``Seen`` of its own."""

    def __init__(self, model: str, modules: dict[str, torch.nn.Module]) -> None:
        self._model, self._modules = model, modules
        self._open: list[tuple[list[Watched], list[RemovableHandle]]] = []

    def __enter__(self) -> Seen:
        watched = {id(module): Watched(module) for module in self._modules.values()}
        handles: list[RemovableHandle] = []
        self._open.append((list(watched.values()), handles))
        for each in watched.values():
            handles.append(each.module.register_forward_pre_hook(_Hook(each.before)))
            handles.append(each.module.register_forward_hook(_Hook(each.after), with_kwargs=True))
        return Seen(self._model, {name: watched[id(module)] for name, module in self._modules.items()})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        watched, handles = self._open.pop()
        for handle in handles:
            handle.remove()
        for each in watched:
            each.close()


class _Hook:
    """Calls a method of what is watched; in a copy of the model it does nothing."""

    def __init__(self, method: Callable[..., None]) -> None:
        self._method = method

    def __call__(self, *call: Any) -> None:
        self._method(*call)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Hook, (_ignore,)


def _ignore(*_: object) -> None:
    return None


def _is_recurrent(module: torch.nn.Module) -> bool:
    """A recurrent module of torch, or one that was quantised from it, which is watched to say that it cannot be."""
    kind = type(module)
    quantised = "quantized" in kind.__module__ and kind.__name__.removesuffix("Cell") in ("GRU", "LSTM", "RNN")
    return isinstance(module, _KINDS) or quantised

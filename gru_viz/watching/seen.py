"""The traces of a watched model's calls, each computed on first use."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gru_viz.errors import ConventionError, TraceError
from gru_viz.trace import Trace
from gru_viz.watching.capture import Call, Stretch, capture_call, capture_step
from gru_viz.watching.recover import recover
from gru_viz.weights import kind_of

__all__ = ["Seen", "Watched"]


class Watched:
    """A recurrent module, and what was captured of its calls.

    Attributes:
        module: the model's own.
        refusal: why its equations are not known; None where they are.
        captured: each call or stretch of calls, in their order, or the error that prevented it.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        self.module, self.kind = module, ""
        self.refusal: ConventionError | None = None
        self.captured: list[Call | Stretch | Exception] = []
        self._ends: dict[int, Stretch] = {}
        self._random: dict[int, Tensor] = {}
        self._traces: dict[int, tuple[int, Trace]] = {}
        self._lock = threading.RLock()
        try:
            self.kind = kind_of(module)
        except ConventionError as error:
            self.refusal = error

    def before(self, module: torch.nn.Module, _: object) -> None:
        """Note torch's random state where the call will draw from it."""
        if isinstance(module, torch.nn.RNNBase) and module.dropout and module.training and module.num_layers > 1:
            self._random[threading.get_ident()] = torch.get_rng_state()

    def after(self, module: torch.nn.Module, args: tuple[Any, ...], named: dict[str, Any], result: Any) -> None:
        """Capture a call; an error here is raised with its trace, not in the user's model."""
        random = self._random.pop(threading.get_ident(), None)
        captured: Call | Stretch | Exception | None = self.refusal
        with self._lock, torch.no_grad():
            try:
                if captured is None and isinstance(module, torch.nn.RNNBase):
                    captured = capture_call(module, args, named, result, random)
                elif captured is None and isinstance(module, torch.nn.RNNCellBase):
                    captured = capture_step(module, args, named, result, self._ends)
            except Exception as error:  # a subclass may take and give anything
                captured = error
            if captured is not None:
                self.captured.append(captured)

    def close(self) -> None:
        """Let go of what only a further call would need: the model's own memory."""
        with self._lock:
            self._ends.clear()
            self._random.clear()

    def trace(self, k: int, place: str) -> Trace:
        """The trace of call k, made once; that of a stretch again where it went on since.

        Raises:
            TraceError: it cannot be made, with the reason.
        """
        with self._lock:
            captured = self.captured[k]
            if isinstance(captured, Exception):
                wanted = "a call with the arguments and results of torch.nn's own modules"
                found = f"a call that could not be captured ({captured})"
                raise TraceError(place, found, wanted, "Watch another module.")
            steps = len(captured.inputs) if isinstance(captured, Stretch) else 1
            if self._traces.get(k, (0, None))[0] != steps:
                self._traces[k] = steps, recover(captured, self.kind, place)
            return self._traces[k][1]


class Seen:
    """Traces by the name of the module; a name for every recurrent module that is watched, called or not.

    Example:
        >>> import gru_viz
        >>> model = torch.nn.ModuleDict({"rnn": torch.nn.GRU(3, 4)})
        >>> with gru_viz.watch(model) as seen:
        ...     _ = model["rnn"](torch.zeros(5, 2, 3))
        >>> list(seen), "rnn" in seen, seen["rnn"].update.shape
        (['rnn'], True, (2, 5, 4))
    """

    def __init__(self, model: str, watched: Mapping[str, Watched]) -> None:
        self._model, self._watched = model, dict(watched)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the recurrent modules, in the model's order; ``""`` is the model itself."""
        return tuple(self._watched)

    def __iter__(self) -> Iterator[str]:
        return iter(self._watched)

    def __len__(self) -> int:
        return len(self._watched)

    def __contains__(self, name: object) -> bool:
        return name in self._watched

    def __getitem__(self, name: str) -> Trace:
        """The trace of a module that was called once.

        Raises:
            TraceError: there is no such module, it was not called once, or it cannot be traced; with the reason.
        """
        watched = self._find(name)
        if len(watched.captured) != 1:
            found = f"{len(watched.captured)} calls" if watched.captured else "no call of it while it was watched"
            remedy = f"Use seen.calls({name!r})." if watched.captured else "Call the model in the block, uncompiled."
            raise TraceError(self._place(name), found, "one", remedy)
        return watched.trace(0, self._place(name))

    def calls(self, name: str) -> tuple[Trace, ...]:
        """A trace for each call of a module, in their order.

        Calls of a cell where each was given the state that another gave are one sequence, so one trace.

        Raises:
            TraceError: there is no such module, or it cannot be traced, with the reason.
        """
        watched = self._find(name)
        return tuple(watched.trace(k, self._place(name)) for k in range(len(watched.captured)))

    def _find(self, name: str) -> Watched:
        if name not in self._watched:
            known = ", ".join(repr(each) for each in self._watched)
            found = "no recurrent module of this name"
            raise TraceError(f"seen[{name!r}]", found, f"one of {known}", "Use a known name.")
        watched = self._watched[name]
        if watched.refusal:
            why = watched.refusal
            raise TraceError(self._place(name), why.found, why.wanted, why.remedy)
        return watched

    def _place(self, name: str) -> str:
        return f"{name} of {self._model}" if name else self._model

    def __repr__(self) -> str:
        rows = []
        for name, watched in self._watched.items():
            count = len(watched.captured)
            described = "not called" if not count else "1 call" if count == 1 else f"{count} calls"
            steps = [len(each.inputs) for each in watched.captured if isinstance(each, Stretch)]
            if steps:
                described = f"{sum(steps)} steps in {len(steps)} sequence{'s' * (len(steps) != 1)}"
            rows.append(f"\n  {name!r}: {watched.module}, {described}")
        return f"Seen of {self._model}:{''.join(rows)}"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._watched)

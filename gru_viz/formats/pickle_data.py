"""Pickles read as data: every class and function in one stays a name; nothing is imported, made or called.

``torch.load(weights_only=True)`` does import and call what it trusts, and some of that allocates whatever the file
says; and it refuses a file for any class that it does not trust. Here a class is no more than its name, so that
hyperparameters of any kind can stand beside the weights.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Limits, damaged, printable

__all__ = ["GlobalName", "PickledObject", "read_pickle"]

MOST_BYTES = 64 << 20
"""Of one pickle; the numbers of tensors lie outside it."""


@dataclass(frozen=True)
class GlobalName:
    """A class or function that a pickle names, such as ``"torch._utils._rebuild_tensor_v2"``."""

    path: str


@dataclass(eq=False)
class PickledObject:
    """An object of a class that was not looked up.

    Attributes:
        of: the class.
        state: what the pickle would have set on it.
        items: what it holds, where it is a kind of dictionary.
    """

    of: str
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


CallHandler = Callable[[str, tuple[Any, ...]], Any]
"""What a call of a name with arguments stands for."""
PersistentHandler = Callable[[Any], Any]
"""What an id of something outside the pickle stands for."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    )
)
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


def read_pickle(
    data: bytes, at: int, where: str, limits: Limits, call: CallHandler, persistent: PersistentHandler
) -> tuple[Any, int]:
    """Read the pickle that begins at a byte; sets become lists.

    Args:
        data: the bytes that it lies in.
        at: where it begins.
        where: what to call it in messages.
        limits: how many steps it may take.
        call: what a call of a name stands for; raises where it must not be read past.
        persistent: what the id of something outside stands for.

    Returns:
        The object, and where the pickle ends.

    Raises:
        FormatError: it is damaged, too long, or of a kind that cannot be read as data.

    Example:
        >>> import argparse, pickle
        >>> value, _ = read_pickle(pickle.dumps({"lr": 0.1, "args": argparse.Namespace(seed=1)}), 0, "x", Limits(),
        ...     call=lambda name, arguments: PickledObject(name), persistent=lambda key: None)
        >>> value["lr"], value["args"].of
        (0.1, 'argparse.Namespace')
    """
    stream = io.BytesIO(data[at : at + MOST_BYTES])
    machine = _Machine(where, call, persistent)
    try:
        for steps, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if steps >= limits.max_steps:
                found, wanted = f"a pickle of more than {limits.max_steps:,} steps", "fewer"
                raise FormatError(where, found, wanted, "Save only the weights: torch.save(model.state_dict(), path).")
            if opcode.name == "STOP":
                return machine.pop(), at + (position or 0) + 1
            machine.do(opcode.name, argument)
    except FormatError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if len(data) - at > MOST_BYTES and stream.tell() >= MOST_BYTES:
            found, wanted = f"a pickle of more than {MOST_BYTES:,} bytes", "a shorter one"
            raise FormatError(where, found, wanted, "Save only the weights.") from error
        raise damaged(where, f"its pickle breaks off or contradicts itself: {error}") from error
    raise damaged(where, "its pickle has no end")


class _Machine:
    """The stack and memory that a pickle works on."""

    def __init__(self, where: str, call: CallHandler, persistent: PersistentHandler) -> None:
        self.where, self.call, self.persistent = where, call, persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value should be")
        return value

    def pop_to_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self.stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def top(self) -> Any:
        if self.stack[-1] is _MARK:
            raise ValueError("a mark where a value should be")
        return self.stack[-1]

    def do(self, name: str, argument: Any) -> None:
        push = self.stack.append
        if name in _LITERALS:
            push(argument)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[int(argument)] = self.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.top()
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            push(self.memo[int(argument)])
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _EMPTY:
            push(_EMPTY[name]())
        elif name in _TUPLES:
            push(tuple(reversed([self.pop() for _ in range(_TUPLES[name])])))
        elif name == "MARK":
            push(_MARK)
        elif name == "TUPLE":
            push(tuple(self.pop_to_mark()))
        elif name in ("LIST", "FROZENSET"):
            push(self.pop_to_mark())
        elif name == "DICT":
            made: dict[Any, Any] = {}
            _set(made, self.pop_to_mark())
            push(made)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            values = [self.pop()] if name == "APPEND" else self.pop_to_mark()
            if isinstance(self.top(), list):
                self.top().extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = [self.pop(), self.pop()][::-1] if name == "SETITEM" else self.pop_to_mark()
            target = self.top()
            _set(target.items if isinstance(target, PickledObject) else target, values)
        elif name == "GLOBAL":
            push(GlobalName(".".join(argument.split(" ", 1))))
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            push(GlobalName(f"{module}.{attribute}"))
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            push(self.called(function, arguments))
        elif name in ("NEWOBJ", "NEWOBJ_EX"):
            taken = [self.pop() for _ in range(2 if name == "NEWOBJ" else 3)]
            push(self.made(taken[-1], taken[-2]))
        elif name == "BUILD":
            state, target = self.pop(), self.top()
            if isinstance(target, PickledObject):
                target.state = state
        elif name == "BINPERSID":
            push(self.persistent(self.pop()))
        elif name == "POP":
            self.stack.pop()
        elif name == "POP_MARK":
            self.pop_to_mark()
        elif name == "DUP":
            push(self.top())
        elif name not in ("PROTO", "FRAME"):
            raise FormatError(
                self.where,
                f"the pickle instruction {name}, which torch.save does not write; nothing of it was run",
                "weights as torch.save writes them",
                "Save the numbers alone: torch.save(model.state_dict(), path).",
            )

    def called(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, GlobalName) or not isinstance(arguments, tuple):
            raise ValueError("a call of what is no function")
        return self.call(function.path, arguments)

    def made(self, kind: Any, arguments: Any) -> Any:
        """An object made without a call: its class's ``__new__`` and its state, which are data."""
        if not isinstance(kind, GlobalName) or not isinstance(arguments, tuple):
            raise ValueError(f"an object of {printable(kind)}, which is no class")
        return PickledObject(kind.path)


def _set(target: Any, values: list[Any]) -> None:
    if not isinstance(target, dict) or len(values) % 2:
        raise ValueError("entries for what is no dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        plain = key is None or isinstance(key, (str, bytes, int, float))
        target[key if plain else f"<key {len(target)}>"] = value  # hashing a tuple nested deeply enough ends a process

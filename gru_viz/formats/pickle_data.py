"""Reads pickles as data: classes and functions become names; nothing is imported, instantiated or called.

``torch.load(weights_only=True)`` imports and calls what it trusts, some of which allocates as much as the file claims,
and refuses a file with any other class. Here a class is only a name, so a checkpoint may contain hyperparameters of
any class beside its weights.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Limits, damaged, printable

__all__ = ["GlobalName", "PickledDict", "PickledObject", "read_pickle"]

MOST_BYTES = 64 << 20
"""The longest pickle read; the numbers of tensors are stored outside it."""


@dataclass(frozen=True)
class GlobalName:
    """A class or function named in a pickle, such as ``"torch._utils._rebuild_tensor_v2"``."""

    path: str


@dataclass(eq=False)
class PickledObject:
    """An object of a class that was not imported.

    Attributes:
        of: the name of the class.
        state: what it would be set to.
        items: its entries if it is a dictionary.
        arguments: what it would be made from.
    """

    of: str
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    arguments: tuple[Any, ...] = ()


class PickledDict(dict[Any, Any]):
    """A dictionary with attributes, such as a state_dict with its ``_metadata``."""

    state: Any = None


CallHandler = Callable[[str, tuple[Any, ...]], Any]
"""Function name, arguments → the value that replaces the call."""
PersistentHandler = Callable[[Any], Any]
"""Persistent id → the value that replaces the object stored outside the pickle."""

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
_REMEDY = "Save only the weights: torch.save(model.state_dict(), path)."


def read_pickle(
    data: bytes, at: int, where: str, limits: Limits, call: CallHandler, persistent: PersistentHandler
) -> tuple[Any, int]:
    """Read the pickle at byte ``at`` as data; return its object, in which sets are lists, and the position after it."""
    stream = _PickleStream(data[at : at + MOST_BYTES])
    machine = _Machine(where, call, persistent)
    try:
        for steps, (opcode, argument, position) in enumerate(pickletools.genops(stream)):
            if steps >= limits.max_steps:
                raise FormatError(where, f"a pickle of more than {limits.max_steps:,} steps", "fewer", _REMEDY)
            if opcode.name == "STOP":
                return machine.pop(), at + (position or 0) + 1
            machine.execute(opcode.name, argument)
    except FormatError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        if len(data) - at > MOST_BYTES and stream.tell() >= MOST_BYTES:
            found = f"a pickle of more than {MOST_BYTES:,} bytes"
            raise FormatError(where, found, "a shorter one", _REMEDY) from error
        raise damaged(where, f"its pickle is truncated or inconsistent: {error}") from error
    raise damaged(where, "its pickle has no end")


class _PickleStream(io.BytesIO):
    """The bytes of a pickle, whose lines of text contain no backslash: torch.save writes none.

    ``pickletools`` would undo escapes in names, where pickle does not, and Python warns of those it does not know.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if b"\\" in line:
            raise ValueError("a backslash in a name or number")
        return line


class _Machine:
    """The stack and memo of the pickle machine."""

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

    def execute(self, name: str, argument: Any) -> None:
        """Execute one instruction; one that torch.save never writes is refused."""
        if not (self._value(name, argument) or self._container(name) or self._object(name, argument)):
            found = f"the pickle instruction {name}, which torch.save does not write; no code was run"
            raise FormatError(self.where, found, "weights as torch.save writes them", _REMEDY)

    def _value(self, name: str, argument: Any) -> bool:
        """Instructions that push a value, copy one or drop some."""
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
        elif name == "MARK":
            push(_MARK)
        elif name == "POP":
            self.stack.pop()
        elif name == "POP_MARK":
            self.pop_to_mark()
        elif name == "DUP":
            push(self.top())
        else:
            return name in ("PROTO", "FRAME")
        return True

    def _container(self, name: str) -> bool:
        """Instructions that make or extend a container."""
        push = self.stack.append
        if name in _EMPTY:
            push(_EMPTY[name]())
        elif name in _TUPLES:
            push(tuple(reversed([self.pop() for _ in range(_TUPLES[name])])))
        elif name == "TUPLE":
            push(tuple(self.pop_to_mark()))
        elif name in ("LIST", "FROZENSET"):
            push(self.pop_to_mark())
        elif name == "DICT":
            values = self.pop_to_mark()
            push({})
            _set(self.top(), values)
        elif name in ("APPEND", "APPENDS", "ADDITEMS"):
            values = [self.pop()] if name == "APPEND" else self.pop_to_mark()
            if isinstance(self.top(), list):
                self.top().extend(values)
        elif name in ("SETITEM", "SETITEMS"):
            values = [self.pop(), self.pop()][::-1] if name == "SETITEM" else self.pop_to_mark()
            target = self.top()
            _set(target.items if isinstance(target, PickledObject) else target, values)
        else:
            return False
        return True

    def _object(self, name: str, argument: Any) -> bool:
        """Instructions that name, call or make something."""
        push = self.stack.append
        if name == "GLOBAL":
            push(GlobalName(".".join(argument.split(" ", 1))))
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            push(GlobalName(f"{module}.{attribute}"))
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            push(self.call(_name_of(function, arguments), arguments))
        elif name in ("NEWOBJ", "NEWOBJ_EX"):
            operands = [self.pop() for _ in range(2 if name == "NEWOBJ" else 3)]
            push(PickledObject(_name_of(operands[-1], operands[-2])))
        elif name == "BUILD":
            state, target = self.pop(), self.top()
            if isinstance(target, (PickledObject, PickledDict)):
                target.state = state
        elif name == "BINPERSID":
            push(self.persistent(self.pop()))
        else:
            return False
        return True


def _name_of(function: Any, arguments: Any) -> str:
    if not isinstance(function, GlobalName) or not isinstance(arguments, tuple):
        raise ValueError(f"a call of {printable(function)}, which is not a function or class")
    return function.path


def _set(target: Any, values: list[Any]) -> None:
    if not isinstance(target, dict) or len(values) % 2:
        raise ValueError("entries for a value that is not a dictionary")
    for key, value in zip(values[::2], values[1::2], strict=True):
        plain = key is None or isinstance(key, (str, bytes, int, float))
        target[key if plain else f"<key {len(target)}>"] = value  # hashing a deeply nested tuple can crash the process

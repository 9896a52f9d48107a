"""Searches what torch.save wrote: the tensors by path, the modules that were pickled whole, and plain values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gru_viz.errors import FormatError
from gru_viz.formats.model_bytes import Fact, ModelBytes, PickledModule, known_convention, printable
from gru_viz.formats.pickle_data import PickledDict, PickledObject
from gru_viz.formats.torch_pickle import REMEDY, WANTED, PickledArray, Tensor, Unreadable

__all__ = ["Checkpoint", "search"]

MOST_FACTS, LONGEST_FACT, MOST_NUMBER = 5_000, 200, 1e300
SCRIPT = "__torch__."
"""How TorchScript's names of classes begin."""
_OPTIMISER = re.compile(r"optim(i[sz]ers?)?(_states?|_state_dicts?)?")


@dataclass
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        tensors: by path, in the order of the file.
        modules: path → a module that was pickled whole, or one that a state_dict names.
        facts: path → a number or text beside the tensors, such as a hyperparameter.
        convention: the name of the matrices' convention, where gru_viz wrote the file.
    """

    tensors: dict[str, Tensor | Unreadable | PickledArray] = field(default_factory=dict)
    modules: dict[str, PickledModule] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    convention: str | None = None

    @property
    def whole(self) -> list[str]:
        """The classes of the modules pickled whole."""
        return [module.kind for module in self.modules.values() if module.kind]


def search(root: Any, content: ModelBytes) -> Checkpoint:
    """Visit every container once, in the order of the file; the optimiser's are left out.

    Raises:
        FormatError: containers are nested too deeply, or there is no tensor.
    """
    visitor = _Visitor(content)
    visitor.visit(root, "", 0)
    found = _without_container(root, visitor.found)
    if found.tensors:
        return found
    if isinstance(root, PickledObject):
        raise FormatError(content.name, f"a pickled object of the class {printable(root.of)}", WANTED, REMEDY)
    raise FormatError(content.name, "no tensor", WANTED, REMEDY)


class _Visitor:
    """Visits the containers of one file."""

    def __init__(self, content: ModelBytes) -> None:
        self.content, self.found, self.seen = content, Checkpoint(), set[int]()

    def visit(self, value: Any, path: str, depth: int) -> None:
        if isinstance(value, PickledObject) and value.of == "torch.ScriptObject":
            value = Unreadable("matrices packed by torch, as in a quantised layer")
        if isinstance(value, PickledObject) and (array := PickledArray.of(value)) is not None:
            value = array
        if isinstance(value, (Tensor, Unreadable, PickledArray)):
            while path in self.found.tensors:
                path += "'"
            self.found.tensors[path] = value
        elif isinstance(value, (str, int, float)):
            short = len(value) <= LONGEST_FACT if isinstance(value, str) else abs(value) < MOST_NUMBER
            if short and len(self.found.facts) < MOST_FACTS:
                self.found.facts.setdefault(path, value)
        elif isinstance(value, (dict, list, tuple, PickledObject)) and id(value) not in self.seen:
            if depth > self.content.limits.max_depth:
                nested = f"containers nested more than {self.content.limits.max_depth} deep"
                raise FormatError(self.content.name, nested, "a checkpoint", REMEDY)
            self.seen.add(id(value))
            self._note_modules(value, path)
            for key, child in _children(value):
                self.visit(child, f"{path}.{key}" if path else key, depth + 1)

    def _note_modules(self, value: Any, path: str) -> None:
        """Store what is known of the modules that this value is or names."""
        if isinstance(value, PickledObject) and _is_module(value):
            settings = {key: each for key, each in value.state.items() if isinstance(each, (str, int, float, tuple))}
            self.found.modules[path] = PickledModule(printable(value.of.removeprefix(SCRIPT)), settings)
        if isinstance(value, PickledDict) and isinstance(value.state, dict):
            named = value.state.get("_metadata")
            for key, about in named.items() if isinstance(named, dict) else ():
                if key == "" and isinstance(about, dict):
                    self.found.convention = known_convention(about.get("convention"))
                elif isinstance(key, str):
                    at = printable(f"{path}.{key}" if path else key)
                    self.found.modules.setdefault(at, PickledModule("", {}))


def _is_module(value: PickledObject) -> bool:
    """Whether an object is a torch.nn.Module, or one of TorchScript."""
    state = value.state
    if not isinstance(state, dict):
        return False
    return {"_modules", "_parameters"} <= state.keys() or value.of.startswith(SCRIPT)


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a container by name, without the optimiser's states and what a module keeps for itself."""
    parts: Mapping[Any, Any]
    if isinstance(value, PickledObject):
        slots = value.state if isinstance(value.state, tuple) else (value.state,)
        parts = {key: each for state in slots if isinstance(state, dict) for key, each in state.items()}
        if _is_module(value):
            own = [parts.get(key) for key in ("_parameters", "_buffers", "_modules")]
            named = [each for each in own if isinstance(each, dict)]
            parts = {k: each for owned in named for k, each in owned.items()} | {
                key: each for key, each in parts.items() if isinstance(key, str) and not key.startswith("_")
            }
        else:
            parts = {**parts, **value.items}
    elif isinstance(value, dict):
        parts = value
    else:
        parts = dict(enumerate(value))
    for key, child in parts.items():
        called = printable(key)
        if isinstance(child, Tensor) or not _OPTIMISER.fullmatch(called):
            yield called, child


def _without_container(root: Any, found: Checkpoint) -> Checkpoint:
    """Shorten the paths if all tensors are in one container, such as ``state_dict``."""
    tensors = [path for path, each in found.tensors.items() if not isinstance(each, PickledArray)] or [*found.tensors]
    while isinstance(root, dict):
        only = [
            (f"{printable(key)}.", child)
            for key, child in root.items()
            if isinstance(key, str)
            and isinstance(child, dict)
            and all(path.startswith(f"{printable(key)}.") for path in tensors)
        ]
        if len(only) != 1:
            break
        prefix, root = only[0]
        tensors = [path.removeprefix(prefix) for path in tensors]
        found = Checkpoint(
            {path.removeprefix(prefix): tensor for path, tensor in found.tensors.items()},
            {path.removeprefix(prefix): module for path, module in found.modules.items()},
            found.facts,
            found.convention,
        )
    return found

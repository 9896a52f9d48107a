"""One block of bytes for the live pictures: a JSON header, then every array in as few bytes as hold it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from gru_viz.figures.picture import INK, PAPER, Picture, look

__all__ = ["Blobs", "LaneStatus", "join", "pack"]


@dataclass(frozen=True)
class LaneStatus:
    """How far a lane is, as it stands in the strip above the pictures.

    Attributes:
        name: of the lane.
        title: its cell and size, such as ``"GRU, 32 units"``.
        parameters: how many numbers it learns.
        backend: what computes it.
        update: how many updates were made.
        planned: how many there will be.
        per_second: updates a second now; None where it does not run.
        seconds_left: None where that is not known.
        loss: newest held-out loss.
        measure: newest value of the task's measure.
        learning_rate: of the next update.
        message: anything else, in a sentence: waiting, paused, diverged.
    """

    name: str
    title: str
    parameters: int
    backend: str
    update: int
    planned: int
    per_second: float | None = None
    seconds_left: float | None = None
    loss: float | None = None
    measure: float | None = None
    learning_rate: float | None = None
    message: str = ""


class Blobs:
    """Arrays one after the other, each at an address that is a multiple of 8; the same array once."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.kept: dict[tuple[str, bytes], int] = {}

    def add(self, array: np.ndarray) -> dict[str, Any]:
        """Store an array; returns where it is: offset, count, type."""
        kind, values = _smallest(array.ravel())
        part = values.tobytes()
        if (kind, part) not in self.kept:
            self.kept[kind, part] = self.size
            padded = part + bytes(-len(part) % 8)
            self.parts.append(padded)
            self.size += len(padded)
        about: dict[str, Any] = {"at": self.kept[kind, part], "count": len(values), "kind": kind}
        return about | ({"columns": array.shape[1]} if array.ndim == 2 else {})


def _smallest(array: np.ndarray) -> tuple[str, np.ndarray]:
    """Whole numbers in as few bytes as hold them, others as float32: finer than any screen."""
    if array.dtype == np.uint8:
        return "u1", array
    whole = array.size and np.isfinite(array).all() and (array == np.rint(array)).all()
    if whole and array.min() >= 0 and array.max() < 2**16:
        return "u2", array.astype("<u2")
    if whole and np.abs(array).max() >= 2**24:
        return "f8", array.astype("<f8")
    with np.errstate(over="ignore"):
        return "f4", array.astype("<f4")


def pack(
    pictures: Iterable[Picture],
    lanes: Sequence[LaneStatus] = (),
    measure: str = "",
) -> bytes:
    """Everything the live component shows, as it goes to the browser.

    Args:
        pictures: in the order of the page; each key once.
        lanes: the strip above them; none where there is no strip.
        measure: what the task calls its measure.

    Example:
        >>> empty = Picture("loss", "Loss", "", "", [], {})
        >>> pack([empty]) == pack([empty])
        True
    """
    blobs, figures = Blobs(), []
    for picture in pictures:
        digest = blake2b(digest_size=9)
        data = [_sent(trace, blobs, digest) for trace in picture.data]
        figure = {"data": data, "layout": picture.layout, "height": picture.height, "wide": picture.wide}
        words = {"key": picture.key, "title": picture.title, "caption": picture.caption, "summary": picture.summary}
        digest.update(_json([picture.data, figure["layout"], picture.height, words], hidden=True))
        figures.append(words | figure | {"drawn": digest.hexdigest()})
    strip = [_strip(lane, place) for place, lane in enumerate(lanes)]
    columns = ["lane", "progress", "updates/s", "time left", "loss, held out", measure, "learning rate"]
    header = {"figures": figures, "lanes": strip, "columns": columns, "ink": INK, "paper": PAPER}
    return join(header, blobs)


def join(header: dict[str, Any], blobs: Blobs) -> bytes:
    """The length of the header, the header filled up to a multiple of 8, and the arrays."""
    text = _json(header)
    text += b" " * (-(4 + len(text)) % 8)
    return b"".join([len(text).to_bytes(4, "little"), text, *blobs.parts])


def _sent(value: Any, blobs: Blobs, digest: Any) -> Any:
    """The same with every array as its address."""
    if isinstance(value, np.ndarray):
        about = blobs.add(value)
        digest.update(about["kind"].encode())
        digest.update(np.ascontiguousarray(value).tobytes())
        return {"array": about}
    if isinstance(value, dict):
        return {key: _sent(each, blobs, digest) for key, each in value.items()}
    return value


def _strip(lane: LaneStatus, place: int) -> dict[str, Any]:
    """A lane's line as the words that stand in it."""
    looks = look(place)
    facts = (lane.title.removeprefix(f"{lane.name}, "), f"{lane.parameters:,} parameters", lane.backend)
    detail = " · ".join(filter(None, facts))
    return {
        "name": lane.name,
        "detail": detail,
        "colour": looks.colour,
        "dash": looks.dash,
        "symbol": looks.symbol,
        "update": lane.update,
        "planned": lane.planned,
        "progress": f"{lane.update:,} of {lane.planned:,}",
        "cells": [
            _number(lane.per_second, 3),
            _duration(lane.seconds_left),
            _number(lane.loss),
            _number(lane.measure),
            "–" if lane.learning_rate is None else f"{lane.learning_rate:.3g}",
        ],
        "message": lane.message,
    }


def _number(value: float | None, digits: int = 4) -> str:
    """A number of always as many digits, so that it does not jitter; a dash where there is none.

    Example:
        >>> [_number(each) for each in (0.12, 1234.5, 0.00001, None, float("nan"))]
        ['0.1200', '1,234', '1.000e-5', '–', 'not finite']
    """
    if value is None:
        return "–"
    if not np.isfinite(value):
        return "not finite"
    size = abs(value)
    if size and (size < 1e-3 or size >= 1e6):
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    before = len(str(int(size))) if size >= 1 else 0
    return f"{value:,.{max(0, digits - before)}f}"


def _duration(seconds: float | None) -> str:
    """Minutes and seconds, or hours and minutes.

    Example:
        >>> _duration(71.6), _duration(7500), _duration(None)
        ('1:12', '2 h 05', '–')
    """
    if seconds is None or not np.isfinite(seconds):
        return "–"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"


def _json(value: Any, hidden: bool = False) -> bytes:
    def plain(each: Any) -> Any:
        if isinstance(each, np.ndarray):
            return None if hidden else each.tolist()
        return each.item()

    return json.dumps(value, default=plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

"""Plots of results as small SVG files, which a browser, an editor and a code host all show; no browser draws them."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.machine import RESULTS

__all__ = ["bars", "keep", "lines"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
"""Okabe and Ito's: distinguishable for colour-blind readers."""

WIDTH, PLOT, LEFT, RIGHT, TOP = 900, 300, 80, 30, 50


def bars(
    title: str,
    unit: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    aims: Sequence[float | None] = (),
    log: bool = False,
) -> str:
    """Draw a bar for each series in each group, side by side, with its value written over it.

    Args:
        title: what is shown.
        unit: what the height means.
        groups: the names below the bars.
        series: name → a value for each group; None leaves a gap.
        aims: for each group a height that was aimed at, drawn as a dash across it.
        log: whether heights are logarithms.
    """
    values = [v for each in series.values() for v in each if v is not None] + [v for v in aims if v is not None]
    low = 10 ** math.floor(math.log10(min(values))) if log else 0.0
    scale = _Scale(low, max(values) * (1.6 if log else 1.1), TOP + PLOT, TOP, log)
    share = (WIDTH - LEFT - RIGHT) / len(groups)
    width = 0.84 * share / len(series)
    parts = [*_axis_left(scale, unit)]
    for n, group in enumerate(groups):
        start = LEFT + n * share + 0.08 * share
        for k, each in enumerate(series.values()):
            value, x = each[n], start + k * width
            if value is None:
                continue
            top = scale(value)
            parts.append(_box(x, top, 0.92 * width, TOP + PLOT - top, COLOURS[k % len(COLOURS)]))
            parts.append(_text(x + 0.46 * width, top - 3, _short(value), size=9))
        parts.append(_text(start + 0.42 * share, TOP + PLOT + 16, group))
        if n < len(aims) and (aim := aims[n]) is not None:
            parts.append(_path([(start, scale(aim)), (start + 0.84 * share, scale(aim))], "#000000", dashed=True))
    names = list(series) + (["aim"] if any(aim is not None for aim in aims) else [])
    return _picture(title, parts, names, TOP + PLOT + 30)


def lines(
    title: str,
    x_label: str,
    y_label: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    log: bool = True,
) -> str:
    """Draw a line for each series through its (x, y) points, on two logarithmic axes by default."""
    across, up = ([point[k] for points in series.values() for point in points] for k in (0, 1))
    x = _Scale(min(across), max(across), LEFT + 10, WIDTH - RIGHT, log)
    room = (0.7, 1.4) if log else (0.0 if min(up) >= 0 else 1.1, 1.1)
    y = _Scale(room[0] * min(up), room[1] * max(up), TOP + PLOT, TOP, log)
    parts = [*_axis_left(y, y_label)]
    for tick in x.ticks():
        parts.append(_path([(x(tick), TOP + PLOT), (x(tick), TOP + PLOT + 5)], "#888888"))
        parts.append(_text(x(tick), TOP + PLOT + 18, _short(tick)))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, TOP + PLOT + 36, x_label))
    for k, points in enumerate(series.values()):
        colour, places = COLOURS[k % len(COLOURS)], [(x(a), y(b)) for a, b in points]
        parts.append(_path(places, colour))
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
    return _picture(title, parts, list(series), TOP + PLOT + 50)


def keep(name: str, svg: str) -> None:
    """Write a plot among the results."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(svg + "\n", encoding="utf-8")


class _Scale:
    """From numbers to places on the picture."""

    def __init__(self, low: float, high: float, start: float, end: float, log: bool) -> None:
        high = high if high > low else (2 * low or 1.0)
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log

    def __call__(self, value: float) -> float:
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        """Powers of ten, with 2 and 5 between them where they are few; or steps of 1, 2 or 5 on a plain axis."""
        if self.log:
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            between = (1, 2, 5) if last - first <= 3 else (1,)
            found = (m * 10.0**e for e in range(first, last + 1) for m in between)
            yield from (v for v in found if self.low * 0.999 <= v <= self.high * 1.001)
            return
        rough = (self.high - self.low) / 5
        ten = 10 ** math.floor(math.log10(rough))
        step = next(m * ten for m in (1, 2, 5, 10) if m * ten >= rough)
        yield from (k * step for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1))


def _axis_left(scale: _Scale, label: str) -> Iterator[str]:
    for tick in scale.ticks():
        yield _path([(LEFT, scale(tick)), (WIDTH - RIGHT, scale(tick))], "#e4e4e4")
        yield _text(LEFT - 6, scale(tick) + 4, _short(tick), anchor="end")
    middle = TOP + PLOT / 2
    yield _text(18, middle, label, turned=f' transform="rotate(-90 18 {middle:.0f})"')


def _picture(title: str, parts: Sequence[str], names: Sequence[str], below: float) -> str:
    """The whole file: the title, the parts, and under them what each colour stands for."""
    legend, x, y = [], float(LEFT), below + 12
    for k, name in enumerate(names):
        length = 30 + 6.6 * len(name)
        if x + length > WIDTH - RIGHT and x > LEFT:
            x, y = float(LEFT), y + 18
        colour = "#000000" if name == "aim" else COLOURS[k % len(COLOURS)]
        legend += [_box(x, y - 9, 12, 4 if name == "aim" else 10, colour), _text(x + 17, y, name, anchor="start")]
        x += length
    height = y + 14
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" font-family="sans-serif" role="img"><title>{html.escape(title)}</title>'
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#ffffff"/>'
    )
    return "\n".join([head, _text(LEFT, 26, title, anchor="start", size=15), *parts, *legend, "</svg>"])


def _box(x: float, y: float, width: float, height: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}" fill="{colour}"/>'


def _path(points: Sequence[tuple[float, float]], colour: str, dashed: bool = False) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 11, turned: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#222222"{turned}'
    return f"<text {place}>{html.escape(text)}</text>"


def _short(value: float) -> str:
    if value == 0:
        return "0"
    if abs(value) >= 10_000 or abs(value) < 0.001:
        power = math.floor(math.log10(abs(value)))
        lead = value / 10**power
        return f"10^{power}" if math.isclose(lead, 1) else f"{lead:.2g}·10^{power}"
    return f"{value:.2g}" if abs(value) < 10 else f"{value:,.0f}"

"""What a figure was measured on; a figure without it means nothing."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe_machine", "table", "write"]

RESULTS = Path(__file__).parent / "results"


def describe_machine(packages: Sequence[str], **more: str) -> str:
    """Say when and on what: date, processor, cores, load at the start, versions."""
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores for this process"
        if hasattr(os, "sched_getaffinity")
        else f"{_processor()}, {os.cpu_count()} cores",
        "load at the start": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
        **more,
    }
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    ruled = [list(header), ["---"] * len(header), *map(list, rows)]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled)


def write(name: str, text: str) -> None:
    """Print a result, and keep it."""
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / name).write_text(text + "\n", encoding="utf-8")

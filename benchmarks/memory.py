"""What a server and a worker take in memory, and what each import adds: ``python -m benchmarks.memory``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.browser import ROOT, serve
from benchmarks.machine import describe_machine, table, write
from benchmarks.session import Visitor

IMPORTS = {
    "numpy": "import numpy",
    "torch": "import torch",
    "streamlit": "import streamlit",
    "page 1 of gru_viz": "import gru_viz.ui.frame, gru_viz.ui.inspector_page",
    "the proof": "from gru_viz import verification",
    "the kernels of traces": (
        "from gru_viz import CONVENTIONS; from gru_viz.backends import compiled; "
        "compiled.warm([CONVENTIONS['torch']], purposes=['trace'])"
    ),
    "tables (pandas, pyarrow)": "import gru_viz.sequences.table",
    "page 2 of gru_viz": "import gru_viz.ui.training",
    "the engine (distributed)": "import gru_viz.training.engine",
}
"""What is imported one after the other in one process."""

SETTLE_SECONDS = 12.0
"""How long a server is left alone before it is measured; it imports in the background."""

MEASURE = """
import json, sys
from pathlib import Path
def resident():
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
found = {"Python": resident()}
for name, code in json.loads(sys.argv[1]).items():
    before = resident()
    exec(code)
    found[name] = resident() - before
print(json.dumps(found))
"""


def imports() -> dict[str, float]:
    """MiB that each import adds to those before it."""
    command = [sys.executable, "-c", MEASURE, json.dumps(IMPORTS)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return found


def resident(process: psutil.Process) -> float:
    """MiB of a process that are in main memory."""
    return float(process.memory_info().rss) / 2**20


def processes() -> dict[str, float]:
    """MiB of a server after a visit of page 1, after page 2 as well, while it trains; and of a worker that trains."""
    found = {}
    with tempfile.TemporaryDirectory() as home, serve("dashboard.py", Path(home)) as address:
        server = next(each for each in psutil.Process().children() if "streamlit" in " ".join(each.cmdline()))
        host = address.removeprefix("http://")
        with Visitor(host):
            time.sleep(SETTLE_SECONDS)
            found["server, page 1 seen"] = resident(server)
        with Visitor(host, "GRU_against_LSTM") as visitor:
            time.sleep(SETTLE_SECONDS)
            found["server, page 2 seen"] = resident(server)
            found["a worker that waits"] = _workers(server)
            visitor.press("Start")
            time.sleep(SETTLE_SECONDS / 2)
            found["server of a training run"] = resident(server)
            found["a worker that trains"] = _workers(server)
    return found


def _workers(server: psutil.Process) -> float:
    """The mean over the server's processes that train."""
    sizes = [resident(each) for each in server.children(recursive=True) if "worker" in " ".join(each.cmdline())]
    return sum(sizes) / max(len(sizes), 1)


def report(added: dict[str, float], taken: dict[str, float], machine: str) -> str:
    """Both as a Markdown page."""
    torch = added["Python"] + added["numpy"] + added["torch"]
    rows = [[name, f"{taken[name]:.0f}", f"{taken[name] - torch:.0f}"] for name in taken]
    return f"""# Memory

{machine}

MiB of resident memory. Python with numpy and torch alone takes {torch:.0f}.

{table(["process", "all", "beyond torch"], rows)}

What each import adds to those above it, in one process:

{table(["import", "MiB"], [[name, f"{size:.0f}"] for name, size in added.items()])}
"""


def main() -> None:
    machine = describe_machine(("streamlit", "torch", "numba", "pandas", "distributed"))
    write("memory.md", report(imports(), processes(), machine))


if __name__ == "__main__":
    main()

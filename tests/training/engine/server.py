"""A server for tests to kill: trains a run, says its key, and waits. ``python server.py FOLDER HOW [SCHEDULER]``."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]  # it runs as a script, where nothing is installed

from engines import GENEROUS, LIVELY, one_lane, reach  # noqa: E402

from gru_viz.training.engine import Engine  # noqa: E402
from gru_viz.training.engine.cluster_crew import ClusterCrew  # noqa: E402
from gru_viz.training.runs import Store  # noqa: E402


def main() -> None:
    """As a web server does, end in order at SIGTERM and SIGINT."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    folder, how, scheduler = (*sys.argv[1:], None)[:3]
    ClusterCrew.lease = 2.0
    settings = replace(LIVELY, lanes=one_lane())
    store = Store(folder)
    engine = Engine(store, scheduler, slots=1)
    key, waiting = store.create(settings), store.create(settings)
    engine.start(key)
    engine.start(waiting)
    reach(store, key, 1)
    print(key, waiting, flush=True)
    if how != "end":
        time.sleep(GENEROUS)


if __name__ == "__main__":
    main()

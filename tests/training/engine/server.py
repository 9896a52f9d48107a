"""A server for tests to kill: trains a run, says its key, and waits. ``python server.py FOLDER [SCHEDULER]``."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]  # it runs as a script, where nothing is installed

from engines import GENEROUS, LIVELY, one_lane, statuses, wait  # noqa: E402

from gru_viz.training.engine import Engine, engine as module  # noqa: E402
from gru_viz.training.engine.cluster_crew import ClusterCrew  # noqa: E402
from gru_viz.training.runs import RunStore  # noqa: E402


def main() -> None:
    """As a web server does, end in order at SIGTERM and SIGINT."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    folder, scheduler = (*sys.argv[1:], None)[:2]
    ClusterCrew.lease = 2.0
    module.FAREWELL_SECONDS = GENEROUS  # a busy machine needs more for a checkpoint than a visitor would wait
    settings = replace(LIVELY, lanes=one_lane())
    store = RunStore(folder)
    engine = Engine(store, scheduler, slots=1)
    key, waiting = store.create(settings), store.create(settings)
    engine.start(key)

    def trains() -> bool:
        if statuses(store, key) == ["interrupted"]:  # a short lease runs out where the machine does much else
            engine.start(key)
        lane = store.run(key).lane("alone")
        return lane.status == "running" and lane.update >= 1 and store.checkpoint(key, "alone") is not None

    wait(trains, lambda: (engine.state, store.run(key)))
    engine.start(waiting)
    print(key, waiting, flush=True)
    time.sleep(GENEROUS)


if __name__ == "__main__":
    main()

"""A server for tests to kill: trains a run, prints its id, and waits. ``python server.py FOLDER [SCHEDULER]``."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[2])]  # it runs as a script, where nothing is installed

from engine_helpers import GENEROUS, LIVELY, one_lane, statuses, wait  # noqa: E402

from gru_viz.training.engine import Engine, engine_threads  # noqa: E402
from gru_viz.training.engine.cluster_executor import ClusterExecutor  # noqa: E402
from gru_viz.training.runs import RunStore  # noqa: E402


def main() -> None:
    """As a web server does, end in order at SIGTERM and SIGINT."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: sys.exit(0))
    folder, scheduler = (*sys.argv[1:], None)[:2]
    ClusterExecutor.lease = 2.0
    engine_threads.SHUTDOWN_SECONDS = GENEROUS  # a busy machine needs more for a checkpoint than a visitor would wait
    settings = replace(LIVELY, lanes=one_lane())
    store = RunStore(folder)
    engine = Engine(store, scheduler, slots=1)
    run_id, waiting = store.create(settings), store.create(settings)
    engine.start(run_id)

    def trains() -> bool:
        if statuses(store, run_id) == ["interrupted"]:  # a short lease runs out where the machine does much else
            engine.start(run_id)
        lane = store.run(run_id).lane("alone")
        return lane.status == "running" and lane.update >= 1 and store.checkpoint(run_id, "alone") is not None

    wait(trains, lambda: (engine.state, store.run(run_id)))
    engine.start(waiting)
    print(run_id, waiting, flush=True)
    time.sleep(GENEROUS)


if __name__ == "__main__":
    main()

"""Read every file of a folder; report how each was refused, what it cost, and whether any code was run.

Run in a process of its own: what was allocated shows in the peak of its memory, what was run in its audit events.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import torch  # noqa: F401, so that its own imports are over

from gru_viz.errors import FormatError
from gru_viz.formats import read_model

ROOM = 3 << 30
RUNS = ("os.", "subprocess.", "exec", "import", "socket.", "shutil.", "ctypes.", "pickle.find_class")
HARMLESS = ("os.listdir", "os.scandir", "os.fspath")


def main(folder: Path) -> None:
    events: list[str] = []
    listening = False

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if listening and (written or (event.startswith(RUNS) and event not in HARMLESS)):
            events.append(f"{event} {str(arguments)[:100]}")

    for warm in ("a note", "no recurrent layer", "an array of objects", "a header that is no json"):
        refused(folder / warm)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    sys.addaudithook(listen)
    outcomes = {}
    for path in sorted(folder.iterdir()):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = kib("VmRSS")
        listening = True
        parts = refused(path)
        listening = False
        outcomes[path.name] = {"refusal": parts, "grown_kib": kib("VmHWM") - before, "events": events.copy()}
        events.clear()
    print(json.dumps(outcomes))


def kib(what: str) -> int:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status[what].split()[0])


def refused(path: Path) -> list[str]:
    try:
        found = read_model(path)
    except FormatError as error:
        return [error.where, error.found, error.wanted, error.remedy]
    except BaseException as error:
        return [f"{type(error).__name__}: {error}"]
    return [f"read: {found.names}"]


if __name__ == "__main__":
    main(Path(sys.argv[1]))

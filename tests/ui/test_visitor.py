"""The visitor without a browser does what a page does when its connection is lost, and never keeps it to itself."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from served import STREAMLIT, dashboard

from benchmarks.session import Visitor

PAGE = """
import time
from pathlib import Path
import streamlit as st

folder = Path(__file__).parent

def start():
    (folder / "pressed").touch()
    while not (folder / "answered").exists():
        time.sleep(0.01)

st.session_state.runs = st.session_state.get("runs", 0) + 1
st.markdown(f"run {st.session_state.runs}")
st.button("Start", on_click=start)
"""


class Line:
    """A line to a server that can be cut."""

    def __init__(self, server: str) -> None:
        host, port = server.split(":")
        self._server, self._ends = (host, int(port)), list[socket.socket]()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._door.getsockname()[1]}"
        self._doorman = threading.Thread(target=self._welcome, daemon=True)
        self._doorman.start()

    def cut(self) -> None:
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError), end:  # it has ended by itself
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._door.shutdown(socket.SHUT_RDWR)  # wakes whoever waits at it
        self._doorman.join(10)
        self._door.close()
        self.cut()

    def _welcome(self) -> None:
        while True:
            try:
                here, _ = self._door.accept()
            except OSError:
                return
            there = socket.create_connection(self._server)
            self._ends += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):  # the line was cut
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page is, and notes that it was pressed and whether it may answer."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    (folder / "page.py").write_text(PAGE)
    with dashboard(folder, [str(folder / "page.py") if one == "dashboard.py" else one for one in STREAMLIT]) as address:
        yield address


@pytest.fixture
def line(server: str) -> Iterator[Line]:
    made = Line(server)
    yield made
    made.close()


def wait(condition: Callable[[], object], failure: str) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, failure
        time.sleep(0.02)


def test_a_page_that_lost_its_connection_comes_back_to_its_own_session(line: Line, folder: Path) -> None:
    (folder / "answered").touch()
    with Visitor(line.address) as visitor:
        wait(lambda: visitor.runs, "the page does not come up")
        line.cut()
        wait(lambda: visitor.runs > 1, "the page does not come back")
        assert visitor.texts[-1] == "run 2"
        assert len(visitor.losses) == 1
        visitor.press("Start")
        assert visitor.texts[-1] == "run 3"


def test_a_press_that_may_not_have_arrived_says_so(line: Line, folder: Path) -> None:
    for note in ("pressed", "answered"):
        (folder / note).unlink(missing_ok=True)

    def cut() -> None:
        wait((folder / "pressed").exists, "nothing is pressed")
        line.cut()

    with Visitor(line.address) as visitor:
        wait(lambda: visitor.runs, "the page does not come up")
        beside = threading.Thread(target=cut)
        beside.start()
        with pytest.raises(ConnectionError, match="Start may not have been pressed"):
            visitor.press("Start")
        beside.join()
        (folder / "answered").touch()


def test_a_server_that_stands_still_is_waited_for(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a browser, which sends no pings of its own and so never finds that one was not answered in time."""
    asked = list[object]()
    monkeypatch.setattr(
        "websockets.sync.connection.Connection.start_keepalive", lambda self: asked.append(self.ping_interval)
    )
    with Visitor(line.address):
        assert asked == [None]

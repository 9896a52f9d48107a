"""A visitor without a browser: speaks to a Streamlit server as its page does, and refreshes what refreshes itself."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: TID251 - it speaks the protocol, it draws nothing
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: TID251
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

__all__ = ["Visitor"]

RETRY_SECONDS = 0.5
NO_TOKEN = "PLACEHOLDER_AUTH_TOKEN"
"""What a page sends where a token would stand, so that its session comes third."""


class Visitor:
    """Opens a page over a websocket, answers its timers, presses its buttons.

    Where the connection is lost it does what a page does: it connects again, names the session it had, and has the
    script run. ``losses`` says how often and why.

    Args:
        server: host and port, such as ``"127.0.0.1:8501"``.
        page: the page's name, empty for the first.
        query: what follows the question mark.
    """

    def __init__(self, server: str, page: str = "", query: str = "") -> None:
        self.page, self.query = page, query
        self.buttons: dict[str, str] = {}
        self.texts: list[str] = []
        self.runs = self.refreshes = self.received = 0
        self.exceptions: list[str] = []
        self.losses: list[str] = []
        self._timers: dict[str, tuple[float, float]] = {}
        self._set: dict[str, tuple[float, float]] = {}
        self._script = self._session = ""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._finished = threading.Condition()
        self._address = f"ws://{server}/_stcore/stream"
        self._opened = ExitStack()
        self._socket = self._opened.enter_context(self._connect())
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._answer_timers)]
        for thread in self._threads:
            thread.start()
        self.rerun()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave the page."""
        self._ended.set()
        with self._lock:
            self._opened.close()
        for thread in self._threads:
            thread.join(5)

    @property
    def refresh_rate(self) -> float:
        """How many refreshes a second the timers of the page ask for."""
        return sum(1 / interval for interval, _ in list(self._timers.values()))

    def rerun(self, press: str = "", fragment: str = "") -> None:
        """Have the script run; with a button's label, as if it had been pressed."""
        message = BackMsg()
        state = message.rerun_script
        state.query_string = self.query
        if self._script:
            state.page_script_hash = self._script
        else:
            state.page_name = self.page
        if fragment:
            state.fragment_id, state.is_auto_rerun = fragment, True
        if press:
            widget = state.widget_states.widgets.add()
            widget.id, widget.trigger_value = self.buttons[press], True
        with self._lock:
            self._socket.send(message.SerializeToString())

    def press(self, label: str, timeout: float = 60.0) -> float:
        """Press a button and wait until the page has answered; returns the seconds it took.

        Raises:
            TimeoutError: there is no such button, or no answer.
            ConnectionError: the connection was lost before the answer, so that no one knows whether it was pressed.
        """
        deadline = time.monotonic() + timeout
        while label not in self.buttons:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no button {label!r}, only {sorted(self.buttons)}; {self._troubles()}")
            time.sleep(0.02)
        begun, before, lost = time.monotonic(), self.runs, len(self.losses)
        self.rerun(press=label)
        with self._finished:
            if not self._finished.wait_for(lambda: self.runs > before or len(self.losses) > lost, timeout):
                raise TimeoutError(f"{label} was not answered; {self._troubles()}")
        if len(self.losses) > lost:
            raise ConnectionError(f"{label} may not have been pressed; {self._troubles()}")
        return time.monotonic() - begun

    def _troubles(self) -> str:
        return f"exceptions: {self.exceptions[-1:]}, connections lost: {self.losses}"

    def _connect(self) -> ClientConnection:
        """As a browser does: it sends no pings, so that a server that stands still for a while is waited for, and it
        takes in whatever comes, however late its page is with it."""
        known = [Subprotocol(NO_TOKEN), Subprotocol(self._session)] if self._session else []
        return connect(
            self._address,
            subprotocols=[Subprotocol("streamlit"), *known],
            ping_interval=None,
            max_size=None,
            max_queue=None,
        )

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                while True:
                    data = self._socket.recv()
                    self.received += len(data)
                    message = ForwardMsg()
                    message.ParseFromString(data)
                    self._take(message)
            except ConnectionClosed as reason:
                if not self._ended.is_set():
                    with self._finished:
                        self.losses.append(str(reason))
                        self._finished.notify_all()
                    self._come_back()

    def _come_back(self) -> None:
        while not self._ended.wait(RETRY_SECONDS):
            try:
                connection = self._connect()
            except (OSError, WebSocketException):
                continue
            with self._lock:
                self._socket = self._opened.enter_context(connection)
            if self._ended.is_set():
                self._opened.close()
                return
            with suppress(ConnectionClosed):  # who listens finds it lost again
                self.rerun()
            return

    def _take(self, message: Any) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self._set = {}
                self._session = message.new_session.initialize.session_id
            case "navigation":
                self._script = message.navigation.page_script_hash
            case "auto_rerun":
                timer = message.auto_rerun
                self._set[timer.fragment_id] = (timer.interval, time.monotonic() + timer.interval)
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "delta":
                element = message.delta.new_element
                kind = element.WhichOneof("type")
                if kind == "button":
                    self.buttons[element.button.label] = element.button.id
                elif kind == "markdown":
                    self.texts.append(element.markdown.body)
                elif kind == "exception":
                    self.exceptions.append(element.exception.message)
            case "script_finished":
                whole = message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY
                self._timers = self._set if whole else self._timers | self._set
                with self._finished:
                    self.runs += 1
                    self._finished.notify_all()

    def _answer_timers(self) -> None:
        """What a browser's page does: ask for each timed part again when its time has come."""
        while not self._ended.wait(0.02):
            now = time.monotonic()
            for fragment, (interval, due) in list(self._timers.items()):
                if now >= due:
                    self._timers[fragment] = (interval, now + interval)
                    self.refreshes += 1
                    with suppress(ConnectionClosed):  # who listens connects again
                        self.rerun(fragment=fragment)

"""A visitor without a browser: speaks to a Streamlit server as its page does, and refreshes what refreshes itself."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from streamlit.proto.BackMsg_pb2 import BackMsg  # noqa: TID251 - it speaks the protocol, it draws nothing
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg  # noqa: TID251
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

__all__ = ["Visitor"]


class Visitor:
    """Opens a page over a websocket, answers its timers, presses its buttons.

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
        self._timers: dict[str, tuple[float, float]] = {}
        self._set: dict[str, tuple[float, float]] = {}
        self._script = ""
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._finished = threading.Condition()
        self._opened = ExitStack()
        address, protocol = f"ws://{server}/_stcore/stream", Subprotocol("streamlit")
        self._socket = self._opened.enter_context(connect(address, subprotocols=[protocol], max_size=None))
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
        self._opened.close()
        for thread in self._threads:
            thread.join(5)

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
        """Press a button and wait until the page has answered; returns the seconds it took."""
        deadline = time.monotonic() + timeout
        while label not in self.buttons:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no button {label!r}, only {sorted(self.buttons)}; {self.exceptions[-1:]}")
            time.sleep(0.02)
        begun, before = time.monotonic(), self.runs
        self.rerun(press=label)
        with self._finished:
            if not self._finished.wait_for(lambda: self.runs > before, timeout):
                raise TimeoutError(f"{label} was not answered")
        return time.monotonic() - begun

    def _listen(self) -> None:
        try:
            for data in self._socket:
                self.received += len(data)
                message = ForwardMsg()
                message.ParseFromString(data)  # type: ignore[arg-type]
                self._take(message)
        except ConnectionClosed:
            pass

    def _take(self, message: Any) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self._set = {}
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
                    try:
                        self.rerun(fragment=fragment)
                    except ConnectionClosed:
                        return

"""A page that says something at once, and plotly's script on its way before the page needs it."""

from __future__ import annotations

import gzip
import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

__all__ = ["QuickPage"]

PLOTLY = "plotly.min.js"

STYLE = """
.stMainBlockContainer { padding: 1.6rem 2rem 2rem; max-width: none; }
.stMainBlockContainer > .stVerticalBlock { gap: 0.6rem; }
.stAppHeader { height: 2.4rem; min-height: 2.4rem; background: transparent; pointer-events: none; }
.stAppHeader > * { pointer-events: auto; }
.stSidebar [data-testid="stSidebarHeader"] { height: 2.2rem; min-height: 2.2rem; margin: 0; padding-block: 0; }
.stSidebar [data-testid="stSidebarUserContent"] { padding-top: 0; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.85; }
h1 { font-size: 1.7rem !important; padding: 0 0 0.3rem !important; }
.stSidebar [data-testid="stButtonGroup"] button { padding-inline: 0.2rem; }
.stSidebar [data-variant="segmented_control"][aria-checked="true"] { color: inherit; font-weight: 600; }
.stSidebar [data-testid="stSidebarNavLink"] span::first-letter { text-transform: uppercase; }
.gv-prose { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 1.05rem; line-height: 1.5; margin: 0; }
.gv-prose span { font-weight: 600; }
.st-key-view_choices { margin-bottom: -0.75rem; }
.st-key-view_choices > div:first-child { min-width: min(100%, 22rem); }
.st-key-view_choices .stMarkdownBadge { white-space: normal; }
.stSidebar h2 { font-size: 1.15rem !important; padding: 0.25rem 0 0 !important; }
#root:has(h1) ~ #loading { display: none }
"""
LOADING = f"""<div id="root"></div>
<p id="loading" style="position: fixed; inset: 40% 0 auto; text-align: center; font: 1.1rem sans-serif; color: #777">
gru_viz is loading &#8230;</p>
<style>{STYLE}</style>"""
ADDED = {
    b"</head>": f'<link rel="preload" as="script" href="app/static/{PLOTLY}"></head>'.encode(),
    b'<div id="root"></div>': LOADING.encode(),
}
"""What Streamlit's page gets: the address of plotly's script, to be fetched at once; a word until the page's heading is
drawn; and the style, so that nothing moves when the page has begun."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def _copy_plotly(static: Path) -> None:
    """Copy plotly's script to the folder of static files, as it is and compressed, unless it is there."""
    package = find_spec("plotly")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent / "package_data" / "plotly.min.js"
    target = static / PLOTLY
    if target.exists() and target.stat().st_size == source.stat().st_size and _compressed(target).exists():
        return
    target.parent.mkdir(exist_ok=True)
    script = source.read_bytes()
    for path, content in ((_compressed(target), gzip.compress(script, 6)), (target, script)):
        partial = path.with_suffix(f".{os.getpid()}")  # its own, since two servers may start at once
        partial.write_bytes(content)
        partial.replace(path)


def _compressed(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


class QuickPage:
    """Gives a page a word at once, and lets the browser fetch plotly's script while it waits for the rest.

    Args:
        app: answers the requests.
        static: the folder of the files that Streamlit serves as they are; plotly's script is copied there.
    """

    def __init__(self, app: Callable[[Message, Any, Send], Awaitable[None]], static: Path) -> None:
        self.app, self.script = app, _compressed(static / PLOTLY)
        _copy_plotly(static)

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        """Pass a request on; to an answer that is a page, ``ADDED`` is added. Answer one for plotly's script at once.

        Streamlit would compress the script anew for every visitor.
        """
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        asked = {name.lower(): value for name, value in scope["headers"]}
        unpacks = b"gzip" in asked.get(b"accept-encoding", b"")
        if scope["path"].endswith(f"/app/static/{PLOTLY}") and unpacks:
            return await _send_script(self.script, asked.get(b"if-none-match"), send)
        if b"text/html" in asked.get(b"accept", b""):  # a page as it is written can be added to
            scope = {**scope, "headers": [each for each in scope["headers"] if each[0].lower() != b"accept-encoding"]}
        return await self.app(scope, receive, _Rewriting(send))


async def _send_script(script: Path, known: bytes | None, send: Send) -> None:
    """Send the compressed script, or that the browser has it already."""
    found = script.stat()
    tag = f'"{found.st_size}-{found.st_mtime_ns}"'.encode()
    headers = [(b"etag", tag), (b"cache-control", b"no-cache"), (b"vary", b"accept-encoding")]
    if known == tag:
        await send({"type": "http.response.start", "status": 304, "headers": headers})
        await send({"type": "http.response.body"})
        return
    headers += [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"content-encoding", b"gzip"),
        (b"content-length", str(found.st_size).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": script.read_bytes()})


class _Rewriting:
    """Sends an answer on; a page only once it is whole."""

    def __init__(self, send: Send) -> None:
        self.send, self.body = send, b""
        self.start: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self.start = message
        elif self.start is None or message["type"] != "http.response.body":
            await self.send(message)
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_page(self.start)

    async def _send_page(self, start: Message) -> None:
        body = self.body
        for place, added in ADDED.items():
            body = body.replace(place, added, 1)
        length = (b"content-length", str(len(body)).encode())
        headers = [length if name.lower() == b"content-length" else (name, value) for name, value in start["headers"]]
        await self.send({**start, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _is_page(start: Message) -> bool:
    """Whether it is a page as it is written; a compressed one goes its way unchanged."""
    headers = {name.lower(): value for name, value in start["headers"]}
    is_html = headers.get(b"content-type", b"").startswith(b"text/html")
    return start["status"] == 200 and is_html and b"content-encoding" not in headers

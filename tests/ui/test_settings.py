"""The settings a stranger runs with, and text from files made harmless."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from gru_viz.ui.messages import plain

CONFIG = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("section", "key", "wanted"),
    [
        ("runner", "postScriptGC", False),
        ("browser", "gatherUsageStats", False),
        ("client", "showErrorLinks", False),
        ("server", "address", "127.0.0.1"),
    ],
)
def test_a_setting_that_matters_is_set(section: str, key: str, wanted: object) -> None:
    assert CONFIG[section][key] == wanted


@pytest.mark.parametrize("key", ["enableXsrfProtection", "enableCORS"])
def test_protections_are_left_on(key: str) -> None:
    assert CONFIG["server"].get(key, True) is True


def test_streamlit_knows_every_setting() -> None:
    from streamlit.config import get_config_options  # noqa: TID251

    known = set(get_config_options())
    named = {f"{section}.{key}" for section, keys in CONFIG.items() for key in keys if not isinstance(keys[key], dict)}
    assert named <= known, named - known


NAUGHTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](https://example.com)",
    "![x](https://example.com/x.png)",
    "https://example.com",
    "www.example.com",
    "someone@example.com",
    "**bold** _it_ `code` ~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "1) item",
    "> quoted",
    "    indented code",
    "a\n\n---\n\nb",
    "a\r\r# b",
    "a\n===",
    "$x^2$",
    ":red[red] :material/home: :smile:",
    "&lt;b&gt; &amp; &#42;",
    "a | b\n--|--\nc | d",
    "back\\slash \\* \\",
    "a  \nb",
]


def visible(text: str) -> str:
    return " ".join(text.split())


def as_seen(markdown: str) -> str:
    """The one line of plain text that the Markdown shows; anything else than text fails."""
    markdown_it = pytest.importorskip("markdown_it", reason="no Markdown parser here to hold the escapes against")
    parser = markdown_it.MarkdownIt("gfm-like", {"html": True, "linkify": False})
    blocks = parser.parse(markdown)
    assert [each.type for each in blocks] in (["paragraph_open", "inline", "paragraph_close"], []), blocks
    inline = (blocks[1].children or []) if blocks else []
    assert {each.type for each in inline} <= {"text", "text_special"}, inline
    return "".join(each.content for each in inline).replace("\u2060", "")


@pytest.mark.parametrize("text", NAUGHTY, ids=repr)
def test_text_from_a_file_is_shown_as_it_is(text: str) -> None:
    assert as_seen(plain(text)) == visible(text)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30) | st.text("ab \\`*_{}[]()<>#+-.!|~$:&;=1\n\r\t", max_size=30))  # fmt: skip  # noqa: E501
def test_any_text_is_shown_as_it_is(text: str) -> None:
    assert as_seen(plain(text)) == visible(text)


@pytest.mark.parametrize("text", NAUGHTY, ids=repr)
def test_what_only_streamlit_would_act_on_is_escaped_too(text: str) -> None:
    """Colons open colours and icons, dollars open formulas, tildes strike through."""
    unescaped = re.sub(r"\\.", "", plain(text))
    assert not set(unescaped) & set(":$~`*_[]<>|#&\\")


@pytest.mark.parametrize(
    "address", ["https://example.com", "HTTP://example.com/a", "www.example.com", "me@example.com"]
)
def test_an_address_in_a_file_becomes_no_link(address: str) -> None:
    """The page's Markdown looks for addresses after it has taken the backslashes away."""
    seen = re.sub(r"\\(.)", r"\1", plain(f"see {address} there"))
    assert not re.search(r"(?i)(https?://|www(?=\.))[-.\w]+", seen)
    assert not re.search(r"[-.\w+]+@[-\w]+(\.[-\w]+)+", seen)

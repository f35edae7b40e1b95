"""Markdown for a terminal: styled by rich, and never with an escape sequence that was not made here.

rich's own reading of Markdown leaves HTML out (`List<String>` too), moves images to the front, can lose a link's label
and shortens wide tables; so it gets tokens in which those are plain text or code already.
"""

import re
from collections.abc import Iterator, Sequence
from io import StringIO

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text
from rich.theme import Theme

from channels.text.plain import clean, host
from channels.text.source import prepared
from channels.text.tables import aligned

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DELETE = 0x7F
_THEME = Theme({"markdown.code": "cyan"})
_SIDES = {"text-align:right": "Right", "text-align:center": "Center"}


def render(markdown: str, width: int) -> str:
    """Return `markdown` as lines of at most `width` columns with colour and weight (SGR sequences only).

    A control character in it is shown as its picture (`␛`), so a model can't write to the terminal itself.
    """
    source = prepared(clean(_CONTROL.sub(_picture, markdown)))
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 100}).enable(["table", "strikethrough"])
    tokens = parser.parse(source)
    shown: Markdown | Text = Text(source)
    if 4 * max((token.level for token in tokens), default=0) < width:  # deeper, its indent would leave no room for it
        shown = Markdown("", hyperlinks=False, code_theme="ansi_dark")
        shown.markup, shown.parsed = source, list(_plain(tokens, max(width - 2, 8)))
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system="standard", theme=_THEME)
    console.print(shown)
    return out.getvalue().rstrip()


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\u2421" if code == _DELETE else chr(0x2400 + code)


def _plain(tokens: Sequence[Token], width: int) -> Iterator[Token]:
    """Yield `tokens` with tables as code and inline tokens made plain."""
    rows: list[list[str]] | None = None
    sides: list[str] = []
    for token in tokens:
        if token.type == "table_open":
            rows, sides = [], []
        elif token.type == "table_close" and rows:
            yield Token("fence", "code", 0, content=aligned(rows, sides, width) + "\n", block=True)
            rows = None
        elif rows is None:
            if token.children is not None:
                token.children = list(_inline(token.children))
            yield token
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "th_open":
            sides.append(_SIDES.get(str(token.attrs.get("style", "")), "None"))
        elif token.type == "inline":
            rows[-1].append("".join(child.content for child in _inline(token.children or ())))


def _inline(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield `tokens` with links and images written out, and line breaks kept."""
    url, label = "", ""
    for token in tokens:
        match token.type:
            case "link_open":
                url, label = str(token.attrs.get("href", "")), ""
            case "link_close":
                if url not in (label, f"mailto:{label}"):
                    yield Token("text", "", 0, content=f" ({clean(url)})")
            case "image":
                shown = token.content or "image"
                place = host(str(token.attrs.get("src", "")))
                yield Token("text", "", 0, content=f"{shown} ({place})" if place else shown)
            case "softbreak":
                yield Token("hardbreak", "br", 0)
            case _:
                label += token.content
                token.content = clean(token.content)
                yield token

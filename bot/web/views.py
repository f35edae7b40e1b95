"""Templates, and what they show."""

import functools
import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.web.assets import Assets
from bot.web.ports import Entry, WebDependencies
from bot.web.security import maybe_signed_in
from bot.web.sessions import Sessions
from core.envelopes import Table

_NUMBER = re.compile(r"[-+−]?[$€£]?[\d.,\u00a0\u202f ]*\d\s?(?:%|[kMG]?B|m?s|[$€£])?")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something to tell a person on a page. `kind` is `error` or `good`."""

    text: str
    kind: str = "error"


class Views:
    """Renders pages and messages."""

    def __init__(self, dependencies: WebDependencies, sessions: Sessions, assets: Assets) -> None:
        self._sessions = sessions
        self._environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(asset=assets.address, link_command=dependencies.link_command)
        self._environment.filters.update(inline=_inline, numeric=_numeric, is_number=_is_number)
        self._macros: Any = self._environment.get_template("message.html").module

    def page(self, request: web.Request, name: str, *, status: int = 200, **context: Any) -> web.Response:
        """Return the page `name`."""
        session = maybe_signed_in(request)
        text = self._environment.get_template(name).render(
            signed_in=session is not None,
            form_token=self._sessions.form_token(session) if session else "",
            **context,
        )
        return web.Response(text=text, status=status, content_type="text/html")

    def message(self, entry: Entry) -> str:
        """Return one message of the chat as HTML."""
        html = None
        if entry.who == "agent":
            text = entry.body.text
            html = Markup(_growing(text) if entry.state == "growing" else _whole(text))  # noqa: S704 - it comes sanitized
        return str(self._macros.message(entry, html, _version(entry), _PICTURES)).strip()


@functools.lru_cache(maxsize=500)
def _whole(markdown: str) -> str:
    from channels.text.html import render

    return render(markdown)


def _growing(markdown: str) -> str:
    """Return a text that may end in the middle of anything as HTML, what is open shown as if it were closed."""
    from channels.text.html import render
    from channels.text.source import prepared

    return render(prepared(markdown, growing=True))


def _inline(markdown: str) -> Markup:
    """Return Markdown within a line as HTML."""
    line = " ".join(markdown.split())
    html = _whole(f"x {line}").strip()  # after a word, nothing begins a list, a heading or any other block
    return Markup(html.removeprefix("<p>x ").removesuffix("</p>"))  # noqa: S704 - it comes sanitized


def _numeric(table: Table) -> list[bool]:
    """Return for each column whether all its cells that have something are numbers."""
    columns = [[row[index] for row in table.rows if row[index : index + 1]] for index in range(len(table.header))]
    filled = [[cell.strip() for cell in column if cell.strip()] for column in columns]
    return [bool(cells) and all(len(cell) < 30 and _NUMBER.fullmatch(cell) for cell in cells) for cells in filled]


def _is_number(text: str) -> bool:
    """Tell whether a browser's field for numbers can hold `text`."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _version(entry: Entry) -> str:
    """Return what differs between two readings of a message that look different."""
    shown = (entry.who, entry.body, entry.state, entry.sent)
    return hashlib.blake2s(repr(shown).encode("utf-8", "replace"), digest_size=8).hexdigest()

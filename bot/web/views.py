"""Templates, and what they show."""

import functools
import hashlib
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
            text = _growing(entry.text) if entry.state == "growing" else _whole(entry.text)
            html = Markup(text)  # noqa: S704 - it comes sanitized
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


def _version(entry: Entry) -> str:
    """Return what differs between two readings of a message that look different."""
    shown = (entry.who, entry.text, entry.state, entry.buttons, entry.files)
    return hashlib.blake2s(repr(shown).encode("utf-8", "replace"), digest_size=8).hexdigest()

"""Markdown as HTML that is safe to put into a page: no script, no style, no image, no link but to the web or mail."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from channels.text.plain import clean, host
from channels.text.source import prepared

_SCHEMES = {"http", "https", "mailto"}
_BLOCKS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
_TABLE = {"table", "tbody", "td", "th", "thead", "tr"}
_TAGS = _BLOCKS | _TABLE | {"a", "br", "code", "del", "em", "s", "strong"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": set(), "a": {"href"}, "code": {"class"}, "ol": {"start"}, "td": {"class"}, "th": {"class"},
}  # fmt: skip
_SIDES = {"text-align:right": "right", "text-align:center": "center"}
_LANGUAGE = re.compile(r"language-[\w+#.-]{1,32}")
_DEEPEST = 100


def render(markdown: str) -> str:
    """Return `markdown` as sanitized HTML. HTML in it is shown as text; an image becomes a link with its host."""
    env: dict[str, Any] = {}
    parser, source = _parser(), prepared(clean(markdown))
    tokens = parser.parse(source, env)
    for token in tokens:
        if side := _SIDES.get(str(token.attrs.pop("style", ""))):
            token.attrs["class"] = side
    if max((token.level for token in tokens), default=0) > _DEEPEST - 4:  # what is deeper still was left out
        html = f"<pre>{escapeHtml(clean(markdown))}</pre>"
    else:
        html = clean(parser.renderer.render(tokens, parser.options, env))
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer nofollow",
        url_schemes=_SCHEMES,
        url_relative="deny",
    )


@cache
def _parser() -> MarkdownIt:
    options = {"html": False, "linkify": False, "breaks": True, "maxNesting": _DEEPEST}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    parser.validateLink = _may_link  # type: ignore[method-assign]
    parser.add_render_rule("image", _image)
    return parser


def _may_link(url: str) -> bool:
    """Tell whether `url` may be linked to; the Markdown of one that may not is shown as it was written."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return False
    return parts.scheme == "mailto" or (parts.scheme in _SCHEMES and bool(parts.netloc))


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    url = str(token.attrs.get("src", ""))
    label = renderer.renderInlineAsText(token.children, options, env).strip() or "image"
    depth = sum(before.type == "link_open" for before in tokens[:index])
    depth -= sum(before.type == "link_close" for before in tokens[:index])
    if depth:
        return escapeHtml(label)
    return f'<a href="{escapeHtml(url)}">{escapeHtml(f"{label} ({host(url)})" if host(url) else label)}</a>'


def _attribute(tag: str, name: str, value: str) -> str | None:
    match tag, name:
        case "a", "href":
            return value if _may_link(value) else None
        case "code", "class":
            return value if _LANGUAGE.fullmatch(value) else None
        case "td" | "th", "class":
            return value if value in _SIDES.values() else None
        case "ol", "start":
            return value if value.isdecimal() else None
        case "a", "rel" | "target":
            return value
    return None

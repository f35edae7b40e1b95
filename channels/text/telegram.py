"""Markdown as Telegram messages: plain text with entities, so that no text is ever refused for its formatting.

Limits: https://core.telegram.org/bots/api#sendmessage (4,096 characters after entities) and
https://limits.tginfo.me/en (100 entities). TDLib trims white space at both ends of a message (at the start only up to
the first entity), drops some characters and refuses links whose host has no dot; what is made here needs none of that.
"""

import re
import unicodedata
from collections.abc import Sequence

from channels.text.cutting import cut
from channels.text.markdown import read
from channels.text.plain import clean, utf16_len, visible
from channels.text.spans import Formatted, Span
from core.envelopes import Piece

MOST_ENTITIES = 100
_RANK = {"pre": 0, "text_link": 1, "blockquote": 2, "code": 3}
_URL = re.compile(r"https?://[\w-]+(?:\.[\w-]+)+(?::\d{1,5})?(?:[/?#][^\s\x00-\x1f]*)?", re.I)
# Telegram removes these three marks: composed, the first survives in å and ů.
_REMOVED_MARK = re.compile("\\w[\u030a\u0333\u033f]")


def render(markdown: str, limit: int = 4096, *, growing: bool = False) -> tuple[Piece, ...]:
    """Return `markdown` as messages of at most `limit` UTF-16 code units each; none if there is nothing to see in it.

    Args:
        growing: the text is still being written: what is open at its end is shown as if it were closed.
    """
    parts = list(cut(_formatted(markdown, growing), limit, MOST_ENTITIES))
    if not parts:
        parts = list(cut(Formatted(_whole(markdown)), limit, MOST_ENTITIES))
    return tuple(Piece(part.text, _entities(part)) for part in parts)


def _whole(markdown: str) -> str:
    return _REMOVED_MARK.sub(lambda match: unicodedata.normalize("NFC", match[0]), clean(markdown))


def _formatted(markdown: str, growing: bool) -> Formatted:
    """Return the text and its spans; the source as it is, should a parser stumble over it."""
    source = _whole(markdown)
    if not visible(source):
        return Formatted("")
    try:
        return read(source, _accepted, growing=growing)
    except Exception:  # noqa: BLE001 - a parser's fault must not cost a person the answer
        return Formatted(source)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a parser written in Rust raises; it has no other name
            raise
        return Formatted(source)


def _accepted(url: str) -> bool:
    return _URL.fullmatch(url) is not None


def _entities(part: Formatted) -> tuple[dict[str, object], ...]:
    spans: Sequence[Span] = part.spans
    if len(spans) > MOST_ENTITIES:
        kept = sorted(spans, key=lambda span: (_RANK.get(span.kind, 4), span.start))[:MOST_ENTITIES]
        spans = [span for span in spans if span in kept]
    places = _utf16_places(part.text, sorted({place for span in spans for place in (span.start, span.end)}))
    found = []
    for span in spans:
        start, end = places[span.start], places[span.end]
        entity: dict[str, object] = {"type": span.kind, "offset": start, "length": end - start}
        if span.value:
            entity["url" if span.kind == "text_link" else "language"] = span.value
        found.append(entity)
    return tuple(found)


def _utf16_places(text: str, places: Sequence[int]) -> dict[int, int]:
    found, units, last = {}, 0, 0
    for place in places:
        units += utf16_len(text[last:place])
        found[place] = units
        last = place
    return found

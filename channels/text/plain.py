"""Characters: how long a text is, which ones may travel, where it may be cut without breaking what a person sees."""

import re
from urllib.parse import urlsplit

import wcwidth

_LINE_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
# The flags of England, Scotland and Wales: the only emoji that need tag characters.
_FLAG = "\U0001f3f4(?:\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
_FLAG += "|\U000e0077\U000e006c\U000e0073))\U000e007f"
_UNSENT = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and line feed
    "\ud800-\udfff"  # lone surrogates
    "\u202a-\u202e"  # bidirectional overrides: what is read is not what is written
    "\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff"  # never meant for interchange
    "\U000e0000-\U000e007f]"  # tags: text that no person sees
)
_DROPPED = re.compile(f"({_FLAG})|{_UNSENT}")
_INVISIBLE = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\U000e0000-\U000e0fff]*"
)


def utf16_len(text: str) -> int:
    """Return the length of `text` in UTF-16 code units, as Telegram counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) >> 1


def clean(text: str) -> str:
    """Return `text` with line feeds as its only line breaks and without the characters that no channel may carry.

    Control characters, lone surrogates, bidirectional overrides, noncharacters and Unicode tags go (the tags of the
    three flags that need them stay); zero-width joiners, spaces and direction marks are text and stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return _DROPPED.sub(lambda match: match[1] or "", _LINE_BREAKS.sub("\n", text))


def visible(text: str) -> bool:
    """Tell whether a person would see anything of `text`."""
    return _INVISIBLE.fullmatch(text) is None


def host(url: str) -> str:
    """Return the host that `url` leads to, empty if it names none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def is_boundary(text: str, index: int) -> bool:
    """Tell whether `text` can be cut before `index` without breaking a grapheme cluster (Unicode UAX #29)."""
    if index <= 0 or index >= len(text):
        return True
    if text[index - 1].isascii() and text[index].isascii():
        return text[index - 1 : index + 1] != "\r\n"
    return bool(wcwidth.grapheme_boundary_before(text, index + 1) == index)


def boundary_before(text: str, start: int, index: int) -> int:
    """Return the last grapheme boundary in `(start, index]`, or `index` where one cluster fills all of that."""
    place = index
    while not is_boundary(text, place):
        place = wcwidth.grapheme_boundary_before(text, place)
    return place if place > start else index


def reach(text: str, start: int, limit: int) -> int:
    """Return the end of the longest stretch from `start` that has at most `limit` UTF-16 code units."""
    stretch = text[start : start + limit]
    if not stretch.isascii():
        units = stretch.encode("utf-16-le", "surrogatepass")[: 2 * limit]
        stretch = units.decode("utf-16-le", "ignore")
    return start + len(stretch)

"""Slack's own way to write text: what people wrote becomes plain text, and ours becomes text that mentions nobody.

Rules: https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from datetime import UTC, datetime

from channels.text.plain import boundary_before, clean, reach, utf16_len

LONGEST_TEXT = 3000
_MOST_BYTES = 3800  # `chat.update` refuses more than 4,000 bytes, not characters: "msg_too_long"
_ESCAPED = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_ESCAPES = {ord(mark): escape for escape, mark in _ESCAPED.items()}
_WRITTEN = re.compile(r"<([@#!]?)([^<>|\s][^<>|]*)(?:\|([^<>]*))?>|&(?:amp|lt|gt);")


def escaped(text: str) -> str:
    """Return `text` so that Slack shows it as it is: `<!channel>` and `<@U1>` mention nobody."""
    return text.translate(_ESCAPES)


def fallback(text: str) -> str:
    """Return `text` as a message's text for notifications: escaped, and shortened to what an edit may carry."""
    text = clean(text).strip()
    short = text[: reach(text, 0, LONGEST_TEXT)]
    while utf16_len(words := escaped(short)) >= LONGEST_TEXT or len(words.encode()) > _MOST_BYTES:
        short = short[: boundary_before(short, 0, len(short) * 15 // 16)]
    return words if len(short) == len(text) else f"{words.rstrip()}…"


def shortened(text: str, most: int) -> str:
    """Return `text` in a line of at most `most` UTF-16 code units, with … where the rest is left out."""
    text = " ".join(clean(text).split())
    if utf16_len(text) <= most:
        return text
    return text[: boundary_before(text, 0, reach(text, 0, most - 1))].rstrip() + "…"


def to_plain(text: str) -> str:
    """Return what a person wrote in Slack as plain text; `<@U1>`, a mention of a person, stays as it stands."""
    return _WRITTEN.sub(_plain, text)


def _plain(match: re.Match[str]) -> str:
    if match[2] is None:
        return _ESCAPED[match[0]]
    kind, target, label = match[1], match[2], _unescaped(match[3] or "")
    match kind:
        case "@":
            return f"<@{target}>"
        case "#":
            return f"#{label or target}"
        case "!":
            return _special(target, label)
    url = _unescaped(target)
    bare = re.sub(r"^(?:https?://|mailto:|tel:)", "", url)
    return f"{label} ({url})" if label and label not in (url, bare, bare.rstrip("/")) else label or _shown(url, bare)


def _shown(url: str, bare: str) -> str:
    return bare if url.startswith(("mailto:", "tel:")) else url


def _special(target: str, label: str) -> str:
    name, *rest = target.split("^")
    if name == "date":
        return label or _date(rest[0] if rest else "")
    shown = label or (rest[0] if rest else name)
    return shown if shown.startswith("@") else f"@{shown}"


def _date(seconds: str) -> str:
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return seconds


def _unescaped(text: str) -> str:
    return re.sub("&(?:amp|lt|gt);", lambda match: _ESCAPED[match[0]], text)

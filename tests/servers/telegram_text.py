"""Text as Telegram counts, trims, cuts and formats it: offsets and lengths are UTF-16 code units.

Sources: https://core.telegram.org/bots/api#formatting-options, https://core.telegram.org/api/entities; the wording of
the errors follows TDLib's `MessageEntity.cpp`.
"""

import re
from collections.abc import Sequence
from typing import Any

from tests.servers.telegram_errors import ApiError, bad

Entity = dict[str, Any]

MOST_ENTITIES = 100
_DETECTED = re.compile(
    r"(?P<url>https?://[^\s<>\"]+)|(?P<email>\b[\w.+-]+@[\w-]+\.\w[\w.-]*)|(?<![\w/])(?P<bot_command>/\w{1,32}(?:@\w{3,32})?)"
    r"|(?<!\w)(?P<mention>@\w{3,32})|(?<!\w)(?P<hashtag>#\w+)"
)


def utf16(text: str) -> int:
    """Return the length of `text` in UTF-16 code units."""
    try:
        return len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError as error:
        raise bad("strings must be encoded in UTF-8") from error


def part(text: str, offset: int, length: int) -> str:
    """Return the characters that an entity covers."""
    return text.encode("utf-16-le")[2 * offset : 2 * (offset + length)].decode("utf-16-le", "surrogatepass")


def cut(text: str, limit: int = 4096) -> list[str]:
    """Cut as a person's client does with a text that is too long: at `limit` units, never inside a character."""
    parts, start, size = [], 0, 0
    for index, character in enumerate(text):
        width = 2 if ord(character) > 0xFFFF else 1
        if size + width > limit:
            parts.append(text[start:index])
            start, size = index, 0
        size += width
    return [*parts, text[start:]]


def checked(text: str, entities: Sequence[Entity]) -> list[Entity]:
    """Return `entities` in Telegram's order (the outer one first), at most 100 of them.

    Raises:
        ApiError: one is empty, leaves the text, splits a surrogate pair or crosses another.
    """
    if not entities:
        return []
    units = text.encode("utf-16-le")
    total = len(units) // 2
    for entity in entities:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        if start < 0 or end <= start or end > total:
            raise bad("ENTITY_BOUNDS_INVALID")
        for verb, place in (("begins", start), ("ends", end)):
            if place < total and 0xDC <= units[2 * place + 1] <= 0xDF:
                raise bad(f"entity {verb} in a middle of a UTF-16 symbol at byte offset {place}")
        if entity["type"] == "text_link" and not entity.get("url"):
            raise bad("ENTITY_URL_INVALID")
    ordered = sorted(entities, key=lambda one: (one["offset"], -one["length"]))
    _refuse_crossing(ordered)
    return ordered[:MOST_ENTITIES]


def _refuse_crossing(ordered: Sequence[Entity]) -> None:
    ends: list[int] = []
    for entity in ordered:
        start, end = entity["offset"], entity["offset"] + entity["length"]
        while ends and ends[-1] <= start:
            ends.pop()
        if ends and end > ends[-1]:
            raise bad(f"entities overlap wrongly at offset {start}")
        ends.append(end)


def trimmed(text: str, entities: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Drop white space at both ends, as Telegram does (at the start only up to the first entity)."""
    text = text.rstrip()
    end = utf16(text)
    first = min((entity["offset"] for entity in entities), default=len(text))
    lead = min(len(text) - len(text.lstrip()), first)
    kept = []
    for entity in entities:
        length = min(entity["length"], end - entity["offset"])
        if length > 0:
            kept.append({**entity, "offset": entity["offset"] - lead, "length": length})
    return text[lead:], kept


def detected(text: str) -> list[Entity]:
    """Return the entities that a person's client finds by itself: commands, mentions, links, hashtags."""
    found = []
    for match in _DETECTED.finditer(text):
        kind = match.lastgroup
        found.append({"type": kind, "offset": utf16(text[: match.start()]), "length": utf16(match.group())})
    return found


def parsed(text: str, mode: str) -> tuple[str, list[Entity]]:
    """Turn text with a parse mode into plain text and entities.

    Raises:
        ApiError: "can't parse entities", as Telegram says it.
    """
    match mode.lower():
        case "html":
            return _Parser(text).html()
        case "markdownv2":
            return _Parser(text).markdown(reserved="_*[]()~`>#+-=|{}.!")
        case "markdown":
            return _Parser(text).markdown(reserved="")
    raise bad("unsupported parse_mode")


_TAGS = {
    **dict.fromkeys(("b", "strong"), "bold"),
    **dict.fromkeys(("i", "em"), "italic"),
    **dict.fromkeys(("u", "ins"), "underline"),
    **dict.fromkeys(("s", "strike", "del"), "strikethrough"),
    **dict.fromkeys(("span", "tg-spoiler"), "spoiler"),
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}
_HTML = re.compile(r"<(?P<close>/?)(?P<tag>[a-zA-Z-]*)(?P<more>[^<>]*)>|&(?P<name>lt|gt|amp|quot);|[^<&]+|[<&]", re.S)
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_MARKS = {"*": "bold", "_": "italic", "__": "underline", "~": "strikethrough", "||": "spoiler"}


class _Parser:
    """One text on its way from a parse mode to entities."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.out = ""
        self.open: list[tuple[str, int, int, dict[str, Any]]] = []
        self.entities: list[Entity] = []

    def _error(self, words: str, place: int) -> ApiError:
        return bad(f"can't parse entities: {words} at byte offset {len(self.source[:place].encode())}")

    def _close(self, kind: str, start: int, more: dict[str, Any]) -> None:
        length = utf16(self.out) - start
        if length and not (kind == "text_link" and not more.get("url")):
            self.entities.append({"type": kind, "offset": start, "length": length, **more})

    def html(self) -> tuple[str, list[Entity]]:
        for match in _HTML.finditer(self.source):
            tag = match["tag"]
            if tag is None:
                if match.group() == "<":
                    raise self._error('Unsupported start tag ""', match.start())
                self.out += _NAMED[match["name"]] if match["name"] else match.group()
            elif tag.lower() not in _TAGS:
                raise self._error(f'Unsupported start tag "{tag}"', match.start())
            elif match["close"]:
                self._end_tag(tag.lower(), match.start())
            else:
                self.open.append((tag.lower(), utf16(self.out), match.start(), _attributes(tag, match["more"])))
        if self.open:
            raise bad(f"can't parse entities: Can't find end tag corresponding to start tag \"{self.open[-1][0]}\"")
        return self.out, self.entities

    def _end_tag(self, tag: str, place: int) -> None:
        if not self.open:
            raise self._error("Unexpected end tag", place)
        opened, start, _, more = self.open.pop()
        if opened != tag:
            raise self._error(f'Unmatched end tag, expected "</{opened}>", found "</{tag}>"', place)
        if tag == "code" and self.open and self.open[-1][0] == "pre":
            self.open[-1][3].update(more)
        else:
            self._close(_TAGS[tag], start, more)

    def markdown(self, reserved: str) -> tuple[str, list[Entity]]:
        """MarkdownV2, or with nothing reserved the legacy Markdown."""
        place, source, v2 = 0, self.source, bool(reserved)
        while place < len(source):
            here = source[place]
            if here == "\\" and place + 1 < len(source) and (v2 or source[place + 1] in "_*`["):
                self.out += source[place + 1]
                place += 2
            elif here == "`":
                place = self._code(place)
            elif mark := self._mark(place, v2):
                place = self._toggle(mark, place)
            elif here == "[":
                self.open.append(("[", utf16(self.out), place, {}))
                place += 1
            elif here == "]" and self.open and self.open[-1][0] == "[":
                place = self._link(place)
            elif here in reserved and not (here == ">" and (not place or source[place - 1] == "\n")):
                words = f"Character '{here}' is reserved and must be escaped with the preceding '\\'"
                raise bad(f"can't parse entities: {words}")
            else:
                self.out += here
                place += 1
        if self.open:
            name = _MARKS.get(self.open[-1][0], "the").title() if v2 else "the"
            raise self._error(f"Can't find end of {name} entity", self.open[-1][2])
        return self.out, self.entities

    def _mark(self, place: int, v2: bool) -> str:
        two, one = self.source[place : place + 2], self.source[place]
        if v2 and two in _MARKS:
            return two
        return one if one in (_MARKS if v2 else "*_") else ""

    def _toggle(self, mark: str, place: int) -> int:
        if any(opened == mark for opened, *_ in self.open):
            opened, start, _, more = self.open.pop()
            if opened != mark:
                raise self._error(f"Can't find end of {_MARKS.get(opened, 'TextUrl').title()} entity", place)
            self._close(_MARKS[mark], start, more)
        else:
            self.open.append((mark, utf16(self.out), place, {}))
        return place + len(mark)

    def _code(self, place: int) -> int:
        fence = "```" if self.source.startswith("```", place) else "`"
        end = self.source.find(fence, place + len(fence))
        if end < 0:
            raise self._error(f"Can't find end of {'Pre' if len(fence) == 3 else 'Code'} entity", place)
        inside, more, start = self.source[place + len(fence) : end], {}, utf16(self.out)
        if len(fence) == 3 and (line := re.match(r"([\w+#-]*)\n", inside)):
            inside = inside[line.end() :]
            more = {"language": line[1]} if line[1] else {}
        self.out += re.sub(r"\\([`\\])", r"\1", inside)
        self._close("pre" if len(fence) == 3 else "code", start, more)
        return end + len(fence)

    def _link(self, place: int) -> int:
        _, start, _, _ = self.open.pop()
        link = re.compile(r"\]\(([^)]*)\)").match(self.source, place)
        self._close("text_link", start, {"url": link[1] if link else ""})
        return link.end() if link else place + 1


def _attributes(tag: str, more: str) -> dict[str, Any]:
    if tag.lower() == "a" and (href := re.search(r"""href\s*=\s*["']?([^"'>]*)""", more)):
        return {"url": href[1].replace("&amp;", "&")}
    if tag.lower() == "code" and (language := re.search(r"language-([\w+#-]+)", more)):
        return {"language": language[1]}
    return {}

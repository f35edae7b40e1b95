"""Formatted text as Slack's rich text: words are literal there and links are data, so nothing in them can be markup.

Elements: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block. The shared reader writes lists and rules as
lines of text; they become lists and dividers here, which show the same characters.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from channels.text.spans import Formatted, Span

_ITEM = re.compile(r"( *)(?:•|([1-9]\d{0,3})\.) (?=\S)")
_RULE = "————————"
_DEEPEST = 8
_STYLES = {"bold": "bold", "italic": "italic", "strikethrough": "strike", "code": "code"}
_LANGUAGES = {"python": "python", "py": "python", "javascript": "javascript", "js": "javascript", "json": "json"}
_END = r"\s\x00-\x1f<>\"|。，、；：！？）】」』…"
_HOST = r"https?://[\w-]+(?:\.[\w-]+)+(?::\d{1,5})?"
_BARE = re.compile(rf"{_HOST}(?![\w@-]|:[^\s/]*@)(?:[/?#][^{_END}]*)?", re.I)
_LINKED = re.compile(rf"{_HOST}(?:[/?#][^\s\x00-\x1f]*)?|mailto:[^\s\x00-\x1f@]+@[\w-]+(?:\.[\w-]+)+(?:\?\S*)?", re.I)
_LONGEST_URL = 2000
_QUOTED = {ord(mark): f"%{ord(mark):02X}" for mark in '<>|"\\^`{}'}

Json = dict[str, object]


def accepted(url: str) -> bool:
    """Tell whether `url` may be a link: one to the web or to a mailbox, of a length that Slack takes."""
    return len(url) <= _LONGEST_URL and _LINKED.fullmatch(url) is not None


def linked(whole: Formatted) -> Formatted:
    """Return `whole` with the addresses that stand in its text as links: Slack leaves literal text alone."""
    taken = iter(sorted((s.start, s.end) for s in whole.spans if s.kind in ("code", "pre", "text_link")))
    found, now = list(whole.spans), next(taken, None)
    for match in _BARE.finditer(whole.text):
        url = _bare(match[0])
        start, end = match.start(), match.start() + len(url)
        while now is not None and now[1] <= start:
            now = next(taken, None)
        if accepted(url) and (now is None or end <= now[0]):
            found.append(Span(start, end, "text_link", url))
    return Formatted(whole.text, tuple(sorted(found, key=lambda span: (span.start, -span.end))))


def _bare(url: str) -> str:
    """Return `url` without the punctuation of the sentence that it stands in."""
    while url:
        last = url[-1]
        if last in ".,;:!?'*_~" or (last in ")]" and url.count(last) > url.count("(" if last == ")" else "[")):
            url = url[:-1]
        else:
            break
    return url


def rich(part: Formatted) -> tuple[Json, ...]:
    """Return `part` as blocks: rich text, and dividers where it has rules."""
    writer = _Writer(part)
    for start, end in pairwise(_edges(part, ("pre", "blockquote"))):
        code = next((s for s in part.spans if s.kind == "pre" and s.start <= start < s.end), None)
        quoted = any(s.kind == "blockquote" and s.start <= start < s.end for s in part.spans)
        if code:
            writer.code(start, end, code.value, quoted)
        else:
            writer.lines(start, end, quoted)
    writer.close()
    return tuple(writer.blocks)


def _edges(part: Formatted, kinds: tuple[str, ...]) -> list[int]:
    places = {0, len(part.text)}
    for span in part.spans:
        if span.kind in kinds:
            places |= {span.start, span.end}
    return sorted(places)


@dataclass(frozen=True, slots=True)
class _Run:
    """A stretch of text that is formatted in one way."""

    start: int
    end: int
    style: Json
    url: str


def _runs(part: Formatted) -> Iterator[_Run]:
    spans = iter([span for span in part.spans if span.kind in _STYLES or span.kind == "text_link"])
    following, active = next(spans, None), list[Span]()
    for start, end in pairwise(_edges(part, (*_STYLES, "text_link"))):
        active = [span for span in active if span.end > start]
        while following is not None and following.start <= start:
            active.append(following)
            following = next(spans, None)
        style: Json = {_STYLES[span.kind]: True for span in active if span.kind in _STYLES}
        url = next((span.value for span in active if span.kind == "text_link"), "")
        yield _Run(start, end, style, url)


class _Writer:
    """Writes a text line by line, and gathers lines into sections, quotes and lists."""

    def __init__(self, part: Formatted) -> None:
        self.blocks: list[Json] = []
        self._text = part.text
        self._runs = list(_runs(part))
        self._elements: list[Json] = []
        self._inside: list[Json] = []
        self._last = ("", False)
        self._indent = ""
        self._next_number = 0
        self._blank_lines = 0

    def close(self) -> None:
        """End the rich text block."""
        if self._elements:
            self.blocks.append({"type": "rich_text", "elements": self._elements})
        self._elements, self._last = [], ("", False)

    def code(self, start: int, end: int, language: str, quoted: bool) -> None:
        """Write a code block."""
        words: Json = {"type": "text", "text": self._text[start:end]}
        element: Json = {"type": "rich_text_preformatted", "elements": [words]}
        if language.lower() in _LANGUAGES:
            element["language"] = _LANGUAGES[language.lower()]
        self._new(element, "code", quoted)
        self._blank_lines = 0

    def lines(self, start: int, end: int, quoted: bool) -> None:
        """Write text that holds no code block and is quoted as a whole or not at all."""
        if start and self._text[start] == "\n":
            self._blank_lines -= 1  # the end of the last block's line
        for line in self._text[start:end].split("\n"):
            if line.strip():
                self._line(line, start, quoted)
                self._blank_lines = 0
            elif start + len(line) < end:
                self._blank_lines += 1
            start += len(line) + 1

    def _line(self, line: str, start: int, quoted: bool) -> None:
        end = start + len(line)
        if line == _RULE and not quoted:
            self.close()
            self.blocks.append({"type": "divider"})
        elif match := _ITEM.match(line):
            self._item(match, quoted)
            self._words(start + match.end(), end)
        elif self._last == ("list", quoted) and line.startswith(self._indent):
            self._write("\n" * (1 + self._blank_lines))
            self._words(start + len(self._indent), end)
        else:
            self._paragraph("quote" if quoted else "section", quoted)
            self._words(start, end)

    def _paragraph(self, kind: str, quoted: bool) -> None:
        """Begin a line of running text."""
        if self._last == (kind, quoted):
            self._write("\n" * (1 + self._blank_lines))
            return
        after, inside = self._last[0], list[Json]()
        if quoted:
            self._space()
        self._new({"type": f"rich_text_{kind}", "elements": inside}, kind, quoted)
        self._inside = inside
        if self._blank_lines and after in ("list", "quote"):
            self._write("\n")

    def _item(self, match: re.Match[str], quoted: bool) -> None:
        """Begin an item of the list that is being written, or of a new one."""
        level, number = min(len(match[1]) // 2, _DEEPEST), int(match[2] or 0)
        style, inside = "ordered" if number else "bullet", list[Json]()
        section: Json = {"type": "rich_text_section", "elements": inside}
        head: Json = {"type": "rich_text_list", "style": style}
        if level:
            head["indent"] = level
        open_list = self._elements[-1] if self._last == ("list", quoted) else {}
        same = open_list.get("style") == style and open_list.get("indent", 0) == level
        if same and number in (0, self._next_number) and isinstance(items := open_list["elements"], list):
            items.append(section)
        else:
            self._space()
            if number > 1:
                head["offset"] = number - 1
            self._new(head | {"elements": [section]}, "list", quoted)
        self._indent = " " * (len(match[1]) + 2)
        self._next_number, self._inside = number + 1, inside

    def _space(self) -> None:
        """Keep the blank line after a section: what follows begins on its own line anyway."""
        if self._blank_lines and self._last == ("section", False):
            self._write("\n")

    def _new(self, element: Json, kind: str, quoted: bool) -> None:
        if quoted and kind != "quote":
            element["border"] = 1
        self._elements.append(element)
        self._last = (kind, quoted)

    def _words(self, start: int, end: int) -> None:
        index = bisect_right(self._runs, start, key=lambda run: run.start) - 1
        while index < len(self._runs) and (run := self._runs[index]).start < end:
            self._write(self._text[max(run.start, start) : min(run.end, end)], run.style, run.url)
            index += 1

    def _write(self, text: str, style: Json | None = None, url: str = "") -> None:
        last = self._inside[-1] if self._inside else {}
        if not style and not url and last.keys() == {"type", "text"}:
            last["text"] = f"{last['text']}{text}"
            return
        element: Json = {"type": "link", "url": url.translate(_QUOTED)} if url else {"type": "text"}
        element["text"] = text
        if style:
            element["style"] = dict(style)
        self._inside.append(element)

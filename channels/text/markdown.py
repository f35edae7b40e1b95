"""Markdown to text with formatting: every character that a person was meant to read is there, HTML tags included."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import pyromark

from channels.text.page import Page
from channels.text.plain import clean, host, visible
from channels.text.source import OPTIONS, is_formula, prepared
from channels.text.spans import Formatted
from channels.text.tables import aligned

_BULLET, _OPEN_TASK, _DONE_TASK, _RULE, _INNER_QUOTE = "• ", "☐ ", "☑ ", "————————", "│ "
_STYLES = {"Emphasis": "italic", "Strong": "bold", "Strikethrough": "strikethrough"}
_LINE_BREAK_TAG = re.compile(r"</?br\s*/?>", re.I)
_LANGUAGE = re.compile(r"[\w+#.-]{1,32}")
_OPEN_URL = re.compile(rb"https?://[^\s<>()\[\]]*$")
_LOOK_BACK = 2048

Event = tuple[str | Mapping[str, Any], Mapping[str, int]]


def read(markdown: str, accepted: Callable[[str], bool], *, growing: bool = False) -> Formatted:
    """Return `markdown` as text and spans.

    Args:
        accepted: whether the channel takes a URL for a link; one that it refuses is written out beside its label.
        growing: the text is still being written, and may end in the middle of anything.
    """
    source = prepared(clean(markdown), math=True, growing=growing)
    reader = _Reader(source.encode(), accepted)
    reader.read(cast(Iterable[Event], pyromark.events_with_range(source, options=OPTIONS)))
    return reader.page.formatted()


class _Reader:
    """Follows the parser's events, in which every start has its end."""

    def __init__(self, source: bytes, accepted: Callable[[str], bool]) -> None:
        self.page = Page()
        self._source = source
        self._accepted = accepted
        self._open: list[tuple[str, int, str]] = []
        self._lists: list[int | None] = []
        self._quotes: list[int] = []
        self._caught: list[list[str]] = []
        self._code: tuple[str, list[str]] | None = None
        self._marker = 0
        self._rows: list[list[str]] = []
        self._sides: tuple[str, ...] = ()
        self._table_links: list[tuple[str, str]] = []

    def read(self, events: Iterable[Event]) -> None:
        for event, place in events:
            if isinstance(event, str):
                self._mark(event, place)
                continue
            (kind, value), *_ = event.items()
            if kind in ("Start", "End"):
                name, data = (value, None) if isinstance(value, str) else next(iter(value.items()))
                (self._start if kind == "Start" else self._end)(name, data, place)
            else:
                self._inline(kind, value, place)

    def _mark(self, event: str, place: Mapping[str, int]) -> None:
        if event == "Rule":
            self.page.block(self._gap(place))
            self.page.write(_RULE)
            self.page.ended()
        else:
            self._text("\n" if event == "HardBreak" or not self._caught else " ")

    def _inline(self, kind: str, value: Any, place: Mapping[str, int]) -> None:
        match kind:
            case "Text":
                self._text(value)
            case "Code":
                self._code_text(value)
            case "InlineMath" | "DisplayMath":
                self._formula(value, place, block=kind == "DisplayMath")
            case "InlineHtml":
                self._text("\n" if _LINE_BREAK_TAG.fullmatch(value) else value)
            case "Html":
                self._html_line(value)
            case "FootnoteReference":
                self._text(f"[{value}]")
            case "TaskListMarker":
                self.page.take_back(self._marker)
                self.page.write(_DONE_TASK if value else _OPEN_TASK)
                self.page.join("marker")

    def _start(self, name: str, data: Any, place: Mapping[str, int]) -> None:
        match name:
            case "Paragraph" | "HtmlBlock":
                self.page.block(self._gap(place))
            case "Heading":
                self.page.block(self._gap(place))
                self._push("bold")
            case "Emphasis" | "Strong" | "Strikethrough":
                self._push("" if (mark := self._literal(name, place)) else _STYLES[name], mark)
                self._text(mark)
            case "CodeBlock":
                self.page.block(self._gap(place), own_line=True)
                self._code = (_language(data), [])
            case "BlockQuote":
                self._start_quote(place)
            case "List":
                self._lists.append(data)
            case "Item":
                self._start_item(place)
            case "FootnoteDefinition":
                self.page.block(self._gap(place))
                self.page.write(f"[{data}] ")
                self.page.join("marker")
            case "Link":
                self._push("text_link", data["dest_url"])
            case "Image":
                self._open.append(("image", 0, data["dest_url"]))
                self._caught.append([])
            case "Table":
                self.page.block(self._gap(place), own_line=True)
                self._rows, self._sides, self._table_links = [], data, []
            case "TableHead" | "TableRow":
                self._rows.append([])
            case "TableCell":
                self._caught.append([])

    def _end(self, name: str, data: Any, place: Mapping[str, int]) -> None:
        match name:
            case "Paragraph" | "HtmlBlock" | "FootnoteDefinition":
                self.page.ended()
            case "Emphasis" | "Strong" | "Strikethrough":
                kind, start, mark = self._open.pop()
                self._text(mark)
                self._close(kind, start)
            case "Heading":
                kind, start, _ = self._open.pop()
                self._close(kind, start)
                self.page.ended()
            case "CodeBlock" if self._code:
                language, parts = self._code
                self._code = None
                self.page.code("".join(parts), "pre", language)
                self.page.ended()
            case "BlockQuote":
                self._end_quote()
            case "List":
                self._lists.pop()
                self.page.ended()
            case "Item":
                self.page.indents.pop()
                self.page.ended()
            case "Link":
                self._end_link()
            case "Image":
                self._end_image()
            case "TableCell":
                self._rows[-1].append("".join(self._caught.pop()).strip())
            case "Table":
                self._end_table()

    # Text, wherever it goes: a code block, a table's cell or an image's description, or the page.

    def _text(self, text: str) -> None:
        if self._code:
            self._code[1].append(text)
        elif self._caught:
            self._caught[-1].append(clean(text))
        else:
            self.page.write(text)

    def _code_text(self, text: str) -> None:
        if self._caught:
            self._text(text)
        else:
            self.page.code(text, "code")

    def _html_line(self, line: str) -> None:
        self.page.write(line.rstrip("\n"))
        self.page.ended()
        if not line.strip():
            self.page.block(2)

    def _formula(self, formula: str, place: Mapping[str, int], *, block: bool) -> None:
        after = self._source[place["end"] : place["end"] + 1]
        if not is_formula(formula) or (not block and after.isalnum()):
            self._text(self._source[place["start"] : place["end"]].decode())
        elif block and not self._caught:
            self.page.block(1, own_line=True)
            self.page.code(_unicode(formula), "pre")
            self.page.ended()
        else:
            self._code_text(_unicode(formula))

    def _push(self, kind: str, value: str = "") -> None:
        if not self._caught:
            self.page.flush()
        self._open.append((kind, len(self._caught[-1]) if self._caught else self.page.place, value))

    def _close(self, kind: str, start: int, value: str = "") -> None:
        if kind and not self._caught:
            self.page.span(start, kind, value)

    def _literal(self, name: str, place: Mapping[str, int]) -> str:
        """Return the delimiter if it is meant as text: `2*3*4`, `~5`, an underscore in a URL; else nothing."""
        start, end = place["start"], place["end"]
        mark = self._source[start : start + 1].decode("ascii")
        if name == "Strikethrough":
            return "" if self._source[start + 1 : start + 2] == b"~" else mark
        size = 2 if name == "Strong" else 1
        before, after = self._source[max(start - 1, 0) : start], self._source[end : end + 1]
        if name == "Strong":
            literal = before.isdigit() and self._source[start + size : start + size + 1].isdigit()
        else:
            literal = before.isalnum() and after.isalnum()
        literal = literal or bool(_OPEN_URL.search(self._source[max(start - _LOOK_BACK, 0) : start]))
        return mark * size if literal else ""

    # Lists and quotes.

    def _start_item(self, place: Mapping[str, int]) -> None:
        self.page.block(self._gap(place))
        number = self._lists[-1]
        self.page.flush()
        self._marker = self.page.place
        self.page.write(_BULLET if number is None else f"{number}. ")
        if number is not None:
            self._lists[-1] = number + 1
        self.page.indents.append("  ")
        self.page.join("marker")

    def _start_quote(self, place: Mapping[str, int]) -> None:
        self.page.block(self._gap(place), own_line=True)
        if self._quotes:
            self.page.indents.append(_INNER_QUOTE)
        self.page.flush()
        self._quotes.append(self.page.place)
        self.page.join("line")

    def _end_quote(self) -> None:
        start = self._quotes.pop()
        if self._quotes:
            self.page.indents.pop()
        else:
            self.page.span(start, "blockquote")
        self.page.ended()

    # Links, images, tables.

    def _end_link(self) -> None:
        kind, start, url = self._open.pop()
        url = clean(url)
        label = "".join(self._caught[-1][start:]) if self._caught else self.page.since(start)
        if self._accepted(url):
            if not visible(label):
                self._text(url)
            self._close(kind, start, url)
            if self._caught and label != url:
                self._table_links.append((label.strip() or url, url))
        elif url and not url.startswith(("#", "data:")) and url not in (label, f"mailto:{label}"):
            self._text(f" ({url})")

    def _end_image(self) -> None:
        *_, url = self._open.pop()
        label = "".join(self._caught.pop()).strip() or "image"
        if any(kind == "text_link" for kind, *_ in self._open) or not self._accepted(url := clean(url)):
            self._text(label)
            return
        label = f"{label} ({host(url)})"
        start = 0 if self._caught else self._flushed()
        self._text(label)
        self._close("text_link", start, url)
        if self._caught:
            self._table_links.append((label, url))

    def _flushed(self) -> int:
        self.page.flush()
        return self.page.place

    def _end_table(self) -> None:
        self.page.code(aligned(self._rows, self._sides), "pre")
        self.page.ended()
        for label, url in self._table_links:
            start = self._flushed()
            self.page.write(label)
            self._close("text_link", start, url)
            self.page.ended()

    def _gap(self, place: Mapping[str, int]) -> int:
        """Return 2 if a blank line stands before `place` in the source, else 1."""
        end = self._source.rfind(b"\n", 0, place["start"])
        if end < 0:
            return 1
        line = self._source[self._source.rfind(b"\n", 0, end) + 1 : end]
        return 1 if line.strip(b" \t>") else 2


def _language(kind: Any) -> str:
    words = clean(kind["Fenced"]).split() if isinstance(kind, dict) else []
    found = _LANGUAGE.match(words[0].lstrip("{.").split(",")[0]) if words else None
    return found[0] if found else ""


def _unicode(formula: str) -> str:
    """Return a LaTeX formula as Unicode text."""
    if "\\" not in formula:
        return formula.strip()
    from telegramify_markdown import RenderConfig, convert

    text, _ = convert(f"$${formula}$$", config=RenderConfig.isolated())
    return text.strip() or formula

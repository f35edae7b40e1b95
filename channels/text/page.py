"""The growing text of a message: line breaks are written when something follows them, so none is left at an end."""

from channels.text.plain import clean
from channels.text.spans import Formatted, Span, formatted

_TAB = "    "


class Page:
    """Text as it is written, with its open and closed spans.

    `open` positions a span at the text that comes next; list items and inner quotes indent the lines they own.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._gap = 0
        self._spans: list[Span] = []
        self._joined = ""
        self.indents: list[str] = []

    @property
    def place(self) -> int:
        """Where the next text goes."""
        return self._length

    def block(self, gap: int, *, own_line: bool = False) -> None:
        """Begin a block `gap` lines below the last one, or right after the marker or quote that holds it."""
        if self._joined == "line" or (self._joined == "marker" and not own_line):
            return
        self._joined = ""
        self._gap = max(self._gap, gap)

    def ended(self) -> None:
        """End a block: what follows begins on a line of its own."""
        self._joined = ""
        self._gap = max(self._gap, 1)

    def flush(self) -> None:
        """Write the line breaks that are due."""
        if self._gap and self._length:
            self._add("\n" * self._gap + "".join(self.indents))
        self._gap = 0

    def join(self, after: str) -> None:
        """Let the next block stand on this line: after a list's `marker`, or at the start of a quote's `line`."""
        self._joined = after

    def write(self, text: str) -> None:
        """Write running text; its line breaks keep the indent."""
        text = clean(text).replace("\t", _TAB)
        if not text:
            return
        if self._gap:
            text = text.lstrip(" ")
        self.flush()
        if self.indents and "\n" in text:
            text = text.replace("\n", "\n" + "".join(self.indents))
        self._joined = ""
        self._add(text)

    def code(self, text: str, kind: str, language: str = "") -> None:
        """Write code as it is: `kind` is `code` in a line, `pre` for a block."""
        text = clean(text).replace("\t", _TAB)
        if kind == "pre":
            text = text.rstrip("\n")
            if not text.strip():
                return
            indents, self.indents = self.indents, []
            self.flush()
            self.indents = indents
        self.flush()
        self._joined = ""
        start = self._length
        self._add(text)
        self.span(start, kind, language)

    def span(self, start: int, kind: str, value: str = "") -> None:
        """Format what was written since `start`."""
        if self._length > start:
            self._spans.append(Span(start, self._length, kind, value))

    def since(self, start: int) -> str:
        """Return what was written since `start`."""
        parts, length = [], self._length
        for part in reversed(self._parts):
            if length <= start:
                break
            parts.append(part)
            length -= len(part)
        return "".join(reversed(parts))[max(start - length, 0) :]

    def take_back(self, start: int) -> None:
        """Remove what was written since `start`, a place between two writes."""
        while self._length > start:
            self._length -= len(self._parts.pop())

    def formatted(self) -> Formatted:
        """Return the whole text with its spans."""
        return formatted("".join(self._parts), self._spans)

    def _add(self, text: str) -> None:
        if text:
            self._parts.append(text)
            self._length += len(text)

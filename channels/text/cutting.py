"""Cut a formatted text into messages: at a paragraph, a line, a sentence, a word, and never inside a grapheme."""

import re
from bisect import bisect_left
from collections.abc import Iterator

from channels.text.plain import boundary_before, is_boundary, reach, utf16_len, visible
from channels.text.spans import BLOCKS, Formatted, Span

_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?:[.!?…]['\"”’)\]]?(?=\s)|[。！？])")
_BREAKS = (re.compile(r"\n[^\S\n]*(?=\n)"), re.compile(r"\n"), _SENTENCE, re.compile(r"\s"))
_CODE_BREAKS = (re.compile(r"\n[^\S\n]*\n(?=\S)"), re.compile(r"\n(?=\S)"), re.compile(r"\n"))


def cut(whole: Formatted, limit: int, most_spans: int) -> Iterator[Formatted]:
    """Yield parts of at most `limit` UTF-16 code units and, where a cut can help, `most_spans` spans.

    Only white space at a cut is left out. Spans that cross a cut go on in the next part. No part is blank.
    """
    cutter = _Cutter(whole, limit, most_spans)
    start = 0
    while (start := cutter.begin(start)) < len(whole.text):
        end = cutter.end(start)
        part = whole.text[start:end].rstrip()
        if visible(part):
            yield Formatted(part, cutter.spans(start, start + len(part)))
        start = end


class _Cutter:
    def __init__(self, whole: Formatted, limit: int, most_spans: int) -> None:
        self._text, self._all = whole.text, whole.spans
        self._limit, self._most = limit, most_spans
        self._code = [span for span in whole.spans if span.kind == "pre"]
        self._links = [span for span in whole.spans if span.kind == "text_link"]

    def begin(self, place: int) -> int:
        """Return where the next part begins: white space is skipped, but not the indent of a code's first line."""
        code = _around(self._code, place, at_start=True)
        while code is None and (match := _SPACE.match(self._text, place)):
            inside = next((span for span in self._code if place < span.start <= match.end()), None)
            if inside is None:
                return match.end()
            place, code = inside.start, inside
        match = _BLANK_LINES.match(self._text, place)
        return match.end() if match else place

    def spans(self, start: int, end: int) -> tuple[Span, ...]:
        """Return the spans of `text[start:end]`, counted from `start`."""
        found = []
        for span in self._all:
            if span.start >= end:
                break
            if span.end > start:
                part = span.clipped(start, end)
                inside = self._text[part.start : part.end]
                lead = 0 if span.kind in BLOCKS else len(inside) - len(inside.lstrip())
                if visible(inside):
                    finish = part.start + len(inside.rstrip())
                    found.append(Span(part.start + lead - start, finish - start, span.kind, span.value))
        return tuple(found)

    def end(self, start: int) -> int:
        """Return where the part that begins at `start` ends."""
        far = min(reach(self._text, start, self._limit), self._crowded(start))
        if far <= start:
            far = start + 1
        if far >= len(self._text):
            return len(self._text)
        early = start + (far - start) // 2
        if code := _around(self._code, far):
            size = utf16_len(self._text[code.start : code.end])
            if code.start > start + (far - start) // 4 and size <= self._limit:
                return code.start
            place = self._break(_CODE_BREAKS, max(early, code.start), far)
        else:
            place = self._break(_BREAKS, early, far) or self._before_word(start, far)
        return boundary_before(self._text, start, far) if place is None else place

    def _crowded(self, start: int) -> int:
        """Return where the first span begins that would be one too many, as long as that leaves a worthwhile part."""
        count = 0
        for span in self._all:
            count += span.end > start
            if count > self._most:
                return span.start if span.start > start + self._limit // 64 else len(self._text)
        return len(self._text)

    def _break(self, kinds: tuple[re.Pattern[str], ...], early: int, far: int) -> int | None:
        """Return the last good place in `(early, far]`, the best kind first."""
        for kind in kinds:
            matches = list(kind.finditer(self._text, early, min(far + 2, len(self._text))))
            for match in reversed(matches):
                place = match.end() if kind is _SENTENCE else match.start()
                if early < place <= far and self._good(place, in_code=kinds is _CODE_BREAKS):
                    return place
        return None

    def _before_word(self, start: int, far: int) -> int | None:
        """Return where the word or link that a cut at `far` divides begins, if it fits a message of its own."""
        if link := _around(self._links, far):
            place, end = link.start, link.end
        else:
            words = (match.end() for match in _SPACE.finditer(self._text, start, far))
            place = max((word for word in words if is_boundary(self._text, word)), default=start)
            following = _SPACE.search(self._text, far)
            end = following.start() if following else len(self._text)
        fits = end - place <= self._limit and utf16_len(self._text[place:end]) <= self._limit
        return place if start < place and fits and self._good(place, in_code=False) else None

    def _good(self, place: int, *, in_code: bool) -> bool:
        if not in_code and (_around(self._code, place) or _around(self._links, place)):
            return False
        match = _SPACE.match(self._text, place)
        return is_boundary(self._text, place) and is_boundary(self._text, match.end() if match else place)


def _around(spans: list[Span], place: int, *, at_start: bool = False) -> Span | None:
    """Return the one of `spans`, which do not overlap, that a cut at `place` would divide."""
    index = bisect_left(spans, place + at_start, key=lambda span: span.start) - 1
    return spans[index] if index >= 0 and spans[index].end > place else None

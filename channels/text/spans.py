"""Text with formatting, before it is cut: spans nest properly, and hold only what Telegram accepts inside another.

Rules: https://core.telegram.org/bots/api#messageentity ("Entities can be nested"), and TDLib's `MessageEntity.cpp`:
of two entities that may not nest it drops one, so the choice is made here instead.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from channels.text.plain import visible

BLOCKS = ("blockquote", "pre")
_STYLES = ("bold", "italic", "strikethrough")


@dataclass(frozen=True, slots=True)
class Span:
    """Formatting of `text[start:end]`.

    Args:
        kind: a MessageEntity's type.
        value: a link's URL, a code block's language.
    """

    start: int
    end: int
    kind: str
    value: str = ""

    def clipped(self, start: int, end: int) -> "Span":
        """Return the part of it between `start` and `end`."""
        return Span(max(self.start, start), min(self.end, end), self.kind, self.value)


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text and its spans, in order of their start, the outer one first."""

    text: str
    spans: tuple[Span, ...] = ()


def formatted(text: str, spans: Iterable[Span]) -> Formatted:
    """Return `text` with `spans` made legal: links win over code in them, code over style around it."""
    found = list(spans)
    links = sorted((span for span in found if span.kind == "text_link"), key=_order)
    codes = sorted((span for span in found if span.kind in ("code", "pre") and not _held(span, links)), key=_order)
    kept = [*links, *codes, *(span for span in found if span.kind == "blockquote")]
    for kind in _STYLES:
        for span in _merged(span for span in found if span.kind == kind):
            kept += _outside(span, codes)
    trimmed = (_trimmed(text, span) for span in kept)
    return Formatted(text, tuple(sorted((span for span in trimmed if span), key=_order)))


def _order(span: Span) -> tuple[int, int, bool]:
    return span.start, -span.end, span.kind != "blockquote"


def _held(inner: Span, spans: Sequence[Span]) -> bool:
    """Tell whether one of `spans`, which are in order and do not overlap, holds `inner`."""
    index = bisect_right(spans, inner.start, key=lambda span: span.start) - 1
    return index >= 0 and inner.end <= spans[index].end


def _merged(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield spans of one kind, those inside others left out."""
    end = 0
    for span in sorted(spans, key=_order):
        if span.end > end:
            yield span
            end = span.end


def _outside(span: Span, codes: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of `span` that are outside of `codes`, which are in order and do not overlap."""
    start = span.start
    for index in range(bisect_right(codes, start, key=lambda code: code.end), len(codes)):
        code = codes[index]
        if code.start >= span.end:
            break
        if code.start > start:
            yield Span(start, code.start, span.kind)
        start = code.end
    if start < span.end:
        yield Span(start, span.end, span.kind)


def _trimmed(text: str, span: Span) -> Span | None:
    """Return `span` without white space at its edges (a block keeps its first line's indent), None if empty."""
    inside = text[span.start : span.end]
    if not visible(inside):
        return None
    end = span.start + len(inside.rstrip())
    lead = inside[: len(inside) - len(inside.lstrip())]
    skipped = lead.rfind("\n") + 1 if span.kind in BLOCKS else len(lead)
    return Span(span.start + skipped, end, span.kind, span.value)

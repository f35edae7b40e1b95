"""A reply as Slack messages: rich text, header, fields, table and buttons as blocks, each message within its limits.

A message may have 50 blocks and some 12,000 characters in all. Slack adds something for every block, does not say how
much, and refuses at about 13,200 (https://github.com/slackapi/bolt-js/issues/2509 and /2867). So a block is counted as
its JSON, `& < >` as long as Slack's escapes, and an allowance, which is more than Slack was seen to count.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, takewhile

from channels.text.cutting import cut
from channels.text.markdown import read
from channels.text.plain import clean, utf16_len, visible
from channels.text.slack_forms import answers, errors, modal, plain_text
from channels.text.slack_rich import Json, accepted, linked, rich
from channels.text.slack_words import escaped, fallback, shortened, to_plain
from channels.text.spans import Formatted, Span
from channels.text.tables import aligned
from core.envelopes import Body, Button, Piece, Table

__all__ = ["actions", "answers", "errors", "modal", "render", "to_plain"]

MOST_BLOCKS = 50
_MOST_CONTENT_BLOCKS = 40
_MOST_IN_PART = 11_000
_MOST_IN_CONTENT = 11_800
_MOST_IN_MESSAGE = 12_800
_PER_BLOCK, _PER_SPAN, _PER_ITEM = 100, 75, 70
_LENGTHS = (9000, 6800, 5100, 3800, 2900, 2200, 1600, 1200, 900, 500, 250, 125, 64, 32)
_LONGEST_HEADER = 150
_LONGEST_FIELD = 2000
_MOST_FIELDS = 10
_MOST_ELEMENTS = 25
_MOST_BUTTON_ROWS = 8
_MOST_ROWS, _MOST_COLUMNS, _MOST_IN_TABLE = 100, 20, 10_000
_NOTHING_VISIBLE = "The answer has nothing in it that can be shown."
_MARKUP = re.compile(r"[*~`\n]|(?<!\w)_|:[\w+'-]+:|^\s*[>•]")


@dataclass(frozen=True, slots=True)
class _Unit:
    """Blocks that stay in one message, and what they say.

    Args:
        goes_on: it goes on in the middle of what the unit before it said, so it begins a message.
    """

    text: str
    blocks: tuple[Json, ...]
    goes_on: bool = False


def render(body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
    """Return `body` as messages; at least one. The buttons stand under the last text, files come after it.

    A piece's text is for notifications: escaped, shortened to about 3,000 characters, and it mentions nobody as long as
    it is sent without `link_names` and `parse`.

    Args:
        growing: the text is still being written: what is open at its end is shown as if it were closed, and there are
            neither buttons nor files.
    """
    pieces = [_piece(units) for units in _packed(_units(body, growing))]
    if not growing:
        pieces = _with_buttons(pieces, body.buttons)
        pieces += [Piece("", file=file) for file in body.files]
    return tuple(pieces) or (_piece(list(_parts(Formatted("…" if growing else _NOTHING_VISIBLE)))),)


def actions(buttons: Sequence[Sequence[Button]], more: Sequence[Json] = ()) -> tuple[Json, ...]:
    """Return rows of buttons as actions blocks: a row each, or filled up where there are many rows.

    Args:
        more: the channel's own elements, which stand after them.
    """
    rows = [[_button(button) for button in row] for row in buttons]
    if len(rows) > _MOST_BUTTON_ROWS:
        rows = [list(chain.from_iterable(rows))]
    rows.append([dict(element) for element in more])
    numbers = count()
    for element in chain.from_iterable(rows):
        element.setdefault("action_id", f"b{next(numbers)}")
    starts = ((row, start) for row in rows for start in range(0, len(row), _MOST_ELEMENTS))
    return tuple({"type": "actions", "elements": row[start : start + _MOST_ELEMENTS]} for row, start in starts)


def _button(button: Button) -> Json:
    label = shortened(button.label, 75) or shortened(button.command, 75)
    return {"type": "button", "text": plain_text(label), "value": button.command}


def _with_buttons(pieces: list[Piece], rows: Iterable[Sequence[Button]]) -> list[Piece]:
    """Return `pieces` with buttons under the last one; those that it has no room for get messages of their own."""
    for row in rows:
        for start in range(0, len(row), _MOST_ELEMENTS):
            some = tuple(row[start : start + _MOST_ELEMENTS])
            grown = replace(pieces[-1], buttons=(*pieces[-1].buttons, some)) if pieces else Piece("", (), (some,))
            if pieces and _fits((*grown.format, *actions(grown.buttons)), _MOST_IN_MESSAGE, MOST_BLOCKS):
                pieces[-1] = grown
            else:
                pieces.append(Piece(fallback(", ".join(button.label for button in some)) or "…", (), (some,)))
    return pieces


def _piece(units: Sequence[_Unit]) -> Piece:
    text = fallback("\n\n".join(unit.text for unit in units)) or "…"
    return Piece(text, tuple(block for unit in units for block in unit.blocks))


def _packed(units: Iterable[_Unit]) -> Iterator[list[_Unit]]:
    """Yield `units` by message, as many in each as fit."""
    together: list[_Unit] = []
    for unit in units:
        blocks = [block for each in (*together, unit) for block in each.blocks]
        if together and (unit.goes_on or not _fits(blocks, _MOST_IN_CONTENT, _MOST_CONTENT_BLOCKS)):
            yield together
            together = []
        together.append(unit)
    if together:
        yield together


def _fits(blocks: Sequence[Json], most: int, most_blocks: int) -> bool:
    return len(blocks) <= most_blocks and sum(map(_cost, blocks)) <= most


def _cost(block: Json) -> int:
    """Return at least what Slack counts for `block`. Of a table only the cells' text counts."""
    rows = block.get("rows")
    if isinstance(rows, list):
        words = "  ".join(cell["text"] for row in rows for cell in row)
    else:
        words = json.dumps(block, ensure_ascii=False, separators=(",", ":"))
    return _PER_BLOCK + utf16_len(escaped(words))


def _units(body: Body, growing: bool) -> Iterator[_Unit]:
    title = " ".join(clean(body.title).split())
    if visible(title):
        if utf16_len(title) <= _LONGEST_HEADER:
            yield _Unit(title, ({"type": "header", "text": plain_text(title)},))
        else:
            yield from _parts(Formatted(title, (Span(0, len(title), "bold"),)))
    yield from _parts(_formatted(body.text, growing))
    if body.fields:
        yield from _fields([(clean(label).strip(), _formatted(value, growing)) for label, value in body.fields])
    if body.table is not None and body.table.header:
        yield from _table(body.table)
    if body.progress is not None:
        yield from _parts(Formatted(clean(Body("", progress=body.progress).markdown())))


def _formatted(markdown: str, growing: bool) -> Formatted:
    """Return the text and its spans; the source as it is if there is nothing else to see, or a parser stumbles."""
    source = clean(markdown)
    if not visible(source):
        return Formatted("")
    try:
        found = read(source, accepted, growing=growing)
    except Exception:  # noqa: BLE001 - a parser's fault must not cost a person the answer
        found = Formatted(source)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what a parser written in Rust raises; it has no other name
            raise
        found = Formatted(source)
    return linked(found if visible(found.text) else Formatted(source))


def _parts(whole: Formatted) -> Iterator[_Unit]:
    """Yield `whole` in parts that fit a message.

    A part has the greatest of some fixed lengths that fits, so the parts of a growing text stay as they are once they
    are full.
    """
    goes_on = False
    while unit := _first(whole):
        yield replace(unit, goes_on=goes_on)
        goes_on = True
        place = whole.text.index(unit.text) + len(unit.text)
        rest = (span.clipped(place, len(whole.text)) for span in whole.spans if span.end > place)
        spans = (Span(span.start - place, span.end - place, span.kind, span.value) for span in rest)
        whole = Formatted(whole.text[place:], tuple(spans))


def _first(whole: Formatted) -> _Unit | None:
    """Return the part that `whole` begins with, None if nothing is to be seen in it."""
    for length in _LENGTHS:
        if length > _LENGTHS[-1] and _estimated(whole, length) > _MOST_IN_PART:
            continue
        if (part := next(cut(whole, length, len(whole.spans)), None)) is None:
            return None
        blocks = rich(part)
        if _fits(blocks, _MOST_IN_PART, _MOST_CONTENT_BLOCKS):
            return _Unit(part.text, blocks)
    links = tuple(span for span in whole.spans if span.kind == "text_link")
    part = next(cut(Formatted(whole.text, links), _LENGTHS[-1], 1))
    return _Unit(part.text, rich(part))


def _estimated(whole: Formatted, length: int) -> int:
    """Return about what a part of `length` costs, but rather too little."""
    spans = list(takewhile(lambda span: span.start < length, whole.spans))
    links = sum(len(span.value) for span in spans)
    items = whole.text.count("• ", 0, length)
    return min(length, len(whole.text)) + len(spans) * _PER_SPAN + links + items * _PER_ITEM


def _fields(fields: Sequence[tuple[str, Formatted]]) -> Iterator[_Unit]:
    """Yield fields side by side, or, as soon as one is more than a few plain words, as lines of rich text."""
    columns = [_column(label, value) for label, value in fields]
    if all(columns):
        for start in range(0, len(columns), _MOST_FIELDS):
            some = slice(start, start + _MOST_FIELDS)
            text = "\n".join(f"{label}: {value.text}" for label, value in fields[some])
            yield _Unit(text, ({"type": "section", "fields": columns[some]},))
        return
    text, spans = "", list[Span]()
    for label, value in fields:
        text += "\n" * bool(text)
        spans.append(Span(len(text), len(text) + len(label), "bold"))
        text += f"{label}: "
        spans += [Span(span.start + len(text), span.end + len(text), span.kind, span.value) for span in value.spans]
        text += value.text
    yield from _parts(Formatted(text, tuple(sorted(spans, key=lambda span: (span.start, -span.end)))))


def _column(label: str, value: Formatted) -> Json | None:
    """Return a field as text in Slack's own markup; None if any of it could be taken for markup."""
    if value.spans or _MARKUP.search(label) or _MARKUP.search(value.text):
        return None
    text = f"*{escaped(label)}*\n{escaped(value.text) or '–'}" if label else escaped(value.text)
    if not text or utf16_len(text) > _LONGEST_FIELD:
        return None
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _table(table: Table) -> Iterator[_Unit]:
    """Yield a table as Slack's own, or as lines of code where it is too big for that."""
    rows = [[clean(cell) for cell in row] for row in (table.header, *table.rows)]
    cells = [[{"type": "raw_text", "text": cell if cell.strip() else " "} for cell in row] for row in rows]
    block: Json = {"type": "table", "rows": cells}
    small = len(table.header) <= _MOST_COLUMNS and len(rows) <= _MOST_ROWS
    if small and _cost(block) <= _MOST_IN_TABLE:
        yield _Unit("\n".join(" | ".join(row) for row in rows), (block,))
        return
    text = aligned(rows, ())
    yield from _parts(Formatted(text, (Span(0, len(text), "pre"),)))

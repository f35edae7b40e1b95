"""A table as text of one width: columns aligned by what a terminal or phone shows, long cells wrapped."""

from collections.abc import Sequence

import wcwidth

_NARROWEST = 8


def aligned(rows: Sequence[Sequence[str]], alignments: Sequence[str], widest: int = 76) -> str:
    """Return `rows` (the first is the head) as lines that align in a font of one width.

    Args:
        alignments: per column `Left`, `Right`, `Center` or `None`.
        widest: columns to keep within, as long as none gets narrower than 8.
    """
    count = max((len(row) for row in rows), default=0)
    grid = [[row[i] if i < len(row) else "" for i in range(count)] for row in rows]
    widths = _widths([[max(map(_width, cell.split("\n"))) for cell in row] for row in grid], widest)
    sides = [alignments[i] if i < len(alignments) else "None" for i in range(count)]
    lines: list[str] = []
    for number, row in enumerate(grid):
        cells = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        for index in range(max(map(len, cells))):
            shown = zip((cell[index : index + 1] for cell in cells), widths, sides, strict=True)
            lines.append(" | ".join(_padded(*cell) for cell in shown).rstrip())
        if not number and len(grid) > 1:
            lines.append("-+-".join("-" * width for width in widths))
    return "\n".join(lines)


def _width(text: str) -> int:
    return len(text) if text.isascii() else wcwidth.width(text)


def _widths(sizes: Sequence[Sequence[int]], widest_line: int) -> list[int]:
    widths = [max(max(column), 1) for column in zip(*sizes, strict=True)]
    excess = sum(widths) + 3 * (len(widths) - 1) - widest_line
    while excess > 0 and (widest := max(widths)) > _NARROWEST:
        second = max((width for width in widths if width < widest), default=_NARROWEST)
        alike = [i for i, width in enumerate(widths) if width == widest]
        step = min(widest - max(second, _NARROWEST), -(-excess // len(alike)))
        for i in alike:
            widths[i] -= step
        excess -= step * len(alike)
    return widths


def _wrapped(cell: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in cell.split("\n"):
        lines += [line] if _width(line) <= width else wcwidth.wrap(line, width) or [""]
    return lines


def _padded(line: Sequence[str], width: int, side: str) -> str:
    text = line[0] if line else ""
    space = max(width - _width(text), 0)
    before = {"Right": space, "Center": space // 2}.get(side, 0)
    return " " * before + text + " " * (space - before)

"""Markdown as models write it, made ready for the parser: what it would swallow or misread is spelled out first."""

import re

import pyromark

OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_MATH
    | pyromark.Options.ENABLE_FOOTNOTES
)
_BRACKET_MATH = re.compile(r"\\\[((?:(?!\n[ \t]*\n|\\\[)[^`])+?)\\\]|\\\(((?:(?!\\\()[^`\n])+?)\\\)")
_FORMULA = re.compile(r"\\[A-Za-z]+|[\^_={}+<>]")
_DEFINITION = re.compile(r"^([ >\t]{0,20}(?:[-*+][ \t]{1,4})?)(\[([^\]\[\n\\^][^\]\[\n\\]{0,199})\]:)", re.M)
_REFERENCE = re.compile(r"\[([^\]\[\n\\]{1,200})\](?![:(])")
_DELIMITERS = re.compile(r"^[ >\t]{0,20}(?:[-*+][ \t]{1,4})?\|?[ \t]*:?-+:?[ \t]*(?:\||$)", re.M)
_SPAN = re.compile(r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)")
_PIPE = re.compile(r"(?<!\\)\|")
_FENCE = re.compile(r"^[ >\t]{0,20}(`{3,}|~{3,})", re.M)


def is_formula(text: str) -> bool:
    """Tell whether what stands between dollars is a formula: it commands, compares or raises, or names a variable."""
    inside = text.strip()
    return bool(_FORMULA.search(inside)) or (len(inside) <= 2 and inside.isalpha())


def prepared(markdown: str, *, math: bool = False, growing: bool = False) -> str:
    r"""Return `markdown` with definitions that nobody refers to as plain text, and all of a table's rows in columns.

    A line such as `[INFO]: started` is a link definition to a Markdown parser, which shows nothing of it, nor of what a
    row has more than the table has columns.

    Args:
        math: rewrite `\(…\)` and `\[…\]` as formulas between dollars.
        growing: the text is still being written; bold and code that are open in the last paragraph are closed.
    """
    if growing:
        markdown = _closed(markdown)
    if "|" in markdown and _DELIMITERS.search(markdown):
        markdown = _with_whole_rows(markdown)
    math = math and ("\\(" in markdown or "\\[" in markdown)
    if not math and "]:" not in markdown:
        return markdown
    source, parts, place = markdown.encode(), [], 0
    used = {label.casefold() for label in _REFERENCE.findall(markdown)}
    for start, end in [*_code(markdown), (len(source), len(source))]:
        text = source[place:start].decode()
        if math:
            text = _BRACKET_MATH.sub(_dollars, text)
        parts += [_DEFINITION.sub(lambda match: _definition(match, used), text), source[start:end].decode()]
        place = end
    return "".join(parts)


def _with_whole_rows(markdown: str) -> str:
    source, parts, place, columns = markdown.encode(), [], 0, 0
    for event, at in pyromark.events_with_range(markdown, options=OPTIONS):
        tag = event.get("Start") if isinstance(event, dict) else None
        if isinstance(tag, dict) and "Table" in tag:
            columns = len(tag["Table"])
        elif tag == "TableRow":
            row = source[at["start"] : at["end"]].decode()
            parts += [source[place : at["start"]].decode(), _whole_row(row, columns)]
            place = at["end"]
    return "".join([*parts, source[place:].decode()])


def _whole_row(row: str, columns: int) -> str:
    """Return a row with those pipes escaped that would begin too many cells: first those in code."""
    if len(_between(row)) >= columns:
        row = _SPAN.sub(lambda code: _PIPE.sub(r"\|", code[0]), row)
    surplus = _between(row)[columns - 1 :]
    if surplus and not row[surplus[0] :].strip("| \t\r\n"):
        return row
    for pipe in reversed(surplus):
        row = f"{row[:pipe]}\\{row[pipe:]}"
    return row


def _between(row: str) -> list[int]:
    """Return where the pipes between a row's cells are."""
    pipes = [match.start() for match in _PIPE.finditer(row)]
    first = 1 if row.lstrip().startswith("|") else 0
    last = -1 if len(pipes) > first and row.rstrip().endswith("|") and not row.rstrip().endswith("\\|") else None
    return pipes[first:last]


def _code(markdown: str) -> list[tuple[int, int]]:
    """Return where code is, in bytes."""
    found = []
    for event, place in pyromark.events_with_range(markdown, options=OPTIONS):
        if isinstance(event, dict):
            tag = event.get("Start")
            if "Code" in event or (isinstance(tag, dict) and "CodeBlock" in tag):
                found.append((place["start"], place["end"]))
    return found


def _dollars(match: re.Match[str]) -> str:
    inside = (match[1] or match[2] or "").strip()
    if "$" in inside or not is_formula(inside):
        return match[0]
    return f"$${inside}$$" if match[1] else f"${inside}$"


def _definition(match: re.Match[str], used: set[str]) -> str:
    return match[0] if match[3].casefold() in used else f"{match[1]}\\{match[2]}"


def _closed(markdown: str) -> str:
    fence = ""
    for match in _FENCE.finditer(markdown):
        if not fence:
            fence = match[1]
        elif match[1].startswith(fence):
            fence = ""
    last = markdown[markdown.rfind("\n\n") + 1 :]
    if fence or "|" in last or last.endswith(("`", "*")):
        return markdown
    if last.count("`") % 2:
        return markdown + "`"
    return markdown + "**" if last.count("**") % 2 else markdown

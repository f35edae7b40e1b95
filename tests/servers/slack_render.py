"""Block Kit as a person reads it, in lines of plain text."""

from collections.abc import Sequence
from typing import Any

from tests.servers.slack_text import JSON, Names, markdown_mentions, mrkdwn, unescaped

LINE = "─" * 8


def render(blocks: Sequence[JSON], names: Names, values: dict[str, dict[str, JSON]] | None = None) -> str:
    """Return what blocks show. `values`: what was filled in, by block and action."""
    shown = [_block(block, names, values or {}) for block in blocks]
    return "\n".join(one for one in shown if one)


def text_object(value: Any, names: Names) -> str:
    """Return what a text object shows."""
    if not isinstance(value, dict):
        return ""
    text = str(value.get("text", ""))
    return mrkdwn(text, names) if value.get("type") == "mrkdwn" else unescaped(text)


def labels(blocks: Sequence[JSON]) -> list[str]:
    """Return the labels of all buttons, in order."""
    return [str(one["text"]["text"]) for _, one in elements(blocks) if one.get("type") == "button"]


def elements(blocks: Sequence[JSON]) -> list[tuple[JSON, JSON]]:
    """Return everything that a person can press, choose or fill in, each with its block."""
    found = []
    for block in blocks:
        inside = [block.get("accessory"), block.get("element")]
        if block.get("type") in ("actions", "context_actions"):
            inside += block.get("elements", ())
        found += [(block, one) for one in inside if isinstance(one, dict) and "action_id" in one]
    return found


def _block(block: JSON, names: Names, values: dict[str, dict[str, JSON]]) -> str:
    kind = block.get("type")
    if kind == "divider":
        return LINE
    if kind == "markdown":
        return markdown(str(block.get("text", "")), names)
    if kind == "table":
        return _table(block, names)
    if kind == "rich_text":
        return "\n".join(_rich(one, names) for one in block.get("elements", ()))
    if kind == "input":
        return _input(block, names, values)
    if kind == "image":
        title = text_object(block.get("title"), names)
        return f"[image {title or block.get('alt_text', '')}]"
    filled = values.get(block.get("block_id", ""), {})
    lines = [text_object(block.get("text"), names)]
    lines += [text_object(one, names) for one in block.get("fields", ())]
    inside = [_element(one, names, filled) for one in [*block.get("elements", ()), block.get("accessory")] if one]
    lines.append(" ".join(inside))
    return "\n".join(line for line in lines if line)


def _element(element: JSON, names: Names, filled: dict[str, JSON]) -> str:
    kind = element.get("type", "")
    if kind in ("mrkdwn", "plain_text"):
        return text_object(element, names)
    if kind == "image":
        return f"[image {element.get('alt_text', '')}]"
    if kind == "button":
        return f"[{text_object(element.get('text'), names)}]"
    return f"[{_value(element, filled.get(element.get('action_id', '')), names)}]"


def _value(element: JSON, filled: JSON | None, names: Names) -> str:
    """Return what a field holds: filled in, else what it began with, else its placeholder."""
    state = filled or {name.removeprefix("initial_"): value for name, value in element.items()}
    for name in ("value", "selected_date", "selected_time", "selected_user", "selected_conversation"):
        if value := state.get(name) or state.get(name.removeprefix("selected_")):
            return names.get(str(value), str(value))
    chosen = state.get("selected_option") or state.get("option")
    several = state.get("selected_options") or state.get("options" if filled else "") or element.get("initial_options")
    if chosen or several:
        return ", ".join(text_object(one.get("text"), names) for one in ([chosen] if chosen else several or []))
    placeholder = text_object(element.get("placeholder"), names)
    return f"{placeholder or element.get('type', '')}…"


def _input(block: JSON, names: Names, values: dict[str, dict[str, JSON]]) -> str:
    element = block.get("element", {})
    label = text_object(block.get("label"), names)
    need = " (optional)" if block.get("optional") else ""
    value = _value(element, values.get(block.get("block_id", ""), {}).get(element.get("action_id", "")), names)
    hint = text_object(block.get("hint"), names)
    options = [text_object(one.get("text"), names) for one in element.get("options", ())]
    lines = [f"{label}{need}: [{value}]"]
    if options:
        lines.append("    one of: " + " | ".join(options))
    return "\n".join([*lines, *([f"    {hint}"] if hint else [])])


def _table(block: JSON, names: Names) -> str:
    rows = [[_cell(cell, names) for cell in row] for row in block.get("rows", ())]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(cell: JSON, names: Names) -> str:
    if cell.get("type") == "rich_text":
        return " ".join(_rich(one, names) for one in cell.get("elements", ()))
    return unescaped(str(cell.get("text", "")))


def _rich(element: JSON, names: Names) -> str:
    """Return what a part of a rich text shows."""
    inside = element.get("elements", ())
    match element.get("type"):
        case "text":
            return str(element.get("text", ""))
        case "link":
            url, text = str(element.get("url", "")), str(element.get("text", ""))
            return f"{text} ({url})" if text and text != url else url
        case "user":
            return "@" + names.get(str(element.get("user_id")), str(element.get("user_id")))
        case "channel":
            return "#" + names.get(str(element.get("channel_id")), str(element.get("channel_id")))
        case "broadcast":
            return "@" + str(element.get("range"))
        case "emoji":
            return f":{element.get('name')}:"
        case "date":
            return str(element.get("fallback", ""))
        case "rich_text_list":
            indent, ordered = "    " * int(element.get("indent", 0)), element.get("style") == "ordered"
            first = int(element.get("offset", 0)) + 1
            marks = [f"{first + at}." if ordered else "•" for at in range(len(inside))]
            return "\n".join(f"{indent}{mark} {_rich(one, names)}" for mark, one in zip(marks, inside, strict=True))
        case "rich_text_quote":
            return "\n".join("> " + line for line in "".join(_rich(one, names) for one in inside).split("\n"))
    return "".join(_rich(one, names) for one in inside)


def markdown(text: str, names: Names) -> str:
    """Return a markdown block as a person reads it."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    shown = "\n".join(_Lines(tokens).lines).strip("\n")
    for mention in dict.fromkeys(markdown_mentions(text)):
        name = names.get(mention[1:], mention[1:].partition("^")[0])
        shown = shown.replace(f"<{mention}>", f"@{name}")
    return shown


class _Lines:
    """Turns markdown-it's tokens into lines."""

    def __init__(self, tokens: Sequence[Any]) -> None:
        self.lines: list[str] = []
        self._lists: list[int | None] = []
        self._quotes = 0
        self._mark = ""
        self._row: list[str] | None = None
        for token in tokens:
            self._take(token)

    def _take(self, token: Any) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                ordered = token.type.startswith("ordered")
                self._lists.append(int(token.attrGet("start") or 1) if ordered else None)
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                if not self._lists:
                    self._add("")
            case "list_item_open":
                number = self._lists[-1]
                self._mark = "• " if number is None else f"{number}. "
                self._lists[-1] = None if number is None else number + 1
            case "blockquote_open":
                self._quotes += 1
            case "blockquote_close":
                self._quotes -= 1
            case "inline" if self._row is not None:
                self._row.append(_inline(token.children))
            case "inline":
                self._add(_inline(token.children))
            case "paragraph_close" | "heading_close" if not self._lists:
                self._add("")
            case "fence" | "code_block":
                self._add(token.content.rstrip("\n"))
                self._add("")
            case "html_block":
                self._add(token.content.rstrip("\n"))
            case "hr":
                self._add(LINE)
            case "tr_open":
                self._row = []
            case "tr_close":
                self._add("| " + " | ".join(self._row or ()) + " |")
                self._row = None

    def _add(self, text: str) -> None:
        indent = "    " * (len(self._lists) - 1) if self._lists else ""
        for line in text.split("\n"):
            self.lines.append("> " * self._quotes + indent + self._mark + line)
            self._mark = ""


def _inline(tokens: Sequence[Any]) -> str:
    shown, links = "", list[tuple[str, int]]()
    for token in tokens:
        match token.type:
            case "text" | "code_inline" | "html_inline":
                shown += token.content
            case "softbreak" | "hardbreak":
                shown += "\n"
            case "image":
                shown += f"[image {token.content}]"
            case "link_open":
                links.append((token.attrGet("href") or "", len(shown)))
            case "link_close":
                url, start = links.pop()
                if shown[start:] != url:
                    shown += f" ({url})"
    return shown

"""Slack's mrkdwn as a person reads it, and the mentions that a message really makes.

Source: https://docs.slack.dev/messaging/formatting-message-text: `&`, `<` and `>` are control characters; everything
in angle brackets is a control sequence, whatever stands around it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

JSON = dict[str, Any]
CONTROL = re.compile(r"<([^<>\n]+)>")
MENTION = re.compile(r"@[UW][A-Z0-9]+|!(?:channel|here|everyone)\b|!subteam\^S[A-Z0-9]+")
_LINK = re.compile(r"(?:https?|mailto|tel|slack):", re.IGNORECASE)
_CODE = re.compile(r"```(?:\n)?(.*?)```|`([^`\n]+)`", re.DOTALL)
_MARKDOWN_CODE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*\s*$|\Z)|(`+)(?!`).*?(?<!`)\2(?!`)", re.M | re.S)
_MARKS = tuple(
    re.compile(rf"(?<![\w{one}]){one}(?=[^\s{one}])([^\n{one}]*?[^\s{one}]|[^\s{one}]){one}(?![\w{one}])")
    for one in (r"\*", "_", "~")
)
Names = Mapping[str, str]


def unescaped(text: str) -> str:
    """Return text without Slack's three escapes."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """Return text as Slack's clients send what a person types."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shown_control(sequence: str, names: Names) -> str:
    """Return what stands for the inside of `<…>`."""
    target, _, label = sequence.partition("|")
    if target.startswith("@"):
        return "@" + names.get(target[1:], label or target[1:])
    if target.startswith("#"):
        return "#" + names.get(target[1:], label or target[1:])
    if target.startswith("!date^"):
        return label or target
    if target.startswith("!"):
        return label or "@" + target[1:].partition("^")[0]
    if _LINK.match(target):
        address = unescaped(target.removeprefix("mailto:"))
        return f"{unescaped(label)} ({address})" if label and unescaped(label) != address else address
    return f"<{unescaped(sequence)}>"


def mrkdwn(text: str, names: Names) -> str:
    """Return mrkdwn as a person reads it: marks applied, names for ids, code without its ticks."""
    kept: list[str] = []

    def keep(shown: str) -> str:
        kept.append(shown)
        return chr(0xE000 + len(kept) - 1)

    def control(match: re.Match[str]) -> str:
        return keep(shown_control(match[1], names))

    def code(match: re.Match[str]) -> str:
        inside = match[1] if match[1] is not None else match[2]
        plain = CONTROL.sub(lambda one: shown_control(one[1], names), inside)
        return keep(unescaped(plain).strip("\n"))

    text = CONTROL.sub(control, _CODE.sub(code, text))
    for mark in _MARKS:
        text = mark.sub(r"\1", text)
    text = unescaped(text)
    return re.sub(
        r"[\ue000-\uf8ff]", lambda one: kept[ord(one[0]) - 0xE000] if _is_kept(one[0], kept) else one[0], text
    )


def _is_kept(character: str, kept: list[str]) -> bool:
    return ord(character) - 0xE000 < len(kept)


def triggered(text: str, blocks: Sequence[JSON], attachments: Sequence[JSON] = ()) -> tuple[str, ...]:
    """Return the mentions (`@U…`) and broadcasts (`!channel`) that a message makes, in order, each once.

    The text counts also where blocks are shown instead of it: it is what notifications are made of.
    """
    found = list(mentions(text))
    for block in blocks:
        found += _block_mentions(block)
    for attachment in attachments:
        found += [one for name in ("text", "pretext") for one in mentions(str(attachment.get(name, "")))]
        for block in attachment.get("blocks", ()):
            found += _block_mentions(block)
    return tuple(dict.fromkeys(found))


def mentions(text: str) -> Iterator[str]:
    """Return the mentions in mrkdwn; code doesn't keep them from being mentions."""
    for match in CONTROL.finditer(text):
        if mention := MENTION.match(match[1]):
            yield mention[0]


def markdown_mentions(text: str) -> Iterator[str]:
    """Return the mentions in a markdown block: code and backslashes keep them from being any."""
    bare = _MARKDOWN_CODE.sub(" ", text)
    for match in re.finditer(r"(?<!\\)<([^<>\n]+)>", bare):
        if mention := MENTION.match(match[1]):
            yield mention[0]


def _block_mentions(block: Any) -> Iterator[str]:
    if isinstance(block, list):
        for one in block:
            yield from _block_mentions(one)
    elif isinstance(block, dict):
        kind = block.get("type")
        if kind in ("mrkdwn", "markdown") and isinstance(block.get("text"), str):
            yield from (mentions if kind == "mrkdwn" else markdown_mentions)(block["text"])
            return
        if kind == "user" and block.get("user_id"):
            yield "@" + block["user_id"]
        elif kind == "broadcast":
            yield "!" + str(block.get("range"))
        elif kind == "usergroup":
            yield "!subteam^" + str(block.get("usergroup_id"))
        for value in block.values():
            yield from _block_mentions(value)

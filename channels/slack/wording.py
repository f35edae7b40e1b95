"""Commands in what we say ourselves, as Slack takes them: `/prowex status`, and in threads, which take none, `!status`.

Only cards are worded anew: an agent's answer may be about somebody else's `/status`.
"""

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

from channels.slack.manifest import COMMAND
from core.envelopes import Piece
from core.operations.registry import OPERATIONS


def worded(piece: Piece, *, thread: bool) -> Piece:
    """Return `piece` with our commands as they are given where it is shown."""
    pattern = _pattern(len(OPERATIONS))
    if not pattern.search(piece.text):
        return piece
    begin = "!" if thread else f"{COMMAND} "
    return replace(
        piece,
        text=pattern.sub(begin, piece.text),
        format=tuple(_in_block(block, pattern, begin) for block in piece.format),
    )


@lru_cache(maxsize=2)
def _pattern(_count: int) -> re.Pattern[str]:
    """Return what finds the slash before one of our commands' first words."""
    words = {o.command[1:].partition(" ")[0] for o in OPERATIONS.values()}
    words |= {o.name.partition(".")[0] for o in OPERATIONS.values()}
    either = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.compile(rf"(?<![\w/.:])/(?=(?:{either})(?![\w/-]))")


def _in_block(value: Any, pattern: re.Pattern[str], begin: str) -> Any:
    """Return a block with its words changed; lines of code stay as they are."""
    if isinstance(value, list):
        return [_in_block(each, pattern, begin) for each in value]
    if not isinstance(value, dict) or value.get("type") == "rich_text_preformatted":
        return value
    return {
        name: pattern.sub(begin, inner)
        if name == "text" and isinstance(inner, str)
        else _in_block(inner, pattern, begin)
        for name, inner in value.items()
    }

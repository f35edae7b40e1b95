"""What Anthropic remembers between requests: cached beginnings, and the thinking that it signed."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from tests.servers.anthropic_rules import BINDING_BETA, Refusal, combined, least_cached

_LOOK_BACK = 20
_BOUND = ("claude-fable-5-", "claude-mythos-5-", "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")


def size(value: object) -> int:
    """Return how many tokens the fake counts in a JSON value."""
    return len(json.dumps(value)) // 4


class Memory:
    """Caches beginnings where they are marked, finds them again, and knows its own signatures."""

    def __init__(self) -> None:
        self._cached: set[str] = set()
        self._signed: dict[str, tuple[str, str]] = {}

    def usage(self, body: dict[str, Any]) -> dict[str, int]:
        """Return the input's figures, and keep what is marked.

        A beginning counts as read if a block at most 20 before a mark was the end of one that was kept.
        """
        ends, hashes, marks, total = [], [], [], 0
        digest = hashlib.sha256(body["model"].encode())
        for block, marked in _blocks(body):
            total += size(block)
            digest.update(json.dumps(block, sort_keys=True).encode())
            ends.append(total)
            hashes.append(digest.hexdigest())
            if marked:
                marks.append(len(ends) - 1)
        read = written = 0
        for mark in marks:
            known = [at for at in range(max(0, mark - _LOOK_BACK), mark + 1) if hashes[at] in self._cached]
            read = max([read, *(ends[at] for at in known)])
        for mark in marks:
            if ends[mark] >= least_cached(body["model"]):
                self._cached.add(hashes[mark])
                written = max(written, ends[mark] - read)
        return {
            "input_tokens": total - read - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
        }

    def sign(self, body: dict[str, Any], thinking: str) -> str:
        """Return the signature of a thought that follows `body`."""
        before = _before(body, combined(body["messages"]))
        signature = "sig-" + hashlib.sha256(f"{before}{thinking}{len(self._signed)}".encode()).hexdigest()
        self._signed[signature] = (thinking, before)
        return signature

    def check_thinking(self, body: dict[str, Any], beta: str) -> None:
        """Raise a `Refusal` for thinking that is not ours, was changed, or stands after changed words."""
        read = combined(body["messages"])
        _check_first(body, read)
        dropped = (body.get("thinking") or {}).get("block_binding", {}).get("prefix_mismatch_behavior") == "drop_block"
        for number, (role, blocks) in enumerate(read):
            for place, block in enumerate(blocks):
                if role != "assistant" or block["type"] != "thinking":
                    continue
                where = f"messages.{number}.content.{place}: Invalid `signature` in `thinking` block."
                thinking, before = self._signed.get(block["signature"], (None, ""))
                if thinking is None or thinking != block["thinking"]:
                    raise Refusal(400, where)
                changed = before != _before(body, read[:number])
                if changed and body["model"].startswith(_BOUND) and not (dropped and BINDING_BETA in beta):
                    raise Refusal(400, f"{where} The block is bound to a different conversation.")


def _check_first(body: dict[str, Any], read: list[tuple[str, list[dict[str, Any]]]]) -> None:
    if (body.get("thinking") or {}).get("type") != "enabled" or len(read) < 2:
        return
    first = read[-2][1][0]["type"]
    if any(block["type"] == "tool_result" for block in read[-1][1]) and not first.endswith("thinking"):
        raise Refusal(400, f"messages.{len(read) - 2}.content.0.type: Expected `thinking`, but found `{first}`.")


def _before(body: dict[str, Any], messages: list[tuple[str, list[dict[str, Any]]]]) -> str:
    """Return a digest of all that stands before a message; marks for the cache are no part of it."""
    said = [(role, [_bare(block) for block in blocks]) for role, blocks in messages]
    whole = [[_bare(tool) for tool in body.get("tools", [])], _system(body), said]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _system(body: dict[str, Any]) -> list[dict[str, Any]]:
    system = body.get("system") or []
    return [{"type": "text", "text": system}] if isinstance(system, str) else [_bare(block) for block in system]


def _bare(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != "cache_control"}


def _blocks(body: dict[str, Any]) -> Iterator[tuple[Any, bool]]:
    """Yield every block in the order of the cache, bare, and whether it is marked."""
    system = body.get("system") or []
    for block in [*body.get("tools", []), *([] if isinstance(system, str) else system)]:
        yield _bare(block), "cache_control" in block
    if isinstance(system, str):
        yield system, False
    thinking = body.get("thinking") or {}  # a change empties the rest
    settings = json.dumps([thinking.get("type"), thinking.get("budget_tokens"), body.get("tool_choice")])
    for role, blocks in combined(body["messages"]):
        for block in blocks:
            yield [role, settings, _bare(block)], "cache_control" in block

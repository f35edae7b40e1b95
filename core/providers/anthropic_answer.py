"""Anthropic's stream as plain JSON values: its events become the port's.

Events are read as dictionaries, leniently: other servers speak this dialect too, and the API may add kinds of events
and blocks at any time.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.providers.anthropic_wire import KEPT
from core.providers.openai_wire import ANSWER_LIMIT, tool_name
from core.providers.port import (
    End,
    Keep,
    ModelBusy,
    ModelEvent,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
)

_ENDS = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tools",
    "refusal": "filtered",
}
_GROWS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
_THOUGHT = ("thinking", "redacted_thinking")


class Answer:
    """One answer as it grows: turns events into the port's and keeps what is only complete at the end."""

    def __init__(self, request: ModelRequest) -> None:
        self._names = {tool_name(tool.name): tool.name for tool in request.tools}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, int] = {}
        self._reason = ""
        self._size = 0
        self.begun = False
        """Something was said, thought or called."""
        self.spoke = False
        """The same, since somebody last set this to False."""
        self.thinking = False
        """The model thinks now and has not shown what."""

    @property
    def full(self) -> bool:
        """Whether the answer has reached `ANSWER_LIMIT`."""
        return self._size > ANSWER_LIMIT

    @property
    def ended(self) -> bool:
        """Whether the model has said why it stopped; what may still come is usage."""
        return bool(self._reason)

    def read(self, event: object) -> Iterator[ModelEvent]:
        """Yield the text of one event and take note of the rest."""
        if not isinstance(event, Mapping):
            raise ModelBusy("it sent something that is not an answer")
        match event.get("type"):
            case "message_start":
                self._count(_mapping(event.get("message")).get("usage"))
            case "content_block_start":
                yield from self._open(_index(event), _mapping(event.get("content_block")))
            case "content_block_delta":
                yield from self._grow(_index(event), _mapping(event.get("delta")))
            case "content_block_stop":
                self.thinking = False
            case "message_delta":
                reason = _mapping(event.get("delta")).get("stop_reason")
                if isinstance(reason, str) and reason:
                    self._reason = self._reason or _ENDS.get(reason, "stop")
                self._count(event.get("usage"))

    def end(self) -> Iterator[ModelEvent]:
        """Yield what was complete only now, and `End`.

        Raises:
            ModelBusy: the stream broke off before the answer was whole.
        """
        if not self._reason:
            raise ModelBusy("its answer broke off")
        calls = [block for block in self._ordered() if block["type"] == "tool_use"]
        for number, block in enumerate(calls):
            if not block["name"]:
                raise ModelBusy("its tool call was incomplete")
            block["id"] = block["id"] or f"call_{number}"
            yield ToolCall(block["id"], self._names.get(block["name"], block["name"]), block["partial_json"] or "{}")
        kept = self._kept() if calls else ""
        if kept:
            yield Keep(kept)
        if self._usage:
            yield self._tokens()
        yield End("tools" if calls and self._reason == "stop" else self._reason)

    def _open(self, index: int, given: Mapping[str, Any]) -> Iterator[ModelEvent]:
        """Begin a block; what it holds already counts as its first delta."""
        kind = str(given.get("type") or "")
        block = {"type": kind, "text": "", "thinking": "", "signature": "", "partial_json": ""}
        for name in ("id", "name", "data"):
            block[name] = _text(given.get(name))
        self._blocks[index] = block
        self._size += len(block["data"])
        self.thinking = kind in _THOUGHT
        self.begun = self.begun or kind == "tool_use"
        if kind == "tool_use" and isinstance(given.get("input"), dict) and given["input"]:
            block["partial_json"] = json.dumps(given["input"], ensure_ascii=False)
        for name in ("text", "thinking", "signature"):
            if _text(given.get(name)):
                yield from self._grow(index, {"type": f"{name}_delta", name: given[name]})

    def _grow(self, index: int, delta: Mapping[str, Any]) -> Iterator[ModelEvent]:
        name = _GROWS.get(str(delta.get("type")))
        text = _text(delta.get(name)) if name else ""
        if not name or not text or self.full:
            return
        block = self._blocks.setdefault(index, _untold(name))
        room = ANSWER_LIMIT - self._size
        block[name] += text
        self.thinking = self.thinking and name != "thinking"
        self.begun = self.spoke = True
        self._size += len(text)
        if self.full:
            self._reason = "length"
        if name == "text" and room > 0:
            yield TextDelta(text[:room])
        elif name == "thinking" and room > 0:
            yield ThinkingDelta(text[:room])

    def _ordered(self) -> list[dict[str, Any]]:
        return [self._blocks[index] for index in sorted(self._blocks)]

    def _kept(self) -> str:
        """Return the whole message, if the model thought: signed thinking counts only in its place, unchanged."""
        try:
            blocks = [whole for block in self._ordered() if (whole := _whole(block)) is not None]
        except (ValueError, RecursionError):  # a call that is no JSON can't be sent back as it was
            return ""
        if self.full or not any(block["type"] in _THOUGHT for block in blocks):
            return ""
        return json.dumps({KEPT: blocks})

    def _count(self, usage: object) -> None:
        given = _mapping(usage)
        self._usage |= {name: max(0, int(value)) for name, value in given.items() if isinstance(value, int)}

    def _tokens(self) -> TokenUsage:
        cached = self._usage.get("cache_read_input_tokens", 0)
        others = self._usage.get("input_tokens", 0) + self._usage.get("cache_creation_input_tokens", 0)
        return TokenUsage(cached + others, self._usage.get("output_tokens", 0), cached)


def _whole(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a block as it is sent back; None if it is nothing that can be."""
    match block["type"]:
        case "thinking":
            return {"type": "thinking", "thinking": block["thinking"], "signature": block["signature"]}
        case "redacted_thinking":
            return {"type": "redacted_thinking", "data": block["data"]}
        case "text" if block["text"].strip():
            return {"type": "text", "text": block["text"]}
        case "tool_use":
            called = json.loads(block["partial_json"] or "{}")
            if not isinstance(called, dict):
                raise ValueError("a call's input is an object")
            return {"type": "tool_use", "id": block["id"], "name": block["name"], "input": called}
    return None


def _untold(name: str) -> dict[str, Any]:
    """Return a block whose start was never sent; other servers leave it out."""
    kind = {"partial_json": "tool_use", "signature": "thinking"}.get(name, name)
    block = dict.fromkeys(("text", "thinking", "signature", "partial_json", "id", "name", "data"), "")
    return block | {"type": kind}


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}

"""Anthropic's messages as plain JSON values: a request becomes a body.

The API takes no `temperature`, `top_p` or `top_k` since its version 2026-10-21; they are left out, as is every
setting that it does not have.
"""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from core.providers.anthropic_thinking import fields_of, limit_of
from core.providers.openai_wire import tool_name
from core.providers.port import Message, ModelRequest, Picture

KEPT = "anthropic"
"""Names our own part of `Message.kept`: another provider's is not for us."""

_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_CACHED = {"cache_control": {"type": "ephemeral"}}
_LEAST_CACHED = 2_000
"""Characters, about 512 tokens: no model keeps a shorter beginning in its cache."""


def body(request: ModelRequest) -> dict[str, Any]:
    """Return the request's JSON body; its beginning, and where the last message ends, are marked for the cache."""
    messages, replayed = _messages(request.messages)
    made: dict[str, Any] = {"model": request.model, "max_tokens": limit_of(request.settings), "stream": True}
    if request.tools:
        made["tools"] = [
            {
                "name": tool_name(tool.name),
                "description": tool.description,
                "input_schema": {"type": "object", **tool.parameters},
            }
            for tool in request.tools
        ]
    if request.instructions.strip():
        made["system"] = [{"type": "text", "text": request.instructions}]
    made["messages"] = messages
    made |= fields_of(request.model, request.settings, replayed=replayed, unkept=_unkept(request.messages))
    stop = _stop(request.settings.get("stop"))
    if stop:
        made["stop_sequences"] = stop
    if request.person:
        made["metadata"] = {"user_id": request.person}
    _mark(made)
    return made


def _stop(given: object) -> list[str]:
    texts = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _messages(messages: Sequence[Message]) -> tuple[list[dict[str, Any]], bool]:
    """Return the messages with their roles in turn, the first and the last a user's; and whether thinking is replayed.

    What follows an assistant's message in one go (the results of its calls, then words) is one user message.
    """
    made: list[dict[str, Any]] = []
    replayed = False
    for message in messages:
        kept = _kept(message)
        replayed = replayed or bool(kept)
        role = "assistant" if message.role == "assistant" else "user"
        blocks = kept or _blocks(message)
        if not blocks:
            continue
        if made and made[-1]["role"] == role:
            made[-1]["content"] += blocks
        else:
            made.append({"role": role, "content": blocks})
    if not made or made[0]["role"] != "user":
        made.insert(0, {"role": "user", "content": [{"type": "text", "text": "[The beginning is left out.]"}]})
    if made[-1]["role"] == "assistant":
        made.append({"role": "user", "content": [{"type": "text", "text": "[Please go on.]"}]})
    for message_made in made:
        message_made["content"].sort(
            key=lambda block: block["type"] != "tool_result" and message_made["role"] == "user"
        )
    return made, replayed


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": _identity(message.call_id)}
        content = _seen(message.text, message.pictures)
        return [result | {"content": content} if content else result]
    if message.role != "assistant":
        return _seen(message.text, message.pictures)
    called = [
        {"type": "tool_use", "id": _identity(call.id), "name": tool_name(call.name), "input": as_input(call.arguments)}
        for call in message.calls
    ]
    return [*_seen(message.text, ()), *called]


def _seen(text: str, pictures: Iterable[Picture]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text.strip() else []
    for picture in pictures:
        source = {"type": "base64", "media_type": picture.media_type, "data": base64.b64encode(picture.data).decode()}
        if picture.media_type in _PICTURES:
            blocks.append({"type": "image", "source": source})
        elif picture.media_type == "application/pdf":
            title = {"title": picture.name} if picture.name.strip() else {}
            blocks.append({"type": "document", "source": source, **title})
        else:
            blocks.append({"type": "text", "text": f"[{picture.name or 'a file'}: this model can't read it]"})
    return blocks


def as_input(arguments: str) -> dict[str, Any]:
    """Return a call's arguments as the object that the API wants; empty if they are none."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _identity(identity: str) -> str:
    """Return a call's id as Anthropic takes it: another provider's may have other letters."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", identity) or "call"


def _kept(message: Message) -> list[dict[str, Any]]:
    """Return the blocks of an assistant message exactly as they were received, if they are kept and still its own."""
    if message.role != "assistant" or not message.kept:
        return []
    try:
        value = json.loads(message.kept)
    except (ValueError, RecursionError):
        return []
    blocks = value.get(KEPT) if isinstance(value, dict) else None
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return []
    calls = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return blocks if calls == [call.id for call in message.calls] else []


def _unkept(messages: Sequence[Message]) -> bool:
    """Return whether the last message answers tool calls whose thinking is not kept."""
    if not messages or messages[-1].role != "tool":
        return False
    callers = [message for message in messages if message.role == "assistant"]
    return bool(callers) and not _kept(callers[-1])


def _mark(made: dict[str, Any]) -> None:
    """Mark what the next request repeats: tools and instructions, and all up to the last message of the user.

    The end of the user's message before is marked too. It was the last one in the request before, and the API finds
    what it cached only within 20 blocks before a mark; many parallel calls are more.
    """
    beginning = made.get("system") or made.get("tools")
    if _size(made.get("system")) + _size(made.get("tools")) >= _LEAST_CACHED and beginning:
        beginning[-1] |= _CACHED
    if _size(made) < _LEAST_CACHED:
        return
    ends = [message["content"][-1] for message in made["messages"] if message["role"] == "user"]
    for block in ends[-2:]:
        block |= _CACHED


def _size(value: object) -> int:
    """Return how many characters of text, keys left out, are in a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_size(each) for each in value.values())
    return sum(_size(each) for each in value) if isinstance(value, list) else 0

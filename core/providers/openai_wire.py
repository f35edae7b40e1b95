"""OpenAI's chat completions as plain JSON values: a request becomes a body, a stream's chunks become events.

Chunks are read as dictionaries, leniently: the many servers that speak this dialect differ in what they leave out.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.providers.port import (
    MOST_TOKENS,
    End,
    Message,
    ModelBusy,
    ModelEvent,
    ModelRequest,
    Picture,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
)

ANSWER_LIMIT = 2_000_000
"""Characters after which an answer is cut as if at the output limit: no model writes more in good health."""

_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_PASSED_ON = ("temperature", "top_p", "stop", "seed", "frequency_penalty", "presence_penalty", "reasoning_effort",
              "verbosity", "response_format", "tool_choice", "parallel_tool_calls")  # fmt: skip
_ENDS = {"length": "length", "tool_calls": "tools", "function_call": "tools", "content_filter": "filtered"}


def tool_name(name: str) -> str:
    """Return `name` as OpenAI takes it: letters, digits, `_` and `-`, at most 64 of them."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def body(request: ModelRequest, model: str, *, openai_itself: bool) -> dict[str, Any]:
    """Return the request's JSON body. Settings that OpenAI does not have are left out.

    Args:
        openai_itself: compatible servers may refuse fields they don't know, and read no PDFs.
    """
    made: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, openai_itself=openai_itself),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    made |= {name: request.settings[name] for name in _PASSED_ON if request.settings.get(name) is not None}
    limit = request.settings.get("max_output_tokens")
    if limit is not None:
        made["max_completion_tokens" if openai_itself else "max_tokens"] = limit
    if request.tools:
        made["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool_name(tool.name),
                    "description": tool.description,
                    "parameters": tool.parameters,
                },
            }
            for tool in request.tools
        ]
    if openai_itself:
        made["store"] = False
    if request.person:
        made["safety_identifier" if openai_itself else "user"] = request.person
    return made


def _messages(request: ModelRequest, *, openai_itself: bool) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    if request.instructions:
        made.append({"role": "system", "content": request.instructions})
    seen_by_tools: tuple[Picture, ...] = ()
    for message in request.messages:
        if message.role == "tool":
            seen_by_tools += message.pictures
            made.append({"role": "tool", "tool_call_id": message.call_id, "content": message.text})
            continue
        if seen_by_tools:  # a tool's message holds text only
            made.append({"role": "user", "content": _parts("From the tools:", seen_by_tools, openai_itself)})
            seen_by_tools = ()
        made.append(_message(message, openai_itself))
    if seen_by_tools:
        made.append({"role": "user", "content": _parts("From the tools:", seen_by_tools, openai_itself)})
    return made


def _message(message: Message, openai_itself: bool) -> dict[str, Any]:
    if message.role == "assistant":
        made: dict[str, Any] = {"role": "assistant", "content": message.text}
        if message.calls:
            made["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": tool_name(call.name), "arguments": call.arguments},
                }
                for call in message.calls
            ]
        return made
    if not message.pictures:
        return {"role": "user", "content": message.text}
    return {"role": "user", "content": _parts(message.text, message.pictures, openai_itself)}


def _parts(text: str, pictures: tuple[Picture, ...], openai_itself: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for picture in pictures:
        if picture.media_type in _PICTURES:
            parts.append({"type": "image_url", "image_url": {"url": _data_url(picture)}})
        elif picture.media_type == "application/pdf" and openai_itself:
            name = picture.name or "document.pdf"
            parts.append({"type": "file", "file": {"filename": name, "file_data": _data_url(picture)}})
        else:
            parts.append({"type": "text", "text": f"[{picture.name or 'a file'}: this model can't read it]"})
    return parts


def _data_url(picture: Picture) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


class Answer:
    """One answer as it grows: turns chunks into events and keeps what is only complete at the end."""

    def __init__(self, request: ModelRequest) -> None:
        self._names = {tool_name(tool.name): tool.name for tool in request.tools}
        self._calls: list[dict[str, str]] = []
        self._by_index: dict[str, dict[str, str]] = {}
        self._usage: TokenUsage | None = None
        self._reason = ""
        self._size = 0
        self.begun = False
        """Something was said, thought or called."""
        self.spoke = False
        """The same, since somebody last set this to False."""

    @property
    def full(self) -> bool:
        """Whether the answer has reached `ANSWER_LIMIT`."""
        return self._size > ANSWER_LIMIT

    @property
    def ended(self) -> bool:
        """Whether the model has said why it stopped; what may still come is usage."""
        return bool(self._reason)

    def read(self, chunk: object) -> Iterator[ModelEvent]:
        """Yield the text of one chunk and take note of the rest."""
        if not isinstance(chunk, Mapping):
            raise ModelBusy("it sent something that is not an answer")
        if chunk.get("usage"):
            self._usage = _usage(chunk["usage"])
        for choice in _list(chunk.get("choices")):
            delta = _mapping(choice.get("delta"))
            thought = delta.get("reasoning_content") or delta.get("reasoning") or _parts_of(delta, "thinking")
            text = _parts_of(delta, "text") or delta.get("content") or delta.get("refusal")
            if isinstance(thought, str) and thought and not self.full:
                self._grow(thought)
                yield ThinkingDelta(thought)
            if isinstance(text, str) and text:
                room = ANSWER_LIMIT - self._size
                self._grow(text)
                if room > 0:
                    yield TextDelta(text[:room])
            for fragment in _list(delta.get("tool_calls")):
                self._add(fragment)
            finish = choice.get("finish_reason")
            if isinstance(finish, str) and finish:
                self._reason = self._reason or _ENDS.get(finish, "stop")

    def end(self) -> Iterator[ModelEvent]:
        """Yield what was complete only now, and `End`.

        Raises:
            ModelBusy: the stream broke off before the answer was whole.
        """
        if not self._reason:
            raise ModelBusy("its answer broke off")
        for number, call in enumerate(self._calls):
            if not call["name"]:
                raise ModelBusy("its tool call was incomplete")
            name = self._names.get(call["name"], call["name"])
            yield ToolCall(call["id"] or f"call_{number}", name, call["arguments"] or "{}")
        if self._usage is not None:
            yield self._usage
        called = self._calls and self._reason == "stop"
        yield End("tools" if called else self._reason)

    def _grow(self, text: str) -> None:
        self.begun = self.spoke = True
        self._size += len(text)
        if self.full:
            self._reason = "length"

    def _add(self, fragment: Mapping[str, Any]) -> None:
        """Add a fragment to its call: the index says which, but some servers give every call the same one, or none."""
        index, identity = str(fragment.get("index")), fragment.get("id")
        call = self._by_index.get(index)
        if call is None or (identity and call["id"] and identity != call["id"]):
            call = {"id": "", "name": "", "arguments": ""}
            self._calls.append(call)
            self._by_index[index] = call
        function = _mapping(fragment.get("function"))
        call["id"] = call["id"] or str(identity or "")
        call["name"] = call["name"] or str(function.get("name") or "")
        arguments = str(function.get("arguments") or "")
        call["arguments"] += arguments
        self._grow(arguments)


def _parts_of(delta: Mapping[str, Any], kind: str) -> str:
    """Return the text or thinking of a delta whose content comes in parts, as Mistral's does when it thinks."""
    said = [part.get(kind) for part in _list(delta.get("content")) if part.get("type") == kind]
    if kind == "thinking":
        said = [part.get("text") for parts in said for part in _list(parts)]
    return "".join(text for text in said if isinstance(text, str))


def _usage(given: object) -> TokenUsage:
    usage = _mapping(given)
    cached = _mapping(usage.get("prompt_tokens_details")).get("cached_tokens")
    return TokenUsage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached))


def _count(value: object) -> int:
    return int(min(MOST_TOKENS, max(0, value))) if isinstance(value, int | float) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

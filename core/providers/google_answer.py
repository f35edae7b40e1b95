"""One answer of Gemini's as it grows: a stream's chunks become events.

Chunks are read as dictionaries, leniently: new fields and kinds of parts appear often.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from core.providers.google_wire import MADE_UP, keep, tool_name
from core.providers.port import (
    End,
    Keep,
    ModelBusy,
    ModelEvent,
    ModelRefused,
    ModelRequest,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
)

ANSWER_LIMIT = 2_000_000
"""Characters after which an answer is cut as if at the output limit: no model writes more in good health."""

_ENDS = {"MAX_TOKENS": "length", "CONTINUATION": "length"} | dict.fromkeys(
    ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION",
     "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), "filtered"
)  # fmt: skip
_SPOILT = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}


class Answer:
    """Turns chunks into events and keeps what is only complete at the end."""

    def __init__(self, request: ModelRequest) -> None:
        self._names = {tool_name(tool.name): tool.name for tool in request.tools}
        self._model = request.model
        self._round = len(request.messages)
        self._calls: list[ToolCall] = []
        self._parts: list[dict[str, Any]] = []
        self._unsigned: list[str] = []
        self._usage: TokenUsage | None = None
        self._finish = ""
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
        return bool(self._finish)

    def read(self, chunk: object) -> Iterator[ModelEvent]:
        """Yield the text of one chunk and take note of the rest.

        Raises:
            ModelRefused: the question itself was held back.
            ModelBusy: this is no part of an answer.
        """
        if not isinstance(chunk, Mapping):
            raise ModelBusy("it sent something that is not an answer")
        if chunk.get("usageMetadata"):
            self._usage = _usage(_mapping(chunk["usageMetadata"]))
        reason = _mapping(chunk.get("promptFeedback")).get("blockReason")
        if isinstance(reason, str) and reason != "BLOCKED_REASON_UNSPECIFIED":
            raise ModelRefused("its safety rules refused this")
        for candidate in _list(chunk.get("candidates"))[:1]:
            for part in _list(_mapping(candidate.get("content")).get("parts")):
                yield from self._read_part(part)
            finish = candidate.get("finishReason")
            if isinstance(finish, str) and finish != "FINISH_REASON_UNSPECIFIED":
                self._finish = self._finish or finish

    def end(self) -> Iterator[ModelEvent]:
        """Yield what was complete only now, and `End`.

        Raises:
            ModelBusy: the stream broke off before the answer was whole, or the model spoilt it.
            ModelRefused: it stopped for a reason that asking again won't change.
        """
        if not self._finish:
            raise ModelBusy("its answer broke off")
        if self._finish in _SPOILT:
            raise ModelBusy("its tool call was unreadable")
        if self._finish == "OTHER":
            raise ModelBusy("it stopped and did not say why")
        if self._finish == "MISSING_THOUGHT_SIGNATURE":
            raise ModelRefused("it misses its own earlier thoughts in this conversation")
        if self._finish == "PUP_LIMITED_DISABLED":
            raise ModelRefused("Google has limited this account")
        yield from self._calls
        if self._calls and any("thoughtSignature" in part for part in self._parts):
            self._close_text()
            yield Keep(keep(self._model, self._parts))
        if self._usage is not None:
            yield self._usage
        reason = _ENDS.get(self._finish, "stop")
        yield End("tools" if self._calls and reason == "stop" else reason)

    def _read_part(self, part: Mapping[str, Any]) -> Iterator[ModelEvent]:
        call, text = part.get("functionCall"), part.get("text")
        if isinstance(call, Mapping):
            self._call(call, part)
        elif isinstance(text, str):
            thought = part.get("thought") is True
            self._note({"text": text} | ({"thought": True} if thought else {}), part)
            room = ANSWER_LIMIT - self._size
            if text and room > 0:
                self._grow(text)
                yield ThinkingDelta(text[:room]) if thought else TextDelta(text[:room])

    def _call(self, given: Mapping[str, Any], part: Mapping[str, Any]) -> None:
        name = str(given.get("name") or "")
        if not name:
            raise ModelBusy("its tool call was incomplete")
        args = given.get("args")
        arguments = json.dumps(args if isinstance(args, Mapping) else {}, ensure_ascii=False)
        identity = str(given.get("id") or f"{MADE_UP}{self._round}-{len(self._calls)}")
        self._calls.append(ToolCall(identity, self._names.get(name, name), arguments))
        kept = {field: given[field] for field in ("id", "name", "args") if field in given}
        self._note({"functionCall": kept}, part)
        self._grow(arguments)

    def _note(self, made: dict[str, Any], part: Mapping[str, Any]) -> None:
        """Remember a part, to be sent back in the rounds of this turn: thoughts only if they are signed."""
        signature = part.get("thoughtSignature")
        if isinstance(signature, str) and signature:
            self._close_text()
            self._parts.append(made | {"thoughtSignature": signature})
        elif "functionCall" in made:
            self._close_text()
            self._parts.append(made)
        elif not made.get("thought"):
            self._unsigned.append(made["text"])

    def _close_text(self) -> None:
        text = "".join(self._unsigned)
        if text:
            self._parts.append({"text": text})
        self._unsigned.clear()

    def _grow(self, text: str) -> None:
        self.begun = self.spoke = True
        self._size += len(text)
        if self.full:
            self._finish = "MAX_TOKENS"


def writers(listed: list[Any]) -> Iterator[str]:
    """Yield the names of those models of a list that write text."""
    for model in _list(listed):
        methods = model.get("supportedGenerationMethods")
        if isinstance(methods, list) and "generateContent" in methods:
            yield str(model.get("name")).removeprefix("models/")


def _usage(given: Mapping[str, Any]) -> TokenUsage:
    """Return the usage: Google counts thinking apart, and what was read from its cache within the prompt."""
    written = _count(given.get("candidatesTokenCount")) + _count(given.get("thoughtsTokenCount"))
    read = _count(given.get("promptTokenCount")) + _count(given.get("toolUsePromptTokenCount"))
    return TokenUsage(read, written, _count(given.get("cachedContentTokenCount")))


def _count(value: object) -> int:
    return max(0, value) if isinstance(value, int) else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

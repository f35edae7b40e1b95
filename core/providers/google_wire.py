"""A request as the body of Gemini's generateContent, as plain JSON values.

Rules that Google documents and enforces: the answers to all calls of one message stand together in the very next
content, each with the name and id of its call; from Gemini 3 on a call carries the signature it came with
(https://ai.google.dev/gemini-api/docs/thought-signatures).
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from core.providers.port import Message, ModelRequest, Picture, ToolCall, ToolDefinition

MADE_UP = "unnamed-"
"""Begins the id of a call to which Google gave none; such an id stays with us."""

UNSIGNED = "skip_thought_signature_validator"
"""Google's own word for a call that another model made, in place of the signature."""

_FILES = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf"}
_PASSED_ON = {
    "temperature": "temperature",
    "max_output_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
}
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}
"""What Google takes each level for on models that know budgets only: ai.google.dev/gemini-api/docs/openai."""

_VERSION = re.compile(r"gemini-(\d+)(?:\.(\d+))?")


def tool_name(name: str) -> str:
    """Return `name` as Gemini takes it: letters, digits, `_` and `-`, at most 64, a letter or `_` first."""
    clean = re.sub(r"[^a-zA-Z0-9_-]", "_", name)
    return (clean if re.match(r"[a-zA-Z_]", clean) else f"_{clean}")[:64]


def path(model: str) -> str:
    """Return where `model` is asked, below the API's version."""
    return f"models/{quote(model.removeprefix('models/'), safe='')}:streamGenerateContent?alt=sse"


def body(request: ModelRequest) -> dict[str, Any]:
    """Return the request's JSON body. Settings that Gemini does not have are left out.

    `store` is false always: a new project of Google's stores requests for its logs unless told otherwise. There is
    no field for who asks.
    """
    made: dict[str, Any] = {"contents": _contents(request), "store": False}
    if request.instructions:
        made["systemInstruction"] = {"parts": [{"text": request.instructions}]}
    if request.tools:
        made["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    config = _config(request)
    if config:
        made["generationConfig"] = config
    return made


def _config(request: ModelRequest) -> dict[str, Any]:
    given = request.settings
    config = {theirs: given[ours] for ours, theirs in _PASSED_ON.items() if given.get(ours) is not None}
    stop = given.get("stop")
    if stop:
        config["stopSequences"] = [stop] if isinstance(stop, str) else list(stop)
    if _thinks(request.model):
        config["thinkingConfig"] = {"includeThoughts": True} | _thinking(request.model, given.get("thinking"))
    return config


def _thinking(model: str, wanted: object) -> dict[str, Any]:
    """Return how long to think, as `model` takes it: newer ones know levels, Gemini 2.5 a number of tokens."""
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return {"thinkingBudget": wanted}
    if not isinstance(wanted, str) or not wanted:
        return {}
    if signs(model):
        return {"thinkingLevel": wanted.upper()}
    return {"thinkingBudget": _BUDGETS[wanted.lower()]} if wanted.lower() in _BUDGETS else {}


def _thinks(model: str) -> bool:
    """Whether `model` thinks; the others refuse to be asked for their thoughts."""
    found = _VERSION.match(model)
    if found is None:
        return model.startswith("gemini-") and model.endswith("-latest")
    thinking = (int(found[1]), int(found[2] or 0)) >= (2, 5)
    return thinking and not any(word in model for word in ("image", "tts", "audio"))


def signs(model: str) -> bool:
    """Return whether `model` signs its calls and wants to see that again, which also tells Gemini 3 from older ones."""
    found = _VERSION.match(model)
    return int(found[1]) >= 3 if found else model.startswith("gemini-")


def _declaration(tool: ToolDefinition) -> dict[str, Any]:
    schema = {name: value for name, value in tool.parameters.items() if name != "$schema"}
    schema.setdefault("type", "object")
    return {"name": tool_name(tool.name), "description": tool.description, "parametersJsonSchema": schema}


def _contents(request: ModelRequest) -> list[dict[str, Any]]:
    """Return the exchange; neighbours of one role are one content, except that answers of tools stand alone."""
    names: dict[str, str] = {}
    contents: list[dict[str, Any]] = []
    seen_by_tools: list[Picture] = []
    current = max((n for n, message in enumerate(request.messages) if message.role == "user"), default=0)
    last = ""
    for number, message in enumerate(request.messages):
        if seen_by_tools and message.role != "tool":
            _add(contents, "user", [{"text": "From the tools:"}, *_files(seen_by_tools)], merge=False)
            seen_by_tools, last = [], "user"
        if message.role == "assistant":
            names |= {call.id: tool_name(call.name) for call in message.calls}
            parts = _said(message, request.model, current=number > current)
        elif message.role == "tool":
            parts = [_answer(message, names.get(message.call_id, "unknown"), nested=signs(request.model))]
            seen_by_tools += () if signs(request.model) else message.pictures
        else:
            parts = [*_text(message.text), *_files(message.pictures)] or [{"text": " "}]
        role = "model" if message.role == "assistant" else "user"
        _add(contents, role, parts, merge=message.role == last)
        last = message.role if parts else last
    if seen_by_tools:
        _add(contents, "user", [{"text": "From the tools:"}, *_files(seen_by_tools)], merge=False)
    return contents


def _add(contents: list[dict[str, Any]], role: str, parts: list[dict[str, Any]], *, merge: bool) -> None:
    if merge and contents:
        contents[-1]["parts"] += parts
    elif parts:
        contents.append({"role": role, "parts": parts})


def _said(message: Message, model: str, *, current: bool) -> list[dict[str, Any]]:
    """Return an assistant message's parts: as they came, where the same model kept them, else made anew.

    Args:
        current: it belongs to the turn that is going on, in which calls must be signed.
    """
    kept = _kept(message, model)
    if kept is not None:
        return kept
    parts = _text(message.text)
    for number, call in enumerate(message.calls):
        part: dict[str, Any] = {"functionCall": _named(call.id) | {"name": tool_name(call.name), "args": _args(call)}}
        if number == 0 and current and signs(model):
            part["thoughtSignature"] = UNSIGNED
        parts.append(part)
    return parts


def _kept(message: Message, model: str) -> list[dict[str, Any]] | None:
    """Return what `keep` made for this very message and model, else None: signatures are the model's own."""
    try:
        kept = json.loads(message.kept) if message.kept else None
    except ValueError:
        return None
    if not isinstance(kept, dict) or kept.get("google") != model or not isinstance(kept.get("parts"), list):
        return None
    calls = [part["functionCall"] for part in kept["parts"] if "functionCall" in part]
    made = [_named(call.id) | {"name": tool_name(call.name)} for call in message.calls]
    same = [{name: call[name] for name in ("id", "name") if name in call} for call in calls] == made
    return kept["parts"] if same else None


def keep(model: str, parts: Iterable[Mapping[str, Any]]) -> str:
    """Return `parts` of an answer as the text that `Message.kept` brings back."""
    return json.dumps({"google": model, "parts": list(parts)}, ensure_ascii=False)


def _answer(message: Message, name: str, *, nested: bool) -> dict[str, Any]:
    response: dict[str, Any] = {"name": name, "response": {"output": message.text}}
    readable = [part for part in _files(message.pictures) if "inlineData" in part]
    if nested and readable:
        response["parts"] = readable
    return {"functionResponse": _named(message.call_id) | response}


def _named(call_id: str) -> dict[str, Any]:
    return {} if not call_id or call_id.startswith(MADE_UP) else {"id": call_id}


def _args(call: ToolCall) -> dict[str, Any]:
    """Return the arguments as the object that Gemini wants; what is no object, a model wrote and its tool refused."""
    try:
        args = json.loads(call.arguments or "{}")
    except ValueError:
        args = None
    return args if isinstance(args, dict) else {"unreadable": call.arguments}


def _text(text: str) -> list[dict[str, Any]]:
    return [{"text": text}] if text else []


def _files(pictures: Iterable[Picture]) -> Iterator[dict[str, Any]]:
    for picture in pictures:
        if picture.media_type in _FILES:
            data = base64.b64encode(picture.data).decode()
            yield {"inlineData": {"mimeType": picture.media_type, "data": data}}
        else:
            yield {"text": f"[{picture.name or 'a file'}: this model can't read it]"}

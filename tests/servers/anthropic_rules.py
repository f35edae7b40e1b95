"""What Anthropic refuses: the checks of a messages request (API version 2026-10-21), and the body of each refusal."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

BINDING_BETA = "thinking-binding-controls-2026-08-01"
_FIELDS = {
    "model", "max_tokens", "messages", "system", "tools", "tool_choice", "metadata", "stop_sequences", "stream",
    "thinking", "output_config", "service_tier", "cache_control", "container", "diagnostics", "inference_geo", "speed",
}  # fmt: skip
_BLOCKS = {
    "text": {"text", "citations"},
    "image": {"source", "transformations"},
    "document": {"source", "title", "context", "citations"},
    "tool_use": {"id", "name", "input", "caller"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
}
_OF_ASSISTANT = {"text", "tool_use", "thinking", "redacted_thinking"}
_OF_USER = {"text", "image", "document", "tool_result"}
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_WORDS = {
    "bad_picture": "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6402114 > 5242880 bytes",
    "too_long": "prompt is too long: 208310 tokens > 200000 maximum",
    "no_credit": "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    "spent": "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
}
LIMITS = {"claude-haiku-4-5": 64_000, "claude-sonnet-4-5": 64_000}
"""The greatest `max_tokens` where it is not 128,000."""


class Refusal(Exception):
    """The request is not valid."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message)


def error_body(status: int, message: str, code: str = "") -> dict[str, Any]:
    """Return an error as Anthropic words it. `code` picks a well-known message, or becomes its `error_code`."""
    kind = code if code.endswith("_error") else _KINDS.get(status, "api_error")
    error: dict[str, Any] = {"type": kind, "message": _WORDS.get(code, message)}
    if code and code not in _WORDS and not code.endswith("_error"):
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_011CfakeFakeFake"}


def thinks(model: str) -> str:
    """Return how `model` thinks: `manual`, `asked` (only when asked to), `itself` or `always`."""
    if re.match(r"claude-(fable|mythos)|claude-opus-5-5", model):
        return "always"
    if re.match(r"claude-\w+-5", model):
        return "itself"
    return "manual" if re.match(r"claude-\w+-4-5", model) else "asked"


def least_cached(model: str) -> int:
    """Return the tokens that a beginning must have to be cached."""
    if re.match(r"claude-(\w+-5|fable)", model):
        return 512
    return 4096 if re.match(r"claude-(haiku-4-5|opus-4-[56])", model) else 1024


def check_request(body: Any, headers: Mapping[str, str], models: tuple[str, ...]) -> None:
    """Raise the `Refusal` that Anthropic would give, if any. Signatures are the server's to check."""
    if not isinstance(body, dict):
        raise Refusal(400, "The request body is not valid JSON")
    for name in body:
        if name not in _FIELDS:
            raise Refusal(400, f"{name}: Extra inputs are not permitted")
    model, most = body.get("model"), body.get("max_tokens")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "model: Field required")
    if models and model not in models:
        raise Refusal(404, f"model: {model}")
    if not isinstance(most, int) or isinstance(most, bool):
        raise Refusal(400, "max_tokens: Field required")
    if most < 1:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 1")
    if most > LIMITS.get(model, 128_000):
        raise Refusal(400, f"max_tokens: {most} > {LIMITS.get(model, 128_000)}, which is the maximum for {model}")
    _check_thinking(body, model, headers)
    _check_small_fields(body)
    _check_tools(body.get("tools", []))
    _check_system(body.get("system"))
    _check_messages(body.get("messages"), model)
    _check_marks(body)


def _check_thinking(body: dict[str, Any], model: str, headers: Mapping[str, str]) -> None:
    given, kind = body.get("thinking"), thinks(model)
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and (effort not in _EFFORTS or kind == "manual"):
        raise Refusal(400, "This model does not support the effort parameter.")
    if given is None:
        return
    chosen = given.get("type")
    off = "" if kind == "always" else "between_tools" if model.startswith("claude-sonnet-5-5") else "disabled"
    takes = {"manual": {"enabled", "disabled"}}.get(kind, {"adaptive", off} - {""})
    if re.match(r"claude-\w+-4-6", model):
        takes.add("enabled")
    if chosen not in takes:
        told = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
        raise Refusal(400, f'"thinking.type.{chosen}" is not supported for this model. {told}')
    if chosen == off and effort in ("xhigh", "max"):
        raise Refusal(400, f"output_config.effort: '{effort}' is not supported when thinking is turned off")
    allowed = {"enabled": {"type", "display", "budget_tokens"}, "adaptive": {"type", "display", "block_binding"}}
    for name in given:
        if name not in allowed.get(chosen, {"type"}):
            raise Refusal(400, f"thinking.{chosen}.{name}: Extra inputs are not permitted")
    if "block_binding" in given and BINDING_BETA not in headers.get("anthropic-beta", ""):
        raise Refusal(400, "thinking.adaptive.block_binding: Extra inputs are not permitted")
    budget = given.get("budget_tokens")
    if chosen == "enabled" and not (isinstance(budget, int) and 1024 <= budget < body["max_tokens"]):
        raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`")


def _check_small_fields(body: dict[str, Any]) -> None:
    stop = body.get("stop_sequences", [])
    if not isinstance(stop, list) or not all(isinstance(text, str) and text.strip() for text in stop):
        raise Refusal(400, "stop_sequences: each stop sequence must contain non-whitespace")
    metadata = body.get("metadata", {})
    who = metadata.get("user_id", "")
    if set(metadata) - {"user_id"} or not isinstance(who, str) or len(who) > 256:
        raise Refusal(400, "metadata.user_id: should be an opaque identifier")


def _check_tools(tools: Any) -> None:
    names = [tool.get("name") for tool in tools]
    if len(set(names)) != len(names):
        raise Refusal(400, "tools: Tool names must be unique.")
    for number, tool in enumerate(tools):
        if not isinstance(tool.get("name"), str) or not _NAME.fullmatch(tool["name"]):
            raise Refusal(400, f"tools.{number}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if (tool.get("input_schema") or {}).get("type") != "object":
            raise Refusal(400, f"tools.{number}.custom.input_schema.type: Field required")
        extra = set(tool) - {"name", "description", "input_schema", "cache_control", "strict", "type"}
        if extra:
            raise Refusal(400, f"tools.{number}.custom.{extra.pop()}: Extra inputs are not permitted")


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    for number, block in enumerate(system):
        if block.get("type") != "text" or not str(block.get("text") or "").strip():
            raise Refusal(400, f"system.{number}: text content blocks must be non-empty")


def _check_messages(messages: Any, model: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages: at least one message is required")
    for number, message in enumerate(messages):
        if message.get("role") not in ("user", "assistant") or set(message) != {"role", "content"}:
            raise Refusal(400, f"messages.{number}.role: Input should be 'user' or 'assistant'")
        for place, block in enumerate(blocks_of(message, number)):
            _check_block(block, message["role"], f"messages.{number}.content.{place}")
    if messages[0]["role"] != "user":
        raise Refusal(400, 'messages: first message must use the "user" role')
    if messages[-1]["role"] == "assistant" and thinks(model) != "manual":
        raise Refusal(400, "This model does not support assistant message prefill. End with a user message.")
    _check_pairs(combined(messages))


def blocks_of(message: Mapping[str, Any], number: int = 0) -> list[dict[str, Any]]:
    """Return a message's content as blocks."""
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list) or not blocks:
        raise Refusal(400, f"messages.{number}: all messages must have non-empty content")
    return blocks


def combined(messages: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the messages as the API reads them: those of one role in a row are one."""
    read: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        if read and read[-1][0] == message["role"]:
            read[-1][1].extend(blocks_of(message))
        else:
            read.append((message["role"], list(blocks_of(message))))
    return read


def _check_block(block: Any, role: str, where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _BLOCKS or kind not in (_OF_ASSISTANT if role == "assistant" else _OF_USER):
        raise Refusal(400, f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    extra = set(block) - _BLOCKS[kind] - {"type", "cache_control"}
    if extra or (kind in ("thinking", "redacted_thinking") and "cache_control" in block):
        raise Refusal(
            400, f"{where}.{kind}.{extra.pop() if extra else 'cache_control'}: Extra inputs are not permitted"
        )
    if kind == "text" and not str(block.get("text") or "").strip():
        raise Refusal(400, f"{where}: text content blocks must contain non-whitespace text")
    if kind in ("image", "document"):
        _check_source(block.get("source") or {}, kind, where)
    if kind == "tool_use" and not (
        _NAME.fullmatch(str(block.get("id"))) and _NAME.fullmatch(str(block.get("name"))) and _is_object(block)
    ):
        raise Refusal(400, f"{where}.tool_use.input: Input should be a valid dictionary")
    if kind == "tool_result" and not isinstance(block.get("content", ""), str):
        for place, inner in enumerate(block["content"]):
            if inner.get("type") not in ("text", "image", "document"):
                raise Refusal(400, f"{where}.tool_result.content.{place}: Input tag does not match")
            _check_block(inner, "user", f"{where}.tool_result.content.{place}")


def _is_object(block: Mapping[str, Any]) -> bool:
    return isinstance(block.get("input"), dict)


def _check_source(source: dict[str, Any], kind: str, where: str) -> None:
    types = _PICTURES if kind == "image" else {"application/pdf"}
    try:
        valid = source["type"] == "base64" and source["media_type"] in types
        valid = valid and bool(base64.b64decode(source["data"], validate=True))
    except (KeyError, binascii.Error):
        valid = False
    if not valid or set(source) != {"type", "media_type", "data"}:
        raise Refusal(400, f"{where}.{kind}.source: Input should be a valid base64 source")


def _check_pairs(read: list[tuple[str, list[dict[str, Any]]]]) -> None:
    seen: set[str] = set()
    for number, (role, blocks) in enumerate(read):
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        waiting = [block["id"] for block in read[number - 1][1] if block["type"] == "tool_use"] if number else []
        for result in results:
            if result not in waiting:
                told = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                raise Refusal(400, f"messages.{number}: unexpected `tool_use_id`: {result}. {told}")
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if seen & set(calls) or len(set(calls)) != len(calls):
            raise Refusal(400, "messages: `tool_use` ids must be unique")
        seen |= set(calls)
        first = [block["type"] for block in blocks[: len(results)]]
        after = set(waiting) - set(results) or (waiting and set(first) != {"tool_result"})
        if (role == "user" and after) or len(set(results)) != len(results):
            raise Refusal(
                400,
                f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(waiting)}.",
            )
        if role == "assistant" and calls and number == len(read) - 1:
            raise Refusal(400, "messages: `tool_use` ids were found without `tool_result` blocks immediately after")


def _check_marks(body: dict[str, Any]) -> None:
    text = json.dumps(body)
    found = text.count('"cache_control"')
    if found > 4:
        raise Refusal(400, f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
    if found != len(re.findall(r'"cache_control": \{"type": "ephemeral"(, "ttl": "(5m|1h)")?\}', text)):
        raise Refusal(400, "cache_control: Input should be a valid ephemeral cache control")

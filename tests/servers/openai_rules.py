"""What OpenAI refuses: the checks of a chat completion request, and the body of each refusal."""

import base64
import binascii
import re
from typing import Any

_ROLES = {"system", "developer", "user", "assistant", "tool"}
_CLASSIC = {
    "model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "n", "stop", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "seed", "user", "presence_penalty", "frequency_penalty",
}  # fmt: skip
_OPENAI_ONLY = {
    "store", "max_completion_tokens", "safety_identifier", "reasoning_effort", "metadata", "prompt_cache_key",
    "verbosity", "service_tier", "logit_bias", "logprobs", "top_logprobs", "modalities",
}  # fmt: skip
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,(.+)", re.DOTALL)
_PDF = re.compile(r"data:application/pdf;base64,(.+)", re.DOTALL)
_MESSAGES = {
    400: ("invalid_request_error", ""),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("server_error", "service_unavailable"),
}


class Refusal(Exception):
    """The request is not valid."""

    def __init__(self, status: int, message: str, code: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, code, param)


def error_body(status: int, message: str, code: str = "", param: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI words it."""
    kind, usual = _MESSAGES.get(status, ("server_error", ""))
    if code == "insufficient_quota":
        kind = "insufficient_quota"
    return {"error": {"message": message, "type": kind, "param": param, "code": code or usual or None}}


def check_request(body: Any, flavour: str, models: tuple[str, ...]) -> None:
    """Raise the `Refusal` that OpenAI (or, by `flavour`, a strict compatible server) would give, if any."""
    if not isinstance(body, dict):
        raise Refusal(400, "We could not parse the JSON body of your request.")
    allowed = _CLASSIC | _OPENAI_ONLY if flavour == "openai" else _CLASSIC
    for name in body:
        if name not in allowed:
            raise Refusal(400, f"Unrecognized request argument supplied: {name}", "unknown_parameter", name)
    if not isinstance(body.get("model"), str):
        raise Refusal(400, "you must provide a model parameter", param="model")
    if models and body["model"] not in models:
        raise Refusal(404, f"The model `{body['model']}` does not exist or you do not have access to it.")
    if flavour == "openai" and "max_tokens" in body and re.match(r"gpt-[5-9]|o\d", body["model"]):
        message = "Unsupported parameter: 'max_tokens' is not supported with this model."
        raise Refusal(400, message, "unsupported_parameter", "max_tokens")
    if "stream_options" in body and not body.get("stream"):
        raise Refusal(400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    temperature = body.get("temperature", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        raise Refusal(400, "Invalid 'temperature'", "decimal_above_max_value", "temperature")
    for tool in body.get("tools", ()):
        if tool.get("type") != "function" or not _NAME.fullmatch(tool["function"]["name"]):
            raise Refusal(400, "Invalid 'tools[0].function.name'", "invalid_value", "tools")
    _check_messages(body.get("messages"), flavour)


def _check_messages(messages: Any, flavour: str) -> None:
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "[] is too short - 'messages'", param="messages")
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        role = message.get("role")
        if role not in _ROLES:
            raise Refusal(400, f"Invalid value: '{role}' at {where}.role", "invalid_value", f"{where}.role")
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refusal(400, "messages with role 'tool' must be a response to a preceding message", param=where)
            waiting.discard(message["tool_call_id"])
        elif waiting:
            raise Refusal(400, "An assistant message with 'tool_calls' must be followed by tool messages", param=where)
        calls = message.get("tool_calls")
        if calls is not None and not (role == "assistant" and calls):
            raise Refusal(400, f"Invalid '{where}.tool_calls'", param=where)
        waiting |= {call["id"] for call in calls or ()}
        if message.get("content") is None and not calls:
            raise Refusal(400, f"Invalid value for 'content': expected a string, got null. {where}", param=where)
        _check_content(message.get("content"), role, where, flavour)
    if waiting:
        raise Refusal(400, "An assistant message with 'tool_calls' must be followed by tool messages")


def _check_content(content: Any, role: str, where: str, flavour: str) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        raise Refusal(400, f"Invalid type for '{where}.content'", "invalid_type", where)
    for part in content:
        kind = part.get("type")
        if kind == "text" and isinstance(part.get("text"), str):
            continue
        if kind == "image_url" and role == "user" and _decodes(_PICTURE.fullmatch(part["image_url"]["url"])):
            continue
        pdf = kind == "file" and role == "user" and flavour == "openai" and part["file"].get("filename")
        if pdf and _decodes(_PDF.fullmatch(part["file"]["file_data"])):
            continue
        raise Refusal(400, f"Invalid value: '{kind}' at {where}.content", "invalid_value", where)


def _decodes(match: re.Match[str] | None) -> bool:
    if match is None:
        return False
    try:
        return bool(base64.b64decode(match[match.lastindex or 0], validate=True))
    except binascii.Error:
        return False

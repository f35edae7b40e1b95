"""What Gemini's API refuses: the checks of a generateContent request, and the body of each refusal."""

import base64
import binascii
import hashlib
import json
import re
from typing import Any

SKIP = "skip_thought_signature_validator"
_NAMES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
_BODY = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "store"}
_CONFIG = {"temperature", "topP", "topK", "maxOutputTokens", "stopSequences", "seed", "thinkingConfig",
           "responseMimeType", "responseJsonSchema", "candidateCount"}  # fmt: skip
_DATA = ("text", "inlineData", "functionCall", "functionResponse")
_FILES = {"image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "application/pdf"}
_TOOL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")


class Refusal(Exception):
    """The request is not valid."""

    def __init__(self, status: int, message: str, details: tuple[dict[str, Any], ...] = (), name: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body = status_body(status, message, details, name)


def status_body(status: int, message: str, details: tuple[dict[str, Any], ...] = (), name: str = "") -> dict[str, Any]:
    """Return an error as a google.rpc.Status."""
    error: dict[str, Any] = {"code": status, "message": message, "status": name or _NAMES.get(status, "UNKNOWN")}
    if details:
        error["details"] = list(details)
    return {"error": error}


def detail(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **fields}


def signature_of(model: str, call: dict[str, Any]) -> str:
    """Return the signature that `model` puts on a call, and wants to see again on that very call."""
    signed = json.dumps([model, call.get("name"), call.get("args")], sort_keys=True)
    return base64.b64encode(b"signed" + hashlib.sha256(signed.encode()).digest()).decode()


def is_3(model: str) -> bool:
    return not re.match(r"gemini-[12]", model)


def check_request(body: Any, model: str) -> None:
    """Raise the `Refusal` that Google would give, if any."""
    if not isinstance(body, dict):
        raise Refusal(400, "Invalid JSON payload received.")
    _known(body, _BODY, "")
    if "systemInstruction" in body:
        _check_content(body["systemInstruction"], "system_instruction", model, system=True)
    _check_config(body.get("generationConfig", {}), model)
    _check_tools(body.get("tools", []))
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified\n")
    for number, content in enumerate(contents):
        _check_content(content, f"contents[{number}]", model)
    if contents[-1]["role"] != "user":
        raise Refusal(400, "Requests ending with a model turn are not supported.")
    _check_pairs(contents)
    if is_3(model):
        _check_signatures(contents, model)


def _known(value: dict[str, Any], allowed: set[str], where: str) -> None:
    for name in value:
        if name not in allowed:
            at = f" at '{where}'" if where else ""
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def _check_config(config: dict[str, Any], model: str) -> None:
    _known(config, _CONFIG, "generation_config")
    _within(config, "temperature", 0, 2)
    _within(config, "topP", 0, 1)
    _within(config, "topK", 1, 1000, whole=True)
    _within(config, "maxOutputTokens", 1, 65536, whole=True)
    _within(config, "seed", -(2**31), 2**31, whole=True)
    if len(config.get("stopSequences", [])) > 5:
        raise Refusal(400, "stop_sequences must have at most 5 items")
    thinking = config.get("thinkingConfig")
    if thinking is None:
        return
    _known(thinking, {"includeThoughts", "thinkingBudget", "thinkingLevel"}, "generation_config.thinking_config")
    if not (is_3(model) or model.startswith("gemini-2.5")):
        raise Refusal(400, "Thinking is not enabled for this model.")
    if "thinkingLevel" in thinking and "thinkingBudget" in thinking:
        raise Refusal(400, "You can only set only one of thinking budget and thinking level.")
    if "thinkingLevel" in thinking and not is_3(model):
        raise Refusal(400, "Thinking level is not supported for this model.")
    if thinking.get("thinkingLevel", "LOW") not in ("LOW", "MEDIUM", "HIGH"):
        raise Refusal(400, f"Thinking level {thinking['thinkingLevel']} is not supported for this model.")


def _within(config: dict[str, Any], name: str, low: float, high: float, *, whole: bool = False) -> None:
    value = config.get(name, low)
    if not isinstance(value, int if whole else int | float) or not low <= value <= high:
        raise Refusal(400, f"* GenerateContentRequest.generation_config.{name}: must be in the range [{low}, {high}].")


def _check_tools(tools: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for tool in tools:
        _known(tool, {"functionDeclarations"}, "tools[0]")
        for number, declaration in enumerate(tool["functionDeclarations"]):
            where = f"tools[0].function_declarations[{number}]"
            _known(declaration, {"name", "description", "parameters", "parametersJsonSchema"}, where)
            name = declaration.get("name", "")
            if not _TOOL.fullmatch(name):
                raise Refusal(400, f"* GenerateContentRequest.{where}.name: Invalid function name.")
            if name in seen:
                raise Refusal(400, f"Duplicate function declaration found: {name}")
            seen.add(name)
            schema = declaration.get("parametersJsonSchema", {"type": "object"})
            if schema.get("type") != "object" or "$schema" in schema:
                raise Refusal(400, f"* GenerateContentRequest.{where}.parameters: must be an object schema")


def _check_content(content: Any, where: str, model: str, *, system: bool = False) -> None:
    _known(content, {"role", "parts"}, where)
    if not system and content.get("role") not in ("user", "model"):
        raise Refusal(400, "Please use a valid role: user, model.")
    if not content.get("parts"):
        raise Refusal(400, f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty.")
    for number, part in enumerate(content["parts"]):
        _check_part(part, f"{where}.parts[{number}]", model)
    if len({"functionResponse" in part for part in content["parts"]}) > 1:
        raise Refusal(400, "Function responses must not be mixed with other parts.")


def _check_part(part: dict[str, Any], where: str, model: str) -> None:
    _known(part, {*_DATA, "thought", "thoughtSignature"}, where)
    data = [name for name in _DATA if name in part]
    if len(data) != 1 or (part.get("text") == "" and "thoughtSignature" not in part):
        raise Refusal(400, f"* GenerateContentRequest.{where}.data: required oneof field 'data' must have one field")
    if "inlineData" in part:
        _check_file(part["inlineData"])
    if "functionCall" in part:
        _known(part["functionCall"], {"id", "name", "args"}, f"{where}.function_call")
    if "functionResponse" in part:
        response = part["functionResponse"]
        _known(response, {"id", "name", "response", "parts"}, f"{where}.function_response")
        if not isinstance(response.get("response"), dict):
            raise Refusal(400, f"Invalid value at '{where}.function_response.response' (type Struct)")
        if response.get("parts") and not is_3(model):
            raise Refusal(400, "Multimodal function responses are not supported for this model.")
        for inner in response.get("parts", ()):
            _check_file(inner["inlineData"])


def _check_file(data: dict[str, Any]) -> None:
    if data.get("mimeType") not in _FILES:
        raise Refusal(400, f"Unsupported MIME type: {data.get('mimeType')}")
    try:
        decoded = base64.b64decode(data["data"], validate=True)
    except (KeyError, binascii.Error):
        decoded = b""
    if not decoded:
        raise Refusal(400, "Base64 decoding failed for inline_data.data")


def _check_pairs(contents: list[dict[str, Any]]) -> None:
    for before, after in zip([{"role": "user", "parts": []}, *contents], [*contents, None], strict=True):
        calls = [part["functionCall"] for part in before["parts"] if "functionCall" in part]
        given = [part["functionResponse"] for part in (after or {"parts": []})["parts"] if "functionResponse" in part]
        if calls and before["role"] != "model":
            raise Refusal(400, "Please ensure that function call turn comes immediately after a user turn.")
        if len(calls) != len(given):
            raise Refusal(400, "Please ensure that the number of function response parts is equal to the number of "
                               "function call parts of the function call turn.")  # fmt: skip
        if sorted(call["name"] for call in calls) != sorted(one["name"] for one in given):
            raise Refusal(400, "functionResponse.name does not match functionCall.name")
        if {call.get("id") for call in calls} != {one.get("id") for one in given}:
            raise Refusal(400, "functionResponse.id does not match functionCall.id")


def _check_signatures(contents: list[dict[str, Any]], model: str) -> None:
    """In the turn that is going on, the first call of each step must bear the signature it came with."""
    asked = [n for n, content in enumerate(contents) if content["role"] == "user" and "text" in content["parts"][0]]
    for number, content in enumerate(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        for part in calls:
            given = part.get("thoughtSignature")
            if given not in (None, SKIP, signature_of(model, part["functionCall"])):
                raise Refusal(400, "Corrupted thought signature.")
        if calls and number > max(asked, default=-1) and "thoughtSignature" not in calls[0]:
            name = calls[0]["functionCall"]["name"]
            raise Refusal(400, "Function call is missing a thought_signature in functionCall parts. Additional data, "
                               f"function call `default_api:{name}`, position {number}.")  # fmt: skip

"""A Bot API request as it comes over HTTP: JSON, form or multipart, and its parameters by type."""

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader
from aiohttp.web import BaseRequest

from tests.servers.telegram_errors import ApiError, bad

JSON = dict[str, Any]

# Parameters that are JSON inside a form; a test compares them with aiogram's models.
JSON_FIELDS = frozenset(
    {
        *("allowed_updates", "caption_entities", "commands", "entities", "ephemeral_message_parameters"),
        *("link_preview_options", "media", "message_ids", "reaction", "reply_markup", "reply_parameters"),
        *("rich_message", "scope", "suggested_post_parameters"),
    }
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request."""

    name: str
    media_type: str
    data: bytes


@dataclass(slots=True)
class Request:
    """A request's method, parameters and uploaded files, by the name of their form part."""

    method: str
    params: JSON = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return a whole number; `default` if it isn't given."""
        value = self.params.get(name)
        if value is None or value == "":
            return default
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise bad(f'field "{name}" must be a number') from error

    def flag(self, name: str) -> bool:
        """Return a truth value; false if it isn't given."""
        return self.params.get(name) in (True, 1, "1", "true", "True")

    def text(self, name: str) -> str:
        """Return a text; empty if it isn't given."""
        value = self.params.get(name)
        return "" if value is None else str(value)

    def wanted(self, name: str) -> Any:
        """Return a parameter that must be there."""
        value = self.params.get(name)
        if value is None or value == "":
            raise bad(f"parameter {name} is required")
        return value


async def read(request: BaseRequest, method: str) -> Request:
    """Read a request in whichever of the Bot API's forms it came.

    Raises:
        ApiError: 400: a body that can't be read.
    """
    found = Request(method, dict(request.query))
    if request.content_type == "application/json":
        found.params |= _loaded((await request.read()).decode("utf-8", "replace") or "{}", "request body", dict)
    elif request.content_type == "multipart/form-data":
        await _read_parts(request, found)
    elif request.can_read_body:
        found.params |= await request.post()
    for name in JSON_FIELDS & found.params.keys():
        if isinstance(found.params[name], str):
            found.params[name] = _loaded(found.params[name], name, (dict, list))
    return found


async def _read_parts(request: BaseRequest, found: Request) -> None:
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not part.name:
            raise bad("can't read the form")
        data = bytes(await part.read(decode=True))
        if part.filename is None:
            found.params[part.name] = data.decode()
            continue
        if len(data) > 50 * 1024 * 1024:
            raise ApiError(413, "Request Entity Too Large")
        kind = part.headers.get("Content-Type", "application/octet-stream")
        found.uploads[part.name] = Upload(part.filename, kind, data)
        if part.name in ("photo", "document", "voice", "audio", "video", "certificate"):
            found.params.setdefault(part.name, f"attach://{part.name}")


def _loaded(text: str, what: str, kind: type | tuple[type, ...]) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise bad(f"can't parse {what} JSON object") from error
    if not isinstance(value, kind):
        raise bad(f"object expected as {what}")
    return value

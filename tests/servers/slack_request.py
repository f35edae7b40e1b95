"""A Web API request as it comes over HTTP: JSON, form or query, its token, and its parameters by type."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp.web import BaseRequest

from tests.servers.slack_errors import ApiError

JSON = dict[str, Any]

# Parameters that are JSON inside a form.
JSON_FIELDS = frozenset({"attachments", "blocks", "chunks", "files", "metadata", "prompts", "view"})
TS = re.compile(r"\d{1,12}\.\d{6}")


@dataclass(slots=True)
class Request:
    """A request's method, token and parameters."""

    method: str
    params: JSON = field(default_factory=dict)
    token: str = ""

    def text(self, name: str) -> str:
        """Return a text; empty if it isn't given."""
        value = self.params.get(name)
        return "" if value is None else str(value)

    def flag(self, name: str) -> bool:
        """Return a truth value; false if it isn't given."""
        return self.params.get(name) in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int, most: int) -> int:
        """Return a whole number from 1 to `most`."""
        value = self.params.get(name)
        if value in (None, ""):
            return default
        try:
            number = int(str(value))
        except (TypeError, ValueError) as error:
            raise ApiError("invalid_arguments", [f"[ERROR] must be an integer [json-pointer:/{name}]"]) from error
        if number < 1:
            raise ApiError("invalid_limit")
        return min(number, most)

    def wanted(self, name: str) -> str:
        """Return a text that must be there."""
        if not (value := self.text(name)):
            raise ApiError("invalid_arguments", [f"[ERROR] missing required field: {name}"])
        return value

    def ts(self, name: str, error: str) -> str:
        """Return a message's time stamp; empty if it isn't given."""
        value = self.text(name)
        if value and not TS.fullmatch(value):
            raise ApiError(error)
        return value

    def value(self, name: str, kind: type, error: str) -> Any:
        """Return a JSON value of this kind, None if it isn't given."""
        value = self.params.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError as problem:
                raise ApiError(error) from problem
        if not isinstance(value, kind):
            raise ApiError(error)
        return value


async def read(http: BaseRequest, method: str) -> Request:
    """Read a request in whichever of the Web API's forms it came.

    Raises:
        ApiError: a body that can't be read.
    """
    found = Request(method, dict(http.query))
    kind = http.content_type
    if kind == "application/json":
        try:
            body = json.loads((await http.read()) or b"{}")
        except ValueError as error:
            raise ApiError("invalid_json") from error
        if not isinstance(body, dict):
            raise ApiError("json_not_object")
        found.params |= body
    elif kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        found.params |= {key: value for key, value in (await http.post()).items() if isinstance(value, str)}
    elif http.can_read_body and (await http.read()):
        raise ApiError("invalid_post_type" if "Content-Type" in http.headers else "missing_post_type")
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    found.token = token.strip() if scheme.lower() == "bearer" else str(found.params.get("token", ""))
    found.params.pop("token", None)
    return found

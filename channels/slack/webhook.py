"""The request URL's endpoint: checks the signature, stores, and only then says yes."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from channels.slack.receive import COMMAND, EVENT, INTERACTION, Receiver, stands_alone
from channels.slack.signature import Signatures
from channels.slack.together import Together
from core.inbox import Busy
from storage.errors import surviving

log = logging.getLogger("prowex.slack")

MOST_BODY = 1024 * 1024
Answer = tuple[int, dict[str, Any] | None]


class Webhook:
    """Takes what Slack posts: events as JSON, commands and everything interactive as a form."""

    def __init__(self, receiver: Receiver, signatures: Signatures) -> None:
        self._receiver = receiver
        self._signatures = signatures
        self._together = Together(receiver.take_together)

    async def receive(self, headers: Mapping[str, str], content_type: str, body: bytes) -> Answer:
        """Return the HTTP status and JSON to answer: 200 once stored, 400, 401, 413, or 503 when too much waits."""
        if len(body) > MOST_BODY:
            return 413, None
        if not self._signatures.is_valid(headers, body):
            return 401, None
        try:
            kind, payload = _read(content_type, body)
        except (ValueError, RecursionError):
            return 400, None
        if payload.get("type") == "url_verification":
            return 200, {"challenge": str(payload.get("challenge") or "")[:500]}
        if kind == EVENT and payload.get("type") != "event_callback":
            return 200, None
        with suppress(Busy), surviving(log, "the request URL waits for the database"):
            if not stands_alone(kind, payload):
                return 200, await self._receiver.take(kind, payload)
            await self._together.take(payload)
            return 200, None
        return 503, None


def _read(content_type: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """Return what sort of thing was posted, and its fields.

    Raises:
        ValueError: it is none that Slack posts.
    """
    if content_type == "application/json":
        return EVENT, _object(json.loads(body))
    if content_type != "application/x-www-form-urlencoded":
        raise ValueError("neither JSON nor a form")
    fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=100)
    form = {name: values[0] for name, values in fields.items()}
    if "payload" in form:
        return INTERACTION, _object(json.loads(form["payload"]))
    if form.get("ssl_check") == "1":
        return EVENT, form
    if "command" in form:
        return COMMAND, dict(form)
    raise ValueError("a form of an unknown shape")


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value

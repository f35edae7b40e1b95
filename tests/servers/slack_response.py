"""Response URLs: five answers within half an hour, also where our bot is no member.

Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses.
"""

import uuid
from dataclasses import dataclass
from typing import Any

from tests.servers.slack_blocks import check_blocks
from tests.servers.slack_chat import Chat
from tests.servers.slack_errors import ApiError
from tests.servers.slack_world import JSON, Channel, Message, Person, World

MOST_USES = 5
SECONDS = 1800.0


@dataclass(slots=True)
class ResponseUrl:
    """Where an answer goes: to whom, where, and about which message."""

    channel: Channel
    person: Person
    message: Message | None
    made_at: float
    uses: int = 0


class ResponseUrls:
    """Gives out response URLs and obeys what is posted to them."""

    def __init__(self, world: World, chat: Chat) -> None:
        self.base = ""
        self._world = world
        self._chat = chat
        self._urls: dict[str, ResponseUrl] = {}

    def make(self, channel: Channel, person: Person, message: Message | None = None) -> str:
        """Return a fresh response URL."""
        token = uuid.uuid4().hex
        self._urls[token] = ResponseUrl(channel, person, message, self._world.clock.monotonic())
        return f"{self.base}/response/{token}"

    def obey(self, token: str, body: Any) -> None:
        """Do what was posted to a response URL.

        Raises:
            ApiError: it was used too often or too late, or what was posted can't be shown.
        """
        url = self._urls.get(token)
        if url is None:
            raise ApiError("invalid_token", status=404)
        if self._world.clock.monotonic() - url.made_at > SECONDS:
            raise ApiError("expired_url", status=404)
        if url.uses >= MOST_USES:
            raise ApiError("used_url", status=404)
        if not isinstance(body, dict):
            raise ApiError("invalid_payload", status=400)
        url.uses += 1
        try:
            self.answer(url.channel, url.person, body, url.message)
        except ApiError as error:
            raise ApiError(error.error, error.messages, status=400) from error

    def answer(self, channel: Channel, person: Person, body: JSON, message: Message | None = None) -> None:
        """Show an answer to an interaction."""
        if body.get("delete_original"):
            if message and not message.deleted_at:
                self._chat.remove(message)
            return
        text, blocks = str(body.get("text") or ""), check_blocks(body.get("blocks") or [])
        if not text and not blocks:
            raise ApiError("no_text")
        fields: JSON = {"text": text, "blocks": blocks, "metadata": body.get("metadata")}
        if body.get("replace_original"):
            if message is None or message.deleted_at:
                raise ApiError("message_not_found")
            self._chat.change(message, self._world.bot.id, **fields)
            return
        aloud = body.get("response_type") == "in_channel"
        thread_ts = str(body.get("thread_ts") or "")
        self._chat.show(channel, self._world.bot, **fields, thread_ts=thread_ts, only_for=None if aloud else person)

"""What Slack knows of our messages: each carries our own id in its metadata, by which it is found again."""

import asyncio
from collections.abc import Callable
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import translated
from channels.slack.inbound import Me
from core.channel import Gone, Refused, Unsure
from core.envelopes import Target

EVENT_TYPE = "prowex_part"
"""The type of the metadata under which every message of ours carries its key."""
LOOK_AGAIN_SECONDS = 1.0
"""A post whose answer was lost may come into sight a moment after the connection went."""
PAGE = 200
MOST_PAGES = 5


def metadata_of(key: str) -> dict[str, Any]:
    """Return the metadata of the message that is posted with `key`."""
    return {"event_type": EVENT_TYPE, "event_payload": {"part": key}}


class History:
    """Reads conversations for what we posted.

    Args:
        may_be: tells of a message of ours without a key whether it may be the one that was posted with a key.
    """

    def __init__(self, client: AsyncWebClient, me: Me, may_be: Callable[[Target, str, dict[str, Any]], bool]) -> None:
        self._client = client
        self._me = me
        self._may_be = may_be

    async def find(self, target: Target, key: str) -> str | None:
        """Look for the message with `key` among those after the one that was answered.

        Raises:
            TryLater, Unsure.
        """
        found = await self._look_for(target, key)
        if found is None:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            found = await self._look_for(target, key)
        return found

    async def _look_for(self, target: Target, key: str) -> str | None:
        """Return the message's id, None if it is certainly not there.

        Files and streams carry no key: where a message of ours may be what is looked for, nobody can know.
        """
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            try:
                async with translated(posting=False):
                    page = await self._page(target, cursor)
            except (Refused, Gone) as error:
                raise Unsure from error
            for message in page.get("messages") or ():
                if (found := _key_of(message)) == key:
                    return str(message["ts"])
                if message.get("user") == self._me.user and (
                    message.get("files") or (not found and self._may_be(target, key, message))
                ):
                    raise Unsure
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                return None
        raise Unsure

    async def _page(self, target: Target, cursor: str | None) -> Any:
        channel, _, thread = target.chat.partition("/")
        since = target.answers or None
        if thread:
            return await self._client.conversations_replies(
                channel=channel, ts=thread, oldest=since, include_all_metadata=True, limit=PAGE, cursor=cursor
            )
        return await self._client.conversations_history(
            channel=channel, oldest=since, include_all_metadata=True, limit=PAGE, cursor=cursor
        )


def _key_of(message: dict[str, Any]) -> str:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != EVENT_TYPE:
        return ""
    return str((metadata.get("event_payload") or {}).get("part") or "")

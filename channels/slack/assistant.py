"""The assistant pane: what stands in a new thread of it before anybody has written."""

import logging

from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import translated
from channels.slack.inbound import Me
from channels.slack.manifest import PROMPTS
from channels.slack.payloads import AssistantThread
from core.channel import Gone, Refused, TryLater

log = logging.getLogger("prowex.slack")


async def welcome(client: AsyncWebClient, me: Me, thread: AssistantThread) -> None:
    """Name a new thread and suggest how to begin. Best effort."""
    place = {"channel_id": thread.channel_id, "thread_ts": thread.thread_ts}
    try:
        async with translated(posting=False):
            await client.assistant_threads_setTitle(title=f"Talk with {me.name}", **place)
            await client.assistant_threads_setSuggestedPrompts(prompts=list(PROMPTS), title="Begin with", **place)
    except (TryLater, Refused, Gone):
        log.debug("an assistant thread could not be set up")

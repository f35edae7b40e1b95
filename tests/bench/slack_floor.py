"""The floor on Slack: a bare slack-bolt and openai bot, as a competent developer writes it in an afternoon.

It keeps no word: it forgets all at a restart and loses what it was doing. Prowex is measured against it, so it is
never tuned and never changed.
"""

import os
import time
from collections import defaultdict, deque
from typing import Any

import uvloop
from openai import AsyncOpenAI, OpenAIError
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

LIMIT = 3900
SECONDS = 1.5
"""Between two updates of an answer that grows."""
SYSTEM: Any = {"role": "system", "content": "You are a helpful assistant."}

app = AsyncApp(client=AsyncWebClient(os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"]))
model = AsyncOpenAI()
memory: defaultdict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=20))


@app.event("message")
async def answer(event: dict[str, Any], client: AsyncWebClient) -> None:
    """Stream the model's answer into one message."""
    if event.get("subtype") or event.get("channel_type") != "im":
        return
    channel = event["channel"]
    said = memory[channel]
    said.append({"role": "user", "content": event["text"]})
    sent = await client.chat_postMessage(channel=channel, text="…")
    text, updated_at = "", time.monotonic()
    try:
        stream = await model.chat.completions.create(
            model=os.environ["OPENAI_MODEL"], messages=[SYSTEM, *said], stream=True
        )
        async for chunk in stream:
            if chunk.choices:
                text += chunk.choices[0].delta.content or ""
            if text.strip() and time.monotonic() - updated_at >= SECONDS:
                await client.chat_update(channel=channel, ts=sent["ts"], text=text[:LIMIT])
                updated_at = time.monotonic()
    except OpenAIError:
        text = text or "Sorry, something went wrong. Please try again."
    said.append({"role": "assistant", "content": text})
    parts = [text[at : at + LIMIT] for at in range(0, len(text), LIMIT)] or ["(no answer)"]
    await client.chat_update(channel=channel, ts=sent["ts"], text=parts[0], blocks=markdown(parts[0]))
    for part in parts[1:]:
        await client.chat_postMessage(channel=channel, text=part, blocks=markdown(part))


def markdown(text: str) -> list[dict[str, Any]]:
    """Return a block that shows Markdown as the model writes it."""
    return [{"type": "markdown", "text": text}]


async def main() -> None:
    """Receive for ever."""
    await AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    uvloop.run(main())

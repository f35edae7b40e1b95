"""A person on Telegram."""

import contextlib
from asyncio import timeout
from typing import Any

from tests.crash.echo import Echo
from tests.crash.oracle import Seen
from tests.crash.talk import PICTURE, Talker
from tests.servers.telegram import FakeTelegram
from tests.servers.telegram_world import Chat, Person


class Friend(Talker):
    """Somebody in a private chat, or (with a mention) in a group."""

    def __init__(self, telegram: FakeTelegram, echo: Echo, chat: Chat, *, by: Person | None = None) -> None:
        super().__init__(str(chat.id), echo)
        self._telegram = telegram
        self._chat = chat
        self._mention = "" if chat.type == "private" else f"@{telegram.bot.username}"
        self._how: dict[str, Any] = {"by": by} if by else {}

    def seen(self) -> list[Seen]:
        """Return the bot's messages that stand in the chat."""
        shown = self._telegram.visible(self._chat)
        return [Seen(str(one.id), one.text, one.sent_at.timestamp()) for one in shown if one.from_bot]

    def transcript(self) -> str:
        """Return the chat as lines."""
        return self._telegram.transcript(self._chat)

    async def say(self, text: str) -> None:
        """Write; in a group with a mention."""
        if self._mention and text.startswith("/"):
            word, _, rest = text.partition(" ")
            text = f"{word}{self._mention} {rest}".strip()
        else:
            text = f"{self._mention} {text}".strip()
        await self._telegram.say(self._chat, text, **self._how)

    async def picture(self, text: str, *, count: int = 1) -> None:
        """Send a picture, or an album."""
        text = f"{self._mention} {text}".strip()
        if count > 1:
            await self._telegram.send_album(self._chat, [PICTURE] * count, caption=text, **self._how)
        else:
            await self._telegram.send_file(
                self._chat, "photo", PICTURE, "p.png", "image/png", caption=text, **self._how
            )

    async def press(self, label: str) -> bool:
        """Press a button."""
        try:
            await self._telegram.press(self._chat, label)
        except LookupError:
            return False
        return True

    async def change(self) -> None:
        """Wait for a change of the chat, at most half a second."""
        with contextlib.suppress(TimeoutError):
            async with timeout(0.5):
                await self._telegram.world.change(self._chat)

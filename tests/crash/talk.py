"""A person who writes, presses and waits in a chat, whatever the channel, and remembers having said it."""

import asyncio
import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable

from tests.crash.echo import Echo, new_token, read_answers
from tests.crash.oracle import FAILED, NOTICE, STOPPED, Said, Seen

ANSWERED_WITHIN = 120.0
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c636060606000000005000167a1d5d60000000049454e44ae426082"
)
STOP_CARD = r"Nothing is running|Stopped\. What was said"


class Talker(ABC):
    """Somebody in a chat.

    Args:
        name: the chat, as troubles and reports name it.

    Attributes:
        lanes: how many things may be under way in the chat at a time.
        again: how many cards were asked for again.
        secrets: words that must not be readable anywhere, beside the tokens.
        place: where a lost answer belongs that this chat may show a trace of.
        reads_back, for_one: see `judge`.
    """

    reads_back = False
    for_one = False

    def __init__(self, name: str, echo: Echo) -> None:
        self.name = self.place = name
        self.said: list[Said] = []
        self.secrets: list[str] = []
        self.lanes = 1
        self.again = 0
        self._echo = echo

    @abstractmethod
    def seen(self) -> list[Seen]:
        """Return the assistant's messages that stand in the chat now."""

    @abstractmethod
    def transcript(self) -> str:
        """Return the chat as lines for a reader."""

    @abstractmethod
    async def say(self, text: str) -> None:
        """Write, and go on once it is sent."""

    @abstractmethod
    async def picture(self, text: str, *, count: int = 1) -> None:
        """Send pictures with words; several belong together."""

    @abstractmethod
    async def press(self, label: str) -> bool:
        """Press the newest button with this label; return whether there was one."""

    @abstractmethod
    async def change(self) -> None:
        """Wait until something in the chat changes, or a little while."""

    def _whole(self, token: str) -> int:
        asked = self._echo.calls
        texts = [one.text for one in self.seen()]
        return sum(token in asked[answer.call] for answer in read_answers(texts) if answer.whole)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; whoever waits too long goes on, and the judge sees what is missing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_WITHIN):
                while not holds():
                    await self.change()

    async def tell(self, directives: str = "") -> str:
        """Write a message with a token of its own and return the token."""
        token = new_token()
        self.said.append(Said(token))
        await self.say(f"{directives} hello {token}".strip())
        return token

    async def ask(self, directives: str = "") -> str:
        """Write a message and wait until it is answered."""
        token = await self.tell(directives)
        await self.answered(token)
        return token

    async def answered(self, token: str, times: int = 1) -> None:
        """Wait until a message is answered; press Retry where the model gave up."""

        def ready() -> bool:
            return self._whole(token) >= times or self._gave_up()

        for _ in range(10):
            await self.until(ready)
            if self._whole(token) >= times or not self._gave_up():
                return
            await asyncio.sleep(1)
            await self.press("Retry")
            told = len(self._failures())
            await self.until(lambda told=told: self._whole(token) >= times or len(self._failures()) > told)

    def _failures(self) -> list[Seen]:
        return [one for one in self.seen() if FAILED in one.text]

    def _gave_up(self) -> bool:
        seen = self.seen()
        return bool(seen) and FAILED in seen[-1].text

    async def burst(self, count: int) -> None:
        """Write several messages at once and wait for all answers."""
        tokens = [await self.tell() for _ in range(count)]
        for token in tokens:
            await self.answered(token)

    async def command(self, text: str = "", shows: str = "") -> None:
        """Give a command, an unknown one with a token if none is named, and wait for its card or a notice."""
        if not text:
            token = new_token()
            text, shows = f"/{token}", f"I don't know /{token}"
        before = self.cards(shows)
        notices = self.cards(NOTICE)
        self.said.append(Said(shows=shows))
        await self.say(text)
        await self.until(lambda: self.cards(shows) > before or self.cards(NOTICE) > notices)

    def cards(self, shows: str) -> int:
        """Return how many messages match a pattern."""
        return sum(re.search(shows, one.text) is not None for one in self.seen())

    def secret(self) -> str:
        """Return a word that must not be readable anywhere, and that the model does not repeat."""
        self.secrets.append(new_token().replace("zq", "wx"))
        return self.secrets[-1]

    async def show_again(self) -> None:
        """Press the button of the newest notice, and wait for what it shows."""
        before = len(self.seen())
        if self.cards(NOTICE) and await self.press("Show it again"):
            self.again += 1
            await self.until(lambda: len(self.seen()) > before)

    async def show_pictures(self, count: int = 1) -> None:
        """Send pictures and wait for the answer."""
        token = new_token()
        self.said.append(Said(token))
        await self.picture(f"see {token}", count=count)
        await self.answered(token)

    async def stop(self, after: float = 1.2) -> None:
        """Ask for something long, stop it, and wait until it has stopped."""
        self.lanes = 2
        token = new_token()
        said = Said(token, stopped=True)
        self.said.append(said)
        stops = self.cards(STOPPED)
        await self.say(f"[[len=2400 slow=6]] tell me {token}")
        await asyncio.sleep(after)
        await self.command("/stop", STOP_CARD)
        await self.until(lambda: self._whole(token) or self.cards(STOPPED) > stops)

    async def retry(self) -> None:
        """Ask something, and once it is answered ask for another answer."""
        token = await self.ask()
        self.said[-1].wholes += 1
        await self.say("/retry")
        await self.answered(token, 2)

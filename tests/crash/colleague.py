"""People on Slack: in a direct chat, in a channel's thread among others, and at the top of a channel.

Slack delivers what was said until it is acknowledged. A slash command and a pressed button it delivers once: whoever
sees that it failed does it again, and what was not acknowledged may have been taken all the same.
"""

import asyncio
import contextlib
import time
from asyncio import timeout

from tests.crash.echo import Echo, new_token
from tests.crash.oracle import NOTICE, Said, Seen
from tests.crash.talk import ANSWERED_WITHIN, PICTURE, Talker
from tests.servers.slack import FakeSlack
from tests.servers.slack_delivery import Delivery
from tests.servers.slack_people import How
from tests.servers.slack_sight import Shown
from tests.servers.slack_world import Channel, Message, Person

_SAID = ("message", "app_mention")


class Colleague(Talker):
    """Somebody in a conversation on Slack."""

    reads_back = True

    def __init__(self, slack: FakeSlack, echo: Echo, channel: Channel, who: Person, name: str) -> None:
        super().__init__(name, echo)
        self.place = channel.id
        self._slack = slack
        self._channel = channel
        self._who = who

    @property
    def thread(self) -> str:
        """Return the thread that they stand in; empty for none."""
        return ""

    def shown(self) -> list[Shown]:
        """Return the bot's messages that they see here now."""
        every = self._slack.visible(self._channel, self.thread, by=self._who)
        return [one for one in every if one.from_bot and one.subtype != "channel_join"]

    def seen(self) -> list[Seen]:
        """Return the bot's messages that they see here now."""
        return [Seen(one.ts, one.text, one.sent_at.timestamp()) for one in self.shown()]

    def transcript(self) -> str:
        """Return the conversation as lines."""
        return self._slack.transcript(self._channel, self.thread, by=self._who)

    async def say(self, text: str) -> None:
        """Write."""
        self._watch(await self._slack.say(self._channel, text, **self._how()))

    async def picture(self, text: str, *, count: int = 1) -> None:
        """Send pictures in one message."""
        files = [(PICTURE, f"p{number}.png", "image/png") for number in range(count)]
        self._watch(await self._slack.send_files(self._channel, files, text, **self._how()))

    async def press(self, label: str) -> bool:
        """Press the newest button with this label until it is acknowledged."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while time.monotonic() < deadline:
            found = [one for one in self.shown() if label in one.labels]
            if not found:
                return False
            act = await self._slack.press(self._channel, label, by=self._who, message=found[-1].ts)
            if (await act.outcome()).acknowledged:
                break
            self.again += 1
            await asyncio.sleep(0.3)
        return True

    async def change(self) -> None:
        """Wait for a change of the conversation, at most half a second."""
        with contextlib.suppress(TimeoutError):
            async with timeout(0.5):
                await self._slack.world.change(self._channel)

    async def slash(self, text: str = "", shows: str = "") -> None:
        """Give a slash command, an unknown one if none is named, until it is acknowledged; wait for its card."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while time.monotonic() < deadline:
            token = new_token()
            word, card = (text.removeprefix("/"), shows) if text else (token, f"I don't know /{token}")
            before, notices = self.cards(card), self.cards(NOTICE)
            said = Said(shows=card)
            self.said.append(said)
            act = await self._slack.command(self._channel, f"/prowex {word}", by=self._who)
            if (await act.outcome()).acknowledged:
                await self.until(lambda: self.cards(card) > before or self.cards(NOTICE) > notices)  # noqa: B023
                return
            said.sure = False
            await asyncio.sleep(0.3)

    def _how(self) -> How:
        return {"by": self._who, **({"thread": self.thread} if self.thread else {})}  # type: ignore[return-value]

    def _deliveries(self, message: Message) -> list[Delivery]:
        found = []
        for one in self._slack.deliveries.log:
            event = one.payload.get("event", {})
            if event.get("type") in _SAID and (event.get("channel"), event.get("ts")) == (self.place, message.ts):
                found.append(one)
        return found

    def _watch(self, message: Message) -> None:
        """Write down when what was said last was sent and taken, for the judge of the order."""
        if not self.said or self.said[-1].sent:
            return
        said = self.said[-1]
        said.sent, said.kept = time.monotonic(), float("inf")
        for delivery in self._deliveries(message):
            delivery.done.add_done_callback(lambda _, one=delivery: _taken(said, one))


def _taken(said: Said, delivery: Delivery) -> None:
    said.again = said.again or delivery.tries > 1
    if not delivery.done.cancelled() and delivery.done.result().acknowledged:
        said.kept = min(said.kept, time.monotonic())


class Direct(Colleague):
    """Somebody in their direct chat: commands by slash, those that work on a running answer by `!word`."""

    def __init__(self, slack: FakeSlack, echo: Echo, who: Person) -> None:
        super().__init__(slack, echo, slack.im(who), who, f"@{who.name}")

    async def say(self, text: str) -> None:
        """Write; clients keep messages that begin with a slash to themselves."""
        await super().say(f"!{text[1:]}" if text.startswith("/") else text)

    async def command(self, text: str = "", shows: str = "") -> None:
        """Give a command: by slash, and `/stop` by message."""
        await (super().command if text == "/stop" else self.slash)(text, shows)

    async def fill_in(self, command: str, values: dict[str, str]) -> None:
        """Give a slash command that opens a modal, fill that in, and send it off until it is taken."""
        deadline = time.monotonic() + ANSWERED_WITHIN
        while not self._who.views and time.monotonic() < deadline:
            act = await self._slack.command(self._channel, f"/prowex {command}", by=self._who)
            await act.outcome()
            await asyncio.sleep(0.3)
        while self._who.views and time.monotonic() < deadline:
            answer = await self._slack.submit(self._who, values)
            if answer.action in ("clear", "closed"):
                return
            await asyncio.sleep(0.3)


class InThread(Colleague):
    """Somebody who turns to the bot in a channel and goes on in the thread, while another talks around it."""

    for_one = True

    def __init__(self, slack: FakeSlack, echo: Echo, channel: Channel, who: Person, other: Person) -> None:
        super().__init__(slack, echo, channel, who, f"#{channel.name}/{who.name}")
        self._other = other
        self._root = ""

    @property
    def thread(self) -> str:
        """Return the thread."""
        return self._root

    def shown(self) -> list[Shown]:
        """Return what the bot shows in the thread, once it is begun."""
        return super().shown() if self._root else []

    async def say(self, text: str) -> None:
        """Begin the thread with a mention, go on without one; commands are given by mention."""
        if not self._root:
            message = await self._slack.say(self._channel, text, by=self._who, mention=True)
            self._root = message.ts
            self._watch(message)
            # what follows is known to be meant for the bot only once this is
            await asyncio.wait([one.done for one in self._deliveries(message)])
            return
        await self._talk_around()
        if text.startswith("/"):
            how: How = {"by": self._who, "thread": self._root, "mention": True}
            self._watch(await self._slack.say(self._channel, text, **how))
        else:
            await super().say(text)

    async def picture(self, text: str, *, count: int = 1) -> None:
        """Send pictures, in a thread that is begun with words if need be."""
        if not self._root:
            await self.say(text)
        else:
            await super().picture(text, count=count)

    async def _talk_around(self) -> None:
        """Let the other talk to this person in the thread, and to everybody in the channel."""
        word, by, root = self.secret(), self._other, self._root
        await self._slack.say(self._channel, f"@{self._who.handle} lunch at noon? {word}", by=by, thread=root)
        await self._slack.say(self._channel, f"does anybody know {word}?", by=by)


class AtTheTop(Colleague):
    """Somebody who only gives slash commands in a channel: they alone see the answers."""

    for_one = True

    def __init__(self, slack: FakeSlack, echo: Echo, channel: Channel, who: Person) -> None:
        super().__init__(slack, echo, channel, who, f"#{channel.name}")

    def shown(self) -> list[Shown]:
        """Return what stands at the top of the channel."""
        return [one for one in super().shown() if one.thread_ts in ("", one.ts)]

    async def command(self, text: str = "", shows: str = "") -> None:
        """Give a slash command."""
        await self.slash(text, shows)

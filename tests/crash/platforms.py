"""The platforms under the suite's channels: what the product is told of them, and what went wrong on their side."""

from abc import ABC, abstractmethod

from tests.crash.app import App
from tests.crash.oracle import Trouble
from tests.servers.slack import FakeSlack
from tests.servers.telegram import TOKEN, FakeTelegram

SECRET = "a-secret-for-the-webhook-in-tests"
EVENT = "events_api"
"""What Slack delivers again; what people use, they use again themselves."""
SLACK_PAUSES = (0.1, 0.3, 0.5, *[1.0] * 60)
"""Seconds between Slack's tries: as often as it takes, so that nothing is lost that we could not help."""


class Platform(ABC):
    """A platform's server, which outlives the product."""

    @abstractmethod
    async def open(self) -> None:
        """Start to listen."""

    @abstractmethod
    async def close(self) -> None:
        """Stop."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Return what the product's environment says of it."""

    @abstractmethod
    def add(self, app: App) -> None:
        """Take a new process in: where it listens may be told to it or to the platform."""

    @abstractmethod
    async def connected(self) -> None:
        """Wait until the product can be told of what happens."""

    @abstractmethod
    def pending(self) -> int:
        """Return how many deliveries are not acknowledged."""

    @abstractmethod
    def wrongs(self) -> list[tuple[str, str]]:
        """Return what the platform itself saw go wrong: invariant and sentence."""

    @abstractmethod
    def drops(self) -> list[Trouble]:
        """Return the answers that were lost."""

    @abstractmethod
    def called_at(self) -> list[float]:
        """Return when the product called it, in seconds since the epoch."""


class OnTelegram(Platform):
    """Telegram by long polling or webhook; for the web, a Telegram that nobody knows of."""

    def __init__(self, server: FakeTelegram, channel: str) -> None:
        self._server = server
        self._channel = channel

    async def open(self) -> None:
        """Start to listen."""
        await self._server.__aenter__()

    async def close(self) -> None:
        """Stop."""
        await self._server.__aexit__(None, None, None)

    def settings(self) -> dict[str, str]:
        """Return token and address."""
        if self._channel == "web":
            return {}
        return {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": self._server.url}

    def add(self, app: App) -> None:
        """Tell it its webhook; the process that starts last has the updates."""
        if self._channel == "webhook":
            app.set("TELEGRAM_WEBHOOK_URL", f"http://127.0.0.1:{app.port}/hooks/telegram")
            app.set("TELEGRAM_WEBHOOK_SECRET", SECRET)

    async def connected(self) -> None:
        """Wait for nothing: updates wait for the product."""

    def pending(self) -> int:
        """Return the updates that wait."""
        return len(self._server.updates.pending)

    def wrongs(self) -> list[tuple[str, str]]:
        """Return updates that were never acknowledged."""
        count = self.pending()
        return [("I7", f"{count} updates were never acknowledged")] if count else []

    def drops(self) -> list[Trouble]:
        """Return the answers that were lost."""
        calls = self._server.journal.calls
        return [Trouble(call.when.timestamp(), str(call.chat_id or "")) for call in calls if call.dropped]

    def called_at(self) -> list[float]:
        """Return when the product called."""
        return [call.when.timestamp() for call in self._server.journal.calls]


class OnSlack(Platform):
    """Slack over Socket Mode or to the request URL."""

    def __init__(self, server: FakeSlack, channel: str) -> None:
        self._server = server
        self._over_socket = channel == "slack-socket"

    async def open(self) -> None:
        """Start to listen."""
        await self._server.__aenter__()

    async def close(self) -> None:
        """Stop."""
        await self._server.__aexit__(None, None, None)

    def settings(self) -> dict[str, str]:
        """Return tokens and address."""
        server = self._server
        one = {"SLACK_APP_TOKEN": server.app_token} if self._over_socket else {}
        other = {} if self._over_socket else {"SLACK_SIGNING_SECRET": server.signing_secret}
        return {"SLACK_BOT_TOKEN": server.bot_token, "SLACK_API_URL": server.url, **one, **other}

    def add(self, app: App) -> None:
        """Tell Slack the request URL; the process that was made last has the deliveries."""
        if not self._over_socket:
            self._server.events_url = f"{app.url}/hooks/slack"

    async def connected(self) -> None:
        """Wait for a connection in Socket Mode."""
        if self._over_socket:
            await self._server.sockets.connected(timeout=30)

    def pending(self) -> int:
        """Return the deliveries that wait."""
        return len(self._server.deliveries.pending)

    def wrongs(self) -> list[tuple[str, str]]:
        """Return events that were lost, acknowledgements of nothing, and mentions in what we wrote."""
        server = self._server
        lost = [one for one in server.deliveries.lost if one.kind == EVENT]
        found = [("I7", f"an event was lost: {one.event_type}") for one in lost]
        found += [("I7", f"{len(server.sockets.stray)} acknowledgements of nothing")] if server.sockets.stray else []
        for channel in server.world.channels.values():
            ours = [one for one in server.history(channel) if one.from_bot and one.triggered]
            found += [("slack", f"message {one.ts} mentioned somebody") for one in ours]
        if count := self.pending():
            found.append(("I7", f"{count} deliveries were never acknowledged"))
        return found

    def drops(self) -> list[Trouble]:
        """Return the answers that were lost."""
        calls = self._server.journal.calls
        return [Trouble(call.when.timestamp(), call.channel) for call in calls if call.dropped]

    def called_at(self) -> list[float]:
        """Return when the product called."""
        return [call.when.timestamp() for call in self._server.journal.calls]

"""A fake Slack on loopback: the Web API and its events for the app, people's hands and eyes for the tests.

    async with FakeSlack() as slack:
        ann = slack.person("Ann")
        general = slack.channel("general", ann)
        await slack.say(general, "hi", mention=True)
        assert await slack.replies(general) == ["Hello! What can I do for you?"]

Events go to `events_url` if it is set, else over Socket Mode. Also a program for drivers in another process:
`python -m tests.servers.slack --port P`; see `slack_control` for its control API.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from types import TracebackType
from typing import Self

import aiohttp

from storage.clock import Clock, SystemClock
from tests.servers.slack_chat import Chat
from tests.servers.slack_control import Control
from tests.servers.slack_delivery import Deliveries, Transport
from tests.servers.slack_events import Events
from tests.servers.slack_faults import Faults, Journal
from tests.servers.slack_files import Files
from tests.servers.slack_hooks import Hooks
from tests.servers.slack_limits import Flood, Limits
from tests.servers.slack_modals import Modals
from tests.servers.slack_people import People
from tests.servers.slack_reading import Reading
from tests.servers.slack_response import ResponseUrls
from tests.servers.slack_serving import Serving
from tests.servers.slack_sight import Sight
from tests.servers.slack_socket import Sockets
from tests.servers.slack_views import Views
from tests.servers.slack_world import JSON, Person, World

BOT_TOKEN = "xoxb-fake-slack-bot-token-for-tests-only"
APP_TOKEN = "xapp-1-fake-slack-app-token-for-tests-only"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
REAL_PAUSES = (0.0, 60.0, 300.0)


class FakeSlack(Serving, People, Modals, Sight):
    """One workspace with our app. `faults`, `flood`, `journal`, `deliveries`, `sockets` and `world` are open to tests.

    Args:
        port: 0 picks a free one; it stays the same over `refuse` and `accept`.
        limits: the rate limits, `Limits.strict()` and `Limits.off()` among them; may be changed while it runs.
        pauses: seconds before an event's 2nd, 3rd … try; after the last one it is lost.
        deadline: seconds that the app has to acknowledge.
        wanted: the types of events that the app subscribed to; None for all.
        seed: of the faults' probabilities.

    Attributes:
        failures: interactions that the app didn't acknowledge, as its person saw it.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        limits: Limits | None = None,
        pauses: Sequence[float] = REAL_PAUSES,
        deadline: float = 3.0,
        wanted: Collection[str] | None = None,
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        self.bot_token, self.app_token = BOT_TOKEN, APP_TOKEN
        self.signing_secret: str = SIGNING_SECRET
        self.port = port
        self.clock = clock or SystemClock()
        self.world = World(self.clock)
        self.world.add(Person("USLACKBOT", "Slackbot", "slackbot", bot_id="B01"))
        self.faults = Faults(seed)
        self.flood = Flood(self.clock, limits or Limits())
        self.journal = Journal()
        self.failures: list[str] = []
        self.sockets = Sockets(self.faults, deadline)
        self.hooks = Hooks(self.clock, self.faults, self.signing_secret, deadline)
        self.deliveries = Deliveries(self.world.changed, self._transport, pauses)
        self.deliveries.wanted = wanted
        self.sockets.deliveries = self.deliveries
        self.events = Events(self.world, self.deliveries)
        self.chat = Chat(self.world, self.events)
        self.responses = ResponseUrls(self.world, self.chat)
        self.views = Views(self.world)
        self.files = Files(self.world, self.events, self.chat)
        reading = Reading(self.world, self.events, self.chat, self.flood)
        self.methods = {
            **self.chat.methods,
            **reading.methods,
            **self.views.methods,
            **self.files.methods,
            "apps.connections.open": self.open_connection,
        }
        self.control = Control(self)
        self._sender: asyncio.Task[None] | None = None

    @property
    def bot(self) -> Person:
        """Return our bot."""
        return self.world.bot

    @property
    def url(self) -> str:
        """Return the address of the Web API (`SLACK_API_URL`)."""
        return f"{self.address}/api/"

    @property
    def events_url(self) -> str:
        """Return the app's request URL; empty for Socket Mode. Commands and interactivity go there too."""
        return self.hooks.events_url

    @events_url.setter
    def events_url(self, url: str) -> None:
        self.hooks.events_url = url

    async def __aenter__(self) -> Self:
        """Start to listen."""
        await self.accept()
        self.hooks.session = aiohttp.ClientSession()
        self._sender = asyncio.create_task(self.deliveries.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        if self._sender:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
        if self.hooks.session:
            await self.hooks.session.close()
        await self.refuse()

    def stats(self) -> JSON:
        """Return counts of all that happened."""
        early = [{"method": one.method, "channel": one.channel, "early": one.early} for one in self.flood.disobeyed]
        return {
            "methods": dict(self.journal.by_method),
            "statuses": {str(status): number for status, number in self.journal.by_status.items()},
            "errors": dict(self.journal.by_error),
            "refused": dict(self.flood.refused),
            "disobeyed": early,
            "deliveries": dict(self.deliveries.counts),
            "pending": len(self.deliveries.pending),
            "connections": len(self.sockets.connections),
            "opened": self.sockets.opened,
            "stray_acks": len(self.sockets.stray),
            "failures": list(self.failures),
        }

    def _transport(self) -> Transport:
        return self.hooks if self.hooks.events_url else self.sockets


async def _run(options: argparse.Namespace) -> None:
    limits = Limits.off() if options.no_limits else Limits.strict() if options.strict else Limits()
    pauses = [float(one) for one in options.pauses.split(",")] if options.pauses else REAL_PAUSES
    slack = FakeSlack(port=options.port, limits=limits, pauses=pauses, deadline=options.deadline, seed=options.seed)
    slack.events_url = options.events_url
    async with slack:
        print(f"ready {slack.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until it is killed; the first line says `ready` and the Web API's address."""
    parser = argparse.ArgumentParser(description="A fake Slack on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--events-url", default="", help="the app's request URL; without it, Socket Mode")
    parser.add_argument("--no-limits", action="store_true", help="no rate limits")
    parser.add_argument("--strict", action="store_true", help="one message per second and channel, no burst")
    parser.add_argument("--pauses", default="", help="seconds before the 2nd, 3rd … try of an event, with commas")
    parser.add_argument("--deadline", type=float, default=3.0, help="seconds to acknowledge in")
    parser.add_argument("--seed", type=int, default=0)
    run: Callable[[Awaitable[None]], None] = asyncio.run  # type: ignore[assignment]
    with contextlib.suppress(ImportError):
        import uvloop

        run = uvloop.run  # type: ignore[assignment]
    with contextlib.suppress(KeyboardInterrupt):
        run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()

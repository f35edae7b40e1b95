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
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from storage.clock import Clock, SystemClock
from tests.servers.slack_acts import Acts
from tests.servers.slack_chat import Chat
from tests.servers.slack_delivery import Deliveries, Transport
from tests.servers.slack_errors import ApiError
from tests.servers.slack_events import Events
from tests.servers.slack_faults import Call, Faults, Journal
from tests.servers.slack_hooks import Hooks
from tests.servers.slack_limits import Flood, Limits
from tests.servers.slack_people import People
from tests.servers.slack_reading import Reading
from tests.servers.slack_request import Request, read
from tests.servers.slack_response import ResponseUrls
from tests.servers.slack_sight import Sight
from tests.servers.slack_socket import Sockets
from tests.servers.slack_views import Views
from tests.servers.slack_world import JSON, Person, World

BOT_TOKEN = "xoxb-fake-slack-bot-token-for-tests-only"
APP_TOKEN = "xapp-1-fake-slack-app-token-for-tests-only"
SIGNING_SECRET = "0123456789abcdef0123456789abcdef"
REAL_PAUSES = (0.0, 60.0, 300.0)


class FakeSlack(People, Acts, Sight):
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
        self.bot_token, self.app_token, self.signing_secret = BOT_TOKEN, APP_TOKEN, SIGNING_SECRET
        self.port = port
        self.clock = clock or SystemClock()
        self.world = World(self.clock)
        self.world.people["USLACKBOT"] = Person("USLACKBOT", "Slackbot", "slackbot", bot_id="B01")
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
        reading = Reading(self.world, self.events, self.chat, self.flood)
        self._methods: dict[str, Callable[[Request], JSON]] = {
            **self.chat.methods,
            **reading.methods,
            **self.views.methods,
            "apps.connections.open": self._open_connection,
        }
        self._sender: asyncio.Task[None] | None = None
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None

    @property
    def bot(self) -> Person:
        """Return our bot."""
        return self.world.bot

    @property
    def address(self) -> str:
        """Return the server's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

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

    async def refuse(self) -> None:
        """Refuse connections and break those that stand, as if Slack were out of reach."""
        server, runner, self._server, self._runner = self._server, self._runner, None, None
        if server and runner:
            for site in list(runner.sites):
                await site.stop()
            for connection in server.connections:
                if connection.transport:
                    connection.transport.abort()
            await runner.cleanup()

    async def accept(self) -> None:
        """Listen (again), on the same port."""
        if self._runner:
            return
        self._server = web.Server(self._answer, request_factory=_request)
        self._runner = web.ServerRunner(self._server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        self.responses.base = self.events.files_url = self.address

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

    def _open_connection(self, _: Request) -> JSON:
        return {"url": f"ws://127.0.0.1:{self.port}/link/?ticket={self.sockets.ticket()}&app_id=fake"}

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        _, _, rest = request.path.partition("/")
        area, _, what = rest.partition("/")
        match area:
            case "api":
                return await self._serve(request, what, self._obey)
            case "link":
                return await self.sockets.serve(request)
            case "response":
                return await self._serve(request, "response_url", self._respond)
        return _json(404, {"ok": False, "error": "not_found"})

    async def _serve(
        self, http: web.BaseRequest, method: str, obey: Callable[[web.BaseRequest, Request], Any]
    ) -> web.StreamResponse:
        started = self.clock.monotonic()
        problem: ApiError | None = None
        try:
            request = await read(http, method)
        except ApiError as error:
            request, problem = Request(method), error
        call = self._begin(request, started)
        await self._pause("before", call)
        if self.faults.take("request", method, call.channel or None):
            return self._reset(http, call, started)
        status, body = 200, JSON()
        try:
            if problem:
                raise problem
            if fault := self.faults.take("fail", method, call.channel or None):
                raise fault.error or ApiError("internal_error")
            answer = obey(http, request)
            body = {"ok": True, **(await answer if asyncio.iscoroutine(answer) else answer)}
        except ApiError as error:
            problem, status, body = error, error.status, error.wire()
            if fault_pause := error.retry_after:
                self._hold(call, fault_pause)
        await self._pause("after", call)
        if self.faults.take("answer", method, call.channel or None):
            return self._reset(http, call, started)
        call.lost = http.transport is None or http.transport.is_closing()
        self.journal.finish(call, status, str(body.get("error", "")), self.clock.monotonic() - started)
        self.world.changed()
        if status >= 500:
            return web.Response(status=status, text="<html>Slack is having trouble</html>", content_type="text/html")
        wait = {"Retry-After": str(problem.retry_after)} if problem and problem.retry_after else {}
        return _json(status, body, wait)

    def _begin(self, request: Request, started: float) -> Call:
        named = request.text("channel") or request.text("channel_id")
        channel = self.world.channels.get(named)
        number = channel.id if channel else named
        return self.journal.begin(request.method, dict(request.params), number, started, self.clock.now())

    def _reset(self, http: web.BaseRequest, call: Call, started: float) -> web.StreamResponse:
        call.dropped = True
        if http.transport:
            http.transport.abort()
        self.journal.finish(call, 0, "", self.clock.monotonic() - started)
        self.world.changed()
        return web.Response(status=500)

    def _hold(self, call: Call, seconds: float) -> None:
        """Hold the app to a pause that a fault asked for; those of the limits are held already."""
        self.flood.hold(call.method, call.channel, seconds)

    def _obey(self, _: web.BaseRequest, request: Request) -> JSON:
        obey = self._methods.get(request.method)
        if obey is None:
            raise ApiError("unknown_method")
        if not request.token:
            raise ApiError("not_authed")
        if request.token not in (self.bot_token, self.app_token):
            raise ApiError("invalid_auth")
        for_app = request.method == "apps.connections.open"
        if for_app != (request.token == self.app_token) and request.method not in ("auth.test", "api.test"):
            raise ApiError("not_allowed_token_type")
        named = request.text("channel") or request.text("channel_id")
        self.flood.admit(request.method, named)
        return obey(request)

    def _respond(self, http: web.BaseRequest, request: Request) -> JSON:
        body = request.params
        if isinstance(body.get("payload"), str):
            body = json.loads(body["payload"])
        self.responses.obey(http.path.rpartition("/")[2], body)
        return {}

    async def _pause(self, kind: Any, call: Call) -> None:
        if fault := self.faults.take(kind, call.method, call.channel or None):
            await asyncio.sleep(fault.seconds)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Return a request that may be as large as a file."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=64 * 1024 * 1024)


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    data = json.dumps(body).encode()
    return web.Response(status=status, body=data, content_type="application/json", charset="utf-8", headers=headers)


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

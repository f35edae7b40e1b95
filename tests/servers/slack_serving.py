"""The fake Slack's HTTP: it listens, reads requests, lets faults and limits have their way, and writes the journal."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from storage.clock import Clock
from tests.ports import free_port
from tests.servers.slack_control import Control
from tests.servers.slack_errors import ApiError
from tests.servers.slack_events import Events
from tests.servers.slack_faults import Call, Faults, Journal
from tests.servers.slack_files import Files
from tests.servers.slack_limits import Flood
from tests.servers.slack_request import Request, read
from tests.servers.slack_response import ResponseUrls
from tests.servers.slack_socket import Sockets
from tests.servers.slack_world import JSON, World


class Serving:
    """The server's side of the wire."""

    bot_token: str
    app_token: str
    port: int
    clock: Clock
    world: World
    faults: Faults
    flood: Flood
    journal: Journal
    sockets: Sockets
    events: Events
    responses: ResponseUrls
    files: Files
    control: Control
    methods: dict[str, Callable[[Request], JSON]]
    _runner: web.ServerRunner | None = None
    _server: web.Server | None = None

    @property
    def address(self) -> str:
        """Return the server's address, without a path."""
        return f"http://127.0.0.1:{self.port}"

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
        self.port = self.port or free_port()
        self._server = web.Server(self._answer, request_factory=_request)
        self._runner = web.ServerRunner(self._server, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.responses.base = self.events.files_url = self.address

    def open_connection(self, _: Request) -> JSON:
        """Answer `apps.connections.open`."""
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
            case "upload" | "files-pri":
                return await self._transfer(request, area, what)
            case "_control":
                return _json(*await self.control.answer(request, what))
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

    async def _transfer(self, http: web.BaseRequest, area: str, what: str) -> web.StreamResponse:
        """Take an upload or give a download."""
        method = "upload" if area == "upload" else "download"
        started = self.clock.monotonic()
        call = self.journal.begin(method, {"path": what}, "", started, self.clock.now())
        await self._pause("before", call)
        if self.faults.take("request", method):
            return self._reset(http, call, started)
        if fault := self.faults.take("fail", method):
            answer = web.Response(status=fault.error.status if fault.error else 500)
        elif method == "upload":
            answer = await self.files.upload(http, what)
        else:
            answer = self.files.download(http, what, self.bot_token)
        await self._pause("after", call)
        if self.faults.take("answer", method):
            return self._reset(http, call, started)
        self.journal.finish(call, answer.status, "", self.clock.monotonic() - started)
        return answer

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
        obey = self.methods.get(request.method)
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
            try:
                body = json.loads(body["payload"])
            except ValueError as error:
                raise ApiError("invalid_payload", status=400) from error
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

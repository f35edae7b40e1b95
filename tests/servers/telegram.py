"""A fake Telegram on loopback: the Bot API for the bot, a person's hands and eyes for the tests.

    async with FakeTelegram() as telegram:
        chat = telegram.private("Ann")
        await telegram.say(chat, "hi")
        assert await telegram.replies(chat) == ["Hello! What can I do for you?"]

Also a program for drivers in another process: `python -m tests.servers.telegram --port P --token T`; see
`telegram_control` for its control API.
"""

import argparse
import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from storage.clock import Clock, SystemClock
from tests.ports import free_port
from tests.servers import telegram_models as models
from tests.servers.telegram_account import Account
from tests.servers.telegram_control import Control
from tests.servers.telegram_errors import ApiError, bad
from tests.servers.telegram_faults import Call, Faults, Journal
from tests.servers.telegram_limits import Flood, Limits
from tests.servers.telegram_people import People
from tests.servers.telegram_request import Request, read
from tests.servers.telegram_sending import Sending
from tests.servers.telegram_sight import Sight
from tests.servers.telegram_updates import HookSender, Updates
from tests.servers.telegram_world import JSON, Person, World

TOKEN = "4242:fake-telegram-token-for-tests-only"
LONGEST_POLL = 50.0


class FakeTelegram(People, Sight):
    """One bot's Telegram. `faults`, `flood`, `journal`, `updates` and `world` are open to tests.

    Args:
        port: 0 picks a free one; it stays the same over `refuse` and `accept`.
        limits: the flood limits, `Limits.strict()` and `Limits.off()` among them; may be changed while it runs.
        validate: hold requests and answers against aiogram's models (importing them takes seconds).
        privacy: with it the bot sees in groups only what is meant for it.
        parallel: how many updates a webhook gets at a time; with 1 in order, with more in order per chat.
        pauses: seconds between the tries to reach a webhook; the last one repeats. `timeout`: of one try.
        seed: of the faults' probabilities.
    """

    def __init__(
        self,
        token: str = TOKEN,
        *,
        port: int = 0,
        limits: Limits | None = None,
        validate: bool = True,
        privacy: bool = False,
        parallel: int = 1,
        pauses: Sequence[float] = (0.05, 0.1, 0.2, 0.5),
        timeout: float = 30.0,
        clock: Clock | None = None,
        seed: int = 0,
    ) -> None:
        self.token = token
        self.port = port
        self.privacy = privacy
        self.clock = clock or SystemClock()
        self.bot = Person(int(token.partition(":")[0]), "Prowex", "prowex_test_bot", is_bot=True)
        self.world = World(self.clock, self.bot)
        self.updates = Updates(self.clock, self.world.changed, models.check_update if validate else None)
        self.flood = Flood(self.clock, limits or Limits())
        self.faults = Faults(seed)
        self.journal = Journal()
        self.unfaithful: list[str] = []
        self._validate = validate
        sending = Sending(self.world, self.flood)
        account = Account(self.world, self.updates, sending, privacy=privacy)
        self._methods: dict[str, Callable[[Request], Any]] = {**sending.methods, **account.methods}
        self._names = {name.lower(): name for name in (*self._methods, "getUpdates")}
        self._control = Control(self)
        self._hook = HookSender(self.updates, parallel=parallel, pauses=pauses, timeout=timeout)
        self._sender: asyncio.Task[None] | None = None
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None

    @property
    def url(self) -> str:
        """Return the address of the Bot API server (`TELEGRAM_API_URL`)."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Start to listen."""
        if self._validate:
            await asyncio.to_thread(models.check_request, "getMe", {})
        await self.accept()
        self._sender = asyncio.create_task(self._hook.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, and complain if the fake itself answered anything that aiogram can't read."""
        if self._sender:
            self._sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sender
        await self.refuse()
        if self.unfaithful and error is None:
            raise models.UnfaithfulAnswer("; ".join(self.unfaithful))

    async def refuse(self) -> None:
        """Refuse connections and break those that stand, as if Telegram were out of reach."""
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

    def stats(self) -> JSON:
        """Return counts and rates; `chats` has the highest number of messages in any 1 s and 60 s."""
        flood, counts = self.flood, self.updates.counts
        return {
            "methods": dict(self.journal.by_method),
            "statuses": {str(status): number for status, number in self.journal.by_status.items()},
            "refused": {str(chat): number for chat, number in flood.refused.items()},
            "disobeyed": [{"chat": one.chat_id, "method": one.method, "early": one.early} for one in flood.disobeyed],
            "bot": {"most_in_1s": flood.whole.most_in_1s, "most_in_60s": flood.whole.most_in_60s},
            "chats": {
                str(chat): {"most_in_1s": meter.most_in_1s, "most_in_60s": meter.most_in_60s}
                for chat, meter in flood.meters.items()
            },
            "updates": {name: getattr(counts, name) for name in counts.__slots__},
            "pending": len(self.updates.pending),
            "unfaithful": list(self.unfaithful),
        }

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith("/bot"):
            token, _, method = path.removeprefix("/bot").partition("/")
            if token != self.token:
                return _json(401, ApiError(401, "Unauthorized").wire())
            return await self._call(request, self._names.get(method.lower(), method))
        if path.startswith("/file/bot"):
            token, _, place = path.removeprefix("/file/bot").partition("/")
            if token != self.token:
                return _json(401, ApiError(401, "Unauthorized").wire())
            return await self._download(request, place)
        if path.startswith("/_control/"):
            return _json(*await self._control.answer(request, path.removeprefix("/_control/")))
        return _json(404, ApiError(404, "Not Found").wire())

    async def _call(self, http: web.BaseRequest, method: str) -> web.StreamResponse:
        call: Call | None = None
        started = self.clock.monotonic()
        batch: list[Any] = []
        try:
            request = await read(http, method)
            call = self._begin(request, started)
            await self._pause("before", call)
            if fault := self.faults.take("fail", method, call.chat_id):
                self._fail(fault.error or bad("failed on purpose"), call.chat_id)
            status, body = 200, {"ok": True, "result": await self._obey(request, batch)}
        except ApiError as error:
            status, body = error.code, error.wire()
        call = call or self._begin(Request(method), started)
        await self._pause("after", call)
        dropped = self.faults.take("drop", method, call.chat_id) is not None
        gone = http.transport is None or http.transport.is_closing()
        if dropped and http.transport:
            http.transport.abort()
        elif not gone:
            self.updates.delivered(batch)
        call.dropped, call.lost = dropped, gone
        self.journal.finish(call, status, body.get("description", ""), self.clock.monotonic() - started)
        self.world.changed()
        return _json(status, body)

    def _begin(self, request: Request, started: float) -> Call:
        chat = self.world.find_chat(request.params.get("chat_id") or 0)
        return self.journal.begin(
            request.method, dict(request.params), chat.id if chat else None, started, self.clock.now()
        )

    async def _obey(self, request: Request, batch: list[Any]) -> Any:
        if self._validate:
            models.check_request(request.method, request.params)
        if request.method == "getUpdates":
            batch += await self._poll(request)
            return [update.body for update in batch]
        obey = self._methods.get(request.method)
        if obey is None:
            raise bad(f"unknown method {request.method}")
        result = obey(request)
        if self._validate:
            try:
                models.check_answer(request.method, result)
            except models.UnfaithfulAnswer as error:
                self.unfaithful.append(str(error))
                raise ApiError(500, "Internal Server Error: the fake answered wrongly") from error
        return result

    async def _poll(self, request: Request) -> Sequence[Any]:
        limit = min(max(request.number("limit", 100) or 100, 1), 100)
        timeout = min(float(request.number("timeout", 0) or 0), LONGEST_POLL)
        offset = request.number("offset", 0) or 0
        return await self.updates.poll(offset, limit, timeout, request.params.get("allowed_updates"))

    def _fail(self, error: ApiError, chat_id: int | None) -> None:
        if error.code == 429 and chat_id is not None and error.parameters:
            self.flood.pause(chat_id, error.parameters["retry_after"])
        raise error

    async def _pause(self, kind: Any, call: Call) -> None:
        if fault := self.faults.take(kind, call.method, call.chat_id):
            await asyncio.sleep(fault.seconds)

    async def _download(self, http: web.BaseRequest, place: str) -> web.StreamResponse:
        call = self.journal.begin("download", {"path": place}, None, self.clock.monotonic(), self.clock.now())
        file = next((one for one in self.world.files.values() if one.path == place), None)
        await self._pause("before", call)
        fault = self.faults.take("fail", "download", None)
        error = fault.error if fault else None if file else ApiError(404, "Not Found")
        if self.faults.take("drop", "download", None) and http.transport:
            http.transport.abort()
        self.journal.finish(call, error.code if error else 200, error.description if error else "", 0.0)
        if error or not file:
            return _json(error.code if error else 404, error.wire() if error else {})
        return web.Response(body=file.data, content_type="application/octet-stream")


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """Return a request that may be as large as Telegram allows."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=64 * 1024 * 1024)


def _json(status: int, body: Any) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")


async def _serve(options: argparse.Namespace) -> None:
    limits = Limits.off() if options.no_limits else Limits.strict() if options.strict else Limits()
    telegram = FakeTelegram(
        options.token,
        port=options.port,
        limits=limits,
        validate=not options.no_validate,
        parallel=options.parallel,
        timeout=options.hook_timeout,
        seed=options.seed,
    )
    async with telegram:
        print(f"ready {telegram.url}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve until it is killed; the first line says `ready` and the address."""
    parser = argparse.ArgumentParser(description="A fake Telegram Bot API server on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=TOKEN)
    parser.add_argument("--no-limits", action="store_true", help="no flood limits")
    parser.add_argument("--strict", action="store_true", help="one message per second and chat, no burst")
    parser.add_argument("--no-validate", action="store_true", help="don't hold requests against aiogram's models")
    parser.add_argument("--parallel", type=int, default=1, help="updates at a time to a webhook")
    parser.add_argument("--hook-timeout", type=float, default=30.0, help="seconds that a webhook may take")
    parser.add_argument("--seed", type=int, default=0)
    run: Callable[[Awaitable[None]], None] = asyncio.run  # type: ignore[assignment]
    with contextlib.suppress(ImportError):
        import uvloop

        run = uvloop.run  # type: ignore[assignment]
    with contextlib.suppress(KeyboardInterrupt):
        run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()

"""What the fake model servers have in common: they answer by plan and keep a journal of what they were asked."""

import asyncio
import hashlib
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from aiohttp import web

from tests.servers.openai_script import Plan, Rule, plan_for


class Gate:
    """Holds answers after so many tokens, until it is opened for them."""

    def __init__(self) -> None:
        self._open_to = -1.0
        self._moved = asyncio.Event()

    def open(self, to: float) -> None:
        self._open_to = to
        self._moved.set()

    async def passed(self, at: int) -> None:
        while at > self._open_to:
            self._moved.clear()
            await self._moved.wait()


@dataclass
class Asked:
    """One request and what became of it.

    Args:
        outcome: `answered`, `refused`, `cut` or `closed` (the client went away before the end); empty while it runs.
        over: set when it has ended.
        gate: where an answer waits that is held.
    """

    number: int
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    outcome: str = ""
    status: int = 0
    tokens: int = 0
    ended: float = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    gate: Gate = field(default_factory=Gate)

    @property
    def closed_early(self) -> bool:
        return self.outcome == "closed"

    def plain(self) -> dict[str, Any]:
        known = {name: value for name, value in vars(self).items() if name not in ("over", "gate")}
        return known | {"early": self.closed_early}

    async def hold(self, plan: Plan) -> None:
        """Wait where the plan says so."""
        if self.tokens in plan.held:
            await self.gate.passed(self.tokens)


class ModelServer:
    """A server on loopback. `async with` a subclass, then talk to its `url`.

    `/_control/journal`, `/_control/stats` and `POST /_control/reset` are JSON.

    Args:
        key: the key it accepts; None takes any.
        models: the names of the models that it has.
    """

    asking_path: ClassVar[str]
    listing_path: ClassVar[str]

    def __init__(self, *, key: str | None, models: tuple[str, ...], port: int) -> None:
        self.key, self.models, self.port = key, models, port
        self.rules: list[Rule] = []
        self.journal: deque[Asked] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self._gate = Gate()
        self._seen: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=128 * 2**20)
        app.router.add_post(self.asking_path, self._journaled)
        app.router.add_get(self.listing_path, self._journaled)
        app.router.add_get("/_control/journal", self._show_journal)
        app.router.add_get("/_control/stats", self._show_stats)
        app.router.add_post("/_control/reset", self._reset)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def go_on(self, to: float = float("inf")) -> None:
        """Let answers go on that are held after `to` tokens or fewer, now or later."""
        self._gate.open(to)

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        raise NotImplementedError

    async def _journaled(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(len(self.journal), request.path_qs, dict(request.headers), None, time.time(), gate=self._gate)
        self.journal.append(asked)
        self.counts["asked"] += 1
        try:
            response = await self._answer(request, asked)
            asked.status = response.status
            asked.outcome = asked.outcome or ("answered" if response.status == 200 else "refused")
            return response
        except (asyncio.CancelledError, ConnectionResetError):
            asked.outcome = "closed"
            raise
        finally:
            asked.ended = time.time()
            self.counts[asked.outcome] += 1
            asked.over.set()

    def _plan(self, body: dict[str, Any], words: str) -> Plan:
        """Return what to answer to a request whose last words of a person are `words`."""
        for rule in self.rules:
            plan = rule(body)
            if plan is not None:
                return plan
        digest = hashlib.sha256(words.encode()).hexdigest()
        self._seen[digest] += 1
        return plan_for(words, self._seen[digest] - 1)

    async def _show_journal(self, request: web.Request) -> web.Response:
        return web.json_response([asked.plain() for asked in self.journal])

    async def _show_stats(self, request: web.Request) -> web.Response:
        running = sum(1 for asked in self.journal if not asked.outcome)
        return web.json_response({**self.counts, "running": running})

    async def _reset(self, request: web.Request) -> web.Response:
        self.journal.clear()
        self.counts.clear()
        self._seen.clear()
        return web.json_response({})


async def body_of(request: web.Request) -> Any:
    """Return the JSON that was sent.

    Raises:
        ValueError: it is none.
    """
    return json.loads(await request.read())


async def serve(server: ModelServer) -> None:
    """Serve until the process ends."""
    async with server:
        print(f"listening on {server.url}", flush=True)
        await asyncio.Event().wait()

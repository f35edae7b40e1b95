"""What machines ask: is the process alive, may it get traffic, how is it doing."""

import asyncio

from aiohttp import web

from bot.web.ports import WebDependencies

_SECONDS = 5


class Health:
    """The probes' routes."""

    def __init__(self, dependencies: WebDependencies) -> None:
        self._dependencies = dependencies

    async def alive(self, request: web.Request) -> web.Response:
        """Answer whoever asks: the event loop turns."""
        return web.json_response({"alive": True})

    async def ready(self, request: web.Request) -> web.Response:
        """Answer 200 if everything that is needed to serve is well, else 503; in both cases say what was checked."""
        try:
            async with asyncio.timeout(_SECONDS):
                problems = dict(await self._dependencies.ready())
        except TimeoutError:
            problems = {"check": f"The checks took longer than {_SECONDS} s."}
        ready = not any(problems.values())
        checks = {name: problem or "ok" for name, problem in problems.items()}
        return web.json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer with Prometheus text (exposition format 0.0.4)."""
        return web.Response(
            text=await self._dependencies.metrics(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )

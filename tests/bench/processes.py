"""The processes of a bench: a fake chat platform, a fake model, and one bot at a time."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import psutil

from tests.bench.platforms import PLATFORMS, Platform

ROOT = Path(__file__).parents[2]
MODEL = "gpt-5.4-mini"
READY_SECONDS = 60.0
STOP_SECONDS = 40.0


class BotDied(Exception):
    """A bot ended by itself; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Fake:
    """A fake server that runs."""

    name: str
    url: str
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class Fakes:
    """What a bot is between: the chat platform, of the kind `kind`, and the model."""

    kind: Platform
    chats: Fake
    model: Fake


@dataclass(slots=True)
class Bot:
    """A bot that can be started, again and again, on the same data.

    Args:
        command: Python's arguments.
        fakes: what it is between; it is ready when it receives from the chat platform,
        ready_url: and when this answers 200, if it is given.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    fakes: Fakes
    ready_url: str = ""
    python: Sequence[str] = field(default_factory=lambda: [sys.executable])


def floor(fakes: Fakes, folder: Path) -> Bot:
    """Return the bare bot."""
    return Bot("floor", [str(ROOT / "tests/bench" / fakes.kind.floor)], _common(fakes), folder / "floor.log", fakes)


def prowex(fakes: Fakes, folder: Path) -> Bot:
    """Return Prowex on SQLite as it is by default, with its rate limits lifted."""
    port = _free_port()
    env = {
        **_common(fakes),
        "PROWEX_DATA_DIR": str(folder / "data"),
        "PROWEX_PORT": str(port),
        "PROWEX_ACCESS": "open",
        "PROWEX_DEFAULT_MODEL": f"openai:{MODEL}",
        "PROWEX_MESSAGES_PER_MINUTE": "1000000",
        **fakes.kind.lifted,
    }
    ready = f"http://127.0.0.1:{port}/healthz"
    return Bot("Prowex", ["-m", "bot", "--env-file", os.devnull, "run"], env, folder / "prowex.log", fakes, ready)


def _common(fakes: Fakes) -> dict[str, str]:
    ours = ("PROWEX_", *(f"{name.upper()}_" for name in PLATFORMS))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        **fakes.kind.env(fakes.chats.url),
        "OPENAI_BASE_URL": fakes.model.url,
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_MODEL": MODEL,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def open_fakes(kind: Platform) -> AsyncIterator[Fakes]:
    """Start a fake chat platform without limits and a fake OpenAI, each in a process of its own."""
    async with (
        _server(f"fake {kind.name}", *kind.server) as chats,
        _server("fake OpenAI", "tests.servers.openai") as model,
    ):
        yield Fakes(kind, chats, model)


@asynccontextmanager
async def _server(name: str, module: str, *args: str) -> AsyncIterator[Fake]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)).decode().split()
        if not line:
            raise BotDied(f"{module} did not start")
        yield Fake(name, line[-1], psutil.Process(process.pid))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def running(bot: Bot, http: aiohttp.ClientSession) -> AsyncIterator[tuple[psutil.Process, float]]:
    """Start `bot`; yield its process and the seconds from its start until it was ready."""
    before = await _connections(http, bot.fakes)
    with bot.log.open("ab") as log:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *bot.python, *bot.command, cwd=bot.log.parent, env=bot.env, stdout=log, stderr=log
        )
    try:
        while not await _is_ready(http, bot, before):
            if process.returncode is not None or time.monotonic() - started > READY_SECONDS:
                raise BotDied(f"{bot.name} did not get ready:\n{_end_of(bot.log)}")
            await asyncio.sleep(0.005)
        yield psutil.Process(process.pid), time.monotonic() - started
        if process.returncode is not None:
            raise BotDied(f"{bot.name} ended with {process.returncode}:\n{_end_of(bot.log)}")
    finally:
        await _stopped(process)


async def _is_ready(http: aiohttp.ClientSession, bot: Bot, before: int) -> bool:
    if await _connections(http, bot.fakes) <= before:
        return False
    if not bot.ready_url:
        return True
    try:
        async with http.get(bot.ready_url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _connections(http: aiohttp.ClientSession, fakes: Fakes) -> int:
    """Return how often the chat platform was asked to deliver what happens."""
    async with http.get(f"{fakes.chats.url}/_control/stats") as response:
        return fakes.kind.connections(await response.json())


async def _stopped(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


_IMPORT = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError:
        pass
"""


async def imports_of(bot: Bot, http: aiohttp.ClientSession) -> list[str]:
    """Start `bot` once to learn which modules it imports until it is ready, in their order."""
    watched = replace(bot, command=["-X", "importtime", *bot.command], log=bot.log.with_suffix(".imports"))
    async with running(watched, http):
        lines = watched.log.read_text(errors="replace").splitlines()
    shown = [line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")]
    return [name for name in shown if name not in ("imported package", "__main__")]


async def import_seconds(bot: Bot, modules: Sequence[str]) -> float:
    """Return how long a Python that only imports `modules` runs."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *bot.python, "-c", _IMPORT, *modules, cwd=bot.log.parent, env=bot.env, stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()
    return time.monotonic() - started

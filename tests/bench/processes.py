"""The processes of a bench: the two fake platforms, and one bot at a time."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psutil

ROOT = Path(__file__).parents[2]
TOKEN = "4242:fake-telegram-token-for-tests-only"
MODEL = "gpt-5.4-mini"
READY_SECONDS = 60.0
STOP_SECONDS = 40.0


class BotDied(Exception):
    """A bot ended by itself; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Platforms:
    """Where the fake platforms are."""

    telegram: str
    openai: str


@dataclass(slots=True)
class Bot:
    """A bot that can be started, again and again, on the same data.

    Args:
        command: Python's arguments.
        ready_url: answers 200 when it is ready; empty: it is ready once it asks Telegram for updates.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready_url: str = ""
    python: Sequence[str] = field(default_factory=lambda: [sys.executable])


def floor(platforms: Platforms, folder: Path) -> Bot:
    """Return the bare bot."""
    return Bot("floor", [str(ROOT / "tests/bench/floor.py")], _common(platforms), folder / "floor.log")


def prowex(platforms: Platforms, folder: Path) -> Bot:
    """Return Prowex on SQLite as it is by default, with its rate limits lifted."""
    port = _free_port()
    env = {
        **_common(platforms),
        "PROWEX_DATA_DIR": str(folder / "data"),
        "PROWEX_PORT": str(port),
        "PROWEX_ACCESS": "open",
        "PROWEX_DEFAULT_MODEL": f"openai:{MODEL}",
        "PROWEX_MESSAGES_PER_MINUTE": "1000000",
        "TELEGRAM_MESSAGES_PER_SECOND": "1000000",
        "TELEGRAM_CHAT_MESSAGES_PER_SECOND": "1000000",
        "TELEGRAM_GROUP_MESSAGES_PER_MINUTE": "1000000",
    }
    ready = f"http://127.0.0.1:{port}/healthz"
    return Bot("Prowex", ["-m", "bot", "--env-file", os.devnull, "run"], env, folder / "prowex.log", ready)


def _common(platforms: Platforms) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROWEX_", "TELEGRAM_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_API_URL": platforms.telegram,
        "OPENAI_BASE_URL": platforms.openai,
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_MODEL": MODEL,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def open_platforms() -> AsyncIterator[Platforms]:
    """Start a fake Telegram without limits and a fake OpenAI, each in a process of its own."""
    lifted = ("--no-limits", "--no-validate", "--token", TOKEN)
    async with _server("tests.servers.telegram", *lifted) as telegram, _server("tests.servers.openai") as openai:
        yield Platforms(telegram, openai)


@asynccontextmanager
async def _server(module: str, *args: str) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)).decode().split()
        if not line:
            raise BotDied(f"{module} did not start")
        yield line[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def running(bot: Bot, http: aiohttp.ClientSession) -> AsyncIterator[tuple[psutil.Process, float]]:
    """Start `bot`; yield its process and the seconds from its start until it was ready."""
    polls = 0 if bot.ready_url else await _polls(http, bot)
    with bot.log.open("ab") as log:
        started = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *bot.python, *bot.command, cwd=bot.log.parent, env=bot.env, stdout=log, stderr=log
        )
    try:
        while not await _is_ready(http, bot, polls):
            if process.returncode is not None or time.monotonic() - started > READY_SECONDS:
                raise BotDied(f"{bot.name} did not get ready:\n{_end_of(bot.log)}")
            await asyncio.sleep(0.005)
        yield psutil.Process(process.pid), time.monotonic() - started
        if process.returncode is not None:
            raise BotDied(f"{bot.name} ended with {process.returncode}:\n{_end_of(bot.log)}")
    finally:
        await _stopped(process)


async def _is_ready(http: aiohttp.ClientSession, bot: Bot, polls: int) -> bool:
    if not bot.ready_url:
        return await _polls(http, bot) > polls
    try:
        async with http.get(bot.ready_url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _polls(http: aiohttp.ClientSession, bot: Bot) -> int:
    """Return how often Telegram was asked for updates."""
    async with http.get(f"{bot.env['TELEGRAM_API_URL']}/_control/stats") as response:
        return int((await response.json())["methods"].get("getUpdates", 0))


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
    watched = Bot(bot.name, ["-X", "importtime", *bot.command], bot.env, bot.log.with_suffix(".imports"), bot.ready_url)
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

"""Every operation in `prowex chat`: typed line by line through a pipe, asked question by question, by number."""

import argparse
import asyncio
import io
import queue
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.commands import chat
from bot.compose import Core, open_core
from bot.settings import Settings
from channels.console import ACCOUNT, ConsoleChannel
from core.operations.registry import Call, Operation
from tests.clock import PATIENCE
from tests.core.operations.tables import Rows, in_no_hurry, rows_of
from tests.servers.openai import FakeOpenAI
from tests.surfaces.recipes import OPERATOR, RECIPES, Recipe
from tests.surfaces.towns import fresh_database, short_talks
from tests.surfaces.walk import RESTORED, Shown, Surface, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Pipe(io.StringIO):
    """What is typed: a line is read once it is there, and the reader waits until then."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self.waits = asyncio.Event()

    def readline(self, size: int | None = -1, /) -> str:
        self._loop.call_soon_threadsafe(self.waits.set)
        return self._lines.get()

    async def type(self, line: str) -> None:
        """Type a line; return once it is answered and the next one is waited for."""
        self.waits.clear()
        self._lines.put(line)
        await asyncio.wait_for(self.waits.wait(), PATIENCE)

    def end(self) -> None:
        self._lines.put("")


class InATerminal(Surface):
    name = "console"
    channel = "console"
    has_files = False

    def __init__(self, core: Core, channel: ConsoleChannel, pipe: Pipe, out: io.StringIO, folder: Path) -> None:
        self.services, self.things = core.services, {}
        self._channel, self._pipe, self._out, self._folder = channel, pipe, out, folder
        self._person = ""
        self._sent = 0

    async def settle(self, person: str) -> None:
        self._person = person
        await self.say(OPERATOR, "/status")
        await self.furnish(OPERATOR)
        self.seed = await rows_of(RESTORED)

    async def ways(self, recipe: Recipe) -> Sequence[str]:
        lines = any("\n" in value for value in recipe.fields.values())
        typed = [] if lines else ["typed"]  # what has several lines comes as a file
        return [*typed, *(["questions"] if recipe.asks else []), *(["button"] if recipe.press else [])]

    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        if way == "questions":
            return await self.answer_questions(operation, recipe, fields, who)
        return await self.say(who, self.way_of_typing(operation, fields))

    async def answer(self, who: str, text: str) -> Shown:
        if "\n" not in text:
            return await self.say(who, text)
        path = self._folder / "answer.toml"
        path.write_text(text)
        self._sent += 1
        return await self.say(who, f"/file {path}")

    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        self._out.seek(0)
        self._out.truncate()
        await self._pipe.type(f"{text}\n")
        lines = self._out.getvalue().splitlines()
        labels = [line.partition("] ")[2] for line in lines if line.startswith("  [")]
        words = "\n".join(line for line in lines if not line.startswith("  ["))
        return Shown(words, tuple(labels), dict(zip(labels, self._channel.buttons, strict=False)))

    async def changes(self, before: Rows, after: Rows) -> tuple[str, ...]:
        """Leave out the file that was sent instead of a text."""
        told = list(await super().changes(before, after))
        while self._sent and (file := next((one for one in told if one.startswith("files: new")), None)):
            told.remove(file)
            self._sent -= 1
        return tuple(told)

    async def press(self, who: str, label: str) -> Shown:
        number = next(line for line in self._out.getvalue().splitlines() if line.endswith(f"] {label}"))
        return await self.say(who, number.partition("[")[2].partition("]")[0])

    async def call(self, who: str, *, in_group: bool = False) -> Call:
        return await self.call_in(ACCOUNT, self._person, self.channel, self._person, "you")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InATerminal]:
    folder = tmp_path_factory.mktemp("terminal")
    opened: asyncio.Future[tuple[Any, Core, Any]] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def seen(foundation: Any, channels: Mapping[str, Any]) -> AsyncIterator[Core]:
        async with open_core(foundation, channels) as core:
            opened.set_result((foundation, core, channels["console"]))
            yield core

    settings = {"data_dir": folder, "database_url": await fresh_database(request, folder)}
    with short_talks() as patch:
        async with FakeOpenAI() as openai:
            settings |= {"openai_base_url": openai.url, "openai_api_key": "sk-key-of-the-tests", "access": "open"}
            pipe, out = Pipe(), io.StringIO()
            patch.setattr(chat, "open_core", seen)
            patch.setattr(sys, "stdin", pipe)
            patch.setattr(chat, "_write", lambda text: out.write(text.rstrip("\n") + "\n"))
            talking = asyncio.create_task(
                chat.main(
                    argparse.Namespace(text=[]), Settings.model_validate({**settings, "messages_per_minute": 1000})
                )
            )
            foundation, core, channel = await asyncio.wait_for(opened, PATIENCE)
            await asyncio.wait_for(pipe.waits.wait(), PATIENCE)
            await in_no_hurry()
            in_a_terminal = InATerminal(core, channel, pipe, out, folder)
            await in_a_terminal.settle(str(foundation.installation.operator_id))
            yield in_a_terminal
            pipe.end()
            assert await asyncio.wait_for(talking, PATIENCE) == 0


@pytest.mark.parametrize("name", RECIPES)
async def test_an_operation_does_the_same_in_a_terminal(surface: InATerminal, name: str) -> None:
    await walk(surface, name)

"""Every operation by `prowex call`, as a shell gives it: its fields by name, its answer as text and as JSON."""

import argparse
import io
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
import pytest_asyncio

from bot.commands import call as command
from bot.compose import Core, open_core, open_foundation
from bot.settings import Settings
from bot.stop import Stop
from core.operations.registry import Call, Operation
from storage.clock import SystemClock
from tests.core.operations.tables import rows_of
from tests.servers.openai import FakeOpenAI
from tests.surfaces.recipes import LINE, RECIPES, Recipe
from tests.surfaces.towns import fresh_database
from tests.surfaces.walk import RESTORED, Shown, Surface, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")


class OnTheCommandLine(Surface):
    """Each call is a process of its own in life, so the database is opened anew for it."""

    name = LINE
    channel = ""
    has_buttons = has_files = False

    def __init__(self, settings: Settings) -> None:
        self.settings, self.things = settings, {}
        self._open = AsyncExitStack()

    async def open(self) -> None:
        """Look into the installation, as no call does."""
        foundation = await self._open.enter_async_context(open_foundation(self.settings, SystemClock()))
        core: Core = await self._open.enter_async_context(open_core(foundation, {}))
        self.services = core.services

    async def close(self) -> None:
        await self._open.aclose()
        self._open = AsyncExitStack()

    async def settle(self) -> None:
        await self.open()
        self.things |= {"reply": str(uuid4()), "question": str(uuid4()), "older": "0123456789ab"}
        await self.run("operator", "agents.create", name="Writer", instructions="You write.")
        await self.run("operator", "agents.create", name="Helper", instructions="You help.")
        await self.run("operator", "agents.edit", agent="writer", description="Writes texts.")
        self.seed = await rows_of(RESTORED)

    async def ways(self, recipe: Recipe) -> Sequence[str]:
        return ["words", "json"]

    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        return await self._called(
            operation, [f"{name}={value}" for name, value in fields.items()], as_json=way == "json"
        )

    async def _called(self, operation: Operation, words: list[str], *, as_json: bool) -> Shown:
        await self.close()
        given = argparse.Namespace(operation=operation.name, fields=words, json=as_json)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out := io.StringIO())
            try:
                await command.main(given, self.settings)
            except Stop as stop:
                out.write(str(stop))
        await self.open()
        said = out.getvalue()
        if not as_json:
            return Shown(said)
        answer = json.loads(said)
        if "error" in answer:
            return Shown(answer["error"])
        fields = "\n".join(f"{label}: {value}" for label, value in answer["fields"].items())
        return Shown(f"{answer['title']}\n{answer['text']}\n{fields}", tables=False)

    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        raise NotImplementedError("nothing is said in a shell")

    async def press(self, who: str, label: str) -> Shown:
        raise NotImplementedError("there are no buttons in a shell")

    async def wrongly(self, operation: Operation, fields: Mapping[str, str], who: str) -> Shown:
        return await self._called(operation, [f"{name}={value}" for name, value in fields.items()], as_json=False)

    def refusal_of(self, operation: Operation, text: str) -> str:
        return text.replace(operation.usage(), command.usage_of(operation))

    async def call(self, who: str, *, in_group: bool = False) -> Call:
        return await self.operator()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OnTheCommandLine]:
    folder = tmp_path_factory.mktemp("line")
    values = {"data_dir": folder, "database_url": await fresh_database(request, folder)}
    async with FakeOpenAI() as openai:
        values |= {"openai_base_url": openai.url, "openai_api_key": "sk-key-of-the-tests"}
        on_the_line = OnTheCommandLine(Settings.model_validate(values))
        await on_the_line.settle()
        yield on_the_line
        await on_the_line.close()


@pytest.mark.parametrize("name", list(RECIPES))
async def test_an_operation_does_the_same_on_the_command_line(surface: OnTheCommandLine, name: str) -> None:
    await walk(surface, name)

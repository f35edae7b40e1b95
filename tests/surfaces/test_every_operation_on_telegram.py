"""Every operation on Telegram: typed whole, asked for question by question, by button, in a group."""

from collections.abc import AsyncIterator, Mapping, Sequence

import pytest
import pytest_asyncio

import bot.service
from core.operations.registry import OPERATIONS, Call, Operation
from storage.tables import Role
from tests.core.operations.tables import in_no_hurry, rows_of
from tests.scenarios.town import Talk, Town
from tests.servers.openai import FakeOpenAI
from tests.servers.telegram import FakeTelegram
from tests.servers.telegram_limits import Limits
from tests.surfaces.recipes import ADMIN, GUEST, RECIPES, RESTRICTED, Recipe, check_whole
from tests.surfaces.towns import fresh_database, let_in, restrict, short_talks
from tests.surfaces.walk import RESTORED, Shown, Surface, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")


class OnTelegram(Surface):
    name = "telegram"
    channel = "telegram"

    def __init__(self, town: Town) -> None:
        self.town, self.services, self.things = town, town.core.services, {}
        self.direct = {who: town.person(who.capitalize()) for who in (ADMIN, GUEST, RESTRICTED)}
        talks = town.group("Everybody", *self.direct.values())
        self.grouped = dict(zip(self.direct, talks, strict=True))

    async def settle(self) -> None:
        for who in self.direct:
            await self.say(who, "/status")
            await self.say(who, "/status", in_group=True)
        for who, role in ((ADMIN, Role.ADMIN), (RESTRICTED, Role.MEMBER)):
            await let_in(self.services, self.channel, str(self.direct[who].who.id), who.capitalize(), role)
        await self.furnish(ADMIN)
        await restrict(self.services, RESTRICTED.capitalize())
        self.seed = await rows_of(RESTORED)

    async def ways(self, recipe: Recipe) -> Sequence[str]:
        more = ["questions"] if recipe.asks else []
        return ["typed", *more, *(["button"] if recipe.press else [])]

    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        if way == "questions":
            return await self.answer_questions(operation, recipe, fields, who)
        return await self.say(who, self.way_of_typing(operation, fields), in_group=recipe.in_group)

    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        talk = self.grouped[who] if in_group else self.direct[who]
        word, space, rest = text.partition(" ")
        await talk.say(f"{word}@prowex_test_bot{space}{rest}" if in_group else text)
        return await self._seen(talk)

    async def press(self, who: str, label: str) -> Shown:
        await self.direct[who].press(label)
        return await self._seen(self.direct[who])

    async def _seen(self, talk: Talk) -> Shown:
        messages = await talk.messages()
        assert messages, self.town.transcript()
        buttons = [button for message in messages for row in message.buttons for button in row]
        return Shown(
            "\n".join(message.text for message in messages),
            tuple(button.text for button in buttons),
            {button.text: button.data or "" for button in buttons},
            tuple(message.file.name for message in messages if message.file is not None),
        )

    async def call(self, who: str, *, in_group: bool = False) -> Call:
        talk = self.grouped[who] if in_group else self.direct[who]
        account = f"telegram:{self.town.telegram.world.bot.id}"
        return await self.call_in(account, str(talk.chat.id), self.channel, str(talk.who.id), who.capitalize())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[OnTelegram]:
    folder = tmp_path_factory.mktemp("telegram")
    url = await fresh_database(request, folder)
    with short_talks() as patch:
        async with FakeTelegram(limits=Limits.off()) as telegram, FakeOpenAI() as openai:
            town = Town(folder, url, telegram, openai)
            patch.setattr(bot.service, "SystemClock", lambda: town.clock)
            await town.start()
            await in_no_hurry()
            on_telegram = OnTelegram(town)
            await on_telegram.settle()
            yield on_telegram
            await town.stop()
            town.check()


@pytest.mark.parametrize("name", list(RECIPES))
async def test_an_operation_does_the_same_on_telegram(surface: OnTelegram, name: str) -> None:
    await walk(surface, name)


async def test_every_operation_has_a_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    check_whole()
    monkeypatch.setitem(OPERATIONS, "notes.add", OPERATIONS["chat.help"])
    with pytest.raises(AssertionError, match=r"nobody wrote down how to use notes\.add"):
        check_whole()

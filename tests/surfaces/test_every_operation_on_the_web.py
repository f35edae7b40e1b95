"""Every operation in the web chat: typed whole, by HTML form, by button, over HTTP to the running service."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio

import bot.service
from bot.web.sessions import make_login_link
from channels.web import ACCOUNT
from core.operations.registry import Call, Operation
from storage.faults import Step
from storage.tables import Identity, Role, User
from storage.transactions import transaction
from tests.core.operations.tables import in_no_hurry, rows_of
from tests.scenarios.town import Town
from tests.servers.openai import FakeOpenAI
from tests.servers.telegram import FakeTelegram
from tests.surfaces.page import Article, Page
from tests.surfaces.recipes import ADMIN, GUEST, RECIPES, RESTRICTED, Recipe
from tests.surfaces.towns import fresh_database, let_in, restrict, short_talks
from tests.surfaces.walk import RESTORED, Shown, Surface, walk
from tests.web.world import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Site:
    """Where the browsers go."""

    def __init__(self, town: Town) -> None:
        self.base, self._town = town.url, town

    async def link(self, user: User) -> str:
        """Return a link that signs somebody in."""
        services = self._town.core.services
        async with transaction(Step.ADMIN):
            return await make_login_link(user.id, self.base, clock=services.clock, hmac=services.secret_hash)


class OnTheWeb(Surface):
    name = "web"
    channel = "web"

    def __init__(self, town: Town, http: aiohttp.ClientSession) -> None:
        self.town, self.services, self.things = town, town.core.services, {}
        self.http, self.site = http, Site(town)
        self.browsers: dict[str, Browser] = {}
        self.users: dict[str, UUID] = {}
        self.heard: set[str] = set()

    async def settle(self) -> None:
        for who, role in ((ADMIN, Role.ADMIN), (RESTRICTED, Role.MEMBER), (GUEST, None)):
            await self._move_in(who, role)
        await self.furnish(ADMIN)
        await restrict(self.services, RESTRICTED.capitalize())
        self.seed = await rows_of(RESTORED)

    async def _move_in(self, who: str, role: Role | None) -> None:
        """Make an account, a guest's without a place in the team, and sign in."""
        now = self.services.clock.now()
        async with transaction(Step.ADMIN):
            identity = await Identity.create(channel="web", external_id=who, created_at=now)
            if role is None:
                account = await User.create(name=who.capitalize(), created_at=now)
                await Identity.filter(id=identity.id).update(user_id=account.id)
        if role is not None:
            await let_in(self.services, "web", who, who.capitalize(), role)
        user = await User.get(name=who.capitalize())
        async with transaction(Step.ADMIN):
            await Identity.filter(id=identity.id).update(external_id=str(user.id))
        self.users[who] = user.id
        site: Any = self.site
        self.browsers[who] = Browser(site, self.http)
        await self.browsers[who].sign_in(user)
        await self.say(who, "/status")

    async def ways(self, recipe: Recipe) -> Sequence[str]:
        return ["typed", *(["form"] if recipe.asks else []), *(["button"] if recipe.press else [])]

    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        if way == "typed":
            return await self.say(who, self.way_of_typing(operation, fields))
        given = {name: value for name, value in fields.items() if name not in recipe.asks}
        [article] = await self._send(who, self.way_of_typing(operation, given))
        for _ in range(3):
            values = {**article.values, **{name: fields[name] for name in fields.keys() & article.values.keys()}}
            assert article.form, article
            response = await self.browsers[who].fill_in(article.form, values)
            assert response.status == 202, await response.text()
            [article] = await self._fresh(who)
            if not article.form:
                break
        return _shown([article])

    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        return _shown(await self._send(who, text))

    async def press(self, who: str, label: str) -> Shown:
        page = Page(await (await self.browsers[who].get("/chat")).text())
        command = next(one.commands[label] for one in reversed(page.articles) if label in one.commands)
        return _shown(await self._send(who, command, button="1"))

    async def _send(self, who: str, text: str, **more: str) -> list[Article]:
        response = await self.browsers[who].say(text, **more)
        assert response.status == 202, await response.text()
        return await self._fresh(who)

    async def _fresh(self, who: str) -> list[Article]:
        """Wait until everything is answered; return what is new on the page."""
        await self.town.settled()
        page = Page(await (await self.browsers[who].get("/chat")).text())
        new = [one for one in page.articles if one.who == "agent" and one.id not in self.heard]
        self.heard |= {one.id for one in new}
        assert new, page.articles
        return new

    async def call(self, who: str, *, in_group: bool = False) -> Call:
        person = str(self.users[who])
        return await self.call_in(ACCOUNT, person, self.channel, person, who.capitalize())


def _shown(articles: list[Article]) -> Shown:
    commands = {label: command for one in articles for label, command in one.commands.items()}
    files = tuple(name for one in articles for name in one.files)
    return Shown("\n".join(one.text for one in articles), tuple(commands), commands, files)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OnTheWeb]:
    folder = tmp_path_factory.mktemp("web")
    url = await fresh_database(request, folder)
    jar = aiohttp.DummyCookieJar()
    with short_talks() as patch:
        async with FakeTelegram() as telegram, FakeOpenAI() as openai:
            town = Town(folder, url, telegram, openai)
            patch.setattr(bot.service, "SystemClock", lambda: town.clock)
            await town.start(telegram_bot_token=None)
            await in_no_hurry()
            async with aiohttp.ClientSession(cookie_jar=jar, auto_decompress=False) as http:
                on_the_web = OnTheWeb(town, http)
                await on_the_web.settle()
                yield on_the_web
            await town.stop()


@pytest.mark.parametrize("name", list(RECIPES))
async def test_an_operation_does_the_same_on_the_web(surface: OnTheWeb, name: str) -> None:
    await walk(surface, name)

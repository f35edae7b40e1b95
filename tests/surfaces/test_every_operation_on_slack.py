"""Every operation on Slack: by slash command, in a modal, by mention in a channel, by button."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import pytest
import pytest_asyncio

import bot.service
from core.operations.registry import Call, Operation
from storage.tables import Role
from tests.core.operations.tables import in_no_hurry, rows_of
from tests.scenarios.slack_town import SlackTalk, SlackTown, patient_slack
from tests.servers.openai import FakeOpenAI
from tests.servers.slack_render import elements, render
from tests.servers.slack_sight import Shown as MessageShown
from tests.servers.slack_world import TEAM
from tests.surfaces.recipes import ADMIN, GUEST, RECIPES, RESTRICTED, Recipe
from tests.surfaces.towns import fresh_database, let_in, restrict, short_talks
from tests.surfaces.walk import RESTORED, Shown, Surface, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")


class OnSlack(Surface):
    name = "slack"
    channel = "slack"

    def __init__(self, town: SlackTown) -> None:
        self.town, self.services, self.things = town, town.core.services, {}
        self.direct = {who: town.direct(who.capitalize()) for who in (ADMIN, GUEST, RESTRICTED)}
        everybody = town.slack.channel("everybody", *(talk.who for talk in self.direct.values()))
        self.threads: dict[str, SlackTalk] = {}
        self.grouped = {who: SlackTalk(town, everybody, talk.who) for who, talk in self.direct.items()}

    async def settle(self) -> None:
        for who in self.direct:
            await self.say(who, "/status")
            await self.say(who, "/status", in_group=True)
        for who, role in ((ADMIN, Role.ADMIN), (RESTRICTED, Role.MEMBER)):
            await let_in(self.services, self.channel, self.direct[who].name, who.capitalize(), role)
        await self.furnish(ADMIN)
        for who in (ADMIN, GUEST):
            root = await self.grouped[who].say("hi", mention=True)
            await self.grouped[who].answers()
            self.threads[who] = self.grouped[who].on(root)
        for talk in self.grouped.values():
            talk.fresh()
        await restrict(self.services, RESTRICTED.capitalize())
        self.seed = await rows_of(RESTORED)

    async def ways(self, recipe: Recipe) -> Sequence[str]:
        ways = ["slash", *(["modal"] if recipe.asks else []), *(["button"] if recipe.press else [])]
        return [*ways, *(["mention"] if not recipe.before and "reply" not in recipe.fields else [])]

    async def use(self, way: str, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        if way == "modal":
            return await self._fill_in(operation, recipe, fields, who)
        if way == "mention":
            talk = self.threads[who]
            talk.fresh()
            await talk.say(self.way_of_typing(operation, fields), mention=True)
            return await self._seen(talk)
        return await self.say(who, self.way_of_typing(operation, fields), in_group=recipe.in_group)

    async def _fill_in(self, operation: Operation, recipe: Recipe, fields: Mapping[str, str], who: str) -> Shown:
        """Give the command alone, and all its fields in the modals that open."""
        talk = self.direct[who]
        given = {name: value for name, value in fields.items() if name not in recipe.asks}
        await talk.command(f"/prowex {self.way_of_typing(operation, given)[1:]}")
        assert talk.who.views, self.town.transcript()
        for _ in range(3):
            view = talk.modal()
            there = {block["block_id"] for block, _ in elements(view.body["blocks"])}
            self.town.slack.fill_in(talk.who, {name: fields[name] for name in fields.keys() & there})
            answer = await self.town.slack.submit(talk.who)
            assert answer.action in ("update", "clear"), answer
            if answer.action == "clear":
                break
        return await self._seen(talk)

    async def say(self, who: str, text: str, *, in_group: bool = False) -> Shown:
        talk = self.grouped[who] if in_group else self.direct[who]
        talk.fresh()
        if text.startswith("/"):
            await talk.command(f"/prowex {text[1:]}")
        else:
            await talk.say(text, mention=in_group)
        if not talk.who.views:
            return await self._seen(talk)
        shown = self.town.slack.modal_text(talk.modal())  # something is wrong, and asked for again
        await self.town.slack.close_modal(talk.who, every=True)
        return Shown(shown)

    async def press(self, who: str, label: str) -> Shown:
        await self.direct[who].press(label)
        return await self._seen(self.direct[who])

    async def _seen(self, talk: SlackTalk) -> Shown:
        messages = await talk.messages()
        assert messages, self.town.transcript()
        buttons = [one for message in messages for _, one in elements(message.blocks) if one["type"] == "button"]
        return Shown(
            "\n".join(self._text(message) for message in messages),
            tuple(button["text"]["text"] for button in buttons),
            {button["text"]["text"]: button.get("value", "") for button in buttons},
            tuple(name for message in messages for name, _ in message.files),
        )

    def _text(self, message: MessageShown) -> str:
        """Return what a message says, without its buttons."""
        said = [block for block in message.blocks if block["type"] != "actions"]
        return render(said, self.town.slack.world.names) if message.blocks else message.text

    async def call(self, who: str, *, in_group: bool = False) -> Call:
        talk = self.grouped[who] if in_group else self.direct[who]
        return await self.call_in(f"slack:{TEAM}", talk.channel.id, self.channel, talk.name, who)

    async def call_by(self, way: str, who: str, *, in_group: bool) -> Call:
        if way != "mention":
            return await self.call(who, in_group=in_group)
        talk = self.threads[who]
        return await self.call_in(f"slack:{TEAM}", f"{talk.channel.id}/{talk.thread}", self.channel, talk.name, who)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def surface(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OnSlack]:
    folder = tmp_path_factory.mktemp("slack")
    url = await fresh_database(request, folder)
    with short_talks() as patch:
        async with patient_slack(patch) as slack, FakeOpenAI() as openai:
            town = SlackTown(folder, url, cast(Any, None), openai, slack=slack)
            patch.setattr(bot.service, "SystemClock", lambda: town.clock)
            await town.start()
            await in_no_hurry()
            on_slack = OnSlack(town)
            await on_slack.settle()
            yield on_slack
            await town.stop()
            town.check()


@pytest.mark.parametrize("name", list(RECIPES))
async def test_an_operation_does_the_same_on_slack(surface: OnSlack, name: str) -> None:
    await walk(surface, name)

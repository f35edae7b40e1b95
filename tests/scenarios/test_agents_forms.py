"""The forms of agents as they are shown whole, on the web and in Slack, and what programs are told."""

import asyncio
import json

import pytest

from core.callers import call_of
from core.directory import Person, is_welcome, known_chat
from core.operations import asking
from core.operations.card import Card
from core.operations.gateway import invoke
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible
from storage.faults import Step
from storage.tables import Agent, AgentVersion, Chat, Identity
from storage.transactions import transaction
from tests.scenarios.town import Town


@pytest.fixture
async def call(quiet_town: Town) -> Call:
    """A call of Ann, a member, from her direct chat."""
    await quiet_town.start(access="pairing")
    ann = quiet_town.person("Ann")
    await ann.say((await quiet_town.call("people.invite"))["code"])
    await ann.answer()
    identity = await Identity.get(channel="telegram")
    chat = await Chat.get(account__startswith="telegram")
    return await call_of(
        quiet_town.core.services,
        person=Person(identity.id, identity.user_id, await is_welcome(chat.account, identity.external_id)),
        chat=await known_chat(chat),
        channel="telegram",
        external_id=identity.external_id,
        name="Ann",
    )


async def run(call: Call, name: str, /, **values: str) -> Card:
    """Run an operation as a channel does."""
    operation = OPERATIONS[name]
    if operation.effect is Effect.EXTERNAL:
        return await invoke(call, operation, values)
    async with transaction(Step.COMMAND):
        return await invoke(call, operation, values)


async def shown(call: Call, name: str, /, **values: str) -> dict[str, str]:
    """Return the fields of the form that is shown, with what they hold, and what it carries along."""
    view = await asking.view(call, OPERATIONS[name], values, {}, tried=False)
    carried = {field: value for field, value in view.fixed if field not in values}
    return {field.name: field.value for field in view.fields} | carried


async def test_the_form_of_an_agent_holds_all_that_it_is(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.", temperature="0.5", settings="top_p = 1")
    fields = await shown(call, "agents.edit", agent="writer")
    assert fields == {
        "name": "Writer",
        "description": "",
        "instructions": "Write.",
        "model": "",
        "temperature": "0.5",
        "max_output_tokens": "",
        "settings": "top_p = 1",
        "other_providers": "no",
        "fallbacks": "",
        "version": "1",
    }
    assert list(fields)[:3] == ["name", "description", "instructions"]
    card = await run(call, "agents.edit", agent="writer", **fields)
    assert "so there is no new version" in card.text
    card = await run(call, "agents.edit", agent="writer", **fields | {"settings": "", "temperature": "0.7"})
    assert dict(card.fields) == {"Temperature": "`0.5` → `0.7`", "Top p": "`1` → not set"}


async def test_what_is_no_choice_is_not_offered_as_one(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.")
    values = {"agent": "nobody"}
    wrong = await asking.problems(call, OPERATIONS["agents.show"], values)
    view = await asking.view(call, OPERATIONS["agents.show"], values, wrong or {}, tried=True)
    (field,) = view.fields
    assert (field.value, "nobody" in field.problem) == ("", True)
    assert "nobody" not in {choice.value for choice in field.choices}


async def test_the_button_under_a_form_says_what_it_does(call: Call) -> None:
    labels = {
        name: (await asking.view(call, OPERATIONS[name], {}, {}, tried=False)).submit
        for name in ("agents.create", "agents.here", "people.access", "people.redeem")
    }
    assert labels == {
        "agents.create": "Create",
        "agents.here": "Save",
        "people.access": "Save",
        "people.redeem": "Use",
    }


async def test_of_two_who_saved_the_same_form_the_second_is_told(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.")
    fields = await shown(call, "agents.edit", agent="writer")
    await run(call, "agents.edit", agent="writer", **fields | {"instructions": "Sing."})
    with pytest.raises(NotPossible, match="Writer was changed meanwhile by Ann: instructions") as refused:
        await run(call, "agents.edit", agent="writer", **fields | {"instructions": "Dance."})
    assert [button.command for button in refused.value.buttons] == ["/agents diff writer 1", "/agents edit writer"]
    assert (await Agent.get(handle="writer")).version == 2


async def test_edits_that_arrive_together_are_made_one_after_the_other(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.")
    await asyncio.gather(
        run(call, "agents.edit", agent="writer", temperature="0.5"),
        run(call, "agents.edit", agent="writer", description="Writes"),
        run(call, "agents.edit", agent="writer", model="openai:x"),
    )
    fields = await shown(call, "agents.edit", agent="writer")
    assert (fields["temperature"], fields["description"], fields["model"]) == ("0.5", "Writes", "openai:x")
    assert await AgentVersion.filter(agent__handle="writer").count() == 4


async def test_a_template_fills_the_form(call: Call) -> None:
    fields = await shown(call, "agents.create", template="tutor")
    assert fields["name"] == "Tutor"
    assert fields["instructions"].startswith("You are a patient tutor.")
    assert await asking.problems(call, OPERATIONS["agents.create"], {"template": "tutor"}) == {}
    problems = await asking.problems(call, OPERATIONS["agents.create"], {"template": "teacher", "name": "T"})
    assert problems is not None
    assert "There is no such template" in problems["template"]


async def test_each_field_says_what_is_wrong_with_it(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.")
    wrong = {
        "name": "writer",
        "description": "x" * 301,
        "instructions": "x" * 20_001,
        "model": "openai:",
        "temperature": "hot",
        "max_output_tokens": "1.5",
        "settings": "top_p",
        "fallbacks": "offline:handbook",
        "team": "team",
    }
    problems = await asking.problems(call, OPERATIONS["agents.create"], wrong)
    assert problems == {
        "description": "Write at most 300 characters.",
        "instructions": "Write at most 20000 characters.",
        "model": "Write the model as provider:name, without spaces.",
        "temperature": "Write a number, such as 0.5.",
        "max_output_tokens": "Write a whole number, such as 500.",
        "settings": "Write one setting in each line, as name = value.",
        "fallbacks": problems["fallbacks"] if problems else "",
        "team": "Only admins of the team make agents for it. Make it yours instead.",
    }
    assert "another provider's model" in problems["fallbacks"]
    problems = await asking.problems(call, OPERATIONS["agents.create"], {"name": "writer", "instructions": "Write."})
    assert problems == {"name": "You have an agent called “writer” already. Take another name."}


async def test_an_edit_takes_away_what_is_emptied_but_not_what_an_agent_needs(call: Call) -> None:
    await run(call, "agents.create", name="Writer", instructions="Write.", description="Writes", model="openai:x")
    card = await run(call, "agents.edit", agent="writer", description="", model="")
    assert dict(card.fields)["Model"] == "`openai:x` → not set"
    for name in ("name", "instructions"):
        problems = await asking.problems(call, OPERATIONS["agents.edit"], {"agent": "writer", name: ""})
        assert problems == {name: "An agent can't be without it."}


async def test_programs_are_told_ids(call: Call) -> None:
    made = dict((await run(call, "agents.create", name="Writer", instructions="Write.")).data)
    agent = await Agent.get(handle="writer")
    assert made == {"agent": str(agent.id), "handle": "writer", "version": "1"}
    listed = json.loads(dict((await run(call, "agents.list")).data)["agents"])
    assert [each["id"] for each in listed] == [str(agent.id), str((await Agent.get(default=True)).id)]
    assert dict((await run(call, "agents.here", agent="writer")).data)["agent"] == str(agent.id)
    versions = json.loads(dict((await run(call, "agents.versions", agent="writer")).data)["versions"])
    assert [each["number"] for each in versions] == [1]
    exported = dict((await run(call, "agents.export", agent=str(agent.id))).data)["toml"]
    again = dict((await run(call, "agents.import", text=exported, name="Again")).data)
    assert again["handle"] == "again"


async def test_every_button_fits_whatever_the_name(call: Call) -> None:
    await run(call, "agents.create", name="Писатель" * 7, instructions="Write.")
    [name] = [agent.id.hex[-12:] for agent in await Agent.filter(default=False)]
    await run(call, "agents.edit", agent=name, instructions="Sing.")
    for operation in ("show", "versions", "diff", "delete", "copy"):
        card = await run(call, f"agents.{operation}", agent=name)
        assert card.buttons
        assert all(len(button.command.encode()) <= 64 for row in card.buttons for button in row)
    listed = await run(call, "agents.list")
    assert all(len(button.command.encode()) <= 64 for row in listed.buttons for button in row)


async def test_a_long_list_has_pages(call: Call) -> None:
    for number in range(22):
        await run(call, "agents.create", name=f"Agent {number:02}", instructions="Write.")
    first, second = await run(call, "agents.list"), await run(call, "agents.list", page="2")
    assert first.table is not None
    assert second.table is not None
    assert (len(first.table.rows), len(second.table.rows)) == (20, 3)
    assert first.buttons[-1][0].command == "/agents list page=2"
    with pytest.raises(NotPossible, match="no more agents"):
        await run(call, "agents.list", page="3")

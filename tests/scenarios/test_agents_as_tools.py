"""An agent does for a person what operations allow: reads at once, writes only after the person's own yes."""

import json
from typing import Any

import pytest

from storage.tables import Agent, Approval, ApprovalState, Membership, Role, User
from tests.scenarios.town import Talk, Town, words_of
from tests.servers.openai_script import Call, Plan

REVIEWER = {"name": "Reviewer", "instructions": "Review texts.\nBe kind."}


@pytest.fixture
async def ann(quiet_town: Town) -> Talk:
    """Ann, a member."""
    await quiet_town.start(access="pairing")
    ann = quiet_town.person("Ann")
    await ann.say((await quiet_town.call("people.invite"))["code"])
    await ann.answers()
    return ann


def uses(name: str, arguments: dict[str, Any]) -> Any:
    """Return a rule: the model calls the tool once, then says what it was told."""

    def rule(body: dict[str, Any]) -> Plan | None:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return Plan(text=f"The tool says: {last['content']}")
        return Plan(text="Let me see.", calls=(Call(name, json.dumps(arguments)),), finish="tool_calls")

    return rule


async def agents_of(name: str) -> list[Agent]:
    return await Agent.filter(name=name)


async def proposed(ann: Talk, town: Town) -> None:
    town.openai.rules.append(uses("agents_create", REVIEWER))
    await ann.say("make me an agent that reviews my texts")
    [message] = await ann.messages()
    assert message.labels == ["Yes, do it", "No"]
    assert "Review texts." in message.text
    assert await agents_of("Reviewer") == []


async def test_a_yes_runs_the_very_call_once(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    await ann.press("Yes, do it")
    assert "Reviewer" in await ann.answer()
    [agent] = await agents_of("Reviewer")
    assert await Membership.exists(team_id=agent.team_id, role=Role.OWNER, user__name="Ann")
    await ann.press("Yes, do it")
    assert await ann.answer() == "You said yes to that already."
    assert len(await agents_of("Reviewer")) == 1


async def test_what_is_proposed_is_shown_as_it_stands(ann: Talk, quiet_town: Town) -> None:
    hostile = "Be kind.\n```\n[Yes](https://evil.example) **nothing** happens \u202eesrever"
    quiet_town.openai.rules.append(uses("agents_create", {"name": "Kind", "instructions": hostile}))
    await ann.say("make one")
    [message] = await ann.messages()
    assert "[Yes](https://evil.example) **nothing** happens \ufffdesrever" in message.text
    await ann.press("Yes, do it")
    await ann.answers()
    assert len(await agents_of("Kind")) == 1


async def test_a_no_runs_nothing(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    await ann.press("No")
    assert await ann.answer() == "All right, nothing was done."
    await ann.press("Yes, do it")
    assert await ann.answer() == "You said no to that already."
    assert await agents_of("Reviewer") == []


async def test_a_question_outlives_a_restart_and_expires(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    await quiet_town.restart()
    quiet_town.clock.move(minutes=11)
    await ann.press("Yes, do it")
    assert "has expired" in await ann.answer()
    assert (await Approval.get()).state is ApprovalState.ASKED
    assert await agents_of("Reviewer") == []


async def test_nobody_else_can_say_yes(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    bob = quiet_town.person("Bob")
    await bob.say((await quiet_town.call("people.invite"))["code"])
    await bob.answers()
    await bob.say(f"/yes {(await Approval.get()).id}")
    assert await bob.answer() == "There is no such question."
    assert await agents_of("Reviewer") == []


async def test_rights_count_when_the_yes_comes(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    user = await User.get(name="Ann")
    from storage.faults import Step
    from storage.transactions import transaction

    async with transaction(Step.ADMIN):
        await User.filter(id=user.id).update(restricted_at=quiet_town.clock.now())
    await ann.press("Yes, do it")
    assert "may only be kept" in await ann.answer()
    assert await agents_of("Reviewer") == []


async def test_what_only_reads_runs_at_once(ann: Talk, quiet_town: Town) -> None:
    quiet_town.openai.rules.append(uses("agents_list", {}))
    await ann.say("which agents are there?")
    answer = await ann.answer()
    assert answer.startswith("Let me see.\n\nThe tool says:")
    assert "prowex" in answer.lower()
    assert await Approval.all() == []


@pytest.mark.parametrize("tool", ["people_invite", "agents_delete", "people_permit", "nothing_such", "approvals_agree"])
async def test_what_agents_may_not_use_is_no_tool(ann: Talk, quiet_town: Town, tool: str) -> None:
    quiet_town.openai.rules.append(uses(tool, {"agent": "prowex"}))
    await ann.say("do it")
    assert "There is no tool" in await ann.answer()
    assert await Approval.all() == []
    offered = {each["function"]["name"] for each in quiet_town.asked()[0].body["tools"]}
    assert tool not in offered


async def test_wrong_arguments_are_told_to_the_model_and_nothing_is_asked(ann: Talk, quiet_town: Town) -> None:
    quiet_town.openai.rules.append(uses("agents_create", {"name": "", "instructions": "x", "color": "red"}))
    await ann.say("make one")
    assert "That can't be done" in await ann.answer()
    assert await Approval.all() == []


async def test_guests_have_no_tools(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    await chat.answer()
    assert "tools" not in town.asked()[0].body


async def test_the_offline_model_makes_an_agent_when_asked_in_plain_words(quiet_town: Town) -> None:
    await quiet_town.start(access="pairing", default_model="offline")
    ann = quiet_town.person("Ann")
    await ann.say((await quiet_town.call("people.invite"))["code"])
    await ann.answers()
    await ann.say("please make me an agent that reviews my texts")
    assert "You are an assistant that reviews my texts." in await ann.answer()
    await ann.press("Yes, do it")
    await ann.answer()
    assert len(await Agent.all()) == 2


async def test_an_agent_called_by_name_answers_once(ann: Talk, quiet_town: Town) -> None:
    await ann.say("/agents create name=Reviewer instructions='You are strict.'")
    await ann.answers()
    await ann.say("Reviewer: look at this")
    await ann.answer()
    assert "You are strict." in quiet_town.asked()[-1].body["messages"][0]["content"]
    await ann.say("and you?")
    await ann.answer()
    assert "You are strict." not in quiet_town.asked()[-1].body["messages"][0]["content"]
    assert ("user", "Reviewer: look at this") in words_of(quiet_town.asked()[-1])


async def test_a_yes_counts_while_another_answer_is_written(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    quiet_town.openai.rules.clear()
    await ann.say("tell me more [[tokens=100 hold=9]]")
    await ann.sees(lambda texts: texts[-1] != "…" and len(texts[-1].split()) < 60)
    await ann.press("Yes, do it")
    await ann.sees(lambda texts: any("is there" in text for text in texts))
    assert len(await agents_of("Reviewer")) == 1
    await ann.say("/stop")
    await ann.answers()


async def test_a_forms_question_is_answered_while_somebody_elses_answer_is_written(ann: Talk, quiet_town: Town) -> None:
    bob = quiet_town.person("Bob")
    await bob.say((await quiet_town.call("people.invite", role="admin"))["code"])
    await bob.answers()
    there, here = quiet_town.group("Friends", bob, ann)
    await there.say("/permit@prowex_test_bot")
    await there.answers()
    await there.say("/agents@prowex_test_bot create team=team")
    [question] = await there.messages()
    assert "Name" in question.text
    await here.say("@prowex_test_bot a story [[tokens=100 hold=9]]")
    await here.sees(lambda texts: texts[-1] != "…" and "Name" not in texts[-1])
    await there.say("@prowex_test_bot Group writer")
    await there.sees(lambda texts: any("Instructions" in text for text in texts))
    await here.say("/stop@prowex_test_bot")
    await here.answers()


async def test_a_yes_counts_only_where_it_was_asked_for(ann: Talk, quiet_town: Town) -> None:
    await proposed(ann, quiet_town)
    [asked] = await Approval.all()
    topic = ann.in_topic("Agents")
    await topic.say(f"/yes {asked.id}")
    assert (await topic.answer()).startswith("Answer that where I asked it")
    await ann.answers()
    assert await agents_of("Reviewer") == []
    await ann.press("Yes, do it")
    assert "Reviewer is there" in await ann.answer()

"""Agents, made and shaped by people in a chat."""

import re

import pytest

from storage.tables import Agent, AgentVersion, AuditEvent, Chat, Conversation
from tests.scenarios.town import Talk, Town

BOT = "@prowex_test_bot"


@pytest.fixture
async def town(quiet_town: Town) -> Town:
    """A town whose assistant is private."""
    await quiet_town.start(access="pairing")
    return quiet_town


async def let_in(town: Town, name: str, role: str = "member") -> Talk:
    talk = town.person(name)
    await talk.say((await town.call("people.invite", role=role))["code"])
    assert "Welcome" in await talk.answer()
    return talk


@pytest.fixture
async def ann(town: Town) -> Talk:
    """Ann, a member, in her direct chat."""
    return await let_in(town, "Ann")


@pytest.fixture
async def admin(town: Town) -> Talk:
    """Ada, an admin of the team, in her direct chat."""
    return await let_in(town, "Ada", "admin")


async def dialog(talk: Talk, *lines: tuple[str, str]) -> None:
    """Say or press (`[label]`) what stands first in each line, and expect the answer to hold what stands second."""
    for said, expected in lines:
        if said.startswith("["):
            await talk.press(said[1:-1])
        else:
            await talk.say(said)
        answer = await talk.answer()
        assert expected in answer, f"after {said!r}: {answer!r}"


async def test_an_agent_is_made_by_three_questions_and_talked_to(ann: Talk, town: Town) -> None:
    await dialog(
        ann,
        ("/agents create", "Name"),
        ("Writer", "Instructions"),
        ("You write short, clear texts.", "Model"),
        ("[Skip]", "Writer is there. It is yours alone"),
        ("[Talk here]", "From now on Writer answers in this chat"),
        ("hi", "echo: hi"),
    )
    assert town.asked()[-1].body["messages"][0]["content"].startswith("You write short, clear texts.")


async def test_a_half_filled_form_survives_a_restart(ann: Talk, town: Town) -> None:
    await dialog(ann, ("/agents create", "Name"), ("Writer", "Instructions"))
    await town.restart()
    await dialog(ann, ("You write.", "Model"), ("[Skip]", "Writer is there"))
    assert await Agent.filter(handle="writer").count() == 1


async def test_a_form_in_a_group_says_how_it_is_answered_there(admin: Talk, town: Town) -> None:
    assert "replying" not in await _asked_for_a_name(admin)
    [ada] = town.group("Friends", admin)
    await dialog(ada, ("/permit", "I answer in this group"))
    assert "Answer by replying to this message." in await _asked_for_a_name(ada)
    await ada.say("Reader", reply_to=list(ada.chat.messages.values())[-1])
    assert "Answer by replying to this message." in await ada.answer()


async def _asked_for_a_name(talk: Talk) -> str:
    await talk.say("/agents create")
    return await talk.answer()


async def test_a_form_that_is_cancelled_makes_nothing(ann: Talk) -> None:
    await dialog(ann, ("/agents create", "Name"), ("Writer", "Instructions"), ("[Cancel]", "Nothing was changed"))
    assert not await Agent.exists(handle="writer")
    await dialog(ann, ("You write.", "echo: You write."))


async def test_a_wrong_value_is_asked_for_again_with_a_sentence(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents create", "Name"),
        ("x" * 61, "Write at most 60 characters."),
        ("🙂", "Use at least one letter or digit"),
        ("Here", "is a word of the commands"),
        ("Writer", "Instructions"),
        ("x" * 4000, "Model"),
        ("gpt", "There is no provider “gpt” here"),
        ("anthropic:claude", "set ANTHROPIC_API_KEY"),
        ("openai:gpt-5.4", "Writer is there"),
    )
    await dialog(ann, ("/agents create Writer", "You have an agent called “writer” already"))


async def test_a_whole_command_asks_nothing(ann: Talk) -> None:
    await dialog(
        ann,
        ('/agents create "Poet of the sea" You write poems.\nShort ones. temperature=0.3', "Poet of the sea is there"),
    )
    await dialog(ann, ("/agents show poet-of-the-sea", "You write poems.\nShort ones."))


async def test_an_edit_asks_what_to_change_and_then_for_that(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("[Edit]", "What to change"),
        ("[Instructions]", "Now: You write."),
        ("You write well.", "Saved: Writer is at version 2 now."),
    )
    assert "-You write.\n+You write well." in ann.shows()[-1]
    await dialog(ann, ("[Undo]", "Writer is as it was in version 1. That is version 3 now."))
    await dialog(ann, ("/agents versions writer", "back to version 1"))
    versions = await AgentVersion.filter(agent__handle="writer").order_by("number")
    assert [version.note for version in versions] == ["", "instructions", "back to version 1"]


async def test_one_value_is_changed_by_a_command(ann: Talk, town: Town) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("/agents edit writer temperature=0.3", "Temperature: not set → 0.3"),
        ("/agents edit writer temperature=0.7", "Temperature: 0.3 → 0.7"),
        ("/agents edit writer temperature=3", "temperature is a number from 0 to 2."),
        ("/cancel", "Cancelled"),
        ("/agents edit writer temperature=0.7", "is like that already, so there is no new version."),
        ('/agents edit writer settings="top_p = 0.9"', "Top p: not set → 0.9"),
        ('/agents edit writer settings="top_q = 0.9"', "did you mean top_p?"),
        ("/cancel", "Cancelled"),
        ('/agents edit writer temperature=""', "Temperature: 0.7 → not set"),
        ("/agents here writer", "answers in this chat"),
        ("hi", "echo: hi"),
    )
    body = town.asked()[-1].body
    assert (body.get("temperature"), body["top_p"]) == (None, 0.9)
    await dialog(
        ann,
        ("/agents diff writer 2 3", "Temperature: 0.3 → 0.7"),
        ("/agents diff writer", "Temperature: 0.7 → not set"),
        ("/agents diff writer 1 9", "has no version 9; the newest is 5"),
        ("/agents rollback writer 1", "That is version 6 now"),
        ("/agents rollback writer 1", "is like that already"),
    )


async def test_the_new_value_may_follow_in_plain_words(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("/agents edit writer instructions You write poems, e.g. temperature = hot.", "+You write poems, e.g. temper"),
        ("/agents edit writer temperature 0.5", "Temperature: not set → 0.5"),
        ("/agents edit writer temperature hot", "Write a number, such as 0.5."),
        ("0.7", "Temperature: 0.5 → 0.7"),
        ("/agents edit writer model gpt", "There is no provider “gpt” here"),
        ("/cancel", "Cancelled"),
        ("/agents writer", "You write poems"),
        ("/agents edit", "Its name"),
    )
    [shown] = [one for one in ann.town.telegram.visible(ann.chat) if one.text.startswith("Change an agent\n\nAgent")]
    assert shown.labels == ["Writer (yours)", "Cancel"]


async def test_another_providers_model_as_a_fallback_needs_a_yes(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("/agents edit writer fallbacks=offline:handbook", "is another provider's model"),
        ("/cancel", "Cancelled"),
        ("/agents edit writer fallbacks=offline:handbook other_providers=yes", "Other providers: no → yes"),
        ("/agents edit writer other_providers=no", "The fallback offline:handbook was taken out"),
        ("/agents edit writer", "What to change"),
        ("[Fallbacks]", "May the fallbacks be other providers' models?"),
        ("[Yes]", "Models that answer when the first one can't"),
        ("offline:handbook", "Fallbacks: not set → offline:handbook"),
    )


async def test_two_edits_at_once_do_not_lose_one(admin: Talk, town: Town) -> None:
    olga = await let_in(town, "Olga", "admin")
    await dialog(admin, ("/agents create Writer You write. team=team", "It is the team's"))
    await dialog(admin, ("/agents edit writer", "What to change"), ("[Instructions]", "Now: You write."))
    await dialog(olga, ("/agents edit writer instructions=Sing.", "Saved: Writer is at version 2 now."))
    await dialog(admin, ("You write well.", "Writer was changed meanwhile by Olga: instructions."))
    assert (await Agent.get(handle="writer")).version == 2
    await dialog(admin, ("[What changed]", "-You write.\n+Sing."))


async def test_a_form_that_was_filled_from_an_old_version_is_refused(admin: Talk) -> None:
    await dialog(
        admin,
        ("/agents create Writer You write.", "is there"),
        ("/agents edit writer temperature=0.3", "version 2"),
        (
            "/agents edit writer version=1 instructions=Sing.",
            "was changed meanwhile by Ada: temperature: not set → 0.3",
        ),
        ("/agents edit writer version=2 instructions=Sing.", "version 3"),
    )


async def test_a_model_that_takes_less_gets_less(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write. temperature=0.3", "is there"),
        (
            "/agents edit writer model=offline:handbook",
            "temperature was taken out: offline:handbook does not take 0.3.",
        ),
    )


async def test_the_list_shows_ones_own_and_the_teams(ann: Talk, admin: Talk) -> None:
    await dialog(admin, ("/agents create Planner You plan. team=team", "It is the team's"))
    await dialog(ann, ("/agents create Writer You write.", "It is yours alone"))
    await ann.say("/agents")
    [message] = await ann.messages()
    assert [line for line in message.text.split("\n") if "writer" in line or "planner" in line or "prowex" in line]
    assert re.search(r"writer\s.*yours", message.text)
    assert re.search(r"planner\s.*the team's", message.text)
    assert message.labels == ["Writer", "Prowex", "Planner", "Create an agent", "Templates"]
    await dialog(ann, ("[Planner]", "You plan."))


async def test_a_template_needs_only_a_name(ann: Talk) -> None:
    await dialog(
        ann,
        ("/agents templates", "Reads your texts"),
        ("[Use Reviewer]", "Now: Reviewer"),
        ("My critic", "My critic is there"),
        ("[Show]", "You review texts that people send you"),
    )


async def test_a_member_copies_the_teams_agent_and_changes_the_copy(ann: Talk, admin: Talk) -> None:
    await dialog(admin, ("/agents create Planner You plan. team=team", "It is the team's"))
    await dialog(
        ann,
        ("/agents edit planner instructions=Sing.", "only admins of the team change it"),
        ("[Copy it]", "Planner is there, a copy of Planner"),
        ("/agents edit planner instructions=Sing.", "Saved"),
        ("/agents copy planner", "Planner 2 is there, a copy of Planner"),
        ("/agents copy planner My own planner", "My own planner is there, a copy of Planner"),
        ("/agents copy planner Planner", "You have an agent called “planner” already"),
    )
    await dialog(admin, ("/agents show planner", "You plan."))


async def test_an_agent_of_ones_own_does_not_hide_the_teams_of_the_same_name(ann: Talk, admin: Talk) -> None:
    await dialog(admin, ("/agents create Planner You plan. team=team", "It is the team's"))
    await dialog(ann, ("/agents create Planner Mine.", "is there"))
    await ann.say("/agents")
    [message] = await ann.messages()
    number = re.search(r"^\W*([0-9a-f]{12})\s", message.text, re.MULTILINE)
    assert number is not None
    await dialog(
        ann,
        ("/agents show planner", "Mine."),
        (f"/agents show {number[1]}", "You plan."),
        ("[Copy]", "Planner 2 is there, a copy of Planner"),
    )


async def test_an_agent_comes_back_from_its_file(ann: Talk, town: Town) -> None:
    await dialog(ann, ("/agents create Écrivain Tu écris.\n\n- bien temperature=0.3", "is there"))
    await ann.say("/agents export écrivain")
    shown = await ann.messages()
    [file] = [message.file for message in shown if message.file is not None]
    assert file.name == "écrivain.toml"
    assert any("temperature = 0.3" in message.text for message in shown)
    await dialog(ann, ("/agents delete écrivain", "Delete Écrivain for good?"), ("[Delete for good]", "is deleted"))
    await ann.send("document", file.data, file.name, file.media_type, caption="/agents import")
    assert "Écrivain is brought in" in await ann.answer()
    await ann.say("/agents export écrivain")
    again = [message.file for message in await ann.messages() if message.file is not None]
    assert [each.data for each in again] == [file.data]


async def test_a_file_with_mistakes_is_refused_with_a_line_for_each(ann: Talk) -> None:
    bad = b'name = "Writer"\ninstructions = "Write."\ntemprature = 1\n[settings]\ntemperature = "hot"\n'
    await ann.send("document", bad, "writer.toml", "application/toml", caption="/agents import")
    assert "Line 3: there is no “temprature”" in await ann.answer()
    good = b'name = "Writer"\ninstructions = "Write."\n'
    await ann.send("document", good, "writer.toml", "application/toml", caption="/agents import")
    assert "Writer is brought in" in await ann.answer()
    await ann.send("document", good, "writer.toml", "application/toml", caption="/agents import")
    assert "You have an agent called “writer” already" in await ann.answer()
    await ann.send("document", good, "writer.toml", "application/toml", caption="/agents import name=Other")
    assert "Other is brought in" in await ann.answer()


async def test_a_deleted_agent_gives_its_chats_back_and_what_was_said_is_kept(ann: Talk, town: Town) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("[Talk here]", "From now on"),
        ("hello", "echo: hello"),
        ("/agents delete writer", "It answers in 1 chat: Prowex does so then"),
        ("[Keep it]", "You write."),
        ("/agents delete writer", "Delete Writer for good?"),
        ("[Delete for good]", "Writer is deleted. Where it answered, Prowex does now."),
        ("[Delete for good]", "That agent is no longer there"),
        ("/agents show writer", "There is no agent called “writer”"),
        ("/cancel", "Cancelled"),
        ("hi", "echo: hi"),
    )
    assert "helpful assistant" in town.asked()[-1].body["messages"][0]["content"]
    assert len(town.asked()[-1].body["messages"]) == 2
    assert not await AgentVersion.exists(agent__handle="writer")
    assert await Conversation.filter(agent_id=None).count() == 1
    await dialog(ann, ("/agents delete prowex", "only admins"))


async def test_the_default_assistant_stays(admin: Talk) -> None:
    await dialog(admin, ("/agents delete prowex", "so it can't be deleted"))


async def test_who_answers_in_a_private_chat_is_shown_set_and_taken_back(ann: Talk, town: Town) -> None:
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("one", "echo: one"),
        ("/agents here", "Because: nobody else was chosen"),
        ("[Writer]", "From now on Writer answers in this chat"),
        ("/agents here writer", "Writer answers here already."),
        ("/agents here", "Because: it was chosen for this chat"),
        ("two", "echo: two"),
    )
    assert len(town.asked()[-1].body["messages"]) == 2, "a new conversation"
    await dialog(
        ann, ("/agents here default", "Prowex answers here again"), ("/agents here default", "Nothing was set here")
    )
    assert await Conversation.all().count() == 3


async def test_in_a_group_the_teams_agents_answer_and_admins_say_which(admin: Talk, ann: Talk, town: Town) -> None:
    await dialog(admin, ("/agents create Planner You plan. team=team", "It is the team's"))
    await dialog(ann, ("/agents create Writer You write.", "is there"))
    [ada, anna] = town.group("Club", admin, ann, kind="supergroup", forum=True)
    await dialog(ada, ("/permit", "I answer in this group"))
    await dialog(
        anna,
        ("/agents here planner", "In a group only admins of the team say who answers."),
        ("/agents here writer", "In a group only the team's agents answer."),
        ("/cancel", "Cancelled"),
        ("/agents show writer", "There is no agent called"),
        ("/cancel", "Cancelled"),
        ("/agents create Other Text.", "Write to me in a direct message to make one of your own."),
    )
    await dialog(ada, ("/agents here planner", "From now on Planner answers in this group"))
    tea = ada.in_topic("Tea")
    await dialog(
        tea,
        ("/agents here", "Because: it was chosen for the whole group"),
        (f"{BOT} hi", "echo: Ada: hi"),
        ("/agents here prowex", "From now on Prowex answers in this topic"),
        ("/agents here", "Because: it was chosen for this topic"),
        ("/agents here default", "Planner answers here again"),
    )
    await tea.say(f"{BOT} hm")
    await tea.answer()
    assert town.asked()[-1].body["messages"][0]["content"].startswith("You plan.")


async def test_the_model_is_shown_and_changed_by_who_may(ann: Talk, admin: Talk, town: Town) -> None:
    await dialog(
        ann,
        ("/model", "Prowex answers here with openai:gpt-5.4-mini (the default)"),
        ("[Copy it]", "Prowex is there, a copy of Prowex"),
        ("[Talk here]", "From now on"),
        ("/model", "Which model answers here"),
        ("[offline:handbook]", "Prowex is answered by offline:handbook now."),
        ("/model openai:gpt-5.4", "offline:handbook → openai:gpt-5.4"),
        ("hi", "echo: hi"),
    )
    assert town.asked()[-1].body["model"] == "gpt-5.4"
    await dialog(ann, ("/model nonsense", "There is no provider “nonsense” here"), ("/cancel", "Cancelled"))
    await dialog(admin, ("/model offline:handbook", "is answered by offline:handbook now"))


async def test_anothers_own_agent_does_not_exist(ann: Talk, admin: Talk) -> None:
    await dialog(ann, ("/agents create Writer You write.", "is there"))
    agent = await Agent.get(handle="writer")
    for command in ("show", "edit", "delete", "copy", "export", "versions", "diff", "rollback", "here"):
        for typed in ("writer", str(agent.id), agent.id.hex[-12:]):
            await admin.say(f"/agents {command} {typed} 1" if command == "rollback" else f"/agents {command} {typed}")
            answer = await admin.answer()
            gone = typed == agent.id.hex[-12:]  # as old buttons name it
            told = "That agent is no longer there." if gone else f"There is no agent called “{typed}”"
            assert told in answer, (command, answer)
            nobody = typed.replace("w", "q").replace(typed[-3:], "fff")
            await admin.say(f"/agents {command} {nobody} 1" if command == "rollback" else f"/agents {command} {nobody}")
            assert (await admin.answer()).replace(nobody, typed) == answer
    await dialog(admin, ("/cancel", "Cancelled"))
    assert (await Agent.get(handle="writer")).version == 1


async def test_a_guest_sees_who_answers_and_no_more(quiet_town: Town) -> None:
    await quiet_town.start(access="open")
    gus = quiet_town.person("Gus")
    await dialog(
        gus,
        ("/agents here", "Prowex answers in this chat."),
        ("/agents here prowex", "Only members of the team can choose who answers."),
        ("/agents", "Only members of the team can do that."),
        ("/agents create", "Only members of the team can do that."),
        ("/model", "Prowex answers here with"),
        ("/model offline:handbook", "only admins of the team change it"),
    )


async def test_names_in_every_script_can_be_typed_and_pressed(ann: Talk) -> None:
    for name in (
        "كاتب 🙂",
        "Писатель очень длинного и подробного имени, какое бывает",
        "作家",
        "*_[x](http://e.example)_*",
    ):
        await dialog(ann, (f'/agents create "{name}" You write.', f"{name} is there"), ("[Show]", "You write."))
        await dialog(ann, (f"/agents show {name}", "You write."), ("[Delete]", "for good?"))
        await dialog(ann, ("[Delete for good]", f"{name} is deleted"))


async def test_nothing_of_an_agent_is_written_into_the_audit(ann: Talk) -> None:
    await dialog(ann, ("/agents create Writer You write.", "is there"))
    event = await AuditEvent.filter(action="agents.create").get()
    assert (event.outcome, event.target_id) == ("done", (await Chat.filter(account__startswith="telegram").get()).id)

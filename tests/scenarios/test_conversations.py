"""Conversations, found again, named, gone on with and deleted by people in a chat."""

import asyncio
import re
from pathlib import Path

import pytest

from core.conversations import ref_of
from storage.faults import arm, hits
from storage.tables import (
    Approval,
    Conversation,
    InboxEntry,
    Part,
    Reply,
    StoredFile,
    Summary,
    Turn,
    TurnStep,
)
from tests.scenarios.town import Talk, Town, words_of

BOT = "@prowex_test_bot"


async def dialog(talk: Talk, *lines: tuple[str, str]) -> None:
    """Say or press (`[label]`) what stands first in each line, and expect the answer to hold what stands second."""
    for said, expected in lines:
        if said.startswith("["):
            await talk.press(said[1:-1])
        else:
            await talk.say(said)
        answer = await talk.answer()
        assert expected in answer, f"after {said!r}: {answer!r}"


async def two_talks(chat: Talk) -> None:
    """Have a conversation about plums, then one about pears, which goes on."""
    await dialog(
        chat, ("Tell me about plums, please.", "echo"), ("/new", "/conversations lists it"), ("Pears?", "echo")
    )


def rows_in(answer: str) -> list[list[str]]:
    """Return the numbered rows of the table that a card shows."""
    rows = [re.split(r"\s*[|│]\s*|\s{2,}", line.strip(" |│")) for line in answer.splitlines()]
    return [row for row in rows if row[0].isdigit()]


async def test_the_list_shows_the_latest_first_by_its_first_words(chat: Talk) -> None:
    await two_talks(chat)
    await chat.say("/conversations")
    first, second = rows_in(await chat.answer())
    assert first[1] == "Pears? (now)"
    assert second[1] == "Tell me about plums, please."
    assert first[2] == second[2] == "Prowex"
    assert first[-1] == second[-1] == "2"


async def test_a_title_that_nobody_gave_is_cut_between_words_and_files_have_one_too(chat: Talk) -> None:
    await dialog(chat, ("one two three four five six seven eight nine ten eleven twelve", "echo"), ("/new", "new"))
    await chat.send("document", b"plain words", "letter.txt", "text/plain")
    await chat.answer()
    await chat.say("/conversations")
    shown = await chat.answer()
    assert "letter.txt (now)" in shown
    assert "one two three four five six seven" in shown
    assert "eight…" in shown
    assert "nine" not in shown


async def test_new_promises_nothing_where_nothing_was_said(chat: Talk) -> None:
    await chat.say("/new")
    assert "/conversations" not in await chat.answer()
    await chat.say("/conversations")
    assert "nothing said yet" in await chat.answer()


async def test_an_older_conversation_is_gone_on_with(chat: Talk, town: Town) -> None:
    await two_talks(chat)
    await dialog(
        chat,
        ("/conversations", "plums"),
        ("[2]", "It rests."),
        ("[Reopen]", "We go on with Tell me about plums, please."),
        ("And?", "echo: And?"),
    )
    assert [words for role, words in words_of(town.asked()[-1]) if role == "user"] == [
        "Tell me about plums, please.",
        "And?",
    ]
    await chat.say("/conversations")
    first, second = rows_in(await chat.answer())
    assert first[1] == "Tell me about plums, please. (now)"
    assert second[1] == "Pears?"
    await dialog(
        chat, ("/conversations reopen pears", "We go on with Pears?"), ("/conversations reopen pears", "already")
    )


async def test_an_older_conversation_is_answered_by_its_own_agent(chat: Talk, town: Town) -> None:
    await town.restart(access="pairing")
    await chat.say((await town.call("people.invite", role="member"))["code"])
    await chat.answer()
    await dialog(
        chat,
        ("/agents create Writer instructions=Write. model=", "Writer is there"),
        ("/agents here writer", "Writer"),
        ("A poem!", "echo"),
        ("/agents here default", "Prowex"),
        ("Something else", "echo"),
        ("/conversations reopen a poem", "Writer answers here again"),
        ("Longer", "echo"),
    )
    assert town.asked()[-1].body["messages"][0]["content"].startswith("Write.")


async def test_a_conversation_gets_a_title_which_is_sealed(chat: Talk, town: Town) -> None:
    await two_talks(chat)
    await dialog(
        chat,
        ("/conversations rename 2 Plum *jam*", "It is called Plum *jam* now."),
        ("/conversations reopen plum *JAM*", "We go on with Plum *jam*"),
        ("[Rename]", "Now: Plum"),
        ("Jam", "It is called Jam now."),
        ("/conversations", "Jam (now)"),
    )
    [row] = await Conversation.filter(title__isnull=False)
    assert row.title is not None
    assert b"Jam" not in row.title
    await chat.say("/conversations rename 1 " + "x" * 101)
    assert "at most 100 characters" in await chat.answer()


async def test_a_title_of_two_conversations_is_no_name(chat: Talk) -> None:
    await dialog(chat, ("Plums", "echo"), ("/new", "new"), ("Plums", "echo"), ("/new", "new"), ("Pears", "echo"))
    await dialog(
        chat, ("/conversations reopen plums", "2 conversations are called so"), ("Cherries", "no such conversation")
    )
    await dialog(chat, ("/cancel", "Cancelled"))


async def test_a_long_list_is_paged(chat: Talk) -> None:
    for number in range(10):
        await dialog(chat, (f"Talk {number}.", "echo"), ("/new", "new"))
    await chat.say("/conversations")
    assert [row[1] for row in rows_in(await chat.answer())][1] == "Talk 9."
    await chat.press("Older")
    assert [row[:2] for row in rows_in(await chat.answer())] == [["9", "Talk 2."], ["10", "Talk 1."], ["11", "Talk 0."]]
    await dialog(chat, ("[11]", "Talk 0."), ("/conversations 7", "The list is shorter."))


async def remains(conversation_id: object) -> list[int]:
    """Return how many rows of each table are a conversation's."""
    turns = [turn.id for turn in await Turn.filter(conversation_id=conversation_id)]
    return [
        await Conversation.filter(id=conversation_id).count(),
        len(turns),
        await TurnStep.filter(turn__conversation_id=conversation_id).count(),
        await Approval.filter(turn__conversation_id=conversation_id).count(),
        await InboxEntry.filter(conversation_id=conversation_id).count(),
        await Reply.filter(conversation_id=conversation_id).count(),
        await Part.filter(reply_id__in=[r.id for r in await Reply.filter(conversation_id=conversation_id)]).count(),
        await StoredFile.filter(conversation_id=conversation_id).count(),
        await Summary.filter(conversation_id=conversation_id).count(),
    ]


def bytes_on_disk(town: Town) -> list[Path]:
    return [path for path in (town.data_dir / "files").glob("??/*") if path.is_file()]


async def test_a_deleted_conversation_leaves_nothing(chat: Talk, town: Town) -> None:
    await chat.send("document", b"plain words", "letter.txt", "text/plain", caption="Plums")
    await chat.answer()
    for number in range(6):
        await dialog(chat, (f"{number}?", "echo"))
    await dialog(chat, ("/compact", "I summarised"), ("/status", "Model"), ("/new", "new"), ("Pears?", "echo"))
    old, new = await Conversation.all().order_by("id")
    assert 0 not in [count for n, count in enumerate(await remains(old.id)) if n != 3]
    assert len(bytes_on_disk(town)) == 1
    kept = await remains(new.id)
    await dialog(
        chat,
        ("/conversations delete 2", "Delete Plums, with 14 messages and 1 file?"),
        ("[Delete it for good]", "Plums is deleted, with 14 messages and 1 file. What you still see"),
    )
    assert await remains(old.id) == [0] * 9
    assert bytes_on_disk(town) == []
    assert await remains(new.id) == kept
    words = [entry for entry in await InboxEntry.filter(received_at__lte=old.ended_at or 0) if entry.body]
    assert words == [], "the commands that were given meanwhile"
    await dialog(chat, ("/conversations", "Pears?"), ("[Delete it for good]", "There is no such conversation here."))


async def test_deleting_the_present_conversation_begins_a_new_one(chat: Talk, town: Town) -> None:
    await dialog(chat, ("Plums", "echo"), ("/conversations delete 1", "Delete Plums"))
    await dialog(chat, ("[Delete it for good]", "so a new one begins"), ("Pears", "echo: Pears"))
    assert words_of(town.asked()[-1]) == [("user", "Pears")]
    assert await Conversation.all().count() == 1


async def test_a_message_of_a_deleted_conversation_that_comes_again_is_not_answered(chat: Talk, town: Town) -> None:
    message = await chat.say("Plums", update_id=7)
    await chat.answer()
    await dialog(chat, ("/conversations delete 1 sure=yes", "is deleted"))
    town.telegram.updates.add("message", message.wire(), chat.chat.id, 7)
    assert await chat.answers() == []


async def test_a_deletion_that_was_interrupted_deletes_what_was_meant_and_no_other(chat: Talk, town: Town) -> None:
    await dialog(chat, ("Apples", "echo"), ("/new", "new"), ("Plums", "echo"), ("/new", "new"), ("Pears", "echo"))
    arm("turn.command.before#1:raise,turn.command.after#1:raise")
    await chat.say("/conversations delete 2 sure=yes")
    assert "Plums is deleted" in await chat.answer()
    arm("")
    await chat.say("/conversations")
    assert [row[1] for row in rows_in(await chat.answer())] == ["Pears (now)", "Apples"]


async def test_files_that_commands_took_and_gave_go_with_the_conversation(private_town: Town) -> None:
    ann = private_town.person("Ann")
    await ann.say((await private_town.call("people.invite"))["code"])
    await ann.answer()
    await dialog(ann, ("Plums", "echo"), ("/agents create Writer You write.", "Writer is there"))
    await ann.say("/agents export writer")
    assert len(await ann.answers()) == 2
    file = b'name = "Reader"\ninstructions = "You read."\n'
    await ann.send("document", file, "reader.toml", "application/toml", caption="/agents import")
    assert "Reader is brought in" in await ann.answer()
    assert len(bytes_on_disk(private_town)) == 2
    await dialog(ann, ("/conversations delete 1 sure=yes", "with 2 messages and 2 files"))
    assert bytes_on_disk(private_town) == []
    assert await StoredFile.all().count() == 0


async def test_a_picture_whose_message_is_repeated_in_a_new_conversation_goes_with_that_one(
    chat: Talk, town: Town
) -> None:
    await chat.send("document", b"plain words", "letter.txt", "text/plain", caption="Plums")
    await chat.answer()
    await dialog(chat, ("/new", "new"), ("/retry", "echo: Plums"))
    await dialog(chat, ("/conversations", "Plums (now)"), ("/conversations delete 1 sure=yes", "2 messages and 1 file"))
    assert bytes_on_disk(town) == []


async def test_the_last_answer_is_the_last_one_of_the_conversation_that_goes_on(chat: Talk, town: Town) -> None:
    await two_talks(chat)
    await dialog(chat, ("/conversations reopen tell me", "We go on"), ("/retry", "echo: Tell me about plums, please."))
    assert words_of(town.asked()[-1]) == [("user", "Tell me about plums, please.")]
    await chat.say("/conversations")
    assert [row[1] for row in rows_in(await chat.answer())] == ["Tell me about plums, please. (now)", "Pears?"]


async def test_another_persons_conversation_does_not_exist(chat: Talk, town: Town) -> None:
    bob = town.person("Bob")
    await dialog(chat, ("Plums", "echo"))
    await dialog(bob, ("Pears", "echo"))
    theirs = (await Conversation.all().order_by("id"))[0]
    for what in (f"reopen {theirs.id.hex[-12:]}", f"delete {theirs.id.hex[-12:]} sure=yes", "reopen plums", "show 2"):
        await bob.say(f"/conversations {what}")
        assert "There is no such conversation here" in await bob.answer(), what
        await bob.say("/cancel")
        await bob.answer()
    await bob.say("/conversations")
    assert "Plums" not in await bob.answer()
    await dialog(chat, ("/conversations", "Plums"))


@pytest.fixture
async def private_town(quiet_town: Town) -> Town:
    """A town whose assistant is private."""
    await quiet_town.start(access="pairing")
    return quiet_town


async def let_in(town: Town, name: str, role: str) -> Talk:
    talk = town.person(name)
    await talk.say((await town.call("people.invite", role=role))["code"])
    assert "Welcome" in await talk.answer()
    return talk


async def test_in_a_group_everybody_sees_the_list_and_admins_decide(private_town: Town) -> None:
    ann, ada = await let_in(private_town, "Ann", "member"), await let_in(private_town, "Ada", "admin")
    await dialog(ada, ("secret plans", "echo"))
    here, admin = private_town.group("Friends", ann, ada)
    await admin.answers()
    await dialog(admin, (f"/permit{BOT}", "I answer in this group"))
    await dialog(here, (f"{BOT} plums", "echo"), (f"/new{BOT}", "new"), (f"{BOT} pears", "echo"))
    await here.say(f"/conversations{BOT}")
    shown = await here.answer()
    assert "plums" in shown
    assert "secret" not in shown
    for what in ("reopen 2", "rename 2 Jam", "delete 2"):
        await here.say(f"/conversations{BOT} {what}")
        assert await here.answer() == "In a group only admins of the team can do that with its conversations."
    await dialog(
        admin, (f"/conversations{BOT} rename 2 Jam", "It is called Jam"), (f"/conversations{BOT} reopen jam", "Jam")
    )


async def test_settings_say_who_answers_and_offer_what_can_be_set(private_town: Town) -> None:
    ann, ada = await let_in(private_town, "Ann", "member"), await let_in(private_town, "Ada", "admin")
    await ann.say("/settings")
    [shown] = await ann.messages()
    assert "Agent: Prowex" in shown.text
    labels = [button.text for row in shown.buttons for button in row]
    assert labels == [
        "Who answers here", "Model", "Agents", "Conversations", "Summarise", "Privacy", "Who am I",
    ]  # fmt: skip
    await dialog(ann, ("[Conversations]", "There is no conversation yet"))
    await ada.say("/settings")
    [shown] = await ada.messages()
    assert [button.text for row in shown.buttons for button in row] == [*labels, "Invite"]


async def test_a_conversation_of_another_topic_goes_on_where_it_is_reopened(chat: Talk, town: Town) -> None:
    topic = chat.in_topic("Fruit")
    await topic.say("Plums")
    assert await topic.answer() == "echo: Plums"
    await dialog(
        chat, ("Pears", "echo"), ("/conversations reopen plums", "We go on with Plums"), ("And?", "echo: And?")
    )
    assert [words for role, words in words_of(town.asked()[-1]) if role == "user"] == ["Plums", "And?"]
    await topic.say("Back here")
    assert await topic.answer() == "echo: Back here"
    assert words_of(town.asked()[-1]) == [("user", "Back here")]


async def test_what_was_answered_in_another_topic_is_not_repeated_here(chat: Talk, town: Town) -> None:
    topic = chat.in_topic("Fruit")
    await dialog(topic, ("Plums", "echo"))
    await dialog(chat, ("/conversations reopen plums", "We go on"), ("/retry", "That was answered elsewhere"))
    await dialog(topic, ("/retry", "There is nothing to repeat yet"))
    await dialog(chat, ("And?", "echo: And?"), ("/retry", "echo: And?"))
    assert [words for role, words in words_of(town.asked()[-1]) if role == "user"] == ["Plums", "And?"]


async def test_what_is_deleted_in_one_topic_while_it_is_reopened_in_another_is_gone(chat: Talk, town: Town) -> None:
    fruit, here = chat.in_topic("Fruit"), chat.in_topic("Here")
    await dialog(fruit, ("Plums", "echo"))
    [plums] = await Conversation.all()
    arm("turn.command.before#1:delay=0.5")
    await chat.say(f"/conversations delete {ref_of(plums.id)} sure=yes")
    async with asyncio.timeout(20):
        while not hits()["turn.command.before"]:  # noqa: ASYNC110 - the point is passed in silence
            await asyncio.sleep(0.01)
    await here.say(f"/conversations reopen {ref_of(plums.id)}")
    told = "\n".join([*await chat.answers(), *await here.answers()])
    assert "Plums is deleted" in told
    assert "There is no such conversation here" in told
    arm("")
    await dialog(here, ("/new", "A new conversation"), ("Pears", "echo: Pears"))
    await dialog(fruit, ("Apples", "echo: Apples"))

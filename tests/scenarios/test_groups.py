"""The assistant among many people: groups, supergroups, topics."""

from collections.abc import Sequence

from storage.tables import Chat, InboxEntry
from tests.scenarios.town import Talk, Town, words_of

BOT = "@prowex_test_bot"


def trio(town: Town, kind: str = "group", **more: object) -> Sequence[Talk]:
    return town.group("Friends", town.person("Ann"), town.person("Bob"), kind=kind, **more)


async def test_talk_among_people_is_neither_answered_nor_stored(town: Town) -> None:
    ann, bob = trio(town)
    await ann.say("Did you see the swordfish?")
    await bob.say("I did.")
    assert await ann.answers() == []
    assert town.asked() == []
    rows = await InboxEntry.all()
    assert [row.body for row in rows] == [None, None]
    assert {row.state for row in rows} == {"ignored"}


async def test_a_mention_is_answered_as_a_reply_to_the_message(town: Town) -> None:
    ann, bob = trio(town)
    asking = await ann.say(f"{BOT} what is a swordfish?")
    [message] = await ann.messages()
    assert message.text == "echo: Ann: what is a swordfish?"
    assert message.reply_to == asking.id
    asking = await bob.say(f"and a catfish, {BOT}")
    [message] = await ann.messages()
    assert message.text == "echo: Bob: and a catfish,"
    assert message.reply_to == asking.id


async def test_a_mention_in_the_middle_of_a_sentence_is_one(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(f"Hey {BOT}, how are you?")
    assert await ann.answer() == f"echo: Ann: Hey {BOT}, how are you?"


async def test_a_longer_name_that_begins_like_ours_is_no_mention(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(f"{BOT}_too hello")
    await ann.say("write to me@prowex_test_bot.example")
    assert await ann.answers() == []


async def test_a_bare_mention_is_answered(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(BOT)
    assert BOT in await ann.answer()


async def test_a_reply_to_the_bot_is_meant_for_it(town: Town) -> None:
    ann, bob = trio(town)
    await ann.say(f"{BOT} one")
    await ann.answer()
    said = next(one for one in ann.chat.messages.values() if one.from_bot)
    await bob.say("why?", reply_to=said)
    await bob.answers()
    assert words_of(town.asked()[-1])[-1] == ("user", "[In reply to Prowex:]\n> echo: Ann: one\nBob: why?")


async def test_a_mention_in_reply_to_somebody_brings_their_words_along(town: Town) -> None:
    ann, bob = trio(town)
    claim = await ann.say("The earth is flat.")
    await bob.say(f"{BOT} is that true?", reply_to=claim)
    await bob.answer()
    assert words_of(town.asked()[-1])[-1] == ("user", "[In reply to Ann:]\n> The earth is flat.\nBob: is that true?")


async def test_the_model_sees_who_said_what_before(town: Town) -> None:
    ann, bob = trio(town)
    await ann.say(f"{BOT} I like tea")
    await ann.answer()
    await bob.say(f"{BOT} what does Ann like?")
    await ann.answer()
    assert words_of(town.asked()[-1]) == [
        ("user", "Ann: I like tea"),
        ("assistant", "echo: Ann: I like tea"),
        ("user", "Bob: what does Ann like?"),
    ]


async def test_a_caption_that_mentions_the_bot_brings_the_picture(town: Town) -> None:
    ann, _ = trio(town)
    await ann.send("photo", b"\xff\xd8\xff" + bytes(20), "p.jpg", "image/jpeg", caption=f"{BOT} what is this?")
    assert "what is this?" in await ann.answer()


async def test_a_command_for_another_bot_is_not_ours(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say("/help@another_bot")
    await ann.say("/help@prowex_test_bot_two")
    assert await ann.answers() == []


async def test_an_unknown_command_in_a_group_is_left_to_others(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say("/roll")
    assert await ann.answers() == []
    await ann.say(f"/roll{BOT}")
    assert "I don't know /roll" in await ann.answer()


async def test_a_command_of_ours_is_answered_with_or_without_our_name(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say("/status")
    assert "Status" in await ann.answer()
    await ann.say(f"/status{BOT}")
    assert "Status" in await ann.answer()


async def test_private_answers_are_not_given_to_a_whole_group(town: Town) -> None:
    await town.call("people.invite")
    ann, _ = trio(town)
    await ann.say("/invite")
    answer = await ann.answer()
    assert "t.me" not in answer


async def test_anybody_in_the_group_may_stop_an_answer(town: Town) -> None:
    ann, bob = trio(town)
    await ann.say(f"{BOT} [[tokens=200 hold=9]]")
    await ann.sees("…")
    await bob.say("/stop")
    assert (await ann.answers())[-1].startswith("Stopped.")


async def test_what_two_people_ask_is_not_thrown_together(town: Town) -> None:
    ann, bob = trio(town)
    await ann.say(f"{BOT} zero [[hold]]")
    await ann.sees("…")
    await ann.say(f"{BOT} one")
    await bob.say(f"{BOT} two")
    await town.taken_in()
    town.openai.go_on()
    assert await ann.answers() == ["echo: Ann: zero", "echo: Ann: one", "echo: Bob: two"]


async def test_topics_are_chats_of_their_own(town: Town) -> None:
    [ann] = town.group("Club", town.person("Ann"), kind="supergroup", forum=True)
    tea, jam = ann.in_topic("Tea"), ann.in_topic("Jam")
    await tea.say(f"{BOT} the word is assam")
    [message] = await tea.messages()
    assert message.topic == tea.topic.id
    await jam.say(f"{BOT} what is the word?")
    [message] = await jam.messages()
    assert message.topic == jam.topic.id
    assert words_of(town.asked()[-1]) == [("user", "Ann: what is the word?")]
    await tea.say(f"{BOT} and now?")
    await tea.answer()
    assert len(words_of(town.asked()[-1])) == 3
    await ann.say(f"{BOT} hello from General")
    [message] = [one for one in await ann.messages() if one.topic is None]
    assert message.text == "echo: Ann: hello from General"


async def test_typing_shows_in_the_topic_that_asked(town: Town) -> None:
    [ann] = town.group("Club", town.person("Ann"), kind="supergroup", forum=True)
    tea = ann.in_topic("Tea")
    await tea.say(f"{BOT} [[hold]] hm")
    await town.telegram.wait_for(lambda: town.telegram.typing(ann.chat))
    town.openai.go_on()
    await tea.answer()
    assert {topic for _, _, topic in town.telegram.typing(ann.chat)} == {tea.topic.id}


async def test_a_group_that_becomes_a_supergroup_keeps_its_conversation(town: Town) -> None:
    ann, _bob = trio(town)
    await ann.say(f"{BOT} the word is swordfish")
    await ann.answer()
    new = await town.telegram.upgrade(ann.chat)
    ann = Talk(town, new, ann.who)
    await ann.say(f"{BOT} what is the word?")
    assert await ann.answer() == "echo: Ann: what is the word?"
    assert len(words_of(town.asked()[-1])) == 3


async def test_an_answer_on_its_way_follows_a_group_that_becomes_a_supergroup(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(f"{BOT} [[hold]] think")
    await ann.sees("…")
    new = await town.telegram.upgrade(ann.chat)
    town.openai.go_on()
    await town.settled()
    ann = Talk(town, new, ann.who)
    assert await ann.answers() == ["echo: Ann:  think"]
    await ann.say(f"{BOT} still here?")
    assert await ann.answer() == "echo: Ann: still here?"


async def test_a_supergroup_that_speaks_before_its_upgrade_is_known_goes_on(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(f"{BOT} hi")
    await ann.answer()
    await town.stop()
    new = await town.telegram.upgrade(ann.chat)
    ann = Talk(town, new, ann.who)
    await ann.say(f"{BOT} after")
    town.telegram.updates.pending.reverse()
    await town.start()
    assert await ann.answer() == "echo: Ann: after"


async def test_an_anonymous_admin_and_a_channel_are_not_answered(town: Town) -> None:
    ann, bob = trio(town, kind="supergroup")
    news = town.telegram.channel("News", ann.who)
    await ann.say(f"{BOT} who am I?", as_chat=ann.chat)
    await bob.say(f"{BOT} and I?", as_chat=news)
    assert await ann.answers() == []
    assert [row.body for row in await InboxEntry.all()] == [None, None]


async def test_a_channel_the_bot_is_in_is_left_alone(town: Town) -> None:
    news = town.telegram.channel("News", town.person("Ann").who)
    await town.telegram.say(news, f"{BOT} hello")
    await town.settled()
    assert town.telegram.texts(news) == []


async def test_a_bot_that_is_added_to_a_group_introduces_itself(town: Town) -> None:
    ann, _ = trio(town)
    ann.chat.bot_status = "left"
    await town.telegram.add_bot(ann.chat, by=ann.who)
    answer = await ann.answer()
    assert "I am Prowex" in answer


async def test_becoming_an_admin_is_no_reason_to_say_hello_again(town: Town) -> None:
    ann, _ = trio(town)
    ann.chat.bot_status = "left"
    await town.telegram.add_bot(ann.chat, by=ann.who)
    await ann.answer()
    await town.telegram.add_bot(ann.chat, by=ann.who, status="administrator")
    assert await ann.answers() == []


async def test_a_bot_that_was_removed_stays_silent_and_others_are_answered(town: Town) -> None:
    ann, _ = trio(town)
    await ann.say(f"{BOT} hm [[hold]]")
    await town.telegram.remove_bot(ann.chat, by=ann.who)
    town.openai.go_on()
    carol = town.person("Carol")
    await carol.say("hi")
    assert await carol.answer() == "echo: hi"


async def test_mentions_that_waited_for_a_start_are_answered_though_we_learn_our_name_late(quiet_town: Town) -> None:
    ann, _ = trio(quiet_town)
    quiet_town.telegram.faults.delay("getMe", 1.0)
    await ann.say(f"{BOT} hi")
    await quiet_town.start()
    assert await ann.answer() == "echo: Ann: hi"


async def test_a_forum_topic_that_was_closed_gets_no_answer_and_blocks_nobody(town: Town) -> None:
    [ann] = town.group("Club", town.person("Ann"), kind="supergroup", forum=True)
    tea, jam = ann.in_topic("Tea"), ann.in_topic("Jam")
    await town.telegram.close_topic(ann.chat, tea.topic)
    await tea.say(f"{BOT} hi")
    await jam.say(f"{BOT} hi")
    assert await jam.answer() == "echo: Ann: hi"
    await town.settled()


async def test_one_group_has_one_row_and_each_topic_its_own(town: Town) -> None:
    [ann] = town.group("Club", town.person("Ann"), kind="supergroup", forum=True)
    tea = ann.in_topic("Tea")
    await tea.say(f"{BOT} hi")
    await ann.say(f"{BOT} hi")
    await town.settled()
    assert sorted([chat.external_id for chat in await Chat.all()]) == sorted(
        [str(ann.chat.id), f"{ann.chat.id}/{tea.topic.id}"]
    )

"""Commands on Slack: by slash command, mention, `!word`, button, shortcut and form."""

from collections.abc import Iterator

import pytest

from core.access import Standing
from core.operations.card import Card
from core.operations.form import Form, asked
from core.operations.registry import OPERATIONS, Call, Effect, operation
from storage.tables import Chat
from tests.scenarios.slack_town import HTTP, SOCKET, SlackTalk, SlackTown

both = pytest.mark.parametrize("transport", [SOCKET, HTTP])


@pytest.fixture
def notes() -> Iterator[list[dict[str, str]]]:
    """The operation `/notes add`, and what was added."""
    added: list[dict[str, str]] = []

    async def add(call: Call, form: "Note") -> Card:
        added.append({"title": form.title, "text": form.text or ""})
        return Card(text=f"Added {form.title}.")

    add.__annotations__["form"] = Note
    operation("notes.add", "Add a note", standing=Standing.GUEST, effect=Effect.WRITE)(add)
    yield added
    del OPERATIONS["notes.add"]


class Note(Form):
    """A note."""

    title: str = asked(label="Title", hint="What is it called?", most=20)
    text: str | None = asked(None, label="Text", hint="What does it say?", long=True, ask=True)

    @classmethod
    async def problem_with(cls, call: Call, name: str, value: str, values: object) -> str:
        return "That is no title for a note." if name == "title" and value == "bad" else ""


@both
async def test_a_command_in_a_direct_chat_is_answered_there(dm: SlackTalk) -> None:
    await dm.command("/prowex status")
    assert "Model" in await dm.answer()
    await dm.command("/prowex")
    assert "What you can do here" in await dm.answer()


@both
async def test_a_commands_answer_in_a_channel_is_seen_by_who_asked_alone(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    await ann.command("/prowex status")
    [message] = await ann.messages()
    assert message.only_for == ann.who.id
    assert bob.shows() == []


async def test_a_command_by_mention_is_answered_to_who_asked_in_the_thread(slack: SlackTown) -> None:
    ann, _ = slack.in_channel("general", "Ann", "Bob")
    asking = await ann.say("/status", mention=True)
    [message] = await ann.messages()
    assert (message.only_for, message.thread_ts) == (ann.who.id, asking.ts)
    assert "Model" in message.text


async def test_in_a_thread_a_word_with_an_exclamation_mark_is_a_command(slack: SlackTown) -> None:
    ann, _ = slack.in_channel("general", "Ann", "Bob")
    asking = await ann.say("hi", mention=True)
    await ann.answer()
    await ann.on(asking).say("!status")
    [message] = await ann.on(asking).messages()
    assert message.only_for == ann.who.id
    await ann.on(asking).say("!hooray")
    assert await ann.answer() == "echo: Ann: !hooray"


async def test_an_unknown_command_says_so(dm: SlackTalk) -> None:
    await dm.command("/prowex statsu")
    assert "Did you mean /prowex status?" in await dm.answer()


@both
async def test_where_we_are_not_a_command_is_answered_with_how_to_invite_us(slack: SlackTown) -> None:
    [ann] = slack.in_channel("elsewhere", "Ann", bot=False)
    await ann.command("/prowex status")
    [message] = await ann.messages()
    assert message.only_for == ann.who.id
    assert "Model" in message.text
    assert "/invite @prowex" in message.text


async def test_where_we_are_not_and_slack_takes_no_more_the_answer_comes_directly(slack: SlackTown) -> None:
    [ann] = slack.in_channel("elsewhere", "Ann", bot=False)
    slack.slack.faults.fail("response_url", "used_url", status=404)
    await ann.command("/prowex status")
    assert await ann.answers() == []
    [text] = SlackTalk(slack, slack.slack.im(ann.who), ann.who).shows()
    assert "Model" in text
    assert "elsewhere" in text


async def test_five_answers_may_come_from_outside_for_one_command(slack: SlackTown) -> None:
    ann, _ = slack.in_channel("elsewhere", "Ann", "Bob", bot=False)
    for _ in range(7):
        await ann.command("/prowex status")
    assert len(await ann.answers()) == 7


@both
async def test_a_button_does_what_it_says(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    await ann.command("/prowex start")
    await ann.answers()
    await ann.press("What can you do?")
    [message] = await ann.messages()
    assert "What you can do here" in message.text
    assert message.only_for == ann.who.id
    assert bob.shows() == []


@both
async def test_who_adds_us_to_a_channel_is_greeted(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann", bot=False)
    await slack.slack.invite(ann.channel, by=ann.who)
    [message] = await ann.messages()
    assert "I am" in message.text
    assert message.only_for == ann.who.id


@both
async def test_what_is_missing_is_asked_for_at_once(slack: SlackTown, notes: list[dict[str, str]]) -> None:
    [ann] = slack.in_channel("general", "Ann")
    await ann.command("/prowex notes add")
    view = ann.modal()
    shown = slack.slack.modal_text(view)
    assert "Add a note" in shown
    assert "Title" in shown
    assert notes == []
    slack.slack.fill_in(ann.who, {"title": "Tea", "text": "a <b>"})
    assert (await slack.slack.submit(ann.who)).action == "clear"
    [message] = await ann.messages()
    assert (message.text, message.only_for) == ("Added Tea.", ann.who.id)
    assert notes == [{"title": "Tea", "text": "a <b>"}]


async def test_a_command_that_lacks_nothing_asks_nothing(dm: SlackTalk, notes: list[dict[str, str]]) -> None:
    await dm.command("/prowex notes add Tea with milk")
    assert dm.who.views == []
    assert (await dm.answer()).startswith("Added Tea")


@both
async def test_what_is_wrong_is_said_beside_the_field(slack: SlackTown, notes: list[dict[str, str]]) -> None:
    ann = slack.direct("Ann")
    await ann.command("/prowex notes add")
    slack.slack.fill_in(ann.who, {"title": "bad"})
    answered = await slack.slack.submit(ann.who)
    assert answered.action == "errors"
    assert answered.by_block == {"title": "That is no title for a note."}
    assert notes == []
    slack.slack.fill_in(ann.who, {"title": "good"})
    await slack.slack.submit(ann.who)
    assert await ann.answer() == "Added good."


async def test_a_form_that_is_sent_twice_counts_once(slack: SlackTown, notes: list[dict[str, str]]) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.lose_acks("interactive", count=1)
    await ann.command("/prowex notes add")
    slack.slack.fill_in(ann.who, {"title": "Tea"})
    await slack.slack.submit(ann.who)
    if ann.who.views:
        await slack.slack.submit(ann.who)
    await slack.settled()
    assert len(notes) == 1


async def test_a_form_that_can_not_be_opened_is_offered_as_a_button(
    slack: SlackTown, notes: list[dict[str, str]]
) -> None:
    ann = slack.direct("Ann")
    slack.slack.faults.fail("views.open", "expired_trigger_id")
    await ann.command("/prowex notes add")
    assert ann.who.views == []
    [message] = await ann.messages()
    assert message.labels == ("Open the form",)
    await ann.press("Open the form")
    assert "Title" in slack.slack.modal_text(ann.modal())


async def test_by_mention_a_form_is_a_button_that_opens_it_in_the_thread(
    slack: SlackTown, notes: list[dict[str, str]]
) -> None:
    [ann] = slack.in_channel("general", "Ann")
    asking = await ann.say("/notes add", mention=True)
    await ann.answers()
    await ann.press("Open the form")
    slack.slack.fill_in(ann.who, {"title": "Tea"})
    await slack.slack.submit(ann.who)
    [message] = await ann.messages()
    assert (message.text, message.thread_ts) == ("Added Tea.", asking.ts)


@both
async def test_the_shortcut_on_a_message_runs_commands_in_its_thread(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    asking = await ann.say("hi", mention=True)
    [answer] = await ann.messages()
    message = ann.channel.messages[answer.ts]
    assert (await (await slack.slack.shortcut(message, "prowex_menu", by=ann.who)).outcome()).acknowledged
    slack.slack.fill_in(ann.who, {"command": "status"})
    assert (await slack.slack.submit(ann.who)).action == "clear"
    [shown] = await ann.messages()
    assert "Model" in shown.text
    assert (shown.only_for, shown.thread_ts) == (ann.who.id, asking.ts)


async def test_the_menu_goes_on_with_the_form_of_what_was_chosen(slack: SlackTown, notes: list[dict[str, str]]) -> None:
    [ann] = slack.in_channel("general", "Ann")
    said = await ann.say("nothing to do with you")
    await (await slack.slack.shortcut(said, "prowex_menu", by=ann.who)).outcome()
    slack.slack.fill_in(ann.who, {"command": "notes add"})
    assert (await slack.slack.submit(ann.who)).action == "update"
    slack.slack.fill_in(ann.who, {"title": "Tea"})
    await slack.slack.submit(ann.who)
    [message] = await ann.messages()
    assert (message.text, message.only_for) == ("Added Tea.", ann.who.id)


async def test_the_global_shortcut_is_about_the_direct_chat(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    await (await slack.slack.global_shortcut(ann.who, "prowex_menu_anywhere")).outcome()
    slack.slack.fill_in(ann.who, {"command": "help"})
    await slack.slack.submit(ann.who)
    assert "What you can do here" in await ann.answer()
    [chat] = await Chat.all()
    assert chat.external_id == ann.channel.id


async def test_the_assistant_pane_suggests_how_to_begin_and_shows_that_it_thinks(slack: SlackTown) -> None:
    ann = slack.direct("Ann")
    root = await slack.slack.open_pane(ann.who)
    await slack.slack.wait_for(lambda: root.ts in ann.channel.prompts)
    talk = ann.on(root)
    await talk.say("[[tokens=30 hold]]")
    await slack.slack.wait_for(lambda: slack.slack.status(ann.channel, root.ts))
    slack.openai.go_on()
    await slack.settled()
    assert slack.slack.status(ann.channel, root.ts) == ""
    [message] = talk.fresh()
    assert message.thread_ts == root.ts


async def test_commands_are_named_as_slack_takes_them(slack: SlackTown) -> None:
    [ann] = slack.in_channel("general", "Ann")
    await ann.command("/prowex help")
    text = await ann.answer()
    assert "/prowex status –" in text
    assert " /status" not in text
    asking = await ann.say("hi", mention=True)
    await ann.answers()
    await ann.on(asking).say("!help")
    text = await ann.on(asking).answer()
    assert "!status –" in text
    assert "/status" not in text


async def test_an_agents_own_words_are_left_alone(dm: SlackTalk) -> None:
    await dm.say("GET /status and `/help`, please")
    assert await dm.answer() == "echo: GET /status and /help, please"


async def test_a_newcomer_comes_in_by_code(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ann = quiet_slack.direct("Ann")
    await ann.say("hi")
    assert "private" in await ann.answer()
    code = (await quiet_slack.call("people.invite"))["code"]
    await ann.command(f"/prowex start {code}")
    await ann.answers()
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    [there] = quiet_slack.in_channel("general", "Ann")
    await there.say("hi", mention=True)
    assert "permit" in await there.answer()


@both
async def test_a_code_counts_in_a_channel_if_nobody_else_sees_it(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ann, bob = quiet_slack.in_channel("general", "Ann", "Bob")
    code = (await quiet_slack.call("people.invite"))["code"]
    await ann.say(f"/start {code}", mention=True)
    assert "private" in await ann.answer()
    await bob.command(f"/prowex start {code}")
    [message] = await bob.messages()
    assert (message.only_for, "Welcome" in message.text) == (bob.who.id, True)


async def test_strangers_who_give_commands_in_a_channel_are_each_told(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ann, bob = quiet_slack.in_channel("general", "Ann", "Bob")
    for stranger in (ann, bob):
        await stranger.command("/prowex help")
        assert "private" in await stranger.answer()
        await stranger.command("/prowex help")
        assert await stranger.answers() == []


async def test_whom_we_told_already_takes_the_notice_from_nobody_else(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ann, bob = quiet_slack.in_channel("general", "Ann", "Bob")
    direct = SlackTalk(quiet_slack, quiet_slack.slack.im(ann.who), ann.who)
    await direct.say("hi")
    assert "private" in await direct.answer()
    root = await ann.say("hi", mention=True)
    assert await ann.on(root).answers() == []
    await bob.on(root).say("hi", mention=True)
    assert "private" in await bob.on(root).answer()


async def test_the_notice_in_a_thread_says_what_helps_in_it(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ann = quiet_slack.direct("Ann")
    await ann.say((await quiet_slack.call("people.operator_code"))["code"])
    await ann.answers()
    [there] = quiet_slack.in_channel("general", "Ann")
    asking = await there.say("hi", mention=True)
    assert "!permit" in await there.answer()
    await there.on(asking).say("!permit")
    assert "I answer in this group from now on" in await there.on(asking).answer()
    await there.on(asking).say("so?")
    assert (await there.on(asking).answer()).endswith("Ann: so?")


async def test_between_two_others_a_command_is_answered_to_who_gave_it(slack: SlackTown) -> None:
    ann, bob = slack.slack.person("Ann"), slack.slack.person("Bob")
    between = slack.slack.world.new_channel("directmessage", "im", [ann, bob])
    talk = SlackTalk(slack, between, ann)
    await talk.command("/prowex status")
    [message] = await talk.messages()
    assert message.only_for == ann.id
    assert "Model" in message.text
    assert "write to me directly" in message.text


async def test_the_shortcut_works_where_we_are_not(slack: SlackTown) -> None:
    [ann] = slack.in_channel("elsewhere", "Ann", bot=False)
    said = await ann.say("nothing to do with you")
    await (await slack.slack.shortcut(said, "prowex_menu", by=ann.who)).outcome()
    slack.slack.fill_in(ann.who, {"command": "status"})
    await slack.slack.submit(ann.who)
    [message] = await ann.messages()
    assert (message.only_for, "/invite @prowex" in message.text) == (ann.who.id, True)

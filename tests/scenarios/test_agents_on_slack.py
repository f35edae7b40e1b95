"""An agent's whole life on Slack, by modals and commands, and a thread in which it knows what was said before."""

import pytest

from storage.tables import Agent, AgentVersion
from tests.scenarios.slack_town import HTTP, SOCKET, SlackTalk, SlackTown

pytestmark = pytest.mark.parametrize("transport", [SOCKET, HTTP])


@pytest.fixture
async def ann(quiet_slack: SlackTown) -> SlackTalk:
    """Ann, a member, in her direct conversation."""
    await quiet_slack.start(access="pairing")
    ann = quiet_slack.direct("Ann")
    await ann.say((await quiet_slack.call("people.invite"))["code"])
    await ann.answers()
    return ann


async def submit(ann: SlackTalk, **values: str) -> dict[str, str]:
    """Fill in the modal that stands open and send it; return what is wrong with which field."""
    answer = await ann.town.slack.submit(ann.who, values)
    return dict(answer.errors)


async def test_create_talk_edit_roll_back_delete(ann: SlackTalk, quiet_slack: SlackTown) -> None:
    await ann.command("/prowex agents create")
    errors = await submit(ann, Name="Default", Instructions="You are a poet.")
    assert "Name" in errors
    assert await submit(ann, Name="Poet & Co", Instructions="You are a poet.") == {}
    assert "Poet & Co is there" in await ann.answer()

    await ann.command("/prowex agents here poet-co")
    assert "Poet & Co" in await ann.answer()
    await ann.say("a line, please")
    assert await ann.answer() == "echo: a line, please"
    assert "You are a poet." in quiet_slack.asked()[-1].body["messages"][0]["content"]

    await ann.command("/prowex agents edit poet-co")
    assert await submit(ann, Instructions="You are a strict poet.") == {}
    assert "strict" in await ann.answer()
    await ann.say("another line")
    await ann.answer()
    assert "You are a strict poet." in quiet_slack.asked()[-1].body["messages"][0]["content"]

    await ann.command("/prowex agents rollback poet-co 1")
    assert "as it was in version 1" in await ann.answer()
    assert [v.number for v in await AgentVersion.filter(name="Poet & Co").order_by("number")] == [1, 2, 3]

    await ann.command("/prowex agents delete poet-co")
    await ann.answer()
    await ann.press("Delete for good")
    await ann.answers()
    assert not await Agent.exists(handle="poet-co")
    await ann.say("who are you?")
    assert await ann.answer() == "echo: who are you?"
    print(quiet_slack.transcript())


async def test_a_thread_is_known_from_its_beginning_and_needs_no_further_mention(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    first = await ann.say("The launch is on Friday at nine.")
    there, here = ann.on(first), bob.on(first)
    await here.say("Who tells the press?")
    await there.say("when is the launch?", mention=True)
    await there.answer()
    asked = "\n".join(str(message["content"]) for message in slack.asked()[-1].body["messages"])
    assert "Ann: The launch is on Friday at nine." in asked
    assert "Bob: Who tells the press?" in asked
    await here.say("and where?")
    assert (await here.answer()).endswith("Bob: and where?")
    print(slack.transcript())


async def test_who_may_not_make_an_agent_in_a_channel_is_told_so(ann: SlackTalk, quiet_slack: SlackTown) -> None:
    channel = quiet_slack.slack.channel("general", ann.who)
    there = SlackTalk(quiet_slack, channel, ann.who)
    bob = quiet_slack.direct("Bob")
    await bob.say((await quiet_slack.call("people.operator_code"))["code"])
    await bob.answers()
    await SlackTalk(quiet_slack, channel, bob.who).command("/prowex permit")
    await quiet_slack.settled()
    await there.command("/prowex agents create")
    assert "its admins make those" in await there.answer()


async def test_an_old_button_whose_agent_is_gone_opens_no_form_about_another(ann: SlackTalk) -> None:
    await ann.command('/prowex agents create Poet "You rhyme."')
    await ann.answer()
    await ann.command("/prowex agents delete poet")
    await ann.answer()
    await ann.press("Delete for good")
    assert "is deleted" in await ann.answer()
    await ann.press("Delete for good")
    assert "no longer there" in await ann.answer()
    assert ann.who.views == []

"""A whole workspace is let in, and out again."""

import asyncio

from storage.faults import Step
from storage.tables import Identity, Membership, Role, Team, User, Workspace
from storage.transactions import transaction
from tests.scenarios.slack_town import SlackTalk, SlackTown
from tests.scenarios.town import Talk, Town


async def answer_to(talk: SlackTalk, text: str) -> str:
    await talk.command(f"/prowex {text}")
    return await talk.answer()


async def admin_of(slack: SlackTown) -> SlackTalk:
    """Return Ada, who was invited and made an admin."""
    ada = slack.direct("Ada")
    await ada.say((await slack.call("people.invite", role="admin"))["code"])
    assert "Welcome" in await ada.answer()
    return ada


async def test_an_admin_lets_the_workspace_in_and_everybody_may_talk(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ada, bob = await admin_of(quiet_slack), quiet_slack.direct("Bob")
    await bob.say("hi")
    assert "This assistant is private" in await bob.answer()
    assert "Only people who were invited" in await answer_to(ada, "access")
    await ada.press("Let everybody in")
    assert (await ada.answer()).startswith("Done. Everybody in this workspace may talk to me")
    quiet_slack.clock.move(seconds=2)
    await bob.say("hi")
    assert await bob.answer() == "echo: hi"
    identity = await Identity.get(external_id=bob.name)
    assert [one.role for one in await Membership.filter(user_id=identity.user_id).order_by("-role")].count(
        Role.MEMBER
    ) == 1
    other = quiet_slack.direct("Eve", team="T0OTHER")
    await other.say("hi")
    assert "This assistant is private" in await other.answer()


async def test_who_writes_in_several_ways_at_once_gets_one_account(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    await answer_to(await admin_of(quiet_slack), "access everybody")
    quiet_slack.clock.move(seconds=2)
    for name in ("Bob", "Cyn", "Dan"):
        newcomer = quiet_slack.direct(name)
        await asyncio.gather(newcomer.say("hi"), newcomer.say("!status"))
        assert len(await newcomer.answers()) == 2
    names = await User.all().order_by("id").values_list("name", flat=True)
    assert names == ["Operator", "Ada", "Bob", "Cyn", "Dan"]
    assert await Team.all().count() == 5


async def test_it_is_closed_again_and_who_is_in_stays_in(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ada, bob = await admin_of(quiet_slack), quiet_slack.direct("Bob")
    await answer_to(ada, "access everybody")
    [row] = await Workspace.all()
    assert row.opened_by == (await Identity.get(external_id=ada.name)).user_id
    quiet_slack.clock.move(seconds=2)
    await bob.say("hi")
    await bob.answer()
    assert "keeps their account" in await answer_to(ada, "access invited")
    assert await Workspace.all().count() == 0
    quiet_slack.clock.move(seconds=2)
    await bob.say("still?")
    assert await bob.answer() == "echo: still?"
    cyn = quiet_slack.direct("Cyn")
    await cyn.say("hi")
    assert "This assistant is private" in await cyn.answer()


async def test_members_can_not_and_a_closed_installation_does_not(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    ada = await admin_of(quiet_slack)
    await quiet_slack.restart(access="closed")
    assert "PROWEX_ACCESS" in await answer_to(ada, "access everybody")
    async with transaction(Step.ADMIN):
        await Membership.filter(role=Role.ADMIN).update(role=Role.MEMBER)
    assert await answer_to(ada, "access everybody") == "Only admins of the team can do that."
    assert await Workspace.all().count() == 0
    assert await User.all().count() == 2


async def test_telegram_has_no_workspaces(town: Town, chat: Talk) -> None:
    await chat.say(f"/start {(await town.call('people.operator_code'))['code']}")
    await chat.answers()
    await chat.say("/access everybody")
    assert "There is no workspace here" in await chat.answer()
    assert await Workspace.all().count() == 0

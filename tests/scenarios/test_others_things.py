"""What is somebody else's, or no longer one's own, stays out of reach, whatever ids one knows."""

from core.directory import Person
from core.envelopes import Origin, Place
from storage.faults import Step
from storage.tables import Reply, User, Workspace
from storage.transactions import transaction
from tests.scenarios.slack_town import SlackTown
from tests.scenarios.test_privacy_access import admin_of, answer_to
from tests.scenarios.town import Town, words_of
from tests.servers.slack_world import TEAM


async def test_what_was_shown_to_one_person_of_a_channel_is_shown_again_to_nobody_else(slack: SlackTown) -> None:
    ann, bob = slack.in_channel("general", "Ann", "Bob")
    assert "guest" in await answer_to(ann, "whoami")
    [hers] = await Reply.filter(only_for=ann.name)
    assert "guest" in await answer_to(ann, f"show {hers.id}")
    assert await answer_to(bob, f"show {hers.id}") == "That answer is no longer kept."


async def test_who_is_no_longer_let_in_when_it_is_their_turn_is_told_so(quiet_slack: SlackTown) -> None:
    await quiet_slack.start(access="pairing")
    await answer_to(await admin_of(quiet_slack), "access everybody")
    quiet_slack.clock.move(seconds=2)
    bob = quiet_slack.direct("Bob")
    directory = quiet_slack.core.services.directory
    met: Person = await directory.person(Origin("slack", f"slack:{TEAM}", bob.channel.id, Place.PRIVATE, bob.name))
    assert met.welcome
    async with transaction(Step.ADMIN):  # another process's /access
        await Workspace.all().delete()
    await bob.say("hi")
    assert "This assistant is private" in await bob.answer()
    assert quiet_slack.asked() == []
    assert await User.filter(name="Bob").count() == 0


async def test_what_somebody_said_whose_data_may_only_be_kept_since_is_shown_to_no_model(quiet_town: Town) -> None:
    await quiet_town.start(access="pairing")
    ann, bob = quiet_town.person("Ann"), quiet_town.person("Bob")
    for one, role in ((ann, "admin"), (bob, "member")):
        await one.say((await quiet_town.call("people.invite", role=role))["code"])
        await one.answers()
    ann, bob = quiet_town.group("Friends", ann, bob)
    await ann.say("/permit")
    await ann.answers()
    await bob.say("@prowex_test_bot I like plums")
    await ann.say("@prowex_test_bot and I like pears")
    await ann.answers()
    async with transaction(Step.ADMIN):
        await User.filter(name="Bob").update(restricted_at=quiet_town.clock.now())
    await ann.say("@prowex_test_bot who likes what?")
    assert await ann.answer() == "echo: Ann: who likes what?"
    shown = str(words_of(quiet_town.asked()[-1]))
    assert "pears" in shown
    assert "plums" not in shown

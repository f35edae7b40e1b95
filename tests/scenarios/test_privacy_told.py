"""What people are told about their data."""

import pytest

from core import privacy
from storage.faults import Step
from storage.tables import User
from storage.transactions import transaction
from tests.scenarios.town import Talk, Town


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


async def ask(talk: Talk, text: str) -> str:
    await talk.say(text)
    return "\n".join(await talk.answers())


async def test_privacy_counts_what_is_kept_and_says_how_long_and_who_reads_it(town: Town) -> None:
    ann, bob = await let_in(town, "Ann"), await let_in(town, "Bob")
    await ask(bob, "I am Bob")
    await ask(ann, "hi")
    await ask(ann, "/agents create Writer instructions=Write.")
    told = await ask(ann, "/privacy")
    assert "Account and registration data: 2 memberships, 1 team, 1 account" in told
    assert "4 things you wrote or pressed" in told
    assert "1 time an agent worked for you" in told
    assert "(90 days)" in told
    assert "1 agent, 1 agent version (until its owner deletes it)" in told
    assert "Knowledge base documents: nothing" in told
    assert "openai (Prowex, who answers here, Writer)" in told
    assert "Bob" not in told


async def test_the_policy_is_shown_whole(town: Town) -> None:
    ann = await let_in(town, "Ann")
    await ask(ann, "/privacy")
    await ann.press("Read the policy")
    told = "\n".join(await ann.answers())
    for heading in [line.strip("# ") for line in privacy.policy().splitlines() if line.startswith("#")]:
        assert heading in told
    assert "We will respond within 30 days (GDPR) or 45 days (CCPA)." in told


async def test_strangers_are_told_nothing(town: Town) -> None:
    stranger = town.person("Eve")
    assert "This assistant is private" in await ask(stranger, "/privacy")


async def test_in_a_group_nobody_reads_what_is_kept_about_somebody(town: Town) -> None:
    ann, ada = await let_in(town, "Ann"), await let_in(town, "Ada", "admin")
    here, admin = town.group("Friends", ann, ada)
    await admin.answers()
    await ask(admin, "/permit@prowex_test_bot")
    here.fresh()
    assert await ask(here, "/privacy@prowex_test_bot") == (
        "Write /privacy to me in a direct message: its answer is for you alone."
    )


async def test_whose_data_may_only_be_kept_sees_it_all_the_same(town: Town) -> None:
    ann = await let_in(town, "Ann")
    async with transaction(Step.ADMIN):
        await User.filter(operator=False).update(restricted_at=town.clock.now())
    assert "your data is only kept at the moment" in await ask(ann, "/privacy")
    assert "Privacy Policy" in await ask(ann, "/privacy policy")
    assert "Settings" in await ask(ann, "/settings")
    assert "may only be kept" in await ask(ann, "/conversations rename 1 x")

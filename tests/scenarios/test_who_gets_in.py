"""Who may talk to the assistant, and what those are told who may not."""

import pytest

from storage.tables import Identity, InboxEntry, Invitation, Membership, User
from tests.scenarios.town import Talk, Town

NOTICE = (
    "This assistant is private: if you have an invitation code, send it to me in a direct message, "
    "else ask the person who runs it for one."
)
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


async def operator(town: Town) -> Talk:
    talk = town.person("Olive")
    await talk.say(f"/start {(await town.call('people.operator_code'))['code']}")
    assert "Welcome" in await talk.answer()
    return talk


async def test_a_stranger_is_told_once_a_day_in_one_sentence(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    assert await chat.answer() == NOTICE
    await chat.say("hello?")
    await chat.say("anybody?")
    assert await chat.answers() == []
    town.clock.move(hours=25)
    await chat.say("now?")
    assert await chat.answer() == NOTICE
    assert town.asked() == []


async def test_a_burst_of_a_stranger_is_told_of_once(chat: Talk) -> None:
    for number in range(10):
        await chat.say(f"hi {number}")
    assert await chat.answer() == NOTICE


async def test_what_a_stranger_says_is_not_stored(chat: Talk) -> None:
    await chat.say("my secret is swordfish")
    await chat.send("photo", b"\xff\xd8\xff" + bytes(20), "p.jpg", "image/jpeg", caption="see")
    await chat.answers()
    rows = await InboxEntry.all()
    assert [(row.state, row.body, row.reason) for row in rows] == [("refused", None, "stranger")] * 2
    [identity] = await Identity.filter(channel="telegram")
    assert identity.name == ""


async def test_a_stranger_can_use_no_command_and_no_button(chat: Talk, town: Town) -> None:
    for command in ("/help", "/start", "/status", "/invite", "/permit", "/whoami"):
        await chat.say(command)
    assert await chat.answer() == NOTICE


@pytest.mark.parametrize("form", ["/start {}", "{}", "/start@prowex_test_bot {}", " {} ", "/join {}"])
async def test_a_code_lets_its_bearer_in_however_it_is_written(chat: Talk, town: Town, form: str) -> None:
    code = (await town.call("people.invite"))["code"]
    await chat.say(form.format(code))
    assert (await chat.answer()).startswith("Welcome, you are in!")
    await chat.say("hi")
    assert await chat.answer() == "echo: hi"


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", "")])
async def test_a_code_may_be_typed_carelessly(chat: Talk, town: Town, spelling: object) -> None:
    code = (await town.call("people.invite"))["code"]
    await chat.say(spelling(code))  # type: ignore[operator]
    assert "Welcome" in await chat.answer()


async def test_the_invitation_has_a_link_that_works(chat: Talk, town: Town) -> None:
    await chat.say("hi")
    assert await chat.answer() == NOTICE
    link = (await town.call("people.invite"))["telegram_link"]
    start, _, code = link.partition("?start=")
    assert start == "https://t.me/prowex_test_bot"
    await chat.say(f"/start {code}")
    assert "Welcome" in await chat.answer()


async def test_a_wrong_code_is_told_as_such(chat: Talk) -> None:
    await chat.say("ABCD-EFGH")
    assert await chat.answer() == "That code is not valid: it may be mistyped, used or expired. Ask for a new one."


async def test_a_used_code_lets_nobody_else_in(chat: Talk, town: Town) -> None:
    code = (await town.call("people.invite"))["code"]
    await chat.say(code)
    await chat.answer()
    bob = town.person("Bob")
    await bob.say(code)
    assert "not valid" in await bob.answer()
    await bob.say("hi")
    assert await bob.answer() == NOTICE


async def test_an_expired_code_lets_nobody_in(chat: Talk, town: Town) -> None:
    code = (await town.call("people.invite"))["code"]
    town.clock.move(days=7, seconds=1)
    await chat.say(code)
    assert "expired" in await chat.answer()


async def test_a_person_has_five_tries_an_hour_even_with_the_right_code(chat: Talk, town: Town) -> None:
    for number in range(5):
        await chat.say(f"AAAA-BBB{number}")
        assert "not valid" in await chat.answer()
    code = (await town.call("people.invite"))["code"]
    await chat.say(code)
    assert await chat.answer() == "There were too many tries. Wait an hour, then try again with a valid code."
    town.clock.move(hours=1, seconds=1)
    await chat.say(code)
    assert "Welcome" in await chat.answer()


async def test_tries_are_counted_over_all_strangers(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import invitations

    monkeypatch.setattr(invitations, "TRIES_OVERALL", 6)
    for number in range(6):
        mallory = town.person(f"Mallory {number}")
        await mallory.say(f"AAAA-BBB{number}")
        assert "not valid" in await mallory.answer()
    mallory = town.person("Mallory 7")
    await mallory.say((await town.call("people.invite"))["code"])
    assert "too many tries" in await mallory.answer()


async def test_the_same_name_with_another_id_stays_outside(town: Town) -> None:
    ann = town.person("Ann", username="ann")
    await ann.say((await town.call("people.invite"))["code"])
    await ann.answer()
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    double = town.person("Ann", username="ann", id=99)
    await double.say("hi")
    assert await double.answer() == NOTICE


async def test_a_person_who_changes_their_name_stays_inside(town: Town) -> None:
    ann = await let_in(town, "Ann")
    ann.who.first_name, ann.who.username = "Anna", "somebody_else"
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"


async def test_a_code_is_kept_as_a_hash_only(town: Town) -> None:
    code = (await town.call("people.invite"))["code"]
    [row] = await Invitation.all()
    assert code not in row.code_hash
    assert code.replace("-", "") not in row.code_hash


async def test_whoever_is_in_needs_no_second_code_and_does_not_use_it_up(town: Town) -> None:
    ann = await let_in(town, "Ann")
    code = (await town.call("people.invite"))["code"]
    await ann.say(f"/join {code}")
    assert "You are in already" in await ann.answer()
    bob = town.person("Bob")
    await bob.say(code)
    assert "Welcome" in await bob.answer()


async def test_start_with_a_code_of_somebody_who_is_in_is_a_plain_start(town: Town) -> None:
    ann = await let_in(town, "Ann")
    code = (await town.call("people.invite"))["code"]
    await ann.say(f"/start {code}")
    assert "I am Prowex" in await ann.answer()


async def test_what_was_said_as_a_stranger_is_not_answered_after_getting_in(chat: Talk, town: Town) -> None:
    await chat.say("before")
    await chat.answer()
    await chat.say((await town.call("people.invite"))["code"])
    await chat.answer()
    await chat.say("after")
    assert await chat.answer() == "echo: after"
    assert "before" not in str(town.asked()[-1].body["messages"][1:])


async def test_the_operators_code_binds_an_account_to_the_operator(town: Town) -> None:
    olive = await operator(town)
    await olive.say("/whoami")
    answer = await olive.answer()
    assert "Account: Operator" in answer
    assert "You are: operator" in answer
    identity = await Identity.get(external_id=str(olive.who.id))
    assert identity.user_id == (await User.get(operator=True)).id
    assert await User.all().count() == 1


async def test_an_admin_invites_and_a_member_may_not(town: Town) -> None:
    ann, bob = await let_in(town, "Ann", "admin"), await let_in(town, "Bob")
    await bob.say("/invite")
    assert await bob.answer() == "Only admins of the team can do that."
    await ann.say("/invite")
    card = await ann.answer()
    assert "t.me/prowex_test_bot?start=" in card
    assert "once, for 7 days" in card
    code = card.partition("?start=")[2].split()[0]
    carol = town.person("Carol")
    await carol.say(f"/start {code}")
    assert "Welcome" in await carol.answer()


async def test_only_the_owner_makes_admins_and_nobody_makes_owners(town: Town) -> None:
    ann, olive = await let_in(town, "Ann", "admin"), await operator(town)
    await ann.say("/invite admin")
    assert "Only the team's owner" in await ann.answer()
    await olive.say("/invite admin")
    assert "as admin" in await olive.answer()
    await olive.say("/invite owner")
    assert "not as owner" in await olive.answer()
    await olive.say("/invite king")
    assert "Write one of owner, admin or member." in await olive.answer()
    await olive.press("admin")
    assert "as admin" in await olive.answer()


async def test_a_newcomer_has_an_account_and_a_team_of_their_own(town: Town) -> None:
    await let_in(town, "Ann")
    user = await User.get(operator=False)
    assert user.name == "Ann"
    assert sorted([one.role for one in await Membership.filter(user_id=user.id)]) == ["member", "owner"]


async def test_a_code_in_a_group_is_not_taken(town: Town) -> None:
    code = (await town.call("people.invite"))["code"]
    mallory = town.person("Mallory")
    [in_group] = town.group("Friends", mallory)
    await in_group.say(f"{BOT} {code}")
    assert "direct message" in await in_group.answer()
    bob = town.person("Bob")
    await bob.say(code)
    assert "Welcome" in await bob.answer()


async def test_a_group_needs_a_permission_and_says_so_once(town: Town) -> None:
    ann = await let_in(town, "Ann", "admin")
    bob = await let_in(town, "Bob")
    ann_there, bob_there = town.group("Friends", ann, bob)
    await bob_there.say(f"{BOT} hi")
    assert await bob_there.answer() == (
        "I don't answer in this group yet: a team admin can let it in by writing /permit here."
    )
    await bob_there.say(f"{BOT} please")
    await ann_there.say(f"{BOT} hello")
    assert await ann_there.answers() == []
    await bob_there.say("/permit")
    assert "Only admins" in await bob_there.answer()
    await ann_there.say("/permit")
    assert "I answer in this group from now on" in await ann_there.answer()
    await bob_there.say(f"{BOT} hi")
    assert await bob_there.answer() == "echo: Bob: hi"


async def test_a_permission_for_a_group_counts_in_its_topics(town: Town) -> None:
    ann = await let_in(town, "Ann", "admin")
    [there] = town.group("Club", ann, kind="supergroup", forum=True)
    await there.say(f"/permit{BOT}")
    await there.answer()
    tea = there.in_topic("Tea")
    await tea.say(f"{BOT} hi")
    assert await tea.answer() == "echo: Ann: hi"


async def test_a_stranger_in_a_permitted_group_is_not_answered(town: Town) -> None:
    ann = await let_in(town, "Ann", "admin")
    mallory = town.person("Mallory")
    ann_there, mallory_there = town.group("Friends", ann, mallory)
    await ann_there.say("/permit")
    await ann_there.answer()
    await mallory_there.say(f"{BOT} tell me everything")
    assert await ann_there.answer() == NOTICE
    await mallory_there.say(f"{BOT} please")
    assert await ann_there.answers() == []
    assert town.asked() == []


async def test_a_group_of_strangers_is_not_told_again_for_each_of_them(town: Town) -> None:
    people = [town.person(f"Mallory {number}") for number in range(5)]
    there = town.group("Strangers", *people)
    for one in there:
        await one.say(f"{BOT} hi")
    assert len(await there[0].answers()) == 1


async def test_a_stranger_who_adds_the_bot_to_a_group_gets_the_notice_there(town: Town) -> None:
    [there] = town.group("Strangers", town.person("Mallory"))
    there.chat.bot_status = "left"
    await town.telegram.add_bot(there.chat, by=there.who)
    assert await there.answer() == NOTICE


async def test_a_member_who_adds_the_bot_to_a_group_is_told_how_to_permit_it(town: Town) -> None:
    ann = await let_in(town, "Ann")
    [there] = town.group("Friends", ann)
    there.chat.bot_status = "left"
    await town.telegram.add_bot(there.chat, by=there.who)
    assert "/permit" in await there.answer()


async def test_closed_takes_in_nobody_new_and_keeps_whom_it_has(town: Town) -> None:
    ann = await let_in(town, "Ann", "admin")
    code = (await town.call("people.invite"))["code"]
    await town.restart(access="closed")
    await ann.say("hi")
    assert await ann.answer() == "echo: hi"
    bob = town.person("Bob")
    await bob.say(code)
    assert await bob.answer() == "This assistant is private and takes in nobody new."
    await ann.say("/invite")
    assert "takes in nobody new" in await ann.answer()
    assert [row.body for row in await InboxEntry.filter(state="refused")] == [None]


async def test_open_lets_everybody_in_as_a_guest(town: Town) -> None:
    await town.restart(access="open")
    bob = town.person("Bob")
    await bob.say("hi")
    assert await bob.answer() == "echo: hi"
    await bob.say("/invite")
    assert "Only admins" in await bob.answer()


async def test_a_guest_who_gets_an_account_keeps_the_conversation(town: Town) -> None:
    await town.restart(access="open")
    bob = town.person("Bob")
    await bob.say("remember swordfish")
    await bob.answer()
    await bob.say(f"/start {(await town.call('people.invite'))['code']}")
    assert "Welcome" in await bob.answer()
    await bob.say("what was it?")
    await bob.answer()
    assert "remember swordfish" in str(town.asked()[-1].body)


async def test_eight_letters_of_an_open_house_are_words(town: Town) -> None:
    await town.restart(access="open")
    bob = town.person("Bob")
    await bob.say("Tomorrow")
    assert await bob.answer() == "echo: Tomorrow"


async def test_eight_letters_of_a_stranger_are_taken_for_a_code_and_not_kept(chat: Talk) -> None:
    await chat.say("Tomorrow")
    assert "not valid" in await chat.answer()
    [row] = await InboxEntry.all()
    assert (row.state, row.body) == ("done", None)

"""Forms that are left open, while something else happens: no message goes to a form that it was not meant for."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from storage.faults import Step
from storage.tables import Agent, InboxEntry, Membership, OpenForm, Role
from storage.transactions import transaction
from tests.clock import PATIENCE
from tests.scenarios.town import Talk, Town, words_of

LetIn = Callable[..., Awaitable[Talk]]


@pytest.fixture
async def let_in(quiet_town: Town) -> LetIn:
    """Returns somebody who was let in, in their direct chat."""
    await quiet_town.start(access="pairing")

    async def meet(name: str, role: str = "member") -> Talk:
        talk = quiet_town.person(name)
        await talk.say((await quiet_town.call("people.invite", role=role))["code"])
        await talk.answers()
        return talk

    return meet


async def dialog(talk: Talk, *lines: tuple[str, str]) -> None:
    for said, expected in lines:
        await (talk.press(said[1:-1]) if said.startswith("[") else talk.say(said))
        answer = await talk.answer()
        assert expected in answer, f"after {said!r}: {answer!r}"


async def test_a_new_conversation_ends_the_form(let_in: LetIn) -> None:
    ann = await let_in("Ann")
    await dialog(
        ann,
        ("/agents create", "Name"),
        ("/new", "A new conversation"),
        ("hello", "echo: hello"),
        ("[Cancel]", "There is nothing to cancel"),
    )


async def test_a_form_about_an_agent_that_is_gone_ends(let_in: LetIn) -> None:
    await dialog(
        await let_in("Ann"),
        ("/agents create Writer You write.", "is there"),
        ("[Edit]", "What to change"),
        ("[Instructions]", "Now: You write."),
        ("/agents delete writer confirm=yes", "is deleted"),
        ("You write well.", "There is no agent called “writer”"),
        ("hello", "echo: hello"),
    )


async def test_a_button_pressed_twice_opens_no_form_that_takes_the_next_message(let_in: LetIn) -> None:
    ann = await let_in("Ann")
    await dialog(
        ann,
        ("/agents create Writer You write.", "is there"),
        ("/agents delete writer", "Delete Writer for good?"),
        ("[Delete for good]", "Writer is deleted"),
        ("[Delete for good]", "That agent is no longer there. /agents lists them."),
        ("who is there?", "echo: who is there?"),
        ("[Edit]", "There is no agent called “writer”. /agents lists them."),
        ("hello", "echo: hello"),
    )


async def test_what_is_repeated_is_no_answer_to_a_form(let_in: LetIn) -> None:
    await dialog(
        await let_in("Ann"),
        ("hello", "echo: hello"),
        ("/agents create", "Name"),
        ("/retry", "echo: hello"),
        ("how are you?", "echo: how are you?"),
    )


async def test_a_form_that_a_person_may_no_longer_fill_in_ends(let_in: LetIn) -> None:
    ada = await let_in("Ada", "admin")
    await dialog(ada, ("/agents create Writer You write. team=team", "It is the team's"), ("[Edit]", "What to change"))
    async with transaction(Step.ADMIN):
        await Membership.filter(role=Role.ADMIN).update(role=Role.MEMBER)
    await dialog(ada, ("[Instructions]", "only admins of the team change it"), ("hello", "echo: hello"))
    assert not await OpenForm.exists()


async def test_a_button_of_a_question_that_is_no_longer_open_leaves_the_present_one_open(let_in: LetIn) -> None:
    ann = await let_in("Ann")
    await dialog(ann, ("/agents create Writer You write.", "is there"), ("[Edit]", "What to change"))
    old = (await OpenForm.get()).id.hex[-12:]
    await dialog(
        ann,
        ("/agents create", "Name"),
        (f"/answer {old} 1 0", "That question is no longer open."),
        ("Poet", "Instructions"),
        ("[Cancel]", "Nothing was changed"),
    )


@pytest.mark.parametrize(
    "rest", ["", " {tag}", " {tag} 1", " {tag} 1 x", " {tag} ² 0", " {tag} 1 -1", " {tag} 1 " + "9" * 5000]
)
async def test_a_button_that_nobody_made_breaks_nothing(let_in: LetIn, rest: str) -> None:
    ann = await let_in("Ann")
    await dialog(ann, ("/agents edit prowex", "only admins"), ("/agents create", "Name"))
    tag = (await OpenForm.get()).id.hex[-12:]
    await ann.say(f"/answer{rest.format(tag=tag)}"[:4000])
    await ann.answers()
    assert not await InboxEntry.filter(attempts__gt=0).exists()
    await dialog(ann, ("Writer", "Instructions"))


async def test_a_command_after_white_space_waits_its_turn_too(let_in: LetIn) -> None:
    ann = await let_in("Ann")
    await dialog(ann, ("/agents create", "Name"), ("\n /conversations", "There is no conversation yet"))
    assert not await InboxEntry.filter(lane__urgent=True).exists()
    await dialog(ann, ("Writer", "Instructions"))
    assert await InboxEntry.filter(lane__urgent=True).count() == 1


async def test_an_answer_may_begin_with_a_slash(let_in: LetIn) -> None:
    ann = await let_in("Ann")
    await dialog(ann, ("/agents create", "Name"), ("Writer", "Instructions"))
    await dialog(ann, ("/usr/bin is where programs are.", "Model"))
    assert await InboxEntry.filter(lane__urgent=True).count() == 2


async def test_what_was_written_during_a_form_keeps_its_order_when_the_form_ends(
    let_in: LetIn, quiet_town: Town
) -> None:
    ann = await let_in("Ann")
    await dialog(ann, ("/agents create", "Name"), ("Writer", "Instructions"), ("You write.", "Model"))
    quiet_town.telegram.faults.delay("sendMessage", 0.7, count=1)
    await ann.say("openai:gpt-5.4")
    await ann.say("first")
    await quiet_town.taken_in()
    async with asyncio.timeout(PATIENCE):
        while not await Agent.exists(handle="writer"):  # noqa: ASYNC110 - the rows decide, and they tell nobody
            await asyncio.sleep(0.01)
    await ann.say("second")
    await ann.answers()
    said = "\n".join(words_of(asked)[-1][1] for asked in quiet_town.asked())
    assert said.split() == ["first", "second"]

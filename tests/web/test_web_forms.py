"""Forms within the chat, cards, and files that answers show: as the script sends them, and as it never would."""

from dataclasses import replace
from uuid import uuid4

import pytest

from bot.web.forms import MOST_FIELDS, TEXT_CHARACTERS
from core.envelopes import Body, Button, FieldKind, FormField, FormView, OutgoingFile, Table
from tests.web.cards import AGENT, everything, with_problems
from tests.web.test_web_chat import listening

FILLED = {"name": "Order desk", "instructions": "Read.\r\nAnswer.", "model": "openai:small", "team": "me"}


@pytest.fixture
async def me(browser):
    await browser.sign_in()
    return str(browser.world.operator.id)


async def test_a_form_comes_back_with_what_is_fixed_and_what_was_filled_in(browser, me):
    chats, number = browser.world.chats, str(uuid4())
    form = await chats.answer(me, Body("", form=AGENT))
    response = await browser.fill_in(form, FILLED, id=number)
    assert (response.status, await response.json()) == (202, {"id": number})
    (inbound,) = chats.accepted
    assert (inbound.text, inbound.message_id, inbound.button) == ("", number, False)
    assert inbound.submission.operation == "agents.create"
    assert inbound.submission.values == (
        ("template", "writer"),
        ("name", "Order desk"),
        ("instructions", "Read.\nAnswer."),
        ("model", "openai:small"),
        ("temperature", ""),
        ("team", "me"),
        ("tone", ""),
    )
    page = await (await browser.get("/chat")).text()
    assert "Create an agent: sent" in page
    assert "openai:small" not in page.partition("Create an agent: sent")[2]


async def test_a_browser_adds_nothing_of_its_own(browser, me):
    form = await browser.world.chats.answer(me, Body("", form=AGENT))
    sneaked = {"template": "admin", "owner": "somebody else"}
    await browser.fill_in(form, {**FILLED, **sneaked}, operation="people.invite", form_operation="people.invite")
    (inbound,) = browser.world.chats.accepted
    assert inbound.submission.operation == "agents.create"
    assert dict(inbound.submission.values)["template"] == "writer"
    assert "owner" not in dict(inbound.submission.values)


async def test_a_repeated_form_is_kept_once_and_one_form_is_sent_once(browser, me):
    form, number = await browser.world.chats.answer(me, Body("", form=AGENT)), str(uuid4())
    for _ in range(3):
        assert (await browser.fill_in(form, FILLED, id=number)).status == 202
    other = await browser.fill_in(form, {**FILLED, "name": "Another"})
    assert (other.status, "sent already" in (await other.json())["error"]) == (409, True)
    assert len(browser.world.chats.accepted) == 1


async def test_a_form_that_is_not_shown_here_is_refused(browser, me, stranger):
    chats = browser.world.chats
    plain = await chats.answer(me, Body("No form"))
    mine = await chats.answer(me, Body("", form=AGENT))
    assert (await stranger.fill_in(mine, FILLED)).status == 400
    for form in (plain, str(uuid4()), "x", "", "x" * 101):
        response = await browser.fill_in(form, FILLED)
        assert (response.status, (await response.json())["error"][-1]) == (400, "."), form
    assert (await browser.say("words", form=mine)).status == 400
    assert (await browser.say("", form=mine, files=[("a", "text/plain", b"a")])).status == 400
    assert chats.accepted == []
    assert browser.world.files.kept == {}


async def test_a_form_has_its_limits(browser, me):
    form = await browser.world.chats.answer(me, Body("", form=AGENT))
    half = "ü" * (TEXT_CHARACTERS // 2)
    too_long = await browser.fill_in(form, {**FILLED, "name": half, "instructions": half})
    assert (too_long.status, "60,000" in (await too_long.json())["error"]) == (413, True)
    many = await browser.fill_in(form, {f"x{number}": "" for number in range(MOST_FIELDS)})
    assert many.status == 413
    assert browser.world.chats.accepted == []
    assert (await browser.fill_in(form, {**FILLED, "instructions": half})).status == 202


async def test_problems_stand_beside_their_fields_and_at_the_top(browser, me):
    problems = {"name": "There is one of that name.", "team": "Choose one."}
    asked = with_problems(AGENT, "That did not work.", **problems)
    key = await browser.world.chats.answer(me, Body("", form=asked))
    page = await (await browser.get("/chat")).text()
    for index, problem in ((0, problems["name"]), (4, problems["team"])):
        place = f"f-{key}-{index}"
        assert f'id="{place}-problem">{problem}</p>' in page
        assert f'<li><a href="#{place}">' in page
        assert f'aria-describedby="{place}-problem' in page
    assert page.count('aria-invalid="true"') == 2
    assert "That did not work." in page


async def test_a_number_that_is_none_is_shown_so_that_it_can_be_mended(browser, me):
    for value, kind in (("0.5", "number"), ("", "number"), ("warm", "text")):
        field = FormField("temperature", "Temperature", FieldKind.NUMBER, value=value)
        await browser.world.chats.answer(me, Body("", form=FormView("x.y", value or "none", (field,))))
        page = await (await browser.get("/chat")).text()
        assert f'type="{kind}" step="any" inputmode="decimal" value="{value}"' in page


async def test_a_sent_form_shows_what_was_sent_and_late_news_never_opens_it_again(browser, me):
    chats = browser.world.chats
    body = Body("Here you are", form=AGENT)
    key = await chats.answer(me, body)
    async with listening(browser) as stream:
        await stream.next()
        assert 'data-form="' in stream.page[key]
        await browser.fill_in(key, FILLED)
        await stream.until("<details")
        assert "Only me" in stream.page[key]
        assert "<form" not in stream.page[key]
        await chats.channel.post(chats.target(me), chats.channel.render(body)[0], key)
        other = await chats.answer(me, Body("Made"))
        while other not in stream.page:
            await stream.next()
            assert "<details" in stream.page[key]


async def test_what_forms_and_cards_say_is_shown_as_words(browser, me):
    evil = '"><script>alert(1)</script>'
    field = FormField(evil, evil, FieldKind.CHOICE, evil, True, evil, problem=evil)
    fields = (field, replace(field, kind=FieldKind.LONG), replace(field, kind=FieldKind.NUMBER))
    form = FormView(evil, evil, fields, evil, problem=evil)
    card = replace(everything(evil, evil), title=evil, fields=((evil, evil),), table=Table((evil,), ((evil,),)))
    await browser.world.chats.answer(me, replace(card, form=form, files=(OutgoingFile(evil, evil, "image/png"),)))
    page = await (await browser.get("/chat")).text()
    assert "<script>alert" not in page
    assert 'value=""><script' not in page


@pytest.mark.parametrize(
    "value", ["# no heading", "1. no list", "> no quote", "---", "    no code", "a\n\nb", "[x]: y"]
)
async def test_a_cards_fields_stay_within_their_line(browser, me, value):
    await browser.world.chats.answer(me, Body("", title="Card", fields=(("Label", value),)))
    page = await (await browser.get("/chat")).text()
    shown = page.partition("<dd>")[2].partition("</dd>")[0]
    assert shown == " ".join(value.split()).replace(">", "&gt;")


async def test_rows_of_buttons_stay_rows(browser, me):
    rows = ((Button("A", "/a"), Button("B", "/b")), (Button("C", "/c"),))
    await browser.world.chats.answer(me, Body("Choose", rows))
    page = await (await browser.get("/chat")).text()
    found = [row.count("data-command") for row in page.split('class="choices-row"')[1:]]
    assert found == [2, 1]


async def test_a_file_that_an_answer_shows_is_for_that_person_alone(browser, me, stranger):
    world = browser.world
    file_id = await world.files.put("the team", "agent.toml", "application/toml", b"x = 1")
    assert (await browser.get(f"/files/{file_id}")).status == 404
    await world.chats.answer(me, Body("There", files=(OutgoingFile(file_id, "agent.toml", "application/toml"),)))
    response = await browser.get(f"/files/{file_id}")
    assert (response.status, await response.read()) == (200, b"x = 1")
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "attachment" in response.headers["Content-Disposition"]
    assert (await stranger.get(f"/files/{file_id}")).status == 404

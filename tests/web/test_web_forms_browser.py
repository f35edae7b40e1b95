"""Cards and forms in a real browser: by keyboard, in light and dark, on a phone."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import expect

from bot.web.ports import Entry
from core.envelopes import Body, Button
from storage.clock import SystemClock
from tests.ports import free_port
from tests.web.cards import AGENT, everything, png, with_problems
from tests.web.person import Person
from tests.web.world import World, make_user


@pytest.fixture
async def world(database):
    clock = SystemClock()
    return World(clock, await make_user("Olive", clock, operator=True))


async def card_with_everything(person):
    files = person.world.files
    picture = await files.put("the team", "week.png", "image/png", png())
    document = await files.put("the team", "agent.toml", "application/toml", b'name = "Order desk"\n')
    return await person.world.chats.answer(person.me, everything(picture, document))


def field(page, label):
    return page.get_by_role("log").get_by_label(label)


async def ask(person, form=AGENT):
    """Make the person ask for a form, and answer with it."""
    before = len(person.world.chats.accepted)
    await person.box.fill("/agents create")
    await person.box.press("Enter")
    await person.heard(before + 1)
    return await person.world.chats.answer(person.me, Body("", form=form))


async def test_a_form_is_filled_in_by_keyboard_and_answered(person, shots):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await ask(person)
    await expect(field(page, "Name")).to_be_focused()
    await shots(page, "form-light")
    for typed in ("Order desk", "Read every order.\nSay what is missing.", None, "0.5"):
        if typed:
            await page.keyboard.type(typed)
        await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Create")).to_be_focused()
    await shots(page, "form-filled")
    await page.keyboard.press("Enter")
    inbound = await person.heard(2)
    assert (inbound.text, inbound.submission.operation) == ("", "agents.create")
    assert dict(inbound.submission.values) == {
        "template": "writer",
        "name": "Order desk",
        "instructions": "Read every order.\nSay what is missing.",
        "model": "openai:small",
        "temperature": "0.5",
        "team": "team",
        "tone": "",
    }
    await expect(page.locator(f"#m-{key} form")).to_have_count(0)
    await expect(page.locator(f"#m-{key} details")).to_contain_text("Sent")
    assert (await person.texts())[-1] == "Create an agent: sent"
    await chats.answer(person.me, Body("It is there.", title="Order desk", fields=(("Model", "`openai:small`"),)))
    await expect(person.log.get_by_role("heading", name="Order desk")).to_be_visible()
    await page.locator(f"#m-{key} summary").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#m-{key} details")).to_contain_text("Everybody in the team")
    await shots(page, "form-sent")
    seen = await person.texts()
    await page.reload()
    await expect(person.log.get_by_role("heading", name="Order desk")).to_be_visible()
    assert await person.texts() == seen
    await expect(page.locator(f"#m-{key} details")).to_contain_text("Sent")


async def test_a_card_shows_all_its_parts_and_reads_the_same_after_a_reload(person, shots):
    page = person.page
    await person.enter()
    key = await card_with_everything(person)
    card = page.locator(f"#m-{key}")
    await expect(card.get_by_role("heading", name="Order desk", exact=True)).to_be_visible()
    await expect(card.get_by_role("progressbar", name="Reading the price list")).to_be_visible()
    await expect(card.get_by_role("cell", name="15,002.75")).to_be_visible()
    picture = card.get_by_role("img", name="week.png")
    await expect(picture).to_have_js_property("naturalWidth", 320)
    await page.set_viewport_size({"width": 1100, "height": 1250})
    await shots(page, "card-light")
    async with page.expect_download() as download:
        await card.get_by_role("link", name="agent.toml").click()
    assert (await download.value).suggested_filename == "agent.toml"
    before = await card.inner_html()
    await page.reload()
    assert await card.inner_html() == before
    assert await page.title() == "Chat – Prowex"
    await page.get_by_role("button", name="Switch between light and dark").click()
    await shots(page, "card-dark")
    await page.set_viewport_size({"width": 360, "height": 1500})
    await shots(page, "card-phone")
    assert await person.overflow() == 0


async def test_forms_in_the_dark_and_on_a_phone(person, shots):
    page = person.page
    await person.enter()
    key = await ask(person)
    form = page.locator(f"#m-{key} form")
    await expect(form).to_be_visible()
    again = with_problems(AGENT, name="There is an agent of that name already.", team="Please choose one.")
    again = await ask(person, again)
    await expect(page.locator(f"#m-{again} form")).to_be_visible()
    await page.set_viewport_size({"width": 1100, "height": 1150})
    await page.get_by_role("button", name="Switch between light and dark").click()
    await shots(page, "form-problems-dark")
    await page.set_viewport_size({"width": 360, "height": 1250})
    assert await person.overflow() == 0
    await shots(page, "form-problems-phone")
    await page.get_by_role("button", name="Switch between light and dark").click()
    await shots(page, "form-problems-phone-light")
    await page.set_viewport_size({"width": 1100, "height": 1150})
    await shots(page, "form-problems-light")


async def test_on_a_phone_a_long_form_begins_at_its_top(site, chrome):
    context = await chrome.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    person = Person(await context.new_page(), site)
    await person.page.goto(await site.link())
    await person.page.get_by_role("link", name="Not now").tap()
    key = await ask(person)
    await expect(person.page.locator(f"#m-{key} form .title")).to_be_in_viewport()
    await expect(person.page.locator(f"#m-{key}").get_by_role("button", name="Create")).not_to_be_in_viewport()
    await context.close()


async def test_what_is_missing_is_said_before_anything_is_sent(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await ask(person)
    form = page.locator(f"#m-{key} form")
    await field(page, "Name").press("Enter")
    await expect(field(page, "Name")).to_be_focused()
    await expect(field(page, "Name")).to_have_attribute("aria-invalid", "true")
    await expect(field(page, "Name")).to_have_accessible_description(
        "Please fill this in. People call it by this name."
    )
    await expect(form.get_by_role("radiogroup")).to_have_accessible_description("Please choose one.")
    await form.get_by_role("link", name="Who may use it").focus()
    await page.keyboard.press("Enter")
    await expect(field(page, "Only me")).to_be_focused()
    await field(page, "Only me").check()
    await field(page, "Name").fill("   ")
    await field(page, "Name").press("Enter")
    await expect(form.get_by_role("link")).to_have_count(1)
    assert len(chats.accepted) == 1
    await field(page, "Name").fill("Order desk")
    await field(page, "Name").press("Enter")
    assert dict((await person.heard(2)).submission.values)["name"] == "Order desk"


async def test_a_form_that_comes_back_with_problems_leads_to_them(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    first = await ask(person)
    await field(page, "Name").fill("Order desk")
    await field(page, "Only me").check()
    await field(page, "Only me").press("Enter")
    sent = await person.heard(2)
    again = with_problems(AGENT, temperature="Write a number, such as 0.5.")
    second = await chats.answer(person.me, Body("", title="Create an agent", form=again))
    await expect(field(page, "Temperature")).to_be_focused()
    await expect(page.locator(f"#m-{second}").get_by_role("heading")).to_have_count(1)
    await expect(page.locator(f"#m-{first} form")).to_have_count(0)
    await field(page, "Name").fill("Order desk")
    await field(page, "Only me").check()
    await page.get_by_role("button", name="Create").click()
    assert (await person.heard(3)).message_id != sent.message_id
    assert (await person.texts()).count("Create an agent: sent") == 2


async def test_a_form_takes_no_focus_from_somebody_who_writes(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    await person.box.fill("/agents create")
    await person.box.press("Enter")
    await person.heard(1)
    await page.keyboard.type("Meanwhile")
    key = await chats.answer(person.me, Body("", form=AGENT))
    await expect(page.locator(f"#m-{key} form")).to_be_visible()
    await expect(person.box).to_be_focused()
    await expect(person.box).to_have_value("Meanwhile")


async def test_cancel_only_closes_the_form(person):
    page = person.page
    await person.enter()
    key = await ask(person)
    await expect(field(page, "Name")).to_be_focused()
    await page.keyboard.type("Order desk")
    await page.get_by_role("button", name="Cancel").press("Enter")
    await expect(page.locator(f"#m-{key} form")).to_be_hidden()
    await expect(page.get_by_role("button", name="Open again")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(field(page, "Name")).to_be_focused()
    await expect(field(page, "Name")).to_have_value("Order desk")
    assert len(person.world.chats.accepted) == 1


async def test_a_form_that_is_refused_keeps_what_was_typed(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await ask(person)
    await field(page, "Name").fill("Order desk")
    await field(page, "Only me").check()
    chats.said[person.me] = [entry for entry in chats.said[person.me] if entry.id != key]
    await field(page, "Name").press("Enter")
    summary = page.locator(f"#m-{key} [data-summary]")
    await expect(summary).to_contain_text("This form is not there any more")
    await expect(summary).to_be_focused()
    await expect(field(page, "Name")).to_be_enabled()
    await expect(field(page, "Name")).to_have_value("Order desk")
    assert "Create an agent: sent" not in await person.texts()
    person.complaints.clear()  # the 400 is written to the console


async def test_what_is_typed_survives_news_and_a_lost_connection(world, chrome):
    port = free_port()
    async with world.served(port):
        context = await chrome.new_context()
        person = Person(await context.new_page(), world)
        page, chats = person.page, world.chats
        await person.enter()
        yesterday = Entry("old", "agent", Body("Yesterday's news"), "final", world.clock.now() - timedelta(days=1))
        chats.said[person.me] = [yesterday]
        key = await chats.answer(person.me, Body("", form=AGENT))
        await page.reload()
        await field(page, "Instructions").fill("Read every")
        await chats.answer(person.me, Body("Something else"))
        await expect(person.log.get_by_text("Something else")).to_be_visible()
        await expect(field(page, "Instructions")).to_be_focused()
    await expect(page.get_by_text("The connection is lost.")).to_be_visible()
    async with world.served(port):
        await chats.answer(person.me, Body("Back again"))
        await expect(person.log.get_by_text("Back again")).to_be_visible()
        await expect(field(page, "Instructions")).to_be_focused()
        await page.keyboard.type(" order.")
        await expect(field(page, "Instructions")).to_have_value("Read every order.")
        assert await page.locator(f"#m-{key} form").count() == 1
        await context.close()


async def test_a_button_can_be_pressed_again_once_it_was_answered(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    rows = ((Button("More", "/more"),), (Button("Less", "/less"),))
    await chats.answer(person.me, Body("Choose", rows))
    more, less = page.get_by_role("button", name="More"), page.get_by_role("button", name="Less")
    await more.press("Enter")
    await expect(less).to_be_disabled()
    await person.heard(1)
    await chats.answer(person.me, Body("Here is more"))
    await expect(more).to_be_enabled()
    await less.press("Enter")
    await person.heard(2)
    await expect(more).to_be_disabled()
    await page.clock.run_for(2_000)
    await expect(more).to_be_enabled()
    assert [inbound.text for inbound in chats.accepted] == ["/more", "/less"]

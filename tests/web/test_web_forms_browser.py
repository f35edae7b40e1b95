"""Cards and forms in a real browser: by keyboard, in light and dark, on a phone."""

import pytest
from playwright.async_api import expect

from core.envelopes import Body
from storage.clock import SystemClock
from tests.web.cards import AGENT, everything, png, with_problems
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

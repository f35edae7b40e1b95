"""A person with a browser: Chromium against the served application, by keyboard, in light and dark, on a phone."""

import re

import pytest
from playwright.async_api import expect

from core.envelopes import Body, Button, OutgoingFile
from storage.clock import SystemClock
from storage.faults import Step
from storage.tables import Session
from storage.transactions import transaction
from tests.ports import free_port
from tests.web.person import Person
from tests.web.world import World, make_user

LONG = (
    """\
Here is the plan, in **three steps**:

1. Read the export, line by line, so that even a very large file fits into memory.
2. Group the lines by week and add them up.
3. Write the result as a table.

```python
def weekly(lines: Iterable[str]) -> dict[date, Decimal]:
    totals: dict[date, Decimal] = defaultdict(Decimal)
    for day, amount in parse_the_export_line_by_line_without_reading_the_whole_file_at_once(lines, strict=True):
        totals[day - timedelta(days=day.weekday())] += amount
    return dict(totals)
```

| Week | Orders | Revenue | Compared with the week before, in percent | Note |
|---|---:|---:|---:|---|
| 2 Nov | 112 | 4,310.20 | +3.1 | — |
| 9 Nov | 131 | 5,002.75 | +16.1 | the newsletter went out on Tuesday |

> A word of caution: weeks that span two months are counted where they begin.

See [the handbook](https://example.org/handbook) for `timedelta`, and tell me if *Sunday* should start the week.
Averyveryverylongwordwithoutanyspace"""
    + "averyveryverylongword" * 12
)


@pytest.fixture
async def world(database):
    clock = SystemClock()
    return World(clock, await make_user("Olive", clock, operator=True))


async def test_a_first_visit_by_keyboard_alone(person, shots):
    page, chats = person.page, person.world.chats
    await page.goto(await person.world.link())
    await expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    await shots(page, "welcome")
    for _ in range(12):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == "Not now":
            break
    await page.keyboard.press("Enter")
    await expect(person.box).to_be_focused()
    await expect(page.get_by_role("button", name="What can you do?")).to_be_visible()
    await shots(page, "empty")
    await page.keyboard.type("Add up our orders")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("by week, please")
    await page.keyboard.press("Enter")
    assert (await person.heard(1)).text == "Add up our orders\nby week, please"
    await expect(person.log.get_by_text("Kept, waiting for its turn")).to_be_visible()
    await expect(person.box).to_have_value("")
    key = await chats.begin(person.me)
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    await chats.grow(person.me, key, "Here is **the plan")
    await expect(person.log.get_by_text("Here is")).to_be_visible()
    await expect(page.locator(f"#m-{key}")).to_have_attribute("aria-busy", "true")
    await expect(page.locator(f"#m-{key} strong")).to_have_text("the plan")
    await expect(person.log.get_by_text("Kept, waiting for its turn")).to_be_hidden()
    await shots(page, "growing")
    await chats.finish(person.me, key, Body(LONG, ((Button("Start on Sunday", "/sunday"), Button("Keep", "/keep")),)))
    await expect(person.log.get_by_role("table")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    await expect(person.box).to_be_focused()
    await shots(page, "light")
    seen = await person.texts()
    await page.reload()
    await expect(person.log.get_by_role("table")).to_be_visible()
    assert await person.texts() == seen
    key = await chats.begin(person.me)
    await chats.finish(person.me, key, Body("Anything else?"))
    await expect(person.log.get_by_text("Anything else?")).to_be_visible()
    assert await person.texts() == [*seen, "Anything else?"]
    assert len(seen) == 2


async def test_escape_stops_an_answer_and_buttons_send_their_command(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    await page.keyboard.type("Tell me everything")
    await page.keyboard.press("Enter")
    await person.heard(1)
    key = await chats.begin(person.me)
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    await page.keyboard.press("Escape")
    assert (await person.heard(2)).text == "/stop"
    await chats.finish(person.me, key, Body("Stopped.", ((Button("Go on", "/retry"),),)))
    await page.get_by_role("button", name="Go on").focus()
    await page.keyboard.press("Enter")
    pressed = await person.heard(3)
    assert (pressed.text, pressed.button) == ("/retry", True)
    await expect(person.box).to_be_focused()


async def test_the_theme_is_kept_in_this_browser(person, shots):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await chats.begin(person.me)
    await chats.finish(person.me, key, Body(LONG))
    await expect(person.log.get_by_role("table")).to_be_visible()
    paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    await page.get_by_role("button", name="Switch between light and dark").click()
    night = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert night != paper
    await shots(page, "dark")
    await page.reload()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == night
    await page.goto(person.world.base + "/settings")
    await expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    await shots(page, "settings")
    await page.get_by_role("radio", name="As the system").check()
    assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == paper
    assert await page.evaluate("localStorage.length") == 0


async def test_nothing_is_wider_than_a_phone(person, shots):
    page, chats = person.page, person.world.chats
    await page.set_viewport_size({"width": 320, "height": 640})
    await person.enter()
    assert await person.overflow() == 0
    await shots(page, "phone-empty")
    await person.box.fill("x" * 300)
    await page.keyboard.press("Enter")
    await person.heard(1)
    key = await chats.begin(person.me)
    files = (OutgoingFile("0" * 8, "a-very-long-file-name-" * 6 + ".pdf", "application/pdf"),)
    await chats.finish(person.me, key, Body(LONG, ((Button("A rather long label for a button", "/x"),),), files))
    await expect(person.log.get_by_role("table")).to_be_visible()
    assert await person.overflow() == 0
    await shots(page, "phone")
    code = person.log.locator("pre")
    assert await code.evaluate("pre => pre.scrollWidth > pre.clientWidth")
    for path in ("/", "/settings", "/nowhere", "/welcome"):
        await page.goto(person.world.base + path)
        assert await person.overflow() == 0, path
    person.complaints.clear()  # the 404 is written to the console


async def test_code_can_be_copied(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await chats.begin(person.me)
    await chats.finish(person.me, key, Body("```sh\nmake run\n```"))
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "make run\n"


async def test_what_a_model_writes_does_nothing(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    key = await chats.begin(person.me)
    words = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    for text in (words, words + " [x](javascript:document.title='owned') ![y](https://evil.example/pixel.png)"):
        await chats.grow(person.me, key, text)
    await chats.finish(person.me, key, Body(text + " done"))
    await expect(person.log.get_by_text("done")).to_be_visible()
    await person.box.fill(words)
    await page.keyboard.press("Enter")
    await person.heard(1)
    await page.reload()
    await expect(person.log.get_by_text("done")).to_be_visible()
    assert await page.title() == "Chat – Prowex"
    assert await person.log.locator("script, img").count() == 0


async def test_files_go_along(person, tmp_path):
    page = person.page
    await person.enter()
    sizes = {"plan.txt": 8, "huge.bin": 20 * 1024 * 1024 + 1, "ro\"ute's.txt": 5}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(b"x" * size)
    await page.locator("#file").set_input_files([tmp_path / name for name in sizes])
    await expect(page.get_by_role("alert")).to_contain_text("“huge.bin” is larger than 20 MB")
    await page.get_by_role("button", name="Remove plan.txt").wait_for()
    await person.box.fill("Have a look")
    await page.keyboard.press("Enter")
    inbound = await person.heard(1)
    assert [(a.name, a.size) for a in inbound.attachments] == [("plan.txt", 8), ("ro\"ute's.txt", 5)]
    async with page.expect_download() as download:
        await person.log.get_by_role("link", name="plan.txt").click()
    assert (await download.value).suggested_filename == "plan.txt"


async def test_a_message_sent_while_we_are_down_arrives_once(world, chrome):
    port = free_port()
    async with world.served(port):
        context = await chrome.new_context()
        person = Person(await context.new_page(), world)
        await person.enter()
        await person.box.fill("Before")
        await person.page.keyboard.press("Enter")
        await person.heard(1)
    await person.box.fill("Meanwhile")
    await person.page.keyboard.press("Enter")
    await person.box.fill("And more")
    await person.page.keyboard.press("Enter")
    await expect(person.log.get_by_text("No connection, trying again…")).to_be_visible()
    await expect(person.page.get_by_text("The connection is lost.")).to_be_visible()
    async with world.served(port):
        await person.heard(3)
        key = await world.chats.begin(person.me)
        await world.chats.finish(person.me, key, Body("All three, thank you."))
        await expect(person.log.get_by_text("All three")).to_be_visible()
        await expect(person.page.get_by_text("The connection is lost.")).to_be_hidden()
        assert [inbound.text for inbound in world.chats.accepted] == ["Before", "Meanwhile", "And more"]
        assert await person.texts() == ["Before", "Meanwhile", "And more", "All three, thank you."]
        await expect(person.log.get_by_text("trying again")).to_have_count(0)
        await context.close()


async def test_an_acknowledgement_that_was_lost_doubles_nothing(person):
    page = person.page
    await person.enter()
    lost = 0

    async def lose(route):
        nonlocal lost
        if route.request.method != "POST" or lost >= 2:
            await route.continue_()
            return
        lost += 1
        await route.fetch()
        await route.abort()

    await page.route("**/chat/messages", lose)
    await person.box.fill("Just once")
    await page.keyboard.press("Enter")
    await expect(person.log.get_by_text("Kept, waiting for its turn")).to_be_visible()
    await person.world.chats.until(lambda: person.world.chats.deliveries >= 3)
    assert len(person.world.chats.accepted) == 1
    assert await person.texts() == ["Just once"]


async def test_scrolling_up_stays_there_until_asked_to_jump(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    for number in range(120):
        key = await chats.begin(person.me)
        await chats.finish(person.me, key, Body(f"Answer number {number}"))
    await page.reload()
    await expect(person.log.get_by_text("Answer number 119")).to_be_in_viewport()
    scroller = page.locator("#scroller")
    await scroller.evaluate("element => { element.scrollTop = 0 }")
    jump = page.get_by_role("button", name="Latest")
    await expect(jump).to_be_visible()
    key = await chats.begin(person.me)
    await chats.finish(person.me, key, Body("News at the end"))
    await expect(person.log.get_by_text("News at the end")).to_be_attached()
    await expect(person.log.get_by_text("News at the end")).not_to_be_in_viewport()
    await jump.click()
    await expect(person.log.get_by_text("News at the end")).to_be_in_viewport()
    await expect(jump).to_be_hidden()
    await scroller.evaluate("element => { element.scrollTop = 0 }")
    for shown in (101, 121):
        await page.get_by_role("button", name="Show earlier messages").click()
        await expect(person.log.locator(".message")).to_have_count(shown)
    numbers = [int(n) for n in re.findall(r"Answer number (\d+)", "\n".join(await person.texts()))]
    assert numbers == list(range(120))
    await expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()


async def test_what_comes_whole_and_is_long_is_read_from_its_top(person):
    page, chats = person.page, person.world.chats
    await person.enter()
    await chats.answer(person.me, Body("Short."))
    await expect(person.log.get_by_text("Short.")).to_be_visible()  # the page listens
    await chats.answer(person.me, Body("# The beginning\n\n" + "A paragraph.\n\n" * 60 + "The end."))
    await expect(person.log.get_by_text("The beginning")).to_be_in_viewport()
    await expect(person.log.get_by_text("The end.")).not_to_be_in_viewport()
    await page.get_by_role("button", name="Latest").click()
    await expect(person.log.get_by_text("The end.")).to_be_in_viewport()
    await chats.answer(person.me, Body("Short again."))
    await expect(person.log.get_by_text("Short again.")).to_be_in_viewport()


async def test_signing_out_elsewhere_is_told_and_loses_no_words(person, monkeypatch):
    monkeypatch.setattr("bot.web.live.CHECK_SESSION", 0.2)
    page = person.page
    await person.enter()
    async with transaction(Step.ADMIN):
        await Session.all().delete()
    await expect(page.get_by_text("You were signed out.")).to_be_visible()
    await person.box.fill("Too late?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Send again")).to_be_visible()
    assert await person.texts() == ["Too late?"]
    async with page.context.expect_page() as opening:
        await page.get_by_role("link", name="Sign in again").click()
    elsewhere = await opening.value
    await expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    await elsewhere.goto(await person.world.link())
    await expect(elsewhere.get_by_role("heading", name="You are signed in")).to_be_visible()
    await elsewhere.close()
    await page.evaluate("dispatchEvent(new Event('focus'))")  # without a screen no window is in front
    await expect(page.get_by_text("You were signed out.")).to_be_hidden()
    await page.get_by_role("button", name="Send again").click()
    assert (await person.heard(1)).text == "Too late?"
    await person.world.chats.answer(person.me, Body("Just in time."))
    await expect(person.log.get_by_text("Just in time.")).to_be_visible()
    person.complaints.clear()  # the 401 is written to the console


async def test_the_password_is_set_and_used(person, shots):
    page = person.page
    await page.goto(await person.world.link())
    await page.get_by_label("New password").fill("correct horse battery")
    await page.keyboard.press("Enter")
    await expect(person.box).to_be_focused()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Sign in").click()
    await page.get_by_label("Password", exact=True).fill("wrong horse battery")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("That is not the password")
    await shots(page, "login")
    await page.get_by_label("Password", exact=True).fill("correct horse battery")
    await page.keyboard.press("Enter")
    await expect(person.box).to_be_visible()
    person.complaints.clear()  # the 403 is written to the console


async def test_a_click_on_another_site_leads_into_the_chat(person, site):
    page = person.page
    await person.enter()
    elsewhere = f'<a id="there" href="{site.base}/chat">chat</a>'
    await page.route(
        "https://elsewhere.example/", lambda route: route.fulfill(body=elsewhere, content_type="text/html")
    )
    await page.goto("https://elsewhere.example/")
    await page.click("#there")
    await expect(person.box).to_be_visible()
    person.asked = [url for url in person.asked if "elsewhere" not in url]


async def test_motion_stops_for_those_who_ask(site, chrome):
    context = await chrome.new_context(reduced_motion="reduce")
    person = Person(await context.new_page(), site)
    await person.enter()
    await site.chats.begin(person.me)
    dot = person.log.locator(".dots i").first
    await expect(dot).to_be_visible()
    assert await dot.evaluate("dot => getComputedStyle(dot).animationName") == "none"
    await context.close()

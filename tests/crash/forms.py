"""Forms that people fill in and proposals that they agree to.

Somebody makes an agent: question by question on Telegram, in a modal on Slack, or by a yes to what an agent proposes.
However the process dies, the agent is made once.
"""

import time

from tests.crash.colleague import Direct
from tests.crash.oracle import NOTICE, Said
from tests.crash.talk import ANSWERED_WITHIN, Talker
from tests.crash.world import World

MADE = r"is there\. It is yours alone"
AGREED_ALREADY = "You said yes to that already"
_NAME, _INSTRUCTIONS = "Checker", "You check what you are told about"
_ONE_AGENT = ("agents that were asked for once", f"SELECT count(*) FROM agents WHERE name = '{_NAME}'", lambda: 1)
_NO_FORM = ("forms that are still open", "SELECT count(*) FROM open_forms", lambda: 0)
_ONE_PROPOSAL = ("proposals", "SELECT count(*) FROM approvals", lambda: 1)
_ONE_YES = ("proposals that were agreed to", "SELECT count(*) FROM approvals WHERE state = 'agreed'", lambda: 1)


async def shown(one: Talker, text: str, shows: str) -> None:
    """Write, and wait for a card; where a notice comes instead, have it shown again."""
    notices = one.cards(NOTICE)
    await one.command(text, shows)
    await _again(one, shows, notices)


async def _again(one: Talker, shows: str, notices: int) -> None:
    if one.cards(NOTICE) > notices:
        await one.show_again()
        await one.until(lambda: one.cards(shows))


async def _press(one: Talker, label: str, shows: str) -> None:
    """Press a button as soon as it is there, and wait for the card that it leads to."""
    notices, before = one.cards(NOTICE), one.cards(shows)
    one.said.append(Said(shows=shows))
    deadline = time.monotonic() + ANSWERED_WITHIN
    while not await one.press(label) and time.monotonic() < deadline:
        await one.change()
    await one.until(lambda: one.cards(shows) > before or one.cards(NOTICE) > notices)
    await _again(one, shows, notices)


async def by_questions(world: World, one: Talker) -> None:
    """Make an agent by answering one question after the other."""
    world.wanted += [_ONE_AGENT, _NO_FORM]
    await shown(one, "/agents create", "Name – ")
    await shown(one, _NAME, "Instructions – ")
    await shown(one, f"{_INSTRUCTIONS} {one.secret()}", "Model – ")
    await _press(one, "Skip", MADE)
    await one.ask()


async def by_modal(world: World, one: Talker) -> None:
    """Make an agent by filling in a modal on Slack."""
    assert isinstance(one, Direct)
    world.wanted += [_ONE_AGENT, _NO_FORM]
    notices = one.cards(NOTICE)
    one.said.append(Said(shows=MADE))
    await one.fill_in("agents create", {"Name": _NAME, "Instructions": f"{_INSTRUCTIONS} {one.secret()}"})
    await one.until(lambda: one.cards(MADE) or one.cards(NOTICE) > notices)
    await _again(one, MADE, notices)
    await one.ask()


async def by_yes(world: World, one: Talker) -> None:
    """Let the agent propose one, say yes, and being impatient say it once more."""
    world.wanted += [_ONE_AGENT, _ONE_PROPOSAL, _ONE_YES]
    await one.ask(f"[[propose={_NAME}]]")
    await _press(one, "Yes, do it", MADE)
    await _press(one, "Yes, do it", AGREED_ALREADY)
    await one.ask()

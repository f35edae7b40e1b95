"""Conversations that are summarised, because somebody wants it or because they have become long: shown once."""

from tests.crash.forms import shown
from tests.crash.talk import Talker
from tests.crash.world import World

SUMMARISED = "I summarised the first"
SOON = {"core.compaction.FULL": 1500, "core.history.FULL": 1500}
"""A conversation of a few answers is long already."""
_ROWS = "SELECT count(*) FROM summaries"


async def talk_first(one: Talker) -> None:
    """Talk so much that there is something to summarise."""
    for _ in range(6):
        await one.ask()


async def on_request(world: World, one: Talker) -> None:
    """Ask for a summary, and go on."""
    world.wanted.append(("summaries", _ROWS, lambda: 1))
    await shown(one, "/compact", SUMMARISED)
    await one.ask()


async def by_itself(world: World, one: Talker) -> None:
    """Talk until the assistant summarises: each summary is shown once, and answered is what was asked."""
    world.wanted.append(("summaries", _ROWS, lambda: one.cards(SUMMARISED)))
    for _ in range(6):
        await one.ask("[[len=900]]")
    [(made,)] = await world.query(_ROWS)
    await one.until(lambda: one.cards(SUMMARISED) >= made)  # the last one is shown after the last answer
    if not made:
        world.wanted.append(("summaries", _ROWS, lambda: 1))

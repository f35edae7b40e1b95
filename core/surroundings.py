"""What messages could not carry: who wrote them and whom they mention, and what was said in the thread besides."""

from collections.abc import Sequence

from core.channel import Surroundings
from core.envelopes import Context, Place, Target
from core.operations.registry import Call
from core.outbox import Outbox
from core.waiting import Waiting
from storage.faults import Step, calling
from storage.tables import InboxEntry, Part, Turn

MOST_KNOWN = 200
"""Messages of a thread that a channel is told we know already: so many of people's, and of ours."""


async def learn(
    outbox: Outbox, target: Target, turn: Turn, entries: Sequence[Waiting], caller: Call
) -> tuple[list[Waiting], tuple[Context, ...]]:
    """Ask the channel, and write into `entries` who wrote them and whom they mention.

    Returns:
        Those of the entries that have changed, and what others said in the thread.
    """
    direct = target.place is Place.PRIVATE and "/" not in target.chat
    if direct and all(waiting.kept.name for waiting in entries):
        return [], ()
    known = InboxEntry.filter(lane_id=turn.lane_id, body__isnull=False).order_by("-position").limit(MOST_KNOWN)
    ours = Part.filter(reply__lane_id=turn.lane_id).order_by("-id").limit(MOST_KNOWN)
    ids = [each.message_id for each in await known.only("id", "message_id")]
    ids += [each.message_id for each in await ours.only("id", "message_id")]
    async with calling(Step.CALL_SURROUNDINGS):
        found = await outbox.channel(target).surroundings(
            target, people=[caller.external_id], texts=[each.kept.text for each in entries], known=ids
        )
    return [each for each in entries if _changed(each, found, caller.external_id)], found.said


def _changed(waiting: Waiting, found: Surroundings, person: str) -> bool:
    """Write names into a message; return whether there was something to write."""
    kept = waiting.kept
    before = (kept.text, kept.name)
    for mention, name in found.names.items():
        if mention in kept.text:
            kept.text = kept.text.replace(mention, name)
    kept.name = kept.name or found.names.get(person, "")
    return before != (kept.text, kept.name)


def as_read(said: Sequence[Context]) -> list[str]:
    """Return what others said in the thread, as the model reads it: one text, or none."""
    if not said:
        return []
    lines = [f"> {context.author}: {context.text.strip()}".replace("\n", "\n> ") for context in said]
    return ["\n".join(["[Said before in this thread:]", *lines])]

"""What is done next in a lane: the first message of somebody within their rate, and what belongs to it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from core.access import Verdict, code_in
from core.lanes import Held
from core.operations.form import asking
from core.operations.typed import Command, command_in
from core.rates import Rates
from core.wire import Kept
from storage.clock import Clock
from storage.sealing import Sealer
from storage.tables import InboundState, InboxEntry, Lane

BURST_SECONDS = 10.0
"""Messages of one person that follow each other within so many seconds are answered together."""
SPLIT_SECONDS = 1.5
"""How long the rest of a split text or an album is waited for."""
MOST_TOGETHER = 20
MOST_LOOKED_AT = 50


@dataclass(slots=True)
class Waiting:
    """An inbound that waits, with its words."""

    entry: InboxEntry
    kept: Kept


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done next in a lane.

    Args:
        asked: the batch is a command, a filled-in form, or the answer to a form's question; else it is for the agent.
        later: when to look again, if nothing can be done now.
        limited: the first message that waits because its author is over their rate.
    """

    batch: list[Waiting]
    later: datetime | None
    limited: Waiting | None
    asked: bool = False


async def waiting_in(held: Held, sealer: Sealer) -> list[Waiting]:
    """Return what waits in the lane, in order."""
    new = InboxEntry.filter(lane_id=held.id, state=InboundState.NEW)
    return await with_words(await new.order_by("position", "id").limit(MOST_LOOKED_AT), sealer)


async def with_words(entries: list[InboxEntry], sealer: Sealer) -> list[Waiting]:
    """Return the entries that have words, with them."""
    kept = [entry for entry in entries if entry.body is not None]
    sealed = [(entry.id, entry.body) for entry in kept if entry.body is not None]
    texts = await sealer.unseal_many("inbox.body", sealed)
    return [Waiting(entry, Kept(text)) for entry, text in zip(kept, texts, strict=True)]


async def wait_in_turn(entries: Collection[InboxEntry], chat_id: UUID, clock: Clock) -> UUID:
    """Put what waits in a chat's urgent lane into its main one, in the caller's transaction; return that lane."""
    main = await Lane.get(chat_id=chat_id, urgent=False)
    await InboxEntry.filter(id__in=[entry.id for entry in entries]).update(lane_id=main.id)
    await Lane.filter(id=main.id).update(due_at=clock.now())
    return main.id


def choose(
    held: Held,
    waiting: Sequence[Waiting],
    rates: Rates,
    clock: Clock,
    answering: Collection[UUID] = (),
    began: datetime | None = None,
) -> Choice:
    """Return what is done next: the first message of somebody within their rate, and what belongs to it.

    Args:
        answering: the identities that are asked a form's question here.
        began: when this process began to listen; the rest of what came before that may be on its way only now.
    """
    passed_over: set[UUID] = set()
    limited, later = None, None
    for index, first in enumerate(waiting):
        person = first.entry.identity_id
        if person in passed_over:
            continue
        allowance = MOST_TOGETHER if held.urgent else rates.allowance(person, held.chat_id)
        if allowance == 0:
            passed_over.add(person)
            ready_at = rates.ready_at(person, held.chat_id)
            limited, later = limited or first, min(later or ready_at, ready_at)
            continue
        if command_of(first) is not None or first.kept.submission is not None:
            return Choice([first], None, limited, asked=True)
        answers = person in answering
        batch = burst(waiting[index:], 1 if answers else allowance)
        complete_at = _complete_at(batch[-1], began)
        if complete_at > clock.now():
            return Choice([], complete_at, limited)
        return Choice(batch, later, limited, asked=answers)
    return Choice([], later, limited)


def command_of(waiting: Waiting) -> Command | None:
    """Return the command that a message is, if it is one; a newcomer's invitation code is one."""
    if waiting.entry.reason == Verdict.CODE:
        return Command("join", code_in(waiting.kept.text) or "")
    command = command_in(waiting.kept.text)
    if command is None or not waiting.kept.attachments:
        return command
    operation = command.operation
    takes_a_file = operation is not None and any(asking(i).file for i in operation.form.model_fields.values())
    return command if takes_a_file else None


def burst(waiting: Sequence[Waiting], allowance: int) -> list[Waiting]:
    """Return the messages from the first one on that one person wrote in a row, none of them a command."""
    batch = [waiting[0]]
    for following in waiting[1:]:
        gap = (following.entry.received_at - batch[-1].entry.received_at).total_seconds()
        same = following.entry.identity_id == batch[0].entry.identity_id
        if not same or gap > BURST_SECONDS or command_of(following) is not None or following.kept.submission:
            break
        if counted([*batch, following]) > min(allowance, MOST_TOGETHER):
            break
        batch.append(following)
    return batch


def counted(batch: Sequence[Waiting]) -> int:
    """Return how many messages a batch counts as: an album, or a text that the client split, is one."""
    count = 1
    for before, after in pairwise(batch):
        album = after.kept.group and after.kept.group == before.kept.group
        if not album and not before.kept.more_follows:
            count += 1
    return count


def _complete_at(last: Waiting, began: datetime | None) -> datetime:
    heard = last.entry.received_at
    if not last.kept.more_follows and not last.kept.group:
        return heard
    return max(heard, began or heard) + timedelta(seconds=SPLIT_SECONDS)

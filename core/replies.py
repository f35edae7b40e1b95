"""Reply rows: how an answer is written down before it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.envelopes import Body
from core.wire import body_from_json, body_to_json
from storage.ids import new_id
from storage.sealing import DataKeyHandle, Sealer
from storage.tables import Part, PartState, Reply, ReplyMode, ReplyState

_WHERE = "replies.body"


@dataclass(slots=True)
class Pending:
    """A reply that is yet to be shown, with its parts so far."""

    row: Reply
    parts: list[Part]


async def create_once(
    key: DataKeyHandle, lane_id: UUID, body: Body, now: datetime, *, answers: str = "", only_for: str = ""
) -> Pending:
    """Write down a reply that is posted in one go; call it in the transaction that finishes what it answers."""
    return await _create(key, lane_id, body, now, ReplyMode.ONCE, PartState.PENDING, answers, only_for)


async def create_filled(key: DataKeyHandle, lane_id: UUID, body: Body, now: datetime, *, answers: str = "") -> Pending:
    """Write down a finished reply that is filled into a placeholder, so that no crash can show it twice."""
    return await _create(key, lane_id, body, now, ReplyMode.FILLED, PartState.RESERVING, answers)


async def _create(
    key: DataKeyHandle,
    lane_id: UUID,
    body: Body,
    now: datetime,
    mode: ReplyMode,
    first: PartState,
    answers: str,
    only_for: str = "",
) -> Pending:
    reply_id = new_id()
    row = await Reply.create(
        id=reply_id,
        lane_id=lane_id,
        answers=answers,
        only_for=only_for,
        mode=mode,
        state=ReplyState.FINAL,
        body=seal_body(key, reply_id, body),
        created_at=now,
        final_at=now,
    )
    return Pending(row, [await add_part(row, 0, first, now)])


async def open_for_turn(lane_id: UUID, turn_id: UUID, conversation_id: UUID, answers: str, now: datetime) -> Pending:
    """Write down that a turn will be answered, with the first placeholder to reserve."""
    row = await Reply.create(
        id=new_id(),
        lane_id=lane_id,
        turn_id=turn_id,
        conversation_id=conversation_id,
        answers=answers,
        mode=ReplyMode.FILLED,
        state=ReplyState.OPEN,
        created_at=now,
    )
    return Pending(row, [await add_part(row, 0, PartState.RESERVING, now)])


async def add_part(row: Reply, number: int, state: PartState, now: datetime) -> Part:
    """Write down one more part of a reply."""
    return await Part.create(id=new_id(), reply_id=row.id, number=number, state=state, created_at=now)


async def set_aside(pending: Pending, now: datetime) -> None:
    """Mark, in the caller's transaction, what is shown so far for deletion, and make room for a fresh message."""
    old = [part for part in pending.parts if part.state is PartState.RESERVED]
    await Part.filter(id__in=[part.id for part in old]).update(state=PartState.DELETING)
    for part in old:
        part.state = PartState.DELETING
    if not any(part.number == 0 and part.state is PartState.RESERVING for part in pending.parts):
        pending.parts.append(await add_part(pending.row, 0, PartState.RESERVING, now))


def seal_body(key: DataKeyHandle, reply_id: UUID, body: Body) -> bytes:
    """Return a reply's sealed body."""
    return key.seal(_WHERE, reply_id, body_to_json(body))


async def body_of(sealer: Sealer, row: Reply) -> Body:
    """Return what a finished reply says."""
    assert row.body is not None
    return body_from_json(await sealer.unseal(_WHERE, row.id, row.body))


async def bodies_of(sealer: Sealer, sealed: Sequence[tuple[UUID, bytes]]) -> list[Body]:
    """Return what finished replies say, in their order, given their ids and sealed bodies."""
    return [body_from_json(text) for text in await sealer.unseal_many(_WHERE, sealed)]

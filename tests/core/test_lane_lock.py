"""What a commit in a lane locks, so that nobody slips in between its check and its end."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from tortoise.backends.base.client import BaseDBAsyncClient

from core.lanes import Lanes
from storage.errors import is_from_outside
from storage.faults import Step
from storage.ids import new_id
from storage.liveness import Liveness
from storage.tables import Chat, ChatKind, Lane
from storage.transactions import transaction
from tests.clock import PATIENCE, FakeClock


async def a_lane(clock: FakeClock) -> Lane:
    async with transaction(Step.INBOX_MEET):
        chat = await Chat.create(account="a", external_id="b", kind=ChatKind.PRIVATE, created_at=clock.now())
        return await Lane.create(id=new_id(), chat_id=chat.id, channel="telegram", due_at=clock.now())


@pytest.mark.postgres
async def test_a_message_that_arrives_while_a_lane_is_given_back_is_not_forgotten(
    database: BaseDBAsyncClient, database_url: str, data_dir: Path, clock: FakeClock
) -> None:
    lane = await a_lane(clock)
    held = await Lanes(new_id(), ["telegram"], clock, Liveness(data_dir / "processes")).claim(lane.id)
    assert held is not None
    elsewhere = await asyncpg.connect(database_url)
    try:
        async with held.commit(Step.LANE_RELEASE):
            with pytest.raises(asyncpg.LockNotAvailableError):
                await elsewhere.execute("SELECT id FROM lanes WHERE id = $1 FOR UPDATE NOWAIT", lane.id)
        await elsewhere.execute("SELECT id FROM lanes WHERE id = $1 FOR UPDATE NOWAIT", lane.id)
    finally:
        await elsewhere.close()


@pytest.mark.postgres
async def test_a_process_that_stands_still_in_a_transaction_holds_up_nobody_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    from storage import database as opening

    monkeypatch.setattr(opening, "IDLE_SECONDS", 2.0)
    async with opening.open_database(database_url):
        lane = await a_lane(clock)
        elsewhere = await asyncpg.connect(database_url)
        try:

            async def stand_still() -> None:
                async with transaction(Step.LANE_CLAIM):
                    await Lane.filter(id=lane.id).update(fence=7)
                    async with asyncio.timeout(PATIENCE):
                        await elsewhere.execute("UPDATE lanes SET fence = 8 WHERE id = $1", lane.id)

            with pytest.raises(Exception) as cut_off:  # noqa: PT011 - the driver raises now this, now that
                await stand_still()
            assert is_from_outside(cut_off.value)
            assert (await Lane.get(id=lane.id)).fence == 8
        finally:
            await elsewhere.close()

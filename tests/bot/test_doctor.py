"""`prowex doctor`: it tries everything for real, names what is wrong in a sentence, and shows no secret."""

import asyncio
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.checks import Finding, State, machine, ok, outside
from bot.commands import doctor as command
from bot.doctor import examine
from bot.service import open_service
from bot.settings import Settings
from storage.keyring import KeyRing
from tests.clock import PATIENCE
from tests.conftest import DIALECT
from tests.ports import free_port
from tests.servers.anthropic import FakeAnthropic
from tests.servers.google import FakeGoogle
from tests.servers.openai import FakeOpenAI
from tests.servers.slack import FakeSlack
from tests.servers.telegram import TOKEN, FakeTelegram

KEY = "sk-key-of-the-tests"
CLAUDE = "sk-ant-key-of-the-tests"
GEMINI = "AIza-key-of-the-tests"
FAMILIES = ("SLACK_", "ANTHROPIC_", "GEMINI_", "GOOGLE_")


@pytest.fixture(autouse=True)
def no_keys_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(FAMILIES)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "SECONDS", PATIENCE)


def write_env(**settings: object) -> None:
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    Path(".env").write_text("".join(lines))
    os.chmod(".env", 0o600)


def env_of(settings: Settings) -> dict[str, object]:
    return {"PROWEX_DATA_DIR": settings.data_dir, "DATABASE_URL": settings.database, "PROWEX_PORT": 0}


async def found(**settings: object) -> dict[str, Finding]:
    write_env(**settings)
    return {finding.check: finding for finding in await examine(".env")}


@pytest.fixture
async def telegram() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as server:
        yield server


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(key=KEY) as server:
        yield server


@pytest.fixture
async def anthropic() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key=CLAUDE) as server:
        yield server


@pytest.fixture
async def google() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle(key=GEMINI) as server:
        yield server


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack() as server:
        yield server


@asynccontextmanager
async def server(handler) -> AsyncIterator[int]:
    """Any other program that speaks HTTP; yields its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def bot_api(telegram: FakeTelegram, method: str, **params: str) -> None:
    async with aiohttp.ClientSession() as client:
        answer = await (await client.post(f"{telegram.url}/bot{TOKEN}/{method}", data=params)).json()
    assert answer["ok"]


async def test_before_the_first_start_all_is_well_and_nothing_is_made(prowex, bare_home, capsys):
    write_env(PROWEX_PORT=0)
    assert await prowex("doctor") == 0
    out = capsys.readouterr().out
    assert "All is well." in out
    assert out.count("the first start makes it") == 3
    assert [path.name for path in bare_home.iterdir()] == [".env"]


async def test_everything_that_is_set_is_tried_for_real(
    prowex, used, telegram, slack, openai, anthropic, google, capsys
):
    capsys.readouterr()
    write_env(
        **env_of(used),
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        SLACK_BOT_TOKEN=slack.bot_token,
        SLACK_APP_TOKEN=slack.app_token,
        SLACK_API_URL=slack.url,
        OPENAI_API_KEY=KEY,
        OPENAI_BASE_URL=openai.url,
        ANTHROPIC_API_KEY=CLAUDE,
        ANTHROPIC_BASE_URL=anthropic.url,
        GOOGLE_API_KEY=GEMINI,
        GOOGLE_BASE_URL=google.url,
        PROWEX_DEFAULT_MODEL="openai:gpt-4.1-mini",
    )
    assert await prowex("doctor", "--json") == 0
    out = capsys.readouterr().out
    rows = {row["check"]: row for row in json.loads(out)}
    assert {row["state"] for row in rows.values()} == {"ok"}
    assert "@prowex_test_bot" in rows["telegram"]["text"]
    assert "gpt-4.1-mini is available" in rows["model openai"]["text"]
    assert "it offers" in rows["model anthropic"]["text"]
    assert "it offers" in rows["model google"]["text"]
    assert rows["slack"]["text"].startswith("@")
    assert "Socket Mode" in rows["slack events"]["text"]
    assert "agrees" in rows["clock"]["text"]
    assert ("SQLite 3." if DIALECT == "sqlite" else "PostgreSQL ") in rows["database"]["text"]
    assert "2 tried" in rows["data keys"]["text"]
    assert telegram.journal.by_method["getMe"] == 1
    assert {asked.path for asked in openai.journal} == {"/v1/models"}
    assert {asked.path.partition("?")[0] for asked in anthropic.journal} == {"/v1/models"}
    for secret in (TOKEN, KEY, CLAUDE, GEMINI, slack.bot_token, slack.app_token):
        assert secret not in out


async def test_what_a_server_refuses_is_a_problem_without_the_secret(
    prowex, telegram, slack, openai, anthropic, google, capsys
):
    secrets = {
        "TELEGRAM_BOT_TOKEN": "4242:not-the-token-at-all",
        "SLACK_BOT_TOKEN": "xoxb-not-the-token",
        "SLACK_APP_TOKEN": "xapp-not-the-token",
        "OPENAI_API_KEY": "sk-not-the-key",
        "ANTHROPIC_API_KEY": "sk-ant-not-the-key",
        "GEMINI_API_KEY": "AIza-not-the-key",
    }
    urls = {"TELEGRAM_API_URL": telegram.url, "SLACK_API_URL": slack.url, "OPENAI_BASE_URL": openai.url,
            "ANTHROPIC_BASE_URL": anthropic.url, "GOOGLE_BASE_URL": google.url}  # fmt: skip
    write_env(PROWEX_PORT=0, **urls, **secrets)
    assert await prowex("doctor", "--json") == 1
    out = capsys.readouterr().out
    wrong = {row["check"]: row["text"] for row in json.loads(out) if row["state"] == "problem"}
    assert set(wrong) == {"telegram", "slack", "slack events", "model openai", "model anthropic", "model google"}
    assert "Telegram does not know this bot token" in wrong["telegram"]
    assert "does not accept SLACK_BOT_TOKEN" in wrong["slack"]
    assert "does not accept SLACK_APP_TOKEN" in wrong["slack events"]
    assert "refused the key (401)" in wrong["model openai"]
    assert "refused the key (401)" in wrong["model anthropic"]
    assert not any(secret in out for secret in secrets.values())


async def test_what_does_not_answer_is_a_problem(bare_home, telegram, openai):
    await telegram.refuse()
    nowhere = f"http://127.0.0.1:{free_port()}"
    states = await found(
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_API_URL=telegram.url,
        SLACK_BOT_TOKEN="xoxb-not-really",
        SLACK_APP_TOKEN="xapp-not-really",
        SLACK_API_URL=nowhere,
        OPENAI_BASE_URL=f"{nowhere}/v1",
        ANTHROPIC_API_KEY=CLAUDE,
        ANTHROPIC_BASE_URL=nowhere,
        GEMINI_API_KEY=GEMINI,
        GOOGLE_BASE_URL=nowhere,
        PROWEX_PORT=0,
    )
    for check in ("telegram", "slack", "slack events", "model openai", "model anthropic", "model google"):
        assert states[check].state is State.PROBLEM
    assert states["clock"].state is State.OK


async def test_scopes_that_the_slack_app_lacks_are_named(bare_home):
    async def answer(request: web.Request) -> web.Response:
        said = {"ok": True, "user": "prowex", "team": "Acme", "bot_id": "B1", "url": "wss://x.invalid"}
        return web.json_response(said, headers={"X-OAuth-Scopes": "commands,users:read"})

    async with server(answer) as port:
        ours = {
            "SLACK_BOT_TOKEN": "xoxb-not-really",
            "SLACK_APP_TOKEN": "xapp-not-really",
            "SLACK_API_URL": f"http://127.0.0.1:{port}/api",
        }
        slack = (await found(PROWEX_PORT=0, **ours))["slack"]
    assert slack.state is State.WARNING
    assert "chat:write" in slack.text
    assert "users:read" not in slack.text


async def test_a_slack_token_without_scope_or_socket_mode_says_what_to_switch_on(bare_home, slack):
    ours = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.url}
    for code, remedy in (("missing_scope", "connections:write"), ("link_disabled", "Switch it on")):

        async def answer(request: web.Request, code: str = code) -> web.Response:
            return web.json_response({"ok": False, "error": code})

        async with server(answer) as port:
            states = await found(PROWEX_PORT=0, **ours | {"SLACK_API_URL": f"http://127.0.0.1:{port}"})
        assert states["slack events"].state is State.PROBLEM
        assert remedy in states["slack events"].text


async def test_events_by_calls_need_a_public_address(bare_home, slack):
    ours = {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.url,
    }
    assert (await found(PROWEX_PORT=0, **ours))["slack events"].state is State.WARNING
    public = await found(PROWEX_PORT=0, PROWEX_PUBLIC_URL="https://prowex.example.org", **ours)
    assert public["slack events"].text == "They come by calls to https://prowex.example.org/hooks/slack."


async def test_wrong_settings_are_problems_and_their_values_stay_hidden(prowex, bare_home, capsys):
    write_env(PROWEX_PORT="canary", TELEGRAM_BOT_TOKEN="canary")
    assert await prowex("doctor", "--json") == 1
    out = capsys.readouterr().out
    texts = [row["text"] for row in json.loads(out) if (row["check"], row["state"]) == ("settings", "problem")]
    assert [text.split()[0] for text in texts] == ["TELEGRAM_BOT_TOKEN", "PROWEX_PORT"]
    assert "canary" not in out


async def test_a_misspelt_setting_is_a_warning_and_no_problem(prowex, bare_home, capsys):
    write_env(PROWEX_PORT=0, PROWEX_DATADIR="x")
    assert await prowex("doctor") == 0
    assert "did you mean PROWEX_DATA_DIR?" in capsys.readouterr().out


async def test_updates_that_come_another_way_than_set_are_a_warning(bare_home, telegram):
    ours = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_URL": telegram.url, "PROWEX_PORT": 0}
    hooked = {"TELEGRAM_WEBHOOK_URL": "https://bot.example.org", "TELEGRAM_WEBHOOK_SECRET": "s" * 20}
    assert (await found(**ours))["updates"].state is State.OK
    none = (await found(**ours, **hooked))["updates"]
    assert (none.state, "no webhook" in none.text) == (State.WARNING, True)
    await bot_api(telegram, "setWebhook", url="https://elsewhere.example.org/x")
    polling, other = (await found(**ours))["updates"], (await found(**ours, **hooked))["updates"]
    assert (polling.state, "polling gets nothing" in polling.text) == (State.WARNING, True)
    assert (other.state, "elsewhere.example.org" in other.text) == (State.WARNING, True)
    await bot_api(telegram, "setWebhook", url="https://bot.example.org/hooks/telegram")
    assert (await found(**ours, **hooked))["updates"].state is State.OK
    telegram.updates.hook.last_error_at = datetime.now(UTC)
    telegram.updates.hook.last_error = "Wrong response from the webhook: 502 Bad Gateway"
    failed = (await found(**ours, **hooked))["webhook"]
    assert (failed.state, "502 Bad Gateway" in failed.text) == (State.WARNING, True)


@pytest.mark.parametrize(("late", "how"), [(-120, "ahead of"), (120, "behind")])
async def test_a_clock_that_is_wrong_is_a_warning(bare_home, late, how):
    async def answer(request: web.Request) -> web.Response:
        date = datetime.now(UTC) + timedelta(seconds=late)
        return web.json_response({"data": []}, headers={"Date": format_datetime(date, usegmt=True)})

    async with server(answer) as port:
        clock = (await found(OPENAI_BASE_URL=f"http://127.0.0.1:{port}", PROWEX_PORT=0))["clock"]
    assert clock.state is State.WARNING
    assert f"s {how} the servers" in clock.text


async def test_a_key_ring_of_another_installation_is_a_problem(used):
    used.key_ring.unlink()
    KeyRing.open(used.key_ring, create=True)
    keys = (await found(**env_of(used)))["data keys"]
    assert keys.state is State.PROBLEM
    assert "is not the one this database was sealed with" in keys.text


async def test_a_lost_or_readable_key_ring_is_a_problem(used):
    used.key_ring.chmod(0o644)
    readable = (await found(**env_of(used)))["key ring"]
    used.key_ring.unlink()
    lost = (await found(**env_of(used)))["key ring"]
    assert (readable.state, "chmod 600" in readable.text) == (State.PROBLEM, True)
    assert (lost.state, "There is no key ring" in lost.text) == (State.PROBLEM, True)
    assert not used.key_ring.exists()


@pytest.mark.sqlite
async def test_a_damaged_database_is_a_problem(used):
    path = used.data_dir / "prowex.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        for page in range(8, path.stat().st_size // 4096, 3):
            file.seek(page * 4096)
            file.write(os.urandom(200))
    database = (await found(**env_of(used)))["database"]
    assert database.state is State.PROBLEM
    assert "damaged" in database.text


@pytest.mark.sqlite
async def test_a_database_of_another_version_is_told_apart(used):
    path = used.data_dir / "prowex.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE aerich SET version = '9_20990101000000_later.py'")
    newer = (await found(**env_of(used)))["database"]
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM aerich")
    older = (await found(**env_of(used)))["schema"]
    assert (newer.state, "9_20990101000000_later.py" in newer.text) == (State.PROBLEM, True)
    assert older.state is not State.PROBLEM


async def test_a_database_that_does_not_answer_is_a_problem_without_its_password(bare_home):
    database = (await found(DATABASE_URL=f"postgres://me:hunter22@127.0.0.1:{free_port()}/prowex", PROWEX_PORT=0))[
        "database"
    ]
    assert database.state is State.PROBLEM
    assert "hunter22" not in database.text


async def test_a_taken_rowsis_a_problem_unless_prowex_holds_it(bare_home, data_dir, database_url):
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"hello": "there"})

    async with server(answer) as port:
        taken = (await found(PROWEX_PORT=port))["web port"]
    assert (taken.state, "Another program holds port" in taken.text) == (State.PROBLEM, True)

    settings = Settings.model_validate({"data_dir": data_dir, "database_url": database_url, "port": free_port()})
    stop, up = asyncio.Event(), {"PROWEX_PORT": settings.port, "PROWEX_PUBLIC_URL": f"http://127.0.0.1:{settings.port}"}
    async with open_service(settings) as service, asyncio.TaskGroup() as group:
        group.create_task(service.serve(stop))
        while (rows := await found(**up))["web port"].text.endswith("at the moment."):  # noqa: ASYNC110 - a port tells nobody
            await asyncio.sleep(0)
        stop.set()
    assert rows["web port"].state is State.OK
    assert "leads here" in rows["public address"].text


@pytest.mark.parametrize(
    ("settings", "check", "state"),
    [
        ({"PROWEX_HOST": "192.0.2.1", "PROWEX_PORT": 8099}, "web port", State.PROBLEM),
        ({"PROWEX_HOST": "no.such.name.invalid", "PROWEX_PORT": 8099}, "web port", State.PROBLEM),
        ({"PROWEX_HOST": "0.0.0.0"}, "public address", State.WARNING),
        ({"PROWEX_PUBLIC_URL": "http://prowex.example.org"}, "public address", State.WARNING),
        ({"PROWEX_PUBLIC_URL": "https://example.org/prowex"}, "public address", State.PROBLEM),
        ({"PROWEX_PUBLIC_URL": "https://prowex.example.org"}, "public address", State.OK),
    ],
)
async def test_addresses_that_can_not_work_are_found(bare_home, settings, check, state):
    assert (await found(**{"PROWEX_PORT": 0} | settings))[check].state is state


@pytest.mark.parametrize(
    ("free", "state"), [(50 << 20, State.PROBLEM), (500 << 20, State.WARNING), (2 << 30, State.OK)]
)
async def test_a_full_disk_is_told_in_time(bare_home, monkeypatch, free, state):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    assert (await found(PROWEX_PORT=0))["disk"].state is state


async def test_a_data_folder_that_others_can_read_is_a_warning(used):
    used.data_dir.chmod(0o755)
    folder = (await found(**env_of(used)))["data folder"]
    assert (folder.state, "chmod 700" in folder.text) == (State.WARNING, True)


async def test_a_file_in_the_place_of_the_data_folder_is_a_problem(bare_home):
    (bare_home / "data").touch()
    assert (await found(PROWEX_PORT=0))["data folder"].state is State.PROBLEM


async def test_checks_run_side_by_side_and_one_that_hangs_stops_no_other(bare_home):
    met = asyncio.Barrier(2)

    async def meets(settings: Settings) -> list[Finding]:
        await met.wait()
        return [ok("meets", "It met the other.")]

    async def hangs(settings: Settings) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    write_env()
    checks = (("hangs", hangs, 0.01), ("one", meets, 5.0), ("other", meets, 5.0))
    rows = (await examine(".env", checks))[-3:]
    assert [(row.check, row.state) for row in rows] == [
        ("hangs", State.PROBLEM),
        ("meets", State.OK),
        ("meets", State.OK),
    ]


def test_the_text_is_aligned_and_wrapped():
    rows = [ok("a", "One two three four five six seven eight nine ten."), ok("longer name", "Short.")]
    assert command.shown(rows, width=52) == (
        "ok       a            One two three four five six\n"
        "                      seven eight nine ten.\n"
        "ok       longer name  Short.\n"
        "\n"
        "All is well."
    )

"""`prowex init`: what a person answers is tried for real and then written, and no secret is shown."""

import asyncio
import fcntl
import os
import pty
import sys
import termios
from argparse import ArgumentParser
from pathlib import Path

import pytest
from aiohttp import web

from bot.cli import main as prowex
from bot.commands import init
from bot.settings import Settings, SettingsError
from bot.stop import Stop
from tests.clock import PATIENCE

TOKEN = "123456:TEST-token_abcdefghijklmnopqrstuvw"
KEY = "sk-test-abcdefgh"
CLAUDE = "sk-ant-test-abcdefgh"
GEMINI = "AIza-test-abcdefgh"
SLACK = "xoxb-test-abcdefgh"
SLACK_APP = "xapp-test-abcdefgh"
FAMILIES = ("PROWEX_", "TELEGRAM_", "SLACK_", "OPENAI_", "ANTHROPIC_", "GEMINI_", "GOOGLE_", "DATABASE_")


@pytest.fixture
async def world():
    """A fake Telegram, a fake Slack and fake model servers on loopback; returns their address."""

    async def get_me(request: web.Request) -> web.Response:
        if request.match_info["token"] != TOKEN:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        bot = {"id": 123456, "is_bot": True, "first_name": "P", "username": "prowex_bot"}
        return web.json_response({"ok": True, "result": bot})

    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": f"no such key {KEY}"}}, status=401)
        return web.json_response({"object": "list", "data": [{"id": "small-1", "object": "model"}]})

    async def claude(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {CLAUDE}" or "anthropic-version" not in request.headers:
            return web.json_response({"error": {"message": f"no such key {CLAUDE}"}}, status=401)
        return web.json_response({"data": [{"id": "claude-small", "type": "model"}], "has_more": False})

    async def gemini(request: web.Request) -> web.Response:
        if request.headers.get("x-goog-api-key") != GEMINI:
            return web.json_response({"error": {"message": f"API key not valid {GEMINI}"}}, status=400)
        return web.json_response({"models": [{"name": "models/gemini-small"}]})

    async def slack(request: web.Request) -> web.Response:
        wanted = {"auth.test": SLACK, "apps.connections.open": SLACK_APP}[request.match_info["method"]]
        if request.headers.get("Authorization") != f"Bearer {wanted}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        said = {"user": "prowex", "team": "Acme", "bot_id": "B1", "url": "wss://127.0.0.1/none"}
        return web.json_response({"ok": True, **said})

    app = web.Application()
    app.router.add_get("/claude/v1/models", claude)
    app.router.add_get("/gemini/v1beta/models", gemini)
    app.router.add_post("/slack/api/{method}", slack)
    app.router.add_get("/bot{token}/getMe", get_me)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder to start from, and no setting in the environment."""
    for name in list(os.environ):
        if name.startswith(FAMILIES):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def init_with(*flags: str) -> int:
    parser = ArgumentParser()
    init.add_arguments(parser)
    args = parser.parse_args(["--non-interactive", *flags])
    args.env_file = ".env"
    return await init.main(args, None)


async def test_without_questions_it_takes_the_environment_and_proves_it(home, world, monkeypatch, capsys):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (home / ".env").write_text("# mine\nPROWEX_PORT=8123\n")
    flags = ("--telegram-api-url", world, "--openai-base-url", f"{world}/v1", "--data-dir", "kept")
    assert await init_with(*flags) == 0
    out = capsys.readouterr().out
    assert "@prowex_bot" in out
    assert "small-1" in out
    assert "LOSES EVERYTHING" in out
    assert str(home / "kept" / "keyring.json") in out
    assert TOKEN not in out
    assert KEY not in out
    settings = Settings.load(".env", {})
    assert settings.secrets == (TOKEN, KEY)
    assert (settings.port, settings.openai_base_url, settings.data_dir) == (8123, f"{world}/v1", home / "kept")
    assert (home / ".env").read_text().startswith("# mine\n")
    assert (home / ".env").stat().st_mode & 0o777 == 0o600
    assert (home / "kept").stat().st_mode & 0o777 == 0o700


def at(world: str) -> tuple[str, ...]:
    """The flags for a world of fakes."""
    flags = {"telegram-api-url": "", "slack-api-url": "/slack/api", "openai-base-url": "/v1",
             "anthropic-base-url": "/claude", "google-base-url": "/gemini"}  # fmt: skip
    return tuple(part for name, path in flags.items() for part in (f"--{name}", f"{world}{path}"))


async def test_slack_and_every_provider_are_proven_for_real(home, world, monkeypatch, capsys):
    given = {"SLACK_BOT_TOKEN": SLACK, "SLACK_APP_TOKEN": SLACK_APP, "ANTHROPIC_API_KEY": CLAUDE,
             "GEMINI_API_KEY": GEMINI, "OPENAI_API_KEY": KEY}  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert await init_with(*at(world)) == 0
    out = capsys.readouterr().out
    for told in ("Slack: it works, this is @prowex in Acme", "Slack's connection: it works", "OpenAI: it works",
                 "Anthropic: it works and offers 1 models: claude-small",
                 "Google: it works and offers 1 models: gemini-small"):  # fmt: skip
        assert told in out
    assert not any(value in out for value in given.values())
    settings = Settings.load(".env", {})
    assert settings.secrets == (SLACK, SLACK_APP, KEY, CLAUDE, GEMINI)
    assert settings.slack_api_url == f"{world}/slack/api/"


async def test_a_second_run_keeps_what_is_there(home, world, monkeypatch):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    await init_with("--telegram-api-url", world)
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN")
    before = (home / ".env").read_text()
    await init_with()
    assert (home / ".env").read_text() == before
    await init_with("--public-url", "https://prowex.example.org")
    assert (home / ".env").read_text() == before + "PROWEX_PUBLIC_URL=https://prowex.example.org\n"


async def test_a_secret_from_a_file_is_proven_but_not_copied(home, world, monkeypatch, capsys):
    (home / "token").write_text(TOKEN)
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN_FILE", str(home / "token"))
    await init_with("--telegram-api-url", world)
    assert "@prowex_bot" in capsys.readouterr().out
    assert TOKEN not in (home / ".env").read_text()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("TELEGRAM_BOT_TOKEN", "123456:wrong-token", "Telegram does not know this bot token"),
        ("OPENAI_API_KEY", "sk-wrong-key", "does not accept this key"),
        ("ANTHROPIC_API_KEY", "sk-ant-wrong-key", "ANTHROPIC_BASE_URL does not accept this key"),
        ("GEMINI_API_KEY", "AIza-wrong-key", "GOOGLE_BASE_URL does not accept this key"),
        ("GOOGLE_API_KEY", "AIza-wrong-key", "GOOGLE_BASE_URL does not accept this key"),
        ("SLACK_BOT_TOKEN", "xoxb-wrong-token", "Slack does not accept SLACK_BOT_TOKEN"),
        ("SLACK_APP_TOKEN", "xapp-wrong-token", "Slack does not accept SLACK_APP_TOKEN"),
        ("SLACK_APP_TOKEN", "wrong-token", "SLACK_APP_TOKEN is not an app-level token"),
    ],
)
async def test_a_wrong_secret_stops_it_and_nothing_is_written(home, world, monkeypatch, name, value, sentence):
    if name == "OPENAI_API_KEY":
        monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    else:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv(name, value)
    with pytest.raises(Stop, match=sentence) as caught:
        await init_with(*at(world))
    assert value not in str(caught.value)
    assert list(home.iterdir()) == []


async def test_an_address_where_nobody_answers_stops_it_in_a_sentence(home, monkeypatch, unused_tcp_port):
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    with pytest.raises(Stop, match="Telegram can't be reached"):
        await init_with("--telegram-api-url", f"http://127.0.0.1:{unused_tcp_port}")
    assert await init_with("--telegram-api-url", f"http://127.0.0.1:{unused_tcp_port}", "--no-check") == 0


async def test_a_wrong_value_stops_it_and_nothing_is_written(home):
    with pytest.raises(SettingsError, match="PROWEX_PUBLIC_URL must be a web address"):
        await init_with("--public-url", "nonsense")
    assert list(home.iterdir()) == []


def test_a_data_folder_that_can_not_be_made_leaves_no_settings_behind(home, capsys):
    (home / "taken").write_text("a file")
    assert prowex(["init", "--non-interactive", "--data-dir", "taken/data"]) == 1
    assert capsys.readouterr().err.startswith(f"{home}/taken/data can't be written (")
    assert os.listdir(home) == ["taken"]


def test_without_a_terminal_it_says_how_to_go_on(home, capsys):
    with open(os.devnull) as nothing:
        stdin, sys.stdin = sys.stdin, nothing
        try:
            assert prowex(["init"]) == 1
        finally:
            sys.stdin = stdin
    assert "--non-interactive" in capsys.readouterr().err


class Terminal:
    """A real terminal with `prowex init` in it, and a person who reads and types."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.seen = ""
        self.changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._readable)

    def _readable(self) -> None:
        try:
            self.seen += os.read(self.master, 4096).decode()
        except OSError:  # the other side hung up
            asyncio.get_running_loop().remove_reader(self.master)
        self.changed.set()

    async def answer(self, question: str, text: str, end: str = "\n") -> None:
        tail = self.seen.rpartition("\x00")[2]
        async with asyncio.timeout(PATIENCE):
            while question not in tail:
                self.changed.clear()
                await self.changed.wait()
                tail = self.seen.rpartition("\x00")[2]
        self.seen += "\x00"
        os.write(self.master, f"{text}{end}".encode())


async def opened(*words: str) -> tuple[asyncio.subprocess.Process, Terminal]:
    """Run a command in a terminal of its own."""
    master, slave = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *words),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(slave)
    return process, Terminal(master)


@pytest.mark.parametrize("leave_out", [(), ("Telegram bot token", "Slack bot token")])
async def test_ctrl_c_ends_the_questions_at_once_and_nothing_is_written(home, leave_out):
    process, terminal = await opened("init")
    for question in leave_out:
        await terminal.answer(question, "")
    await terminal.answer("Address of a server" if leave_out else "Telegram bot token", "", end="")
    ending = asyncio.create_task(process.wait())
    while not ending.done():  # a key that is pressed before Python has begun to read is not noticed
        os.write(terminal.master, b"\x03")
        await asyncio.wait([ending], timeout=10)
    assert ending.result() == 130
    os.close(terminal.master)
    assert "nothing was written" in terminal.seen
    assert os.listdir(home) == []


async def test_a_person_answers_the_questions_in_a_terminal(home, world):
    settings = [f"TELEGRAM_API_URL={world}", f"SLACK_API_URL={world}/slack/api",
                f"ANTHROPIC_BASE_URL={world}/claude", f"GOOGLE_BASE_URL={world}/gemini"]  # fmt: skip
    (home / ".env").write_text("\n".join(settings) + "\n")
    process, terminal = await opened("init")
    await terminal.answer("Telegram bot token", "nonsense")
    await terminal.answer("Telegram bot token", "123456:wrong-token")
    await terminal.answer("Telegram bot token", TOKEN)
    await terminal.answer("Slack bot token", SLACK_APP)
    await terminal.answer("Slack bot token", SLACK)
    await terminal.answer("Slack app-level token", "")
    await terminal.answer("Slack signing secret", "")
    await terminal.answer("Slack app-level token", SLACK_APP)
    await terminal.answer("Address of a server", f"{world}/v1")
    await terminal.answer("API key for OpenAI", KEY)
    await terminal.answer("API key for Anthropic", CLAUDE)
    await terminal.answer("API key for Google", "AIza-wrong-key")
    await terminal.answer("API key for Google", GEMINI)
    await terminal.answer("Model to use", "small-1")
    await terminal.answer("Model to use", "openai:small-1")
    await terminal.answer("Public address", "")
    assert await process.wait() == 0
    os.close(terminal.master)
    assert "is not a bot token" in terminal.seen
    assert "does not know this bot token" in terminal.seen
    assert "this is @prowex_bot" in terminal.seen
    assert "names an unknown provider" in terminal.seen
    assert "this is @prowex in Acme" in terminal.seen
    assert "belongs in SLACK_APP_TOKEN" in terminal.seen
    assert "Slack needs one of the two" in terminal.seen
    secrets = (TOKEN, SLACK, SLACK_APP, KEY, CLAUDE, GEMINI)
    for secret in (*secrets, "wrong-token", "wrong-key"):
        assert secret not in terminal.seen
    settings = Settings.load(".env", {})
    assert settings.secrets == secrets
    assert settings.default_model == "openai:small-1"

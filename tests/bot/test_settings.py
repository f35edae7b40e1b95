"""What the operator sets is read from where it should be, and a mistake is told in a sentence without its value."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.environment import env_example, table
from bot.redaction import redact
from bot.settings import Settings, SettingsError, is_secret, variable
from storage.database import SqliteAddress, address_of

TOKEN = "123456:TEST-token_abcdefghijklmnopqrstuvw"
WEBHOOK = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_WEBHOOK_URL": "https://x.org", "TELEGRAM_WEBHOOK_SECRET": "s" * 16}
SLACK = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}


def load(env_file: Path | None = None, **environ: str) -> Settings:
    return Settings.load(env_file, environ)


def problems(**environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    return caught.value.problems


def test_the_data_folder_may_be_called_anything():
    settings = load(PROWEX_DATA_DIR="/srv/100% a#b?c%20d")
    assert address_of(settings.database) == SqliteAddress(Path("/srv/100% a#b?c%20d/prowex.db"))


def test_nothing_needs_to_be_set():
    settings = load()
    assert (settings.host, settings.port, settings.access) == ("127.0.0.1", 8080, "pairing")
    assert settings.data_dir == Path.cwd() / "data"
    assert settings.key_ring == Path.cwd() / "data" / "keyring.json"
    assert settings.database == f"sqlite://{Path.cwd()}/data/prowex.db"
    assert settings.telegram_bot_token is None
    assert settings.telegram_api_url == "https://api.telegram.org"
    assert (settings.telegram_messages_per_second, settings.telegram_chat_messages_per_second) == (30, 1)
    assert (settings.messages_per_minute, settings.log_level, settings.log_format) == (20, "info", "console")
    assert settings.warnings == ()


def test_the_environment_wins_over_the_file_and_an_empty_value_is_no_value(tmp_path):
    env = tmp_path / ".env"
    env.write_text('PROWEX_PORT=1234\nexport PROWEX_HOST="0.0.0.0"\nPROWEX_ACCESS=\n# PROWEX_LOG_LEVEL=debug\n')
    settings = load(env, PROWEX_PORT="4321", PROWEX_HOST="", PROWEX_ACCESS=" ")
    assert (settings.port, settings.host, settings.access) == (4321, "0.0.0.0", "pairing")
    assert settings.log_level == "info"


def test_a_dollar_sign_in_a_secret_is_just_a_character(tmp_path):
    env = tmp_path / ".env"
    env.write_text("OPENAI_API_KEY=sk-${HOME}$x\n")
    assert load(env).openai_api_key.get_secret_value() == "sk-${HOME}$x"


def test_the_process_environment_is_not_read_when_settings_are_made_directly(monkeypatch):
    monkeypatch.setenv("PROWEX_PORT", "1")
    monkeypatch.setenv("PORT", "2")
    assert Settings(data_dir=Path("/tmp/x")).port == 8080
    assert Settings.load(None).port == 1


@pytest.mark.parametrize("field", [name for name in Settings.model_fields if is_secret(name)])
def test_every_secret_may_come_from_a_file(tmp_path, field):
    values = {
        "telegram_bot_token": TOKEN,
        "slack_bot_token": "xoxb-canary",
        "slack_app_token": "xapp-canary",
        "slack_signing_secret": "0123456789abcdef" * 2,
        "database_url": "postgres://prowex:pass-word@db:5432/prowex",
    }
    value = values.get(field, "a-long-enough_secret")
    (tmp_path / "secret").write_text(value + "\n")
    needed = {"SLACK_BOT_TOKEN": "xoxb-1"} if field in ("slack_app_token", "slack_signing_secret") else {}
    needed = {"SLACK_APP_TOKEN": "xapp-1"} if field == "slack_bot_token" else needed
    settings = load(**{f"{variable(field)}_FILE": str(tmp_path / "secret")}, **needed)
    assert getattr(settings, field).get_secret_value() == value


def test_ten_settings_are_secrets():
    assert {variable(name) for name in Settings.model_fields if is_secret(name)} == {
        "TELEGRAM_BOT_TOKEN",
        "TELEGRAM_WEBHOOK_SECRET",
        "SLACK_BOT_TOKEN",
        "SLACK_APP_TOKEN",
        "SLACK_SIGNING_SECRET",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "DATABASE_URL",
    }


def test_a_secret_file_that_is_missing_empty_or_set_twice_is_a_mistake(tmp_path):
    (tmp_path / "empty").write_text("\n")
    (missing,) = problems(OPENAI_API_KEY_FILE=str(tmp_path / "nowhere"))
    assert "OPENAI_API_KEY_FILE names a file that can't be read (No such file or directory)" in missing
    assert "empty file" in problems(OPENAI_API_KEY_FILE=str(tmp_path / "empty"))[0]
    assert "both set" in problems(OPENAI_API_KEY_FILE="x", OPENAI_API_KEY="sk-canary")[0]


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"PROWEX_PORT": "canary"}, "PROWEX_PORT must be a whole number, such as 8080."),
        ({"PROWEX_PORT": "65536"}, "PROWEX_PORT must be 65535 or less"),
        ({"PROWEX_PORT": "-1"}, "PROWEX_PORT must be 0 or more"),
        ({"PROWEX_ACCESS": "canary"}, "PROWEX_ACCESS must be 'pairing', 'open' or 'closed'."),
        ({"PROWEX_LOG_LEVEL": "canary"}, "PROWEX_LOG_LEVEL must be 'debug'"),
        ({"PROWEX_MESSAGES_PER_MINUTE": "0"}, "PROWEX_MESSAGES_PER_MINUTE must be 1 or more"),
        ({"TELEGRAM_MESSAGES_PER_SECOND": "0"}, "TELEGRAM_MESSAGES_PER_SECOND must be above 0"),
        ({"TELEGRAM_MESSAGES_PER_SECOND": "inf"}, "TELEGRAM_MESSAGES_PER_SECOND must be a number"),
        ({"PROWEX_DRAIN_SECONDS": "nan"}, "PROWEX_DRAIN_SECONDS must be"),
        ({"TELEGRAM_BOT_TOKEN": "canary"}, "TELEGRAM_BOT_TOKEN is not a bot token"),
        ({"TELEGRAM_API_URL": "canary"}, "TELEGRAM_API_URL must be a web address"),
        ({"OPENAI_BASE_URL": "ftp://canary"}, "OPENAI_BASE_URL must be a web address"),
        ({"OPENAI_BASE_URL": "http://u:canary@x"}, "OPENAI_BASE_URL must not hold a user name or password"),
        ({"OPENAI_BASE_URL": "http://x:canary/"}, "OPENAI_BASE_URL must be a web address"),
        ({"PROWEX_PUBLIC_URL": "https://x/?canary"}, "PROWEX_PUBLIC_URL must be an address without ?"),
        ({"OPENAI_API_KEY": "   "}, "OPENAI_API_KEY is blank"),
        ({"OPENAI_API_KEY": "sk canary"}, "OPENAI_API_KEY is blank or has a space in it"),
        ({"DATABASE_URL": "mysql://u:canary@h/d"}, "DATABASE_URL must look like"),
        ({"DATABASE_URL": "postgres://u:canary@h"}, "DATABASE_URL must look like"),
        ({"PROWEX_DEFAULT_MODEL": "opnai:x"}, "PROWEX_DEFAULT_MODEL names an unknown provider (did you mean openai?)"),
        ({"PROWEX_DEFAULT_MODEL": "openai"}, "PROWEX_DEFAULT_MODEL names no model"),
        ({"PROWEX_DEFAULT_MODEL": "openai:x"}, "set OPENAI_API_KEY or OPENAI_BASE_URL as well"),
        ({"PROWEX_DEFAULT_MODEL": "anthropic:x"}, "names anthropic; set ANTHROPIC_API_KEY as well"),
        ({"PROWEX_DEFAULT_MODEL": "google:x"}, "names google; set GEMINI_API_KEY as well"),
        ({"ANTHROPIC_BASE_URL": "canary"}, "ANTHROPIC_BASE_URL must be a web address"),
        ({"GEMINI_API_KEY": "a canary"}, "GEMINI_API_KEY is blank or has a space in it"),
        ({"SLACK_BOT_TOKEN": "canary"}, "SLACK_BOT_TOKEN is not a bot token; the right one starts with xoxb-"),
        ({"SLACK_BOT_TOKEN": "xoxp-canary"}, "SLACK_BOT_TOKEN holds a user's token; the right one starts with xoxb-"),
        (
            {"SLACK_BOT_TOKEN": "xapp-canary"},
            "SLACK_BOT_TOKEN holds the app-level token, which belongs in SLACK_APP_TO",
        ),
        ({"SLACK_BOT_TOKEN": "xoxb-canary"}, "SLACK_APP_TOKEN is missing, so Prowex can't connect to Slack"),
        ({"SLACK_APP_TOKEN": "xapp-canary"}, "SLACK_BOT_TOKEN is missing; SLACK_APP_TOKEN is of no use without it"),
        (
            {**SLACK, "SLACK_APP_TOKEN": "xoxb-canary"},
            "SLACK_APP_TOKEN holds the bot token, which belongs in SLACK_BOT",
        ),
        ({**SLACK, "SLACK_APP_TOKEN": "canary"}, "Basic Information, App-Level Tokens, with the scope connections:wr"),
        ({**SLACK, "SLACK_SIGNING_SECRET": "canary"}, "SLACK_SIGNING_SECRET is not a signing secret; it is 32 digits"),
        ({**SLACK, "SLACK_NATIVE_STREAMS": "canary"}, "SLACK_NATIVE_STREAMS must be true or false."),
        ({**SLACK, "SLACK_EDITS_PER_MINUTE": "0"}, "SLACK_EDITS_PER_MINUTE must be above 0"),
        ({**WEBHOOK, "TELEGRAM_WEBHOOK_SECRET": ""}, "TELEGRAM_WEBHOOK_SECRET is missing"),
        ({**WEBHOOK, "TELEGRAM_WEBHOOK_SECRET": "canary-ü-0123456789"}, "TELEGRAM_WEBHOOK_SECRET must be"),
        ({**WEBHOOK, "TELEGRAM_WEBHOOK_SECRET": "c" * 257}, "TELEGRAM_WEBHOOK_SECRET must be"),
        ({**WEBHOOK, "TELEGRAM_WEBHOOK_URL": "http://canary.org"}, "TELEGRAM_WEBHOOK_URL must start with https://"),
        ({**WEBHOOK, "TELEGRAM_BOT_TOKEN": ""}, "TELEGRAM_BOT_TOKEN is missing"),
    ],
)
def test_a_mistake_is_told_in_one_sentence_that_names_the_setting_and_not_its_value(environ, part):
    found = problems(**environ)
    assert len(found) == 1
    assert part in found[0]
    assert found[0].endswith(".")
    assert "canary" not in found[0]
    assert redact(found[0]) == found[0] or "postgres://" in found[0]  # the example address has a password's shape


def test_all_mistakes_are_told_at_once():
    assert len(problems(PROWEX_PORT="x", PROWEX_ACCESS="y", OPENAI_API_KEY_FILE="/nowhere")) == 3


def test_a_mistake_leaves_no_value_in_the_chain_of_exceptions():
    with pytest.raises(SettingsError) as caught:
        load(OPENAI_API_KEY="sk canary", PROWEX_PORT="canary")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "canary" not in repr(caught.value) + str(caught.value.__context__)


def test_a_webhook_on_loopback_may_do_without_https():
    settings = load(**{**WEBHOOK, "TELEGRAM_WEBHOOK_URL": "http://127.0.0.1:8080/"})
    assert settings.telegram_webhook_url == "http://127.0.0.1:8080"


def test_one_secret_in_two_places_is_refused():
    same = "123456:canary_0123456789"
    (found,) = problems(TELEGRAM_BOT_TOKEN=same, OPENAI_API_KEY=same)
    assert found == "TELEGRAM_BOT_TOKEN and OPENAI_API_KEY hold the same secret; give each its own."
    quoted = "postgres://u:123456%3Acanary_0123456789@h/d"
    assert "DATABASE_URL" in problems(TELEGRAM_BOT_TOKEN=same, DATABASE_URL=quoted)[0]


def test_slack_needs_one_of_two_ways_in():
    socket, hook = load(**SLACK), load(SLACK_BOT_TOKEN="xoxb-1", SLACK_SIGNING_SECRET="0123456789abcdef" * 2)
    assert socket.slack_app_token.get_secret_value() == "xapp-1"
    assert hook.slack_app_token is None
    assert (hook.slack_api_url, hook.slack_native_streams) == ("https://slack.com/api/", False)
    assert (hook.slack_messages_per_second, hook.slack_edits_per_minute) == (1, 50)
    for url in ("http://127.0.0.1:9/api", "http://127.0.0.1:9/api/"):
        assert load(SLACK_API_URL=url, SLACK_NATIVE_STREAMS="True").slack_api_url == "http://127.0.0.1:9/api/"


def test_the_key_for_google_has_two_names_and_the_first_wins():
    assert load().google_key is None
    assert load(GOOGLE_API_KEY="AIza-2").google_key.get_secret_value() == "AIza-2"
    both = load(GEMINI_API_KEY="AIza-1", GOOGLE_API_KEY="AIza-2")
    assert both.google_key.get_secret_value() == "AIza-1"
    assert both.secrets == ("AIza-1", "AIza-2")
    assert load(GEMINI_API_KEY="AIza-1", GOOGLE_API_KEY="AIza-1").secrets == ("AIza-1",)


def test_no_secret_is_shown_when_settings_are_printed():
    settings = load(**WEBHOOK, OPENAI_API_KEY="sk-canary-1", DATABASE_URL="postgres://u:canary-2@h/d")
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert "canary" not in shown
    assert TOKEN not in shown
    assert settings.secrets == (TOKEN, "s" * 16, "sk-canary-1", "canary-2")
    assert settings.database == "postgres://u:canary-2@h/d"


def test_settings_do_not_change_once_read():
    with pytest.raises(ValidationError):
        load().port = 1


def test_a_name_that_is_no_setting_is_told_with_the_nearest_one(tmp_path):
    env = tmp_path / ".env"
    env.write_text("PROWEX_PROT=1\nTELEGRAM_TOKEN_BOT=\n")
    settings = load(env, TELEGRAM_BOT_TOKN="canary", PROWEX_XYZZY="1", PROWEX_TEST_DATABASE="x", PROWEX_FAULT="y")
    assert settings.warnings == (
        f"PROWEX_XYZZY is not a setting and has no effect; the nearest name is {settings.warnings[0].split()[-1]}",
        "TELEGRAM_BOT_TOKN is not a setting and has no effect; did you mean TELEGRAM_BOT_TOKEN?",
        "PROWEX_PROT is not a setting and has no effect; did you mean PROWEX_PORT?",
    )


def test_a_file_with_secrets_that_others_can_read_is_told(tmp_path):
    env = tmp_path / ".env"
    env.write_text("OPENAI_API_KEY=sk-canary\n")
    env.chmod(0o644)
    (warning,) = load(env).warnings
    assert "chmod 600" in warning
    env.chmod(0o600)
    assert load(env).warnings == ()


def test_an_env_file_that_is_no_text_is_a_mistake(tmp_path):
    env = tmp_path / ".env"
    env.write_bytes(b"PROWEX_HOST=\xff\xfe\n")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(env)


def test_a_line_of_an_env_file_that_says_nothing_is_a_mistake(tmp_path):
    (tmp_path / "e").write_text("PROWEX_PORT=1\n\n# a note\nOPENAI_API_KEY: sk-canary\nexport PROWEX_HOST=::1\n")
    with pytest.raises(SettingsError) as caught:
        Settings.load(tmp_path / "e", {})
    assert str(caught.value) == f"Line 4 of {tmp_path}/e can't be read; write NAME=value."


def test_an_env_file_may_be_a_pipe():
    reading, writing = os.pipe()
    os.write(writing, b"PROWEX_PORT=4321\n")
    os.close(writing)
    assert Settings.load(f"/dev/fd/{reading}", {}).port == 4321
    os.close(reading)


def test_every_setting_is_documented():
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{variable(name)}` |" in table()
        assert f"\n#{variable(name)}=" in env_example()


def test_the_example_file_holds_only_real_settings_and_sets_none():
    names = [
        line[1:].partition("=")[0] for line in env_example().splitlines() if line[:1] == "#" and line[1:2].isupper()
    ]
    assert names == [variable(name) for name in Settings.model_fields]
    assert all(line.startswith("#") or not line for line in env_example().splitlines())


def test_a_webhook_secret_that_can_be_guessed_is_taken_with_a_warning() -> None:
    (warning,) = load(**{**WEBHOOK, "TELEGRAM_WEBHOOK_SECRET": "canary"}).warnings
    assert warning.startswith("TELEGRAM_WEBHOOK_SECRET is short enough to be guessed")
    assert "canary" not in warning

"""What the operator can set: read once, from the environment and `.env`, and checked before anything starts.

Each setting's own docstring is its documentation; the table in README and `.env.example` are made from it
(`python -m bot.environment --write`).
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.setting_kinds import (
    AnyCase,
    BotToken,
    DatabaseUrl,
    FilePath,
    FolderUrl,
    ModelName,
    Rate,
    Seconds,
    Secret,
    SlackAppToken,
    SlackBotToken,
    SlackSigningSecret,
    Url,
    WebhookSecret,
    WebhookUrl,
    sentences,
)
from bot.stop import Stop

_SAFE_SECRET = 16
_ALL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not listened on
_UNPREFIXED = ("telegram_", "slack_", "openai_", "anthropic_", "gemini_", "google_", "database_")
_SAME = {"GEMINI_API_KEY", "GOOGLE_API_KEY"}
"""Two names for one secret."""


class SettingsError(Stop):
    """The settings can't be used; `problems` holds one sentence for each, fit to show, without any value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def variable(name: str) -> str:
    """Return the environment variable that sets the field `name`."""
    return name.upper() if name.startswith(_UNPREFIXED) else f"PROWEX_{name.upper()}"


class Settings(BaseSettings):
    """Everything that can be set. `load` reads it; made directly, it holds the values given and the defaults."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True, protected_namespaces=()
    )

    telegram_bot_token: BotToken | None = Field(None, examples=["123456789:…"])
    """The token that @BotFather gave you. Without it Telegram is off."""

    telegram_api_url: Url = Field("https://api.telegram.org", examples=["http://127.0.0.1:8081"])
    """The Bot API server to use: Telegram's own or one that you run."""

    telegram_webhook_url: WebhookUrl | None = Field(None, examples=["https://bot.example.org"])
    """The public https address of this installation, for Telegram to call. Without it Prowex asks Telegram for news
    by long polling, which needs no public address."""

    telegram_webhook_secret: WebhookSecret | None = Field(None, examples=["(openssl rand -hex 32)"])
    """What Telegram has to show with each webhook call: up to 256 characters of A-Z, a-z, 0-9, _ and -, at least 16 to
    be safe. Needed with `TELEGRAM_WEBHOOK_URL`."""

    telegram_messages_per_second: Rate = Field(30.0, examples=["30"])
    """How many messages a second the bot may send to all chats together."""

    telegram_chat_messages_per_second: Rate = Field(1.0, examples=["1"])
    """How many messages a second the bot may send to one chat."""

    telegram_group_messages_per_minute: Rate = Field(20.0, examples=["20"])
    """How many messages a minute the bot may send to one group; edits count."""

    slack_bot_token: SlackBotToken | None = Field(None, examples=["xoxb-…"])
    """The token of the Slack app's bot (OAuth & Permissions at api.slack.com/apps). Without it Slack is off."""

    slack_app_token: SlackAppToken | None = Field(None, examples=["xapp-…"])
    """The Slack app's app-level token with the scope `connections:write` (Basic Information). With it Prowex opens the
    connection (Socket Mode), which needs no public address."""

    slack_signing_secret: SlackSigningSecret | None = Field(None, examples=["(32 digits and letters)"])
    """What proves that a call comes from Slack (Basic Information). Needed without `SLACK_APP_TOKEN`: Slack then calls
    `/hooks/slack`."""

    slack_api_url: FolderUrl = Field("https://slack.com/api/", examples=["https://slack.com/api/"])
    """The Slack API server to use."""

    slack_native_streams: bool = False
    """Whether answers in direct messages on Slack grow word by word as Slack's own streams (`true`) or by edits. A
    stream that a crash interrupts can't be found again."""

    slack_messages_per_second: Rate = Field(1.0, examples=["1"])
    """How many messages a second the bot may post to one Slack channel."""

    slack_edits_per_minute: Rate = Field(50.0, examples=["50"])
    """How many messages a minute the bot may edit on Slack, in all channels together."""

    openai_api_key: Secret | None = Field(None, examples=["sk-…"])
    """The key for OpenAI or a server that speaks its language."""

    openai_base_url: Url | None = Field(None, examples=["http://127.0.0.1:11434/v1"])
    """The address of a server that speaks OpenAI's language (Ollama, vLLM, LiteLLM …). Default: OpenAI itself."""

    anthropic_api_key: Secret | None = Field(None, examples=["sk-ant-…"])
    """The key for Anthropic's Claude (platform.claude.com)."""

    anthropic_base_url: Url | None = Field(None, examples=["http://127.0.0.1:4000"])
    """The address of a server that speaks Anthropic's language, such as a gateway. Default: Anthropic itself."""

    gemini_api_key: Secret | None = Field(None, examples=["AIza…"])
    """The key for Google's Gemini (aistudio.google.com). Of a project that pays: with a free key, Google uses what
    people write to improve its products."""

    google_api_key: Secret | None = Field(None, examples=["AIza…"])
    """Another name for `GEMINI_API_KEY`, which wins if both are set."""

    google_base_url: Url | None = Field(None, examples=["http://127.0.0.1:4000"])
    """The address of a server that speaks Gemini's language, such as a gateway. Default: Google itself."""

    database_url: DatabaseUrl | None = Field(
        None,
        examples=["postgres://prowex:password@127.0.0.1:5432/prowex"],
        json_schema_extra={"shown": "SQLite in the data folder"},
    )
    """Where the database is: `postgres://…` or `sqlite:///path`."""

    data_dir: FilePath = Field(Path("data"), json_schema_extra={"shown": "./data"}, validate_default=True)
    """The folder for everything that Prowex keeps: database, files and, unless set apart, the key ring."""

    key_ring: FilePath = Field(
        default_factory=lambda data: data["data_dir"] / "keyring.json",
        examples=["/etc/prowex/keyring.json"],
        json_schema_extra={"shown": "keyring.json in the data folder"},
    )
    """The file with the keys to everything stored, made at the first start. Whoever loses it loses everything: back
    it up, apart from the rest."""

    host: str = Field("127.0.0.1", min_length=1, examples=["0.0.0.0"])  # noqa: S104 - an example
    """The address to listen on for the web page, the API and webhooks. `0.0.0.0` means all."""

    port: int = Field(8080, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""

    public_url: Url | None = Field(None, examples=["https://prowex.example.org"])
    """The address under which people reach the web page, for links and cookies. Default: host and port."""

    default_model: ModelName | None = Field(
        None,
        examples=["openai:gpt-5-mini"],
        json_schema_extra={"shown": "the first provider with a key, else `offline`"},
    )
    """The model of agents that name none, as `provider:name`."""

    access: Annotated[Literal["pairing", "open", "closed"], AnyCase] = "pairing"
    """Who may talk to the assistant: `pairing` (people with an invitation), `open` (everybody) or `closed` (nobody
    new)."""

    messages_per_minute: int = Field(20, ge=1)
    """How many messages a minute one person may send."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = "info"
    """How much is logged: `debug`, `info`, `warning` or `error`. No level logs what people write."""

    log_format: Annotated[Literal["console", "json"], AnyCase] = "console"
    """How it is logged: `console` for people, `json` for machines."""

    drain_seconds: float = Field(20.0, ge=0, le=3600)
    """How long running turns may go on, in seconds, after a request to stop."""

    model_connect_seconds: Seconds = 10.0
    """How long a model's server may take to accept a connection, in seconds."""

    model_first_token_seconds: Seconds = 300.0
    """How long a model may think before its first word, in seconds."""

    model_silence_seconds: Seconds = 60.0
    """How long a model may fall silent within an answer, in seconds."""

    _warnings: tuple[str, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let only the given values count: `load` reads the outside, so that nothing else can."""
        return (init_settings,)

    @classmethod
    def load(cls, env_file: str | Path | None = ".env", environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings: first the environment, then `env_file`, then the defaults; an empty value is no value.

        Every secret may come from a file instead, named by the variable with `_FILE` added.

        Raises:
            SettingsError: a value is wrong or missing.
        """
        from bot.environment import gather

        values, problems, warnings = gather(env_file, os.environ if environ is None else environ)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError([*problems, *sentences(error, cls.model_fields, variable)]) from None
        if problems:
            raise SettingsError(problems)
        settings._warnings = (*warnings, *settings._weaknesses())
        return settings

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problems = []
        if self.telegram_webhook_url and not self.telegram_webhook_secret:
            problems.append(
                "TELEGRAM_WEBHOOK_SECRET is missing, so anybody could pretend to be Telegram; "
                "set it, for example to what `openssl rand -hex 32` prints."
            )
        if self.telegram_webhook_url and not self.telegram_bot_token:
            problems.append("TELEGRAM_BOT_TOKEN is missing; TELEGRAM_WEBHOOK_URL is of no use without it.")
        problems += [*self._slack_problems(), *self._model_problems(), *self._equal_secrets()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _slack_problems(self) -> list[str]:
        if self.slack_bot_token is None:
            given = [name for name in ("slack_app_token", "slack_signing_secret") if getattr(self, name)]
            return [f"SLACK_BOT_TOKEN is missing; {variable(given[0])} is of no use without it."] if given else []
        if self.slack_app_token or self.slack_signing_secret:
            return []
        return [
            "SLACK_APP_TOKEN is missing, so Prowex can't connect to Slack; make one at api.slack.com/apps, your app, "
            "Basic Information, App-Level Tokens. To be called by Slack instead, set SLACK_SIGNING_SECRET."
        ]

    def _model_problems(self) -> list[str]:
        provider = (self.default_model or "").partition(":")[0]
        lacks = {
            "openai": "" if self.openai_api_key or self.openai_base_url else "OPENAI_API_KEY or OPENAI_BASE_URL",
            "anthropic": "" if self.anthropic_api_key else "ANTHROPIC_API_KEY",
            "google": "" if self.google_key else "GEMINI_API_KEY",
        }.get(provider)
        return [f"PROWEX_DEFAULT_MODEL names {provider}; set {lacks} as well."] if lacks else []

    def _weaknesses(self) -> list[str]:
        secret = self.telegram_webhook_secret
        if secret is None or len(secret.get_secret_value()) >= _SAFE_SECRET:
            return []
        return ["TELEGRAM_WEBHOOK_SECRET is short enough to be guessed; `openssl rand -hex 32` makes a safe one."]

    def _equal_secrets(self) -> list[str]:
        found: dict[str, str] = {}
        problems = []
        for name, value in self._named_secrets():
            other = found.setdefault(value, name)
            if other != name and {other, name} != _SAME:
                problems.append(f"{other} and {name} hold the same secret; give each its own.")
        return problems

    def _named_secrets(self) -> list[tuple[str, str]]:
        named = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if not isinstance(value, SecretStr):
                continue
            text = value.get_secret_value()
            if name == "database_url":
                text = unquote(urlsplit(text).password or "")
            if text:
                named.append((variable(name), text))
        return named

    @property
    def google_key(self) -> SecretStr | None:
        """The key for Google, under whichever of its two names."""
        return self.gemini_api_key or self.google_api_key

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on what looks like a mistake but stops nothing, fit to log."""
        return self._warnings

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secret values in plain, for the log's redaction."""
        return tuple(dict.fromkeys(value for _, value in self._named_secrets()))

    @property
    def database(self) -> str:
        """The database's address in plain; it may hold a password."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite://{quote(str(self.data_dir / 'prowex.db'))}"


def local(host: str) -> str:
    """Return where a program on this machine asks for what listens on `host`."""
    host = _ALL.get(host, host)
    return f"[{host}]" if ":" in host else host


def is_secret(name: str) -> bool:
    """Say whether the field `name` holds a secret, and so has a `_FILE` variant."""
    return "SecretStr" in str(Settings.model_fields[name].annotation)

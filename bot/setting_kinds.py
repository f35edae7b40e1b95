"""The kinds of value that settings have. Each checks one and says in a few words what is wrong, never what it was."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

PROVIDERS = ("openai", "anthropic", "google", "offline")
"""The model providers that PROWEX_DEFAULT_MODEL may name."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must be a web address that starts with https:// or http://")
    if parts.username or parts.password:
        raise ValueError("must not hold a user name or password; give secrets in their own settings")
    if parts.query or parts.fragment:
        raise ValueError("must be an address without ? or #")
    return value.rstrip("/")


def _secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"\S+", value.get_secret_value()):
        raise ValueError("is blank or has a space in it; write the value alone, or leave the setting out")
    return value


def _bot_token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"\d+:\S{3,}", value.get_secret_value()):
        raise ValueError("is not a bot token; @BotFather gives one that looks like 123456789:AbC-dEf_123")
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
        raise ValueError("must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -; `openssl rand -hex 32` makes one")
    return value


def _slack_bot_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if token.startswith("xapp-"):
        raise ValueError("holds the app-level token, which belongs in SLACK_APP_TOKEN; the bot token starts with xoxb-")
    if token.startswith("xoxp-"):
        raise ValueError(f"holds a user's token; {_WHERE}")
    if not re.fullmatch(r"xoxb-\S+", token):
        raise ValueError(f"is not a bot token; {_WHERE}")
    return value


def _slack_app_token(value: SecretStr) -> SecretStr:
    token = value.get_secret_value()
    if token.startswith("xoxb-"):
        raise ValueError("holds the bot token, which belongs in SLACK_BOT_TOKEN; the app-level token starts with xapp-")
    if not re.fullmatch(r"xapp-\S+", token):
        raise ValueError(
            "is not an app-level token; make one at api.slack.com/apps, your app, Basic Information, App-Level Tokens, "
            "with the scope connections:write: it starts with xapp-"
        )
    return value


def _slack_signing_secret(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[0-9a-f]{32}", value.get_secret_value()):
        raise ValueError(
            "is not a signing secret; it is 32 digits and letters and stands at api.slack.com/apps, your app, Basic "
            "Information, App Credentials"
        )
    return value


_WHERE = (
    "the right one starts with xoxb- and stands at api.slack.com/apps, your app, OAuth & Permissions, once the app is "
    "installed to the workspace"
)
_POSTGRES = ("postgres", "postgresql", "postgresql+asyncpg", "asyncpg")


def _database(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        host = parts.hostname or parse_qs(parts.query).get("host")
        valid = parts.scheme in _POSTGRES and bool(host) and len(parts.path) > 1
        valid = valid or (parts.scheme == "sqlite" and bool(parts.netloc + parts.path))
    except ValueError:
        valid = False
    if not valid:
        raise ValueError("must look like postgres://user:password@host:5432/name or sqlite:///path/to/file.db")
    return value


def _folder_url(value: str) -> str:
    return f"{value}/"


def _webhook_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValueError("must start with https://, because Telegram calls nothing else")
    return value


def _model(value: str) -> str:
    provider, _, name = value.partition(":")
    if provider not in PROVIDERS:
        near = difflib.get_close_matches(provider, PROVIDERS, 1)
        did_you = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"names an unknown provider{did_you}; write provider:name with one of {', '.join(PROVIDERS)}")
    if not name and provider != "offline":
        raise ValueError("names no model; write provider:name")
    return value


def _folder(value: Path) -> Path:
    return value.expanduser().absolute()


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Url = Annotated[str, AfterValidator(_url)]
FolderUrl = Annotated[Url, AfterValidator(_folder_url)]
WebhookUrl = Annotated[Url, AfterValidator(_webhook_url)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
BotToken = Annotated[Secret, AfterValidator(_bot_token)]
SlackBotToken = Annotated[Secret, AfterValidator(_slack_bot_token)]
SlackAppToken = Annotated[Secret, AfterValidator(_slack_app_token)]
SlackSigningSecret = Annotated[Secret, AfterValidator(_slack_signing_secret)]
WebhookSecret = Annotated[Secret, AfterValidator(_webhook_secret)]
DatabaseUrl = Annotated[Secret, AfterValidator(_database)]
ModelName = Annotated[str, AfterValidator(_model)]
FilePath = Annotated[Path, AfterValidator(_folder)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
AnyCase = BeforeValidator(_lower)

_RULES = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "finite_number": "must be a number",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
}
_WITHOUT_EXAMPLE = ("literal_error", "bool_parsing")


def sentences(error: ValidationError, fields: Mapping[str, FieldInfo], variable: Callable[[str], str]) -> list[str]:
    """Return one sentence for each problem, without any value. `variable` names the setting of a field."""
    said: list[str] = []
    for problem in error.errors(include_url=False, include_input=False):
        kind, context = problem["type"], problem.get("ctx", {})
        if kind == "default_factory_not_called":
            continue
        if not problem["loc"]:
            said += str(context["error"]).split("\n")
            continue
        name = str(problem["loc"][0])
        if kind == "value_error":
            rule = str(context["error"])
        else:
            rule = _RULES.get(kind, "is not valid").format(**context)
            examples = fields[name].examples or [fields[name].default]
            rule += "" if kind in _WITHOUT_EXAMPLE else f", such as {examples[0]}"
        said.append(f"{variable(name)} {rule}.")
    return said

"""The kinds of value that settings have. Each checks one and says in a few words what is wrong, never what it was."""

import difflib
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

PROVIDERS = ("openai", "offline")
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
WebhookUrl = Annotated[Url, AfterValidator(_webhook_url)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
BotToken = Annotated[Secret, AfterValidator(_bot_token)]
WebhookSecret = Annotated[Secret, AfterValidator(_webhook_secret)]
DatabaseUrl = Annotated[Secret, AfterValidator(_database)]
ModelName = Annotated[str, AfterValidator(_model)]
FilePath = Annotated[Path, AfterValidator(_folder)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, le=86400)]
AnyCase = BeforeValidator(_lower)

"""Trying a token or a key for real, before anything depends on it."""

import re
from collections.abc import Iterable
from typing import Any

import aiohttp

from storage.faults import Step, calling

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
GOOGLE_URL = "https://generativelanguage.googleapis.com"

_SECONDS = 15.0


class Unproven(Exception):
    """Not shown to work; `str()` is a sentence for the person, without the secret."""


class Rejected(Unproven):
    """The other side answered, and says no."""


class Unreachable(Unproven):
    """The other side did not answer, or not sensibly; the secret may still be right."""


async def telegram(token: str, api_url: str) -> str:
    """Return the user name of the bot that `token` belongs to.

    Raises:
        Rejected: Telegram doesn't know the token.
        Unreachable: the Bot API server did not answer.
    """
    status, answer = await _get(f"{api_url}/bot{token}/getMe", {}, "Telegram")
    if status in (401, 404):
        raise Rejected("Telegram does not know this bot token. Copy it again from @BotFather.")
    result = answer.get("result")
    name = result.get("username") if isinstance(result, dict) else None
    if status != 200 or not isinstance(name, str) or not re.fullmatch(r"\w{1,64}", name):
        raise Unreachable(f"Telegram answered with status {status}. Try again later, or check TELEGRAM_API_URL.")
    return name


async def openai(key: str | None, base_url: str | None) -> list[str]:
    """Return the names of the models that the server at `base_url` (OpenAI itself if None) offers for `key`.

    Raises:
        Rejected: the server doesn't take the key.
        Unreachable: the server did not answer as one that speaks OpenAI's language.
    """
    place = "The server at OPENAI_BASE_URL" if base_url else "OpenAI"
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    status, answer = await _get(f"{base_url or OPENAI_URL}/models", headers, place)
    if status in (401, 403):
        raise Rejected(f"{place} does not accept this key. Make a new one, or check which project it belongs to.")
    models = answer.get("data")
    if status != 200 or not isinstance(models, list):
        raise Unreachable(f"{place} answered with status {status} and no list of models. Check OPENAI_BASE_URL.")
    return _names(model.get("id") for model in models if isinstance(model, dict))


async def anthropic(key: str, base_url: str | None) -> list[str]:
    """Return the names of the models that the server at `base_url` (Anthropic itself if None) offers for `key`.

    Raises:
        Rejected: the server doesn't take the key.
        Unreachable: the server did not answer as one that speaks Anthropic's language.
    """
    place = "The server at ANTHROPIC_BASE_URL" if base_url else "Anthropic"
    headers = {"Authorization": f"Bearer {key}", "anthropic-version": "2026-10-21"}
    status, answer = await _get(f"{anthropic_models(base_url)}?limit=100", headers, place)
    if status in (401, 403):
        raise Rejected(f"{place} does not accept this key. Make a new one at platform.claude.com.")
    models = answer.get("data")
    if status != 200 or not isinstance(models, list):
        raise Unreachable(f"{place} answered with status {status} and no list of models. Check ANTHROPIC_BASE_URL.")
    return _names(model.get("id") for model in models if isinstance(model, dict))


def anthropic_models(base_url: str | None) -> str:
    """Return where the server at `base_url` lists its models."""
    return f"{(base_url or ANTHROPIC_URL).removesuffix('/v1')}/v1/models"


async def google(key: str, base_url: str | None) -> list[str]:
    """Return the names of the models that the server at `base_url` (Google itself if None) offers for `key`.

    Raises:
        Rejected: the server doesn't take the key.
        Unreachable: the server did not answer as one that speaks Gemini's language.
    """
    place = "The server at GOOGLE_BASE_URL" if base_url else "Google"
    status, answer = await _get(f"{google_models(base_url)}?pageSize=100", {"x-goog-api-key": key}, place)
    if status in (400, 401, 403):  # 400 is what Google says of a key that does not exist
        raise Rejected(f"{place} does not accept this key. Make a new one at aistudio.google.com.")
    models = answer.get("models")
    if status != 200 or not isinstance(models, list):
        raise Unreachable(f"{place} answered with status {status} and no list of models. Check GOOGLE_BASE_URL.")
    listed = [str(model.get("name") or "") for model in models if isinstance(model, dict)]
    return _names(name.removeprefix("models/") for name in listed)


def google_models(base_url: str | None) -> str:
    """Return where the server at `base_url` lists its models."""
    url = base_url or GOOGLE_URL
    return f"{url}/models" if re.search(r"/v\d\w*$", url) else f"{url}/v1beta/models"


async def slack(token: str, api_url: str) -> str:
    """Return the name of the bot that `token` belongs to, and its workspace's.

    Raises:
        Rejected, Unreachable.
    """
    from channels.slack import doctor

    try:
        bot = await doctor.bot_of(token, api_url)
    except doctor.Unaccepted as error:
        raise Rejected(str(error)) from None
    except doctor.Unanswered as error:
        raise Unreachable(str(error)) from None
    return f"@{bot.name} in {bot.workspace}"


async def slack_app(token: str, api_url: str) -> None:
    """Make sure that Slack opens connections for the app-level `token`.

    Raises:
        Rejected, Unreachable.
    """
    from channels.slack import doctor

    try:
        await doctor.open_connection(token, api_url)
    except doctor.Unaccepted as error:
        raise Rejected(str(error)) from None
    except doctor.Unanswered as error:
        raise Unreachable(str(error)) from None


def _names(given: Iterable[object]) -> list[str]:
    return [name for name in given if isinstance(name, str) and name and name.isprintable()]


async def _get(url: str, headers: dict[str, str], place: str) -> tuple[int, dict[str, Any]]:
    """Return the status and the JSON object of the answer, {} where it is none."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            calling(Step.CALL_FETCH),
            aiohttp.ClientSession(timeout=timeout, headers=headers, trust_env=True) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            try:
                body = await response.json(content_type=None)
            except ValueError:
                body = None
            return response.status, body if isinstance(body, dict) else {}
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else "no connection"
        raise Unreachable(f"{place} can't be reached ({reason}). Check the network and the address.") from None

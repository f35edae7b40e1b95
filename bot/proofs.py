"""Trying a token or a key for real, before anything depends on it."""

import re
from typing import Any

import aiohttp

from storage.faults import Step, calling

OPENAI_URL = "https://api.openai.com/v1"

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
    names = [model.get("id") for model in models if isinstance(model, dict)]
    return [name for name in names if isinstance(name, str) and name.isprintable()]


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

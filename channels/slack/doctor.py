"""Trying Slack's tokens for real, before anything depends on them; changes nothing at Slack."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import TOKEN_REFUSED, code_of, open_client
from channels.slack.manifest import scopes
from storage.faults import Step, calling


class Unaccepted(Exception):
    """Slack answered, and says no; the text is a sentence for the operator, without the token."""


class Unanswered(Exception):
    """Slack did not answer, or not sensibly; the token may still be right. The text is a sentence."""


@dataclass(frozen=True, slots=True)
class Bot:
    """Whom a bot token belongs to.

    Args:
        lacks: the scopes that Prowex uses and the token does not have; empty also if Slack does not say.
    """

    name: str
    workspace: str
    lacks: tuple[str, ...] = ()


async def bot_of(token: str, api_url: str) -> Bot:
    """Return the bot that `token` belongs to.

    Raises:
        Unaccepted, Unanswered.
    """
    answer = await _asked(token, api_url, lambda client: client.auth_test())
    data: dict[str, Any] = answer.data
    if not data.get("bot_id"):
        raise Unaccepted("SLACK_BOT_TOKEN belongs to a person, not to a bot: use the one that starts with xoxb-.")
    granted = {name.lower(): str(value) for name, value in answer.headers.items()}.get("x-oauth-scopes", "")
    has = {scope.strip() for scope in granted.split(",")}
    lacks = tuple(scope for scope in scopes() if scope not in has) if granted else ()
    return Bot(_plain(data.get("user")), _plain(data.get("team")), lacks)


async def open_connection(app_token: str, api_url: str) -> None:
    """Ask Slack for a Socket Mode address, which proves the app-level token; nothing is connected to it.

    Raises:
        Unaccepted, Unanswered.
    """
    await _asked(app_token, api_url, lambda client: client.apps_connections_open(app_token=app_token), app=True)


async def _asked(
    token: str, api_url: str, call: Callable[[AsyncWebClient], Awaitable[Any]], *, app: bool = False
) -> Any:
    client = open_client(token, api_url)
    try:
        async with calling(Step.CALL_FETCH):
            return await call(client)
    except SlackApiError as error:
        raise _refused(code_of(error), app=app) from None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        raise Unanswered("Slack can't be reached. Check the network, and SLACK_API_URL if you set it.") from None
    finally:
        if client.session is not None:
            await client.session.close()


def _refused(code: str, *, app: bool) -> Exception:
    name = "SLACK_APP_TOKEN" if app else "SLACK_BOT_TOKEN"
    page = "Basic Information, App-Level Tokens" if app else "OAuth & Permissions"
    if code in TOKEN_REFUSED:
        return Unaccepted(f"Slack does not accept {name}. Copy it again from api.slack.com/apps, your app, {page}.")
    if app and code == "missing_scope":
        return Unaccepted(f"{name} lacks the scope connections:write. Make a new one under {page}.")
    if app and code in ("link_disabled", "socket_mode_disabled", "socket_mode_not_enabled"):
        return Unaccepted("Socket Mode is switched off for the Slack app. Switch it on in the app's settings.")
    told = f" ({_plain(code)})" if code else ""
    return Unanswered(f"Slack gave no useful answer{told}. Try again later, or check SLACK_API_URL.")


def _plain(value: object) -> str:
    return "".join(letter for letter in str(value or "")[:80] if letter.isprintable())

"""slack_sdk's client as we use it, and Slack's errors turned into ours."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from core.channel import Gone, Refused, TryLater, Unsure

log = logging.getLogger("prowex.slack")

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
TOKEN_REFUSED_SECONDS = 30.0
FLOOD_SECONDS = 30.0
"""How long nothing is sent if Slack asks for a pause and does not say for how long."""

TOKEN_REFUSED = frozenset(
    {"account_inactive", "invalid_auth", "not_allowed_token_type", "not_authed", "token_expired", "token_revoked"}
)
NOT_HERE = frozenset({"channel_not_found", "not_in_channel", "user_not_in_channel"})
"""We, or the person whom alone it is for, are not in the channel."""
STILL_STREAMING = "streaming_state_conflict"
"""The message is a stream that has to be stopped before it is changed as a whole."""
_FLOOD = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
_PASSING = frozenset(
    {
        *("fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"),
        *("upgrade_required", STILL_STREAMING),
    }
)
_GONE = frozenset({"cant_update_message", "edit_window_closed", "message_not_found"})
_REASONS = {
    "channel_not_found": "I am not part of this conversation",
    "is_archived": "the channel is archived",
    "not_in_channel": "I am not in this channel; `/invite` me to it",
    "user_not_in_channel": "they are not in this channel",
    "restricted_action": "the workspace lets only some people write in this channel",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_locked": "the thread is locked",
    "restricted_action_thread_only_channel": "only threads can be answered in this channel",
    "cant_delete_message": "the workspace does not let me delete it",
    "file_upload_size_restricted": "the workspace takes no file of that size",
    "file_uploads_disabled": "the workspace takes no files",
    "storage_limit_reached": "the workspace has no room left for files",
    "messages_tab_disabled": "the app's messages tab is switched off",
    "thread_not_found": "the thread is gone",
    "cannot_dm_bot": "bots can't be written to",
}


class _Client(AsyncWebClient):
    """Every call is a POST with its arguments in the body; an answer that is no JSON object does not say `ok`.

    The client would read by GET, and put arguments of some POSTs into the address. Slack takes both ways, servers that
    speak its language often the body alone.
    """

    async def _request(self, *, http_verb: str, api_url: str, req_args: Any) -> dict[str, Any]:
        if req_args.get("params") and not req_args.get("json"):
            body = {**req_args["params"], **(req_args.get("data") or {})}
            req_args = {**req_args, "params": None, "data": body}
        answer: dict[str, Any] = await super()._request(http_verb="POST", api_url=api_url, req_args=req_args)
        if not isinstance(answer["data"], dict):
            answer["data"] = {}
        return answer


def open_client(token: str, api_url: str) -> AsyncWebClient:
    """Return the client for a Slack API server; whoever opens it closes its `session`.

    It never sends anything twice by itself. Idle connections are dropped before servers drop them: a post on a
    connection that is being closed would leave us unsure whether it arrived.
    """
    quiet = logging.Logger("slack_sdk", logging.CRITICAL)  # its DEBUG would format every text, shown or not
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=10, limit=200),
        timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=CONNECT_SECONDS),
    )
    client = _Client(token, base_url=f"{api_url.rstrip('/')}/", session=session, retry_handlers=[], logger=quiet)
    client.proxy = None
    return client


def code_of(error: SlackApiError) -> str:
    """Return Slack's short name of what went wrong; empty if it gave none."""
    data = getattr(error.response, "data", None)
    return str(data.get("error") or "") if isinstance(data, dict) else ""


def _status_of(error: SlackApiError) -> int:
    return int(getattr(error.response, "status_code", None) or getattr(error.response, "status", None) or 0)


def pause_asked(error: SlackApiError) -> TryLater | None:
    """Return the pause that Slack asks for, None if it asks for none."""
    if _status_of(error) != 429 and code_of(error) not in _FLOOD:
        return None
    headers = getattr(error.response, "headers", None) or {}
    try:
        return TryLater(max(1.0, float(headers.get("Retry-After", ""))), flood=True)
    except ValueError:
        return TryLater(FLOOD_SECONDS, flood=True)


@asynccontextmanager
async def translated(*, posting: bool) -> AsyncIterator[None]:
    """Turn the client's errors into ours. `posting`: doing it again would show it twice."""
    try:
        yield
    except SlackApiError as error:
        raise _ours(error, posting=posting) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise TryLater(1) from error
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        if posting:
            raise Unsure from error
        raise TryLater(1) from error


def _ours(error: SlackApiError, *, posting: bool) -> Exception:
    code, status = code_of(error), _status_of(error)
    if (pause := pause_asked(error)) is not None:
        return pause
    if code in TOKEN_REFUSED:
        log.error("Slack refuses the bot token: set a valid SLACK_BOT_TOKEN")
        return TryLater(TOKEN_REFUSED_SECONDS)
    if not code or code in _PASSING or status >= 500:
        return Unsure() if posting else TryLater(1)
    if code in _GONE:
        return Gone()
    if code == "missing_scope":
        return Refused("the Slack app lacks a permission; install it anew with the scopes of its manifest")
    return Refused(_REASONS.get(code, f"Slack refuses it ({code[:60]})"))

"""HTTP deliveries: the Events API, slash commands and interactivity, signed as Slack signs them.

Sources: https://docs.slack.dev/authentication/verifying-requests-from-slack and
https://docs.slack.dev/apis/events-api#error-handling.
"""

import asyncio
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from storage.clock import Clock
from tests.servers.slack_delivery import Delivery, Outcome
from tests.servers.slack_faults import Faults

FORM = "application/x-www-form-urlencoded"
_REASONS = {"timeout": "http_timeout", "no_connection": "connection_failed"}


def signed(secret: str, timestamp: int, body: bytes) -> str:
    """Return Slack's `v0` signature of a request."""
    base = b"v0:%d:" % timestamp + body
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Hooks:
    """Posts to the app's request URLs; commands and interactivity go to `events_url` too unless they have their own.

    Args:
        deadline: seconds to answer in.
    """

    clock: Clock
    faults: Faults
    secret: str
    deadline: float
    events_url: str = ""
    commands_url: str = ""
    interactivity_url: str = ""
    session: aiohttp.ClientSession | None = None

    async def send(self, delivery: Delivery) -> Outcome:
        """Post once; only 200 in time is an acknowledgement."""
        if delivery.kind == "slash_commands":
            url, body, kind = self.commands_url or self.events_url, urlencode(delivery.payload).encode(), FORM
        elif delivery.kind == "interactive":
            body = urlencode({"payload": json.dumps(delivery.payload)}).encode()
            url, kind = self.interactivity_url or self.events_url, FORM
        else:
            url, body, kind = self.events_url, json.dumps(delivery.payload).encode(), "application/json"
        headers = {}
        if delivery.kind == "events_api" and delivery.tries > 1:
            reason = delivery.reasons[-1]
            headers["X-Slack-Retry-Num"] = str(delivery.tries - 1)
            headers["X-Slack-Retry-Reason"] = _REASONS.get(reason, reason)
        outcome = await self._post(url, body, kind, headers)
        if outcome.acknowledged and self.faults.take("ack", delivery.kind):
            return Outcome(False, reason="http_timeout")
        return outcome

    async def verify(self) -> bool:
        """Ask the request URL for its challenge, as Slack does when it is entered; return whether it passed."""
        challenge = secrets.token_urlsafe(30)
        body = json.dumps({"token": "verification-token", "challenge": challenge, "type": "url_verification"})
        outcome = await self._post(self.events_url, body.encode(), "application/json", {})
        answer = outcome.answer.get("challenge") if isinstance(outcome.answer, dict) else outcome.answer
        return outcome.acknowledged and answer == challenge

    async def _post(self, url: str, body: bytes, kind: str, more: dict[str, str]) -> Outcome:
        now = int(self.clock.now().timestamp())
        headers = {
            "Content-Type": kind,
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": str(now),
            "X-Slack-Signature": signed(self.secret, now, body),
            **more,
        }
        if self.session is None:
            return Outcome(False, reason="connection_failed")
        try:
            async with (
                asyncio.timeout(self.deadline),
                self.session.post(url, data=body, headers=headers, max_redirects=3) as answer,
            ):
                text = await answer.text()
                final = answer.headers.get("X-Slack-No-Retry") == "1"
                if answer.status != 200:
                    return Outcome(False, reason="http_error", final=final)
                return Outcome(True, _parsed(text))
        except TimeoutError:
            return Outcome(False, reason="http_timeout")
        except aiohttp.TooManyRedirects:
            return Outcome(False, reason="too_many_redirects")
        except (aiohttp.ClientError, OSError):
            return Outcome(False, reason="connection_failed")


def _parsed(text: str) -> Any:
    """Return an answer's JSON value, or its text, or None for nothing."""
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        return text

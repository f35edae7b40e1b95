"""The addresses under which Slack takes answers to something a person just used: few, short-lived, in memory only."""

import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from core.channel import TryLater, Unsure
from storage.clock import Clock

log = logging.getLogger("prowex.slack")

LIFE_SECONDS = 29 * 60.0
MOST_USES = 5
MOST_KEPT = 5_000
MOST_EACH = 5


@dataclass(slots=True, eq=False)
class _Address:
    url: str
    until: float
    left: int = MOST_USES


class Responses:
    """Keeps each person's latest addresses in each chat.

    Args:
        host: the one host, besides Slack's own, where such an address may lead.
    """

    def __init__(self, session: aiohttp.ClientSession, host: str, clock: Clock) -> None:
        self._session = session
        self._host = host
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], list[_Address]] = OrderedDict()

    def keep(self, chat: str, person: str, url: str) -> None:
        """Keep an address that came with something the person used in the chat."""
        if not url or not self._is_slacks(url):
            return
        addresses = self._kept.setdefault((chat, person), [])
        addresses.append(_Address(url, self._clock.monotonic() + LIFE_SECONDS))
        del addresses[:-MOST_EACH]
        self._kept.move_to_end((chat, person))
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def answer(self, chat: str, person: str, message: dict[str, Any]) -> bool:
        """Show `message` to the person alone; return False if no address is left that Slack still takes.

        Raises:
            TryLater, Unsure.
        """
        addresses = self._kept.get((chat, person), [])
        while addresses:
            address = addresses[-1]
            if address.until < self._clock.monotonic() or address.left < 1 or not await self._use(address, message):
                if address in addresses:
                    addresses.remove(address)
            else:
                return True
        return False

    async def _use(self, address: _Address, message: dict[str, Any]) -> bool:
        address.left -= 1
        body = {"response_type": "ephemeral", "replace_original": False, **message}
        try:
            async with self._session.post(address.url, json=body, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            address.left += 1
            raise TryLater(1) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unsure from error
        if status == 429:
            address.left += 1
            raise TryLater(1, flood=True)
        if status >= 500:
            raise Unsure
        if status != 200:
            log.info("an answer's address is no longer taken", extra={"status": status})
        return status == 200

    def _is_slacks(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        slacks = parts.scheme == "https" and parts.hostname == "hooks.slack.com"
        return slacks or (bool(self._host) and parts.netloc == self._host)

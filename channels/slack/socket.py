"""Socket Mode: what Slack delivers over a WebSocket is stored first and acknowledged after."""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import Callable
from itertools import islice, takewhile
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import TOKEN_REFUSED, code_of, pause_asked
from channels.slack.receive import COMMAND, EVENT, INTERACTION, Receiver, is_ordered, stands_alone
from channels.slack.together import MOST_TOGETHER
from core.channel import TryLater
from core.inbox import Busy
from storage.clock import Clock
from storage.errors import surviving
from storage.faults import Step, calling

log = logging.getLogger("prowex.slack")

HEARTBEAT_SECONDS = 10.0
"""How often the other side is asked whether it is there; it has half of that to answer."""
HELLO_SECONDS = 20.0
FAREWELL_SECONDS = 30.0
"""How long a connection that has been replaced may still deliver."""
LONGEST_PAUSE = 60.0
REFUSED_SECONDS = 30.0
SHORT_SECONDS = 10.0
MOST_AT_ONCE = 3
"""A connection that is over sooner counts as a failure: about one a minute may be opened, a few of them at once."""
MOST_FRAME = 8 * 1024 * 1024
_KINDS = (EVENT, COMMAND, INTERACTION)
_SWITCHED_OFF = "Socket Mode is switched off for the Slack app: switch it on in the app's settings"

_WS = aiohttp.ClientWebSocketResponse


class Refusal(Exception):
    """Slack won't have us, and only the operator can change that; the text says how."""


class SocketMode:
    """Keeps a connection open; a new one takes over before an old one goes, so that there is no gap.

    Args:
        chance: a number in [0, 1), for the jitter.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        app_token: str,
        receiver: Receiver,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        assert client.session is not None
        self._client = client
        self._session = client.session
        self._app_token = app_token
        self._receiver = receiver
        self._clock = clock
        self._chance = chance
        self._arrived: deque[tuple[_WS, dict[str, Any]]] = deque()
        self._news = asyncio.Event()
        self._failures = 0
        self.problem = ""

    async def run(self) -> None:
        """Receive until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(group))
            while True:
                ws, over = await self._connected(), asyncio.Event()
                began = self._clock.monotonic()
                group.create_task(self._listen(ws, over))
                await over.wait()
                short = self._clock.monotonic() - began < SHORT_SECONDS
                self._failures = self._failures + 1 if short else 0
                if self._failures > MOST_AT_ONCE:
                    await self._pause()

    # connections

    async def _connected(self) -> _WS:
        """Return a connection that has said hello; try until there is one."""
        while True:
            try:
                ws = await self._connect()
            except Refusal as refusal:
                self._report(str(refusal))
                await asyncio.sleep(REFUSED_SECONDS)
            except TryLater as later:
                self._report("Slack asks us to wait before we connect again")
                await asyncio.sleep(later.retry_after * (1 + self._chance() / 4))
            except (SlackApiError, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                self._report(f"Slack can't be reached ({type(error).__name__}); trying again")
                self._failures += 1
                await self._pause()
            else:
                self.problem = ""
                return ws

    async def _pause(self) -> None:
        pause = min(LONGEST_PAUSE, 0.25 * 2 ** min(self._failures, 10))
        await asyncio.sleep(pause * (0.5 + self._chance() / 2))

    async def _connect(self) -> _WS:
        try:
            async with calling(Step.CALL_POLL):
                answer = await self._client.apps_connections_open(app_token=self._app_token)
        except SlackApiError as error:
            raise _refusal(code_of(error)) or pause_asked(error) or error from error
        ws = await self._session.ws_connect(
            str(answer["url"]),
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=MOST_FRAME,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        )
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = _read(await ws.receive())
            if first.get("type") != "hello":
                raise _refusal(str(first.get("reason"))) or ValueError("no hello")
        except BaseException:
            await ws.close()
            raise
        return ws

    async def _listen(self, ws: _WS, over: asyncio.Event) -> None:
        """Queue what comes over one connection until it closes; `over` says that another one is wanted."""
        try:
            while True:
                try:
                    async with asyncio.timeout(FAREWELL_SECONDS if over.is_set() else None):
                        message = await ws.receive()
                except TimeoutError:
                    return
                if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                    return
                if message.type is aiohttp.WSMsgType.ERROR:
                    log.info("a connection to Slack was lost", extra={"error": type(message.data).__name__})
                    return
                frame = _read(message)
                if frame.get("type") == "disconnect":
                    log.info("Slack asks for a new connection", extra={"reason": str(frame.get("reason"))[:40]})
                    over.set()
                elif isinstance(frame.get("envelope_id"), str):
                    self._arrived.append((ws, frame))
                    self._news.set()
        finally:
            over.set()
            await ws.close()

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            log.warning(problem)
        self.problem = problem

    # envelopes

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """Take what people say in the order in which it came; what waits for Slack itself holds nothing up."""
        while True:
            while not self._arrived:
                self._news.clear()
                await self._news.wait()
            if await self._work_together():
                continue
            ws, envelope = self._arrived.popleft()
            kind, payload = str(envelope.get("type")), envelope.get("payload")
            if kind in _KINDS and isinstance(payload, dict) and not is_ordered(kind, payload):
                group.create_task(self._take(ws, envelope, kind, payload))
            else:
                await self._take(ws, envelope, kind, payload if isinstance(payload, dict) else {})

    async def _work_together(self) -> bool:
        """Store what waits at the head of the queue in one go, if that can be done; return whether it was.

        Each commit takes its time, and Slack waits three seconds for the last of many people as well.
        """
        together = list(takewhile(_stands_alone, islice(self._arrived, MOST_TOGETHER)))
        if len(together) < 2:
            return False
        stored = False
        try:
            with surviving(log, "Slack's deliveries wait for the database"):
                await self._receiver.take_together([envelope["payload"] for _, envelope in together])
                stored = True
        except Busy:
            return False
        except Exception:  # whatever it was: each is taken alone, and fails alone
            log.exception("deliveries could not be taken together")
            return False
        if not stored:
            return False
        for _ in together:
            self._arrived.popleft()
        self.problem = ""
        for ws, envelope in together:
            await self._acknowledge(ws, envelope, None)
        return True

    async def _take(self, ws: _WS, envelope: dict[str, Any], kind: str, payload: dict[str, Any]) -> None:
        """Have one envelope stored, then acknowledge it; what is not acknowledged is delivered again."""
        answer: dict[str, Any] | None = None
        try:
            if kind in _KINDS and payload:
                stored = False
                with surviving(log, "Slack's deliveries wait for the database"):
                    answer = await self._receiver.take(kind, payload)
                    stored = True
                if not stored:
                    return
        except Busy as busy:
            self._report(str(busy) or "too many messages wait; taking no more for a while")
            return
        except Exception:
            log.exception("a delivery could not be taken")
            return
        self.problem = ""
        await self._acknowledge(ws, envelope, answer)

    async def _acknowledge(self, ws: _WS, envelope: dict[str, Any], answer: dict[str, Any] | None) -> None:
        acknowledgement: dict[str, Any] = {"envelope_id": envelope["envelope_id"]}
        if answer is not None and envelope.get("accepts_response_payload"):
            acknowledgement["payload"] = answer
        try:
            async with calling(Step.CALL_POLL):
                await ws.send_str(json.dumps(acknowledgement))
        except (aiohttp.ClientError, ConnectionError, RuntimeError):
            log.info("a connection went before it could acknowledge")


def _stands_alone(arrived: tuple[_WS, dict[str, Any]]) -> bool:
    envelope = arrived[1]
    payload = envelope.get("payload")
    return isinstance(payload, dict) and stands_alone(str(envelope.get("type")), payload)


def _read(message: aiohttp.WSMessage) -> dict[str, Any]:
    """Return a frame's fields, none for what is no object."""
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        frame = json.loads(message.data)
    except (ValueError, RecursionError):
        return {}
    return frame if isinstance(frame, dict) else {}


def _refusal(code: str) -> Refusal | None:
    if code in TOKEN_REFUSED:
        return Refusal("Slack refuses the app token: set a valid SLACK_APP_TOKEN and restart")
    if code == "missing_scope":
        return Refusal("the Slack app's token lacks the scope connections:write: make a new SLACK_APP_TOKEN with it")
    if code in ("link_disabled", "socket_mode_disabled", "socket_mode_not_enabled"):
        return Refusal(_SWITCHED_OFF)
    return None

"""Socket Mode: WebSockets that share the envelopes, each acknowledged by its id.

Source: https://docs.slack.dev/apis/events-api/using-socket-mode; an envelope that isn't acknowledged is sent again, at
once over another connection when its own has closed.
"""

import asyncio
import contextlib
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.clock import PATIENCE
from tests.servers.slack_delivery import Deliveries, Delivery, Outcome
from tests.servers.slack_faults import Faults
from tests.servers.slack_world import APP

MOST_CONNECTIONS = 10
_KEPT = 20_000
_GONE = (ConnectionError, RuntimeError)


@dataclass(slots=True, eq=False)
class Connection:
    """One WebSocket. With `leaving` it was told to go: nothing more is sent over it, but it may acknowledge."""

    number: int
    ws: web.WebSocketResponse
    http: web.BaseRequest
    gone: "asyncio.Future[None]"
    leaving: bool = False
    sent: int = 0


@dataclass(slots=True)
class Sockets:
    """All connections of the app.

    Args:
        deadline: seconds to acknowledge in. `ping`: seconds between two pings.
        acks: every acknowledgement: envelope id and payload.
        stray: acknowledgements of envelopes that nobody sent.
    """

    faults: Faults
    deadline: float
    ping: float = 10.0
    connections: list[Connection] = field(default_factory=list)
    opened: int = 0
    acks: list[tuple[str, Any]] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    deliveries: Deliveries | None = None
    _tickets: set[str] = field(default_factory=set)
    _change: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: int = 0
    _by_envelope: dict[str, Delivery] = field(default_factory=dict)

    def ticket(self) -> str:
        """Return a secret that opens one connection, as `apps.connections.open` gives it out."""
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return ticket

    async def connected(self, count: int = 1, timeout: float = PATIENCE) -> None:
        """Wait until so many connections are open."""
        async with asyncio.timeout(timeout):
            while len(self._open()) < count:
                self._change.clear()
                await self._change.wait()

    async def disconnect(
        self, reason: str = "refresh_requested", *, only: Connection | None = None, close: bool = True
    ) -> None:
        """Ask connections to go, as Slack does every few hours.

        Args:
            reason: `warning`, `refresh_requested` or `link_disabled`.
            close: close them too, right after; without it they stay until the app closes them.
        """
        for connection in [only] if only else list(self.connections):
            connection.leaving = reason != "warning"
            with contextlib.suppress(*_GONE):
                await connection.ws.send_str(json.dumps({"type": "disconnect", "reason": reason, "debug_info": _HOST}))
                if close and reason != "warning":
                    await connection.ws.close()

    def cut(self, only: Connection | None = None) -> None:
        """Break connections without a word."""
        for connection in [only] if only else list(self.connections):
            if connection.http.transport:
                connection.http.transport.abort()

    async def serve(self, http: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection until it closes."""
        ticket = http.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(timeout=1.0, max_msg_size=0)
        await ws.prepare(http)
        if len(self.connections) >= MOST_CONNECTIONS:
            await ws.send_str(json.dumps({"type": "disconnect", "reason": "too_many_websockets", "debug_info": _HOST}))
            await ws.close()
            return ws
        self.opened += 1
        connection = Connection(self.opened, ws, http, asyncio.get_running_loop().create_future())
        self.connections.append(connection)
        try:
            await ws.send_str(json.dumps(self._hello()))
            self._change.set()
            await self._receive(connection)
        except _GONE:
            return ws
        finally:
            self.connections.remove(connection)
            connection.gone.set_result(None)
            self._change.set()
        return ws

    async def send(self, delivery: Delivery) -> Outcome:
        """Send an envelope and wait for its acknowledgement."""
        envelope = delivery.new_envelope()
        self._by_envelope[envelope] = delivery
        if len(self._by_envelope) > _KEPT:
            del self._by_envelope[next(iter(self._by_envelope))]
        try:
            async with asyncio.timeout(self.deadline):
                return await self._send(delivery, envelope)
        except TimeoutError:
            return Outcome(False, reason="timeout")

    async def _send(self, delivery: Delivery, envelope: str) -> Outcome:
        while connection := self._next():
            connection.sent += 1
            with contextlib.suppress(*_GONE):
                await connection.ws.send_str(json.dumps(_envelope(delivery, envelope)))
                await self._over(delivery, connection)
            if delivery.done.done():
                return delivery.done.result()
            if delivery.unheard.is_set():
                delivery.unheard.clear()
                return Outcome(False, reason="timeout")
            connection.leaving = True
        return Outcome(False, reason="no_connection")

    async def _over(self, delivery: Delivery, connection: Connection) -> None:
        """Wait until a delivery was acknowledged, whether that is heard or not, or its connection is gone."""
        unheard = asyncio.ensure_future(delivery.unheard.wait())
        try:
            await asyncio.wait([delivery.done, connection.gone, unheard], return_when=asyncio.FIRST_COMPLETED)
        finally:
            unheard.cancel()

    async def _receive(self, connection: Connection) -> None:
        while True:
            try:
                message = await connection.ws.receive(timeout=self.ping)
            except TimeoutError:
                await connection.ws.ping(b"Ping from applink-fake")
                continue
            if message.type is not WSMsgType.TEXT:
                return
            self._acknowledge(message.data)

    def _acknowledge(self, data: str) -> None:
        try:
            body = json.loads(data)
            envelope = str(body["envelope_id"])
        except (ValueError, TypeError, KeyError):
            self.stray.append(data[:200])
            return
        delivery = self._by_envelope.get(envelope)
        if delivery is None:
            self.stray.append(envelope)
        elif self.faults.take("ack", delivery.kind):
            delivery.unheard.set()
        else:
            self.acks.append((envelope, body.get("payload")))
            del self.acks[:-_KEPT]
            if self.deliveries:
                self.deliveries.acknowledge(delivery, body.get("payload"))

    def _hello(self) -> dict[str, Any]:
        count = len(self._open())
        return {"type": "hello", "num_connections": count, "debug_info": _HOST, "connection_info": {"app_id": APP}}

    def _open(self) -> list[Connection]:
        return [one for one in self.connections if not one.leaving]

    def _next(self) -> Connection | None:
        found = self._open()
        self._turn += 1
        return found[self._turn % len(found)] if found else None


_HOST = {"host": "applink-fake", "build_number": 1, "approximate_connection_time": 18060}


def _envelope(delivery: Delivery, envelope: str) -> dict[str, Any]:
    body: dict[str, Any] = {"envelope_id": envelope, "type": delivery.kind, "payload": delivery.payload}
    body["accepts_response_payload"] = delivery.kind != "events_api"
    if delivery.kind == "events_api":
        reason = delivery.reasons[-1] if delivery.reasons else ""
        body |= {"retry_attempt": delivery.tries - 1, "retry_reason": reason}
    return body

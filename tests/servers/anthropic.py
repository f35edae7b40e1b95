"""A fake Anthropic server: messages, streamed and not, and the list of models, on loopback.

It checks requests as the real one does (`anthropic_rules`), remembers cached beginnings and signed thinking
(`anthropic_memory`), answers by plan (see `openai_script`: rules first, then directives in the message, else it
echoes), and keeps a journal of what it was asked and how each request ended. Of the directives, `cached` and `nodone`
mean nothing here; `code` may also be `too_long`, `no_credit`, `spent`, `bad_picture` or a kind (`overloaded_error`).

Run it alone: `python -m tests.servers.anthropic --port 9000`; it has `ModelServer`'s addresses too.
"""

import argparse
import asyncio
import contextlib
import json
from typing import Any

import uvloop
from aiohttp import web

from tests.servers.anthropic_memory import Memory
from tests.servers.anthropic_rules import Refusal, check_request, error_body, thinks
from tests.servers.model_server import Asked, ModelServer, body_of, serve
from tests.servers.openai_script import Plan, last_user_text, tokens

MODELS = (
    "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5", "claude-fable-5-2", "claude-opus-5",
    "claude-opus-4-8", "claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-haiku-4-5",
)  # fmt: skip
_STOPS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


class FakeAnthropic(ModelServer):
    """The server. `async with FakeAnthropic() as server:` then talk to `server.url`.

    Args:
        key: the key it accepts; None takes any.
    """

    asking_path = "/v1/messages"
    listing_path = "/v1/models"

    def __init__(self, *, key: str | None = None, models: tuple[str, ...] = MODELS, port: int = 0) -> None:
        super().__init__(key=key, models=models, port=port)
        self.memory = Memory()

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        try:
            self._check_headers(request)
            if request.method == "GET":
                return self._list(request)
            try:
                asked.body = await body_of(request)
            except ValueError:
                raise Refusal(400, "The request body is not valid JSON") from None
            check_request(asked.body, request.headers, self.models)
            self.memory.check_thinking(asked.body, request.headers.get("anthropic-beta", ""))
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        plan = self._plan(asked.body, last_user_text(asked.body))
        if plan.status:
            return _error(plan)
        if plan.silent == -1:
            await asyncio.Event().wait()
        reply = _Reply(asked, plan, self.memory)
        if not asked.body.get("stream"):
            return await reply.whole()
        return await reply.stream(request)

    def _check_headers(self, request: web.Request) -> None:
        if "anthropic-version" not in request.headers:
            raise Refusal(400, "anthropic-version: header is required")
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = request.headers.get("x-api-key", bearer)
        if not given or (self.key is not None and given != self.key):
            raise Refusal(401, f"invalid x-api-key: {given}")

    def _list(self, request: web.Request) -> web.Response:
        names = list(self.models)
        after = request.query.get("after_id")
        names = names[names.index(after) + 1 :] if after in names else names
        limit = int(request.query.get("limit", 20))
        page = names[:limit]
        listed = [
            {
                "type": "model",
                "id": name,
                "display_name": name,
                "created_at": "2026-10-07T00:00:00Z",
                "lifecycle": "active",
            }
            for name in page
        ]
        first, last = (page[0], page[-1]) if page else (None, None)
        more = len(names) > limit
        return web.json_response({"data": listed, "has_more": more, "first_id": first, "last_id": last})


def _error(plan: Plan) -> web.Response:
    headers = {} if plan.retry_after is None else {"Retry-After": f"{plan.retry_after:g}"}
    if plan.body is not None:
        return web.Response(body=plan.body, status=plan.status, headers=headers, content_type="text/html")
    body = error_body(plan.status, f"Scripted {plan.status}: the prompt was refused", plan.code)
    return web.json_response(body, status=plan.status, headers=headers)


class _Over(Exception):
    """The stream has ended as planned, in the middle."""


class _Reply:
    """One answer, block by block."""

    def __init__(self, asked: Asked, plan: Plan, memory: Memory) -> None:
        self._asked = asked
        self._plan = plan
        self._memory = memory
        self._usage = memory.usage(asked.body)
        self._thinking = asked.body.get("thinking") or {}
        self._model = str(asked.body["model"])
        self._blocks = self._contents()
        self._response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        self._request: web.Request | None = None

    def _contents(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        chosen = self._thinking.get("type")
        on = chosen in ("adaptive", "enabled") or (chosen is None and thinks(self._model) in ("itself", "always"))
        if self._plan.thinking and on:
            usual = "summarized" if chosen == "enabled" else "omitted"
            shown = self._thinking.get("display", usual) == "summarized"
            text = self._plan.thinking if shown else ""
            signature = self._memory.sign(self._asked.body, text)
            blocks.append({"type": "thinking", "thinking": text, "signature": signature})
        if self._plan.text:
            blocks.append({"type": "text", "text": self._plan.text})
        for number, call in enumerate(self._plan.calls):
            identity = call.id or f"toolu_{self._asked.number}_{number}"
            blocks.append({"type": "tool_use", "id": identity, "name": call.name, "input": call.arguments})
        return blocks

    def _stop(self) -> str | None:
        if self._plan.calls and self._plan.finish == "stop":
            return "tool_use"
        return _STOPS.get(self._plan.finish or "")

    def _figures(self) -> dict[str, Any]:
        thought = len(tokens(self._plan.thinking)) if self._blocks and self._blocks[0]["type"] == "thinking" else 0
        return {**self._usage, "output_tokens": self._asked.tokens + thought}

    def _message(self, content: list[dict[str, Any]], stop: str | None) -> dict[str, Any]:
        return {
            "id": f"msg_{self._asked.number}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": self._figures() if self._plan.usage else {},
        }

    async def whole(self) -> web.Response:
        """Answer in one piece."""
        self._asked.tokens = len(tokens(self._plan.text))
        await asyncio.sleep(self._plan.first + self._plan.delay * self._asked.tokens)
        content = [
            {**block, "input": json.loads(block["input"])} if "input" in block else block for block in self._blocks
        ]
        return web.json_response(self._message(content, self._stop()))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Answer as server-sent events."""
        self._request = request
        self._response.enable_chunked_encoding()
        await self._response.prepare(request)
        await self._send("message_start", message=self._message([], None))
        await self._send("ping")
        if self._plan.first:
            await asyncio.sleep(self._plan.first)
        with contextlib.suppress(_Over):
            for index, block in enumerate(self._blocks):
                await self._block(index, block)
            if not self._plan.text:
                await self._trouble()
            if self._plan.finish:
                told: dict[str, Any] = {"delta": {"stop_reason": self._stop(), "stop_sequence": None}}
                await self._send("message_delta", **told, usage=self._figures() if self._plan.usage else {})
                await self._send("message_stop")
            await self._response.write_eof()
        return self._response

    async def _block(self, index: int, block: dict[str, Any]) -> None:
        match block["type"]:
            case "thinking":
                opened = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in tokens(block["thinking"])]
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            case "tool_use":
                opened = {**block, "input": {}}
                text = block["input"]
                pieces = ["", *(text[start : start + 7] for start in range(0, len(text), 7))]
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
            case _:
                opened = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in tokens(block["text"])]
        await self._send("content_block_start", index=index, content_block=opened)
        for delta in deltas:
            if block["type"] == "text":
                await self._trouble()
                if self._plan.delay:
                    await asyncio.sleep(self._plan.delay)
                self._asked.tokens += 1
            await self._send("content_block_delta", index=index, delta=delta)
        if block["type"] == "text":
            await self._trouble()
        await self._send("content_block_stop", index=index)

    async def _trouble(self) -> None:
        """Do what the plan says must go wrong after so many tokens."""
        plan, said = self._plan, self._asked.tokens
        if plan.cut == said and self._request is not None and self._request.transport is not None:
            self._asked.outcome = "cut"
            self._request.transport.close()
            raise _Over
        await self._asked.hold(plan)
        if plan.silent == said:
            await asyncio.Event().wait()
        if plan.malformed == said:
            await self._response.write(b'event: content_block_delta\ndata: {"type": "content_block_delta", "del\n\n')
        if plan.error == said:
            error = error_body(500, "Internal server error: the prompt", plan.code or "api_error")
            await self._response.write(f"event: error\ndata: {json.dumps(error)}\n\n".encode())

    async def _send(self, kind: str, **event: Any) -> None:
        await self._response.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **event})}\n\n".encode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(FakeAnthropic(key=options.key, port=options.port)))

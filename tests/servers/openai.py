"""A fake OpenAI server: chat completions, streamed and not, and the list of models, on loopback.

It checks requests as the real one does, answers by plan (see `openai_script`: rules first, then directives in the
message, else it echoes), and keeps a journal of what it was asked and how each request ended.

Run it alone: `python -m tests.servers.openai --port 9000`; then `/_control/journal`, `/_control/stats` and
`POST /_control/reset` are JSON.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Self

import uvloop
from aiohttp import web

from tests.servers.openai_rules import Refusal, check_request, error_body
from tests.servers.openai_script import Plan, Rule, last_user_text, plan_for, tokens

MODELS = ("gpt-5.4-mini", "gpt-5.4", "gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini", "text-embedding-3-small")
_FINGERPRINT = "fp_5ca1ab1e00"


@dataclass
class Asked:
    """One request and what became of it.

    Args:
        outcome: `answered`, `refused`, `cut` or `closed` (the client went away before the end); empty while it runs.
        over: set when it has ended.
    """

    number: int
    path: str
    headers: dict[str, str]
    body: Any
    at: float
    outcome: str = ""
    status: int = 0
    tokens: int = 0
    ended: float = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def closed_early(self) -> bool:
        return self.outcome == "closed"

    def plain(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "over"} | {"early": self.closed_early}


class FakeOpenAI:
    """The server. `async with FakeOpenAI() as server:` then talk to `server.url`.

    Args:
        key: the key it accepts; None takes any, and also none.
        flavour: `openai` takes and refuses what OpenAI itself does; `compatible` knows the classic fields only.
    """

    def __init__(
        self, *, key: str | None = None, flavour: str = "compatible", models: tuple[str, ...] = MODELS, port: int = 0
    ) -> None:
        self.key = key
        self.flavour = flavour
        self.models = models
        self.rules: list[Rule] = []
        self.journal: deque[Asked] = deque(maxlen=10_000)
        self.counts: Counter[str] = Counter()
        self.port = port
        self._seen: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/v1/chat/completions", self._journaled)
        app.router.add_get("/v1/models", self._journaled)
        app.router.add_get("/_control/journal", self._show_journal)
        app.router.add_get("/_control/stats", self._show_stats)
        app.router.add_post("/_control/reset", self._reset)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _journaled(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(len(self.journal), request.path, dict(request.headers), None, time.time())
        self.journal.append(asked)
        self.counts["asked"] += 1
        try:
            response = await self._answer(request, asked)
            asked.status = response.status
            asked.outcome = asked.outcome or ("answered" if response.status == 200 else "refused")
            return response
        except (asyncio.CancelledError, ConnectionResetError):
            asked.outcome = "closed"
            raise
        finally:
            asked.ended = time.time()
            self.counts[asked.outcome] += 1
            asked.over.set()

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        try:
            self._check_key(request)
            if request.path == "/v1/models":
                listed = [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in self.models]
                return web.json_response({"object": "list", "data": listed})
            try:
                asked.body = json.loads(await request.read())
            except ValueError:
                raise Refusal(400, "We could not parse the JSON body of your request.") from None
            check_request(asked.body, self.flavour, self.models)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        plan = self._plan(asked.body)
        if plan.status:
            return _error(plan)
        if plan.silent == -1:
            await asyncio.Event().wait()
        if not asked.body.get("stream"):
            return await _whole(asked, plan)
        return await _stream(request, asked, plan)

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is not None and given != self.key:
            raise Refusal(401, f"Incorrect API key provided: {given}.")

    def _plan(self, body: dict[str, Any]) -> Plan:
        for rule in self.rules:
            plan = rule(body)
            if plan is not None:
                return plan
        text = last_user_text(body)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self._seen[digest] += 1
        return plan_for(text, self._seen[digest] - 1)

    async def _show_journal(self, request: web.Request) -> web.Response:
        return web.json_response([asked.plain() for asked in self.journal])

    async def _show_stats(self, request: web.Request) -> web.Response:
        running = sum(1 for asked in self.journal if not asked.outcome)
        return web.json_response({**self.counts, "running": running})

    async def _reset(self, request: web.Request) -> web.Response:
        self.journal.clear()
        self.counts.clear()
        self._seen.clear()
        return web.json_response({})


def _error(plan: Plan) -> web.Response:
    headers = {} if plan.retry_after is None else {"Retry-After": f"{plan.retry_after:g}"}
    if plan.body is not None:
        return web.Response(body=plan.body, status=plan.status, headers=headers, content_type="text/html")
    body = error_body(plan.status, f"Scripted {plan.status}: the prompt was refused", plan.code)
    return web.json_response(body, status=plan.status, headers=headers)


def _usage(asked: Asked, plan: Plan, sent: int) -> dict[str, Any]:
    prompt = sum(len(json.dumps(message)) for message in asked.body["messages"]) // 4
    return {
        "prompt_tokens": prompt,
        "completion_tokens": sent,
        "total_tokens": prompt + sent,
        "prompt_tokens_details": {"cached_tokens": plan.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(tokens(plan.thinking)), "audio_tokens": 0},
    }


def _call(number: int, asked: Asked, plan: Plan) -> dict[str, Any]:
    call = plan.calls[number]
    identity = call.id or f"call_{asked.number}_{number}"
    return {"id": identity, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


async def _whole(asked: Asked, plan: Plan) -> web.Response:
    pieces = tokens(plan.text)
    await asyncio.sleep(plan.first + plan.delay * len(pieces))
    message: dict[str, Any] = {"role": "assistant", "content": plan.text, "refusal": None}
    if plan.calls:
        message["tool_calls"] = [_call(number, asked, plan) for number in range(len(plan.calls))]
    asked.tokens = len(pieces)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(plan)}
    return web.json_response(
        {
            "id": f"chatcmpl-{asked.number}",
            "object": "chat.completion",
            "created": int(asked.at),
            "model": asked.body["model"],
            "choices": [choice],
            "usage": _usage(asked, plan, len(pieces)),
            "system_fingerprint": _FINGERPRINT,
        }
    )


def _finish(plan: Plan) -> str | None:
    return "tool_calls" if plan.calls and plan.finish == "stop" else plan.finish


class _Chunks:
    """Writes the stream's events, with all but the delta encoded once."""

    def __init__(self, response: web.StreamResponse, asked: Asked, usage: bool) -> None:
        self._response = response
        head = {
            "id": f"chatcmpl-{asked.number}",
            "object": "chat.completion.chunk",
            "created": int(asked.at),
            "model": asked.body["model"],
            "service_tier": "default",
            "system_fingerprint": _FINGERPRINT,
        }
        if usage:
            head["usage"] = None
        self._head = json.dumps(head)[:-1]

    async def raw(self, data: str) -> None:
        await self._response.write(f"data: {data}\n\n".encode())

    async def delta(self, delta: dict[str, Any], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        await self.raw(f'{self._head}, "choices": [{json.dumps(choice)}]}}')

    async def usage(self, usage: dict[str, Any]) -> None:
        await self.raw(f'{self._head}, "choices": [], "usage": {json.dumps(usage)}}}')


async def _stream(request: web.Request, asked: Asked, plan: Plan) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    wants_usage = bool((asked.body.get("stream_options") or {}).get("include_usage"))
    chunks = _Chunks(response, asked, wants_usage)
    await chunks.delta({"role": "assistant", "content": "" if not plan.calls else None, "refusal": None})
    if plan.first:
        await asyncio.sleep(plan.first)
    if plan.thinking:
        await chunks.delta({"reasoning_content": plan.thinking})
    for piece in [*tokens(plan.text), None]:
        if not await _go_on(request, asked, plan, chunks):
            return response
        if piece is None:
            break
        if plan.delay:
            await asyncio.sleep(plan.delay)
        await chunks.delta({"content": piece})
        asked.tokens += 1
    await _call_tools(chunks, asked, plan)
    if plan.finish:
        await chunks.delta({}, _finish(plan))
    if wants_usage and plan.usage:
        await chunks.usage(_usage(asked, plan, asked.tokens))
    if plan.done:
        await chunks.raw("[DONE]")
    await response.write_eof()
    return response


async def _go_on(request: web.Request, asked: Asked, plan: Plan, chunks: _Chunks) -> bool:
    """Do what the plan says must go wrong here. False: the stream is over."""
    if plan.cut == asked.tokens and request.transport is not None:
        asked.outcome = "cut"
        request.transport.close()
        return False
    if plan.silent == asked.tokens:
        await asyncio.Event().wait()
    if plan.malformed == asked.tokens:
        await chunks.raw('{"id": "chatcmpl-broken", "choices": [{"delta": {"conte')
    if plan.error == asked.tokens:
        await chunks.raw(json.dumps(error_body(500, "The server had an error while processing", plan.code)))
    return True


async def _call_tools(chunks: _Chunks, asked: Asked, plan: Plan) -> None:
    """Stream the calls as OpenAI does: each opened by id and name, then its arguments in fragments, interleaved."""
    for number in range(len(plan.calls)):
        opened = _call(number, asked, plan)
        opened["function"] = {"name": opened["function"]["name"], "arguments": ""}
        await chunks.delta({"tool_calls": [{"index": number, **opened}]})
    longest = max((len(call.arguments) for call in plan.calls), default=0)
    for start in range(0, longest, 7):
        for number, call in enumerate(plan.calls):
            fragment = call.arguments[start : start + 7]
            if fragment:
                await chunks.delta({"tool_calls": [{"index": number, "function": {"arguments": fragment}}]})


async def _serve(port: int, key: str | None, flavour: str) -> None:
    async with FakeOpenAI(key=key, flavour=flavour, port=port) as server:
        print(f"listening on {server.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--flavour", default="compatible", choices=["compatible", "openai"])
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(options.port, options.key, options.flavour))

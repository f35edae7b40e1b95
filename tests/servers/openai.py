"""A fake OpenAI server: chat completions, streamed and not, and the list of models, on loopback.

It checks requests as the real one does, answers by plan (see `openai_script`: rules first, then directives in the
message, else it echoes), and keeps a journal of what it was asked and how each request ended.

Run it alone: `python -m tests.servers.openai --port 9000`; it has `ModelServer`'s addresses too.
"""

import argparse
import asyncio
import contextlib
import json
from typing import Any

import uvloop
from aiohttp import web

from tests.servers.model_server import Asked, ModelServer, body_of, serve
from tests.servers.openai_rules import Refusal, check_request, error_body
from tests.servers.openai_script import Plan, last_user_text, tokens

MODELS = ("gpt-5.4-mini", "gpt-5.4", "gpt-5-mini", "gpt-4.1-mini", "gpt-4o-mini", "text-embedding-3-small")
_FINGERPRINT = "fp_5ca1ab1e00"


class FakeOpenAI(ModelServer):
    """The server. `async with FakeOpenAI() as server:` then talk to `server.url`.

    Args:
        key: the key it accepts; None takes any, and also none.
        flavour: `openai` takes and refuses what OpenAI itself does; `compatible` knows the classic fields only.
    """

    asking_path = "/v1/chat/completions"
    listing_path = "/v1/models"

    def __init__(
        self, *, key: str | None = None, flavour: str = "compatible", models: tuple[str, ...] = MODELS, port: int = 0
    ) -> None:
        super().__init__(key=key, models=models, port=port)
        self.flavour = flavour

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        try:
            self._check_key(request)
            if request.method == "GET":
                listed = [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in self.models]
                return web.json_response({"object": "list", "data": listed})
            try:
                asked.body = await body_of(request)
            except ValueError:
                raise Refusal(400, "We could not parse the JSON body of your request.") from None
            check_request(asked.body, self.flavour, self.models)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        plan = self._plan(asked.body, last_user_text(asked.body))
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
    await asked.hold(plan)
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    parser.add_argument("--flavour", default="compatible", choices=["compatible", "openai"])
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(FakeOpenAI(key=options.key, flavour=options.flavour, port=options.port)))

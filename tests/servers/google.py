"""A fake Gemini API: streamGenerateContent as server-sent events, and the list of models, on loopback.

It checks requests as the real one does (`google_rules`), answers by plan (see `openai_script`: rules first, then
directives in the message, else it echoes), signs its tool calls and wants the signatures back, and keeps a journal.
Two directives mean something of their own here: `code=X` is the finish reason X, or with `status` the reason of the
error (`API_KEY_INVALID`, `FAILED_PRECONDITION`, `long`, `day`, `none`); `code=blocked` holds the question back.

Run it alone: `python -m tests.servers.google --port 9000`; it has `ModelServer`'s addresses too.
"""

import argparse
import asyncio
import contextlib
import json
from typing import Any

import uvloop
from aiohttp import web

from tests.servers.google_rules import Refusal, check_request, detail, is_3, signature_of, status_body
from tests.servers.model_server import Asked, ModelServer, body_of, serve
from tests.servers.openai_script import Plan, tokens

MODELS = ("gemini-3.8-flash", "gemini-4-argon", "gemini-3.5-flash-lite", "gemini-2.5-flash", "gemini-flash-latest",
          "gemini-3.8-flash-tts", "gemini-embedding-2", "imagen-4.0-generate-001")  # fmt: skip
_METHOD = ":streamGenerateContent"
_FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
_LONG = "The input token count (2551556) exceeds the maximum number of tokens allowed (1048576)."


class FakeGoogle(ModelServer):
    """The server. `async with FakeGoogle() as server:` then talk to `server.url`.

    Args:
        key: the key it accepts; None takes any, but one must be there.
        page: models on one page of the list.
        ids: whether it gives its calls ids, as Gemini 3 does and 2.5 does not.
    """

    asking_path = "/{version:v1|v1beta}/models/{model}"
    listing_path = "/{version:v1|v1beta}/models"

    def __init__(
        self,
        *,
        key: str | None = None,
        models: tuple[str, ...] = MODELS,
        page: int = 3,
        ids: bool = True,
        port: int = 0,
    ) -> None:
        super().__init__(key=key, models=models, port=port)
        self.page, self.ids = page, ids

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        try:
            self._check_key(request)
            if request.method == "GET":
                return self._list(request)
            model = self._model(request)
            try:
                asked.body = await body_of(request)
            except ValueError:
                raise Refusal(400, "Invalid JSON payload received.") from None
            check_request(asked.body, model)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        plan = self._plan(asked.body, last_user_text(asked.body))
        if plan.status:
            return _error(plan)
        if plan.silent == -1:
            await asyncio.Event().wait()
        return await _stream(request, asked, plan, _Chunks(model, asked, self.ids and is_3(model)))

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("x-goog-api-key")
        if "key" in request.query:
            raise Refusal(400, "This server takes no key in the address, where logs keep it.")
        if not given:
            raise Refusal(403, "Method doesn't allow unregistered callers (callers without established identity).")
        if self.key is not None and given != self.key:
            info = detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")
            raise Refusal(400, f"API key not valid: {given}. Please pass a valid API key.", (info,))

    def _model(self, request: web.Request) -> str:
        name = request.match_info["model"]
        model = name.removesuffix(_METHOD)
        version = request.match_info["version"]
        if model == name or request.query.get("alt") != "sse":
            raise Refusal(404, f"{name} with alt={request.query.get('alt')} is not served here.")
        if model not in self.models or (version == "v1" and model.endswith("-latest")):
            raise Refusal(404, f"models/{model} is not found for API version {version}.")
        return model

    def _list(self, request: web.Request) -> web.Response:
        start, size = int(request.query.get("pageToken") or 0), int(request.query.get("pageSize") or 50)
        end = start + min(size, self.page)
        listed = []
        for name in self.models[start:end]:
            method = {"ge": "generateContent", "im": "predict"}[name[:2]]
            methods = ["embedContent"] if "embedding" in name else [method, "countTokens"]
            listed.append({"name": f"models/{name}", "version": "001", "displayName": name.title(),
                           "inputTokenLimit": 1048576, "supportedGenerationMethods": methods})  # fmt: skip
        more = {"nextPageToken": str(end)} if end < len(self.models) else {}
        return web.json_response({"models": listed, **more})


def last_user_text(body: dict[str, Any]) -> str:
    """Return the text of the request's last user content that has any."""
    for content in reversed(body["contents"]):
        texts = [part["text"] for part in content["parts"] if "text" in part]
        if content["role"] == "user" and texts:
            return "\n".join(texts)
    return ""


def _error(plan: Plan) -> web.Response:
    if plan.body is not None:
        return web.Response(body=plan.body, status=plan.status, content_type="text/html")
    details: list[dict[str, Any]] = []
    if plan.retry_after is not None:
        details.append(detail("RetryInfo", retryDelay=f"{plan.retry_after:g}s"))
    if plan.code in ("day", "none"):
        quota = {
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel",
            "quotaValue": "0" if plan.code == "none" else "9",
        }
        details.append(detail("QuotaFailure", violations=[quota]))
    elif plan.code.startswith("API_KEY"):
        details.append(detail("ErrorInfo", reason=plan.code, domain="googleapis.com"))
    message = _LONG if plan.code == "long" else f"Scripted {plan.status}: the prompt was refused"
    name = plan.code if plan.code == "FAILED_PRECONDITION" else ""
    return web.json_response(status_body(plan.status, message, tuple(details), name), status=plan.status)


class _Chunks:
    """Makes the stream's chunks: each with the usage so far, as Gemini does."""

    def __init__(self, model: str, asked: Asked, ids: bool) -> None:
        self._model, self._asked, self._ids = model, asked, ids
        self._prompt = len(json.dumps(asked.body["contents"])) // 4
        self._thoughts = 0

    def thought(self, text: str) -> dict[str, Any]:
        self._thoughts = len(tokens(text))
        return self._made({"text": text, "thought": True})

    def text(self, text: str) -> dict[str, Any]:
        return self._made({"text": text})

    def calls(self, plan: Plan) -> dict[str, Any]:
        """All calls in one chunk; the first of them signed."""
        parts: list[dict[str, Any]] = []
        for number, call in enumerate(plan.calls):
            made: dict[str, Any] = {"name": call.name, "args": json.loads(call.arguments)}
            if self._ids:
                made["id"] = call.id or f"fc-{self._asked.number}-{number}"
            parts.append({"functionCall": made})
        if is_3(self._model):
            parts[0]["thoughtSignature"] = signature_of(self._model, parts[0]["functionCall"])
        return self._made(*parts)

    def end(self, plan: Plan) -> dict[str, Any]:
        """The last chunk: no words, but the signature of what was thought."""
        parts = [{"text": "", "thoughtSignature": "c2lnbmVkIHRleHQ="}] if is_3(self._model) and not plan.calls else []
        made = self._made(*parts)
        made["candidates"][0]["finishReason"] = plan.code or _FINISH[plan.finish or "stop"]
        if plan.usage:
            made["usageMetadata"]["cachedContentTokenCount"] = plan.cached
        else:
            del made["usageMetadata"]
        return made

    def _made(self, *parts: dict[str, Any]) -> dict[str, Any]:
        written = self._asked.tokens
        usage = {
            "promptTokenCount": self._prompt,
            "candidatesTokenCount": written,
            "thoughtsTokenCount": self._thoughts,
            "totalTokenCount": self._prompt + written + self._thoughts,
        }
        candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": self._model,
                "responseId": f"r{self._asked.number}"}  # fmt: skip


async def _stream(request: web.Request, asked: Asked, plan: Plan, chunks: _Chunks) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    response.enable_chunked_encoding()
    await response.prepare(request)

    async def send(chunk: dict[str, Any]) -> None:
        await response.write(f"data: {json.dumps(chunk)}\r\n\r\n".encode())

    if plan.code == "blocked":
        await send({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}})
        await response.write_eof()
        return response
    if plan.first:
        await asyncio.sleep(plan.first)
    if plan.thinking:
        await send(chunks.thought(plan.thinking))
    for piece in [*tokens(plan.text), None]:
        if not await _go_on(request, asked, plan, response):
            return response
        if piece is None:
            break
        if plan.delay:
            await asyncio.sleep(plan.delay)
        asked.tokens += 1
        await send(chunks.text(piece))
    if plan.calls:
        await send(chunks.calls(plan))
    if plan.finish:
        await send(chunks.end(plan))
    await response.write_eof()
    return response


async def _go_on(request: web.Request, asked: Asked, plan: Plan, response: web.StreamResponse) -> bool:
    """Do what the plan says must go wrong here. False: the stream is over."""
    if plan.cut == asked.tokens and request.transport is not None:
        asked.outcome = "cut"
        request.transport.close()
        return False
    await asked.hold(plan)
    if plan.silent == asked.tokens:
        await asyncio.Event().wait()
    if plan.malformed == asked.tokens:
        await response.write(b'data: {"candidates": [{"content": {"par\r\n\r\n')
    if plan.error == asked.tokens:
        error = status_body(
            503, "The model is overloaded; the prompt was lost.", (detail("RetryInfo", retryDelay="3s"),)
        )
        await response.write(f"data: {json.dumps(error)}\r\n\r\n".encode())
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(FakeGoogle(key=options.key, port=options.port)))

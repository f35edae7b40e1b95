"""Anthropic, and every server that speaks its messages API."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.providers import anthropic_errors, anthropic_wire
from core.providers.anthropic_answer import Answer
from core.providers.anthropic_thinking import BINDING_BETA, EFFORTS
from core.providers.port import ModelBusy, ModelError, ModelEvent, ModelRefused, ModelRequest, Setting, Timeouts

if TYPE_CHECKING:
    import httpx2
    from anthropic import APIStatusError, AsyncAnthropic, AsyncStream

ANTHROPIC_URL = "https://api.anthropic.com"
DEFAULT_MODEL = "claude-haiku-5-5"

_AFTER_END = 5.0
_CHECK = 30.0
_CONNECTIONS = 2000
_PAGES = 10


SETTINGS: tuple[Setting, ...] = (
    Setting("max_output_tokens", "The longest an answer may be, in tokens; thinking counts.", 1, None, whole=True),
    Setting("thinking", "Whether it thinks before it answers. Some models always do.", choices=("off", "on")),
    Setting("effort", "How much it thinks and writes.", choices=EFFORTS),
)


class AnthropicModel:
    """A `LanguageModel` at Anthropic itself or, with `base_url`, at a server that speaks the same.

    Args:
        api_key: may be empty for a server that asks for none.
        base_url: None for Anthropic itself; with or without `/v1` at its end.
        model: the name that `check` looks for; empty for any.
        transport: carries the requests in place of the network.
    """

    name = "anthropic"
    settings: tuple[Setting, ...] = SETTINGS

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        *,
        model: str = "",
        transport: "httpx2.AsyncBaseTransport | None" = None,
    ) -> None:
        self._key = api_key or "none"
        self._url = (base_url or ANTHROPIC_URL).rstrip("/").removesuffix("/v1")
        self._timeouts = timeouts or Timeouts()
        self._expected = model
        self._transport = transport
        self._opened: AsyncAnthropic | None = None
        itself = urlsplit(self._url).hostname == urlsplit(ANTHROPIC_URL).hostname
        self._who = "Anthropic" if itself else "the model's server"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask the model once: see the port."""
        answer = Answer(request)
        async with aclosing(self._events(anthropic_wire.body(request), answer)) as events:
            async for sent in events:
                for event in answer.read(sent):
                    yield event
        for event in answer.end():
            yield event

    async def check(self) -> str:
        """List the models, which proves the key, and look for the expected one."""
        listed = await self.models()
        who = self._who[0].upper() + self._who[1:]
        if not self._expected:
            return f"{who} answers; it offers {len(listed)} models"
        if any(name == self._expected or name.startswith(f"{self._expected}-20") for name in listed):  # or dated
            return f"{who} answers; model {self._expected} is available"
        raise ModelRefused(f"{self._who} answers, but does not offer the model {self._expected} to this key")

    async def models(self) -> list[str]:
        """Return the models that the server lists, on however many pages."""
        names: list[str] = []
        page: dict[str, Any] = {"limit": 1000}
        for _ in range(_PAGES):
            given = await self._page(page)
            listed = given.get("data")
            if not isinstance(listed, list):
                raise ModelRefused(f"{self._who} does not list its models; ANTHROPIC_BASE_URL may need a change")
            names += [str(item.get("id")) for item in listed if isinstance(item, dict)]
            if not given.get("has_more") or not given.get("last_id"):
                break
            page["after_id"] = str(given["last_id"])
        return names

    async def close(self) -> None:
        """Close connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _events(self, body: dict[str, Any], answer: Answer) -> AsyncGenerator[object, None]:
        """Send `body` and yield the events of the answer until its end, or until no token came for too long."""
        client = await self._client()
        import httpx2
        from anthropic import APIConnectionError, APIError, APIStatusError

        now = asyncio.get_running_loop().time
        deadline = now() + self._timeouts.first_token
        stream: AsyncStream[object] | None = None
        try:
            async with asyncio.timeout_at(deadline):
                stream = await _post(client, body)
            while True:
                async with asyncio.timeout_at(deadline):
                    event = await anext(stream)
                yield event
                if answer.full:
                    return
                if answer.ended:
                    deadline = min(deadline, now() + _AFTER_END)
                elif answer.spoke or answer.thinking:
                    answer.spoke = False
                    # Thinking that is not shown comes without a word, and may take as long as before the first one.
                    deadline = now() + (self._timeouts.first_token if answer.thinking else self._timeouts.silence)
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not answer.ended:
                raise ModelBusy(self._silence(answer)) from None
        except APIStatusError as error:
            raise self._refusal(error) from None
        except (APIConnectionError, httpx2.HTTPError) as error:  # the SDK lets pass what breaks in mid-stream
            if not answer.ended:
                raise anthropic_errors.from_connection(error, self._timeouts.connect) from None
        except (APIError, ValueError, RecursionError):
            raise ModelBusy("it sent something unreadable") from None
        finally:
            if stream is not None:
                await stream.close()

    async def _page(self, query: dict[str, Any]) -> dict[str, Any]:
        """Return one page of the list of models."""
        client = await self._client()
        from anthropic import APIConnectionError, APIError, APIStatusError

        try:
            async with asyncio.timeout(_CHECK):
                given = await client.get("/v1/models", cast_to=object, options={"params": query})
        except TimeoutError:
            raise ModelBusy(f"it did not answer within {_CHECK:g} s") from None
        except APIStatusError as error:
            raise self._refusal(error) from None
        except APIConnectionError as error:
            raise anthropic_errors.from_connection(error, self._timeouts.connect) from None
        except (APIError, ValueError, RecursionError):
            raise ModelBusy("it sent something unreadable") from None
        return given if isinstance(given, dict) else {}

    def _refusal(self, error: "APIStatusError") -> ModelError:
        return anthropic_errors.from_status(error.status_code, error.body, error.response.headers, self._who)

    def _silence(self, answer: Answer) -> str:
        if answer.begun:
            return f"it sent no text for {self._timeouts.silence:g} s"
        return f"it did not begin to answer within {self._timeouts.first_token:g} s"

    async def _client(self) -> "AsyncAnthropic":
        if self._opened is None:  # in a thread: importing the SDK takes more than a second
            opened = await asyncio.to_thread(self._open)
            self._opened = self._opened or opened
        return self._opened

    def _open(self) -> "AsyncAnthropic":
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAioHttpClient

        for name in ("anthropic", "httpx2", "httpcore2"):  # at DEBUG they log whole requests
            logging.getLogger(name).setLevel(logging.WARNING)
        connect = self._timeouts.connect
        # `_events` times the tokens; reading waits a little longer so that its clause, which says more, comes first.
        timeout = httpx2.Timeout(
            max(self._timeouts.first_token, self._timeouts.silence) + 5, connect=connect, pool=connect
        )
        # aiohttp carries a stream with less CPU than httpx2's own transport. No redirects: the request holds people's
        # words, which nobody but the named server may see. No tracing: spans may hold them too.
        carrier = DefaultAioHttpClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=100),
            follow_redirects=False,
            transport=self._transport,
        )
        return AsyncAnthropic(
            api_key=self._key,
            base_url=self._url,
            max_retries=0,
            timeout=timeout,
            http_client=carrier,
            open_telemetry=False,
        )


async def _post(client: "AsyncAnthropic", body: dict[str, Any]) -> "AsyncStream[object]":
    # Not `messages.create`: building a typed object for each token takes most of its time.
    from anthropic import AsyncStream

    bound = "block_binding" in body.get("thinking", {})
    return await client.post(
        "/v1/messages",
        body=body,
        cast_to=object,
        options={"headers": {"anthropic-beta": BINDING_BETA}} if bound else {},
        stream=True,
        stream_cls=AsyncStream[object],
    )

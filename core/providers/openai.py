"""OpenAI, and every server that speaks its chat completions, such as Ollama, vLLM, llama.cpp or LiteLLM."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from core.providers import openai_errors, openai_wire
from core.providers.port import ModelBusy, ModelEvent, ModelRefused, ModelRequest, Setting, Timeouts

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI, AsyncStream

OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-5.4-mini"
AUTO = "auto"
"""Model name that stands for the first one the server lists: a compatible server's own names can't be known."""

_NOT_FOR_CHAT = ("embed", "rerank", "whisper", "tts", "moderation", "dall-e", "transcribe", "realtime", "image", "sora")
_AFTER_END = 5.0
_CHECK = 30.0
_CONNECTIONS = 2000


SETTINGS: tuple[Setting, ...] = (
    Setting("temperature", "How freely it writes: 0 is the most predictable, 2 the wildest.", 0, 2),
    Setting("max_output_tokens", "The longest an answer may be, in tokens.", 1, None, whole=True),
    Setting("top_p", "Only the likeliest words that together have this probability are used.", 0, 1),
    Setting("frequency_penalty", "Above 0 it repeats itself less.", -2, 2),
    Setting("presence_penalty", "Above 0 it turns to new subjects sooner.", -2, 2),
    Setting("reasoning_effort", "How long it thinks first.", choices=("none", "minimal", "low", "medium", "high")),
    Setting("verbosity", "How much it writes.", choices=("low", "medium", "high")),
)


def is_openai(base_url: str | None) -> bool:
    """Return whether `base_url` (None or empty: the default) is OpenAI itself, not a compatible server."""
    return urlsplit(base_url or OPENAI_URL).hostname == "api.openai.com"


class OpenAIModel:
    """A `LanguageModel` at OpenAI itself or, with `base_url`, at a compatible server.

    Args:
        api_key: may be empty for a server that asks for none.
        base_url: None for OpenAI itself.
        model: the name that `check` looks for; empty for any.
        transport: carries the requests in place of the network.
    """

    name = "openai"
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
        self._url = base_url or OPENAI_URL
        self._timeouts = timeouts or Timeouts()
        self._expected = "" if model == AUTO else model
        self._transport = transport
        self._opened: AsyncOpenAI | None = None
        self._first = ""
        self.openai_itself = is_openai(self._url)
        self._who = "OpenAI" if self.openai_itself else "the model's server"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask the model once: see the port. Model `auto` is the first one that the server lists."""
        model = await self._first_model() if request.model == AUTO else request.model
        body = openai_wire.body(request, model, openai_itself=self.openai_itself)
        answer = openai_wire.Answer(request)
        async with aclosing(self._chunks(body, answer)) as chunks:
            async for chunk in chunks:
                for event in answer.read(chunk):
                    yield event
        for event in answer.end():
            yield event

    async def check(self) -> str:
        """List the models, which proves the key, and look for the expected one."""
        listed = await self._models()
        who = self._who[0].upper() + self._who[1:]
        if not self._expected:
            return f"{who} answers; it offers {len(listed)} models"
        if self._expected in listed:
            return f"{who} answers; model {self._expected} is available"
        raise ModelRefused(f"{self._who} answers, but does not offer the model {self._expected} to this key")

    async def models(self) -> list[str]:
        """Return the models that the server lists, without those that are evidently not for chat."""
        return [name for name in await self._models() if not any(word in name.lower() for word in _NOT_FOR_CHAT)]

    async def close(self) -> None:
        """Close connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _chunks(self, body: dict[str, Any], answer: openai_wire.Answer) -> AsyncGenerator[object, None]:
        """Send `body` and yield the chunks of the answer until its end, or until no token came for too long."""
        client = await self._client()
        from openai import APIConnectionError, APIError, APIStatusError

        now = asyncio.get_running_loop().time
        deadline = now() + self._timeouts.first_token
        stream: AsyncStream[object] | None = None
        try:
            async with asyncio.timeout_at(deadline):
                stream = await _post(client, body)
            while True:
                async with asyncio.timeout_at(deadline):
                    chunk = await anext(stream)
                yield chunk
                if answer.full:
                    return
                if answer.ended:
                    deadline = min(deadline, now() + _AFTER_END)
                elif answer.spoke:
                    answer.spoke = False
                    deadline = now() + self._timeouts.silence
        except StopAsyncIteration:
            return
        except TimeoutError:
            if not answer.ended:
                raise ModelBusy(self._silence(answer)) from None
        except APIStatusError as error:
            raise openai_errors.from_status(error, self._who) from None
        except APIConnectionError as error:
            if not answer.ended:
                raise openai_errors.from_connection(error, self._timeouts.connect) from None
        except APIError as error:
            raise openai_errors.from_stream(error) from None
        except (ValueError, RecursionError):
            raise ModelBusy("it sent something unreadable") from None
        finally:
            if stream is not None:
                await stream.close()

    async def _models(self) -> list[str]:
        client = await self._client()
        from openai import APIConnectionError, APIError, APIStatusError

        try:
            async with asyncio.timeout(_CHECK):
                given = await client.get("/models", cast_to=object)
        except TimeoutError:
            raise ModelBusy(f"it did not answer within {_CHECK:g} s") from None
        except APIStatusError as error:
            raise openai_errors.from_status(error, self._who) from None
        except APIConnectionError as error:
            raise openai_errors.from_connection(error, self._timeouts.connect) from None
        except (APIError, ValueError, RecursionError):
            raise ModelBusy("it sent something unreadable") from None
        listed = given.get("data") if isinstance(given, dict) else None
        if not isinstance(listed, list):
            raise ModelRefused(f"{self._who} does not list its models; OPENAI_BASE_URL may lack its /v1")
        return [str(item.get("id")) for item in listed if isinstance(item, dict)]

    async def _first_model(self) -> str:
        if self.openai_itself:
            return DEFAULT_MODEL
        if not self._first:
            try:
                names = await self.models()
            except ModelRefused:  # a server that lists nothing: most such servers take any name
                return DEFAULT_MODEL
            self._first = names[0] if names else DEFAULT_MODEL
        return self._first

    def _silence(self, answer: openai_wire.Answer) -> str:
        if answer.begun:
            return f"it sent no text for {self._timeouts.silence:g} s"
        return f"it did not begin to answer within {self._timeouts.first_token:g} s"

    async def _client(self) -> "AsyncOpenAI":
        if self._opened is None:  # in a thread: importing the SDK takes most of a second
            opened = await asyncio.to_thread(self._open)
            self._opened = self._opened or opened
        return self._opened

    def _open(self) -> "AsyncOpenAI":
        # The SDK looks into httpx at every request, and breaks on one that another SDK is just importing elsewhere.
        import_module("httpx")
        import httpx2
        from openai import AsyncOpenAI, DefaultAioHttpClient

        for name in ("openai", "httpx2", "httpcore2"):  # at DEBUG they log whole requests
            logging.getLogger(name).setLevel(logging.WARNING)
        connect = self._timeouts.connect
        # `_chunks` times the tokens; reading waits a little longer so that its clause, which says more, comes first.
        timeout = httpx2.Timeout(
            max(self._timeouts.first_token, self._timeouts.silence) + 5, connect=connect, pool=connect
        )
        # aiohttp carries a stream at two thirds of the CPU of httpx2's own transport. No redirects: the request
        # holds people's words, which nobody but the named server may see.
        carrier = DefaultAioHttpClient(
            timeout=timeout,
            limits=httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=100),
            follow_redirects=False,
            transport=self._transport,
        )
        return AsyncOpenAI(api_key=self._key, base_url=self._url, max_retries=0, timeout=timeout, http_client=carrier)


async def _post(client: "AsyncOpenAI", body: dict[str, Any]) -> "AsyncStream[object]":
    # Not `chat.completions.create`: building a typed object for each token takes three quarters of its time.
    from openai import AsyncStream

    return await client.post(
        "/chat/completions", body=body, cast_to=object, stream=True, stream_cls=AsyncStream[object]
    )

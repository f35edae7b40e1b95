"""Google's Gemini, through the Gemini API with an API key.

Google uses what is sent to improve its products unless the key's project pays, and no field of a request changes
that: only a paid key keeps people's words out of it (ai.google.dev/gemini-api/terms). What a field does change is sent
with every request: nothing is stored for the project's logs.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from core.providers import event_stream, google_answer, google_errors, google_wire
from core.providers.port import ModelBusy, ModelEvent, ModelRefused, ModelRequest, Setting, Timeouts

if TYPE_CHECKING:
    import aiohttp
    import httpx2
    from google import genai

GOOGLE_URL = "https://generativelanguage.googleapis.com"
DEFAULT_MODEL = "gemini-3.8-flash"

_VERSION = "v1beta"
"""Not `v1`, the SDK's default: there Gemini 2.5 refuses tools, and previews and the `-latest` names are not found."""

_NOT_FOR_CHAT = ("embed", "image", "tts", "audio", "live", "transcribe", "robotics", "banana", "omni", "computer-use")
_AFTER_END = 5.0
_CHECK = 30.0
_PAGES = 50
_CONNECTIONS = 2000


SETTINGS: tuple[Setting, ...] = (
    Setting("temperature", "How freely it writes: 0 is the most predictable, 2 the wildest.", 0, 2),
    Setting("max_output_tokens", "The longest an answer may be, thinking included, in tokens.", 1, None, whole=True),
    Setting("top_p", "Only the likeliest words that together have this probability are used.", 0, 1),
    Setting("top_k", "Only this many of the likeliest words are used.", 1, None, whole=True),
    Setting("seed", "The same number makes it answer the same question alike.", whole=True),
    Setting("thinking", "How long it thinks first.", choices=("low", "medium", "high")),
)
"""From Gemini 3.6 on, models take `temperature`, `top_p` and `top_k` but pay no heed to them."""


def is_google(base_url: str | None) -> bool:
    """Return whether `base_url` (None or empty: the default) is Google itself, not a gateway."""
    return urlsplit(base_url or GOOGLE_URL).hostname == "generativelanguage.googleapis.com"


class GoogleModel:
    """A `LanguageModel` at Google itself or, with `base_url`, at a gateway that speaks the Gemini API.

    Args:
        base_url: None for Google itself; may end in the API's version.
        model: the name that `check` looks for; empty for any.
        transport: carries the requests in place of the network.
    """

    name = "google"
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
        self._url, self._version = _address(base_url or GOOGLE_URL)
        self._timeouts = timeouts or Timeouts()
        self._expected = model
        self._transport = transport
        self._opening = asyncio.Lock()
        self._opened: genai.Client | None = None
        self._carrier: httpx2.AsyncClient | aiohttp.ClientSession | None = None
        self._who = "Google" if is_google(base_url) else "the model's server"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Ask the model once: see the port."""
        answer = google_answer.Answer(request)
        async with aclosing(self._chunks(request, answer)) as chunks:
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
        """Return the models that write text, without those that are evidently not for chat."""
        return [name for name in await self._models() if not any(word in name for word in _NOT_FOR_CHAT)]

    async def close(self) -> None:
        """Close connections."""
        opened, carrier, self._opened, self._carrier = self._opened, self._carrier, None, None
        if opened is not None:
            await opened.aio.aclose()
            opened.close()
        if carrier is not None:
            await _close(carrier)

    async def _chunks(self, request: ModelRequest, answer: google_answer.Answer) -> AsyncGenerator[object, None]:
        """Send `request` and yield the chunks of the answer until its end, or until no token came for too long."""
        client = await self._client()
        now = asyncio.get_running_loop().time
        deadline = now() + self._timeouts.first_token
        response: Any = None
        try:
            async with self._translated():
                async with asyncio.timeout_at(deadline):
                    response = await _post(client, google_wire.path(request.model), google_wire.body(request))
                chunks = event_stream.values(_bytes(response.response_stream))
                while True:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks, None)
                    if chunk is None:
                        return
                    if isinstance(chunk, dict) and "error" in chunk:
                        raise google_errors.from_stream(chunk, self._who)
                    yield chunk
                    if answer.full:
                        return
                    if answer.ended:
                        deadline = min(deadline, now() + _AFTER_END)
                    elif answer.spoke:
                        answer.spoke = False
                        deadline = now() + self._timeouts.silence
        except TimeoutError:
            if not answer.ended:
                raise ModelBusy(self._silence(answer)) from None
        except ModelBusy:
            if not answer.ended:
                raise
        finally:
            if response is not None:
                await _close(response.response_stream)

    async def _models(self) -> list[str]:
        client = await self._client()
        names: list[str] = []
        token = ""
        try:
            async with self._translated(), asyncio.timeout(_CHECK):
                for _ in range(_PAGES):
                    page = await _get(client, f"models?pageSize=1000&pageToken={quote(token, safe='')}")
                    listed = page.get("models", [] if token else None) if isinstance(page, dict) else None
                    if not isinstance(listed, list):
                        raise ModelRefused(f"{self._who} does not list its models; GOOGLE_BASE_URL may be another's")
                    names += google_answer.writers(listed)
                    token = str(page.get("nextPageToken") or "")
                    if not token:
                        break
        except TimeoutError:
            raise ModelBusy(f"it did not answer within {_CHECK:g} s") from None
        return names

    def _silence(self, answer: google_answer.Answer) -> str:
        if answer.begun:
            return f"it sent no text for {self._timeouts.silence:g} s"
        return f"it did not begin to answer within {self._timeouts.first_token:g} s"

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Raise what the SDK and its carriers raise as the port's errors."""
        import aiohttp
        import httpx2
        from google.genai.errors import APIError

        try:
            yield
        except APIError as error:
            headers = getattr(error.response, "headers", None) or {}
            raise google_errors.from_status(error.code, error.details, headers, self._who) from None
        except (aiohttp.ClientError, httpx2.HTTPError) as error:
            raise google_errors.from_connection(error, self._timeouts.connect) from None
        except (ValueError, RecursionError):
            raise ModelBusy("it sent something unreadable") from None

    async def _client(self) -> "genai.Client":
        async with self._opening:
            if self._opened is None:  # in a thread: importing the SDK takes most of a second
                await asyncio.to_thread(_load)
                self._carrier = self._carrier or self._new_carrier()
                self._opened = await asyncio.to_thread(self._open, self._carrier)
        return self._opened

    def _new_carrier(self) -> "httpx2.AsyncClient | aiohttp.ClientSession":
        import aiohttp
        import httpx2

        if self._transport is not None:
            return httpx2.AsyncClient(transport=self._transport, follow_redirects=False)
        # The SDK's own session would wait for a connection for ever.
        return aiohttp.ClientSession(connector=_connector(self._timeouts.connect), trust_env=True)

    def _open(self, carrier: "httpx2.AsyncClient | aiohttp.ClientSession") -> "genai.Client":
        import httpx2
        from google import genai
        from google.genai import types

        # At DEBUG they log whole requests; the SDK also warns of keys in the environment, which it won't use here.
        for name, level in (
            ("httpx2", logging.WARNING),
            ("httpcore2", logging.WARNING),
            ("google_genai", logging.ERROR),
        ):
            logging.getLogger(name).setLevel(level)
        trusted = httpx2.create_ssl_context()  # else it makes three of its own
        # One attempt: without `retry_options` it repeats what could not be connected. No redirects: the request holds
        # people's words, which nobody but the named server may see.
        options = types.HttpOptions(
            base_url=self._url,
            api_version=self._version,
            retry_options=types.HttpRetryOptions(attempts=1),
            async_client_args={"allow_redirects": False, "ssl": trusted, "verify": trusted},
            httpx_async_client=carrier if self._transport is not None else None,
            aiohttp_client=carrier if self._transport is None else None,
        )
        return genai.Client(enterprise=False, api_key=self._key, http_options=options)


def _address(base_url: str) -> tuple[str, str]:
    """Return the address without a version at its end, and the version."""
    head, _, tail = base_url.rstrip("/").rpartition("/")
    return (head, tail) if re.fullmatch(r"v\d+(alpha|beta)?", tail) else (base_url.rstrip("/"), _VERSION)


def _load() -> None:
    for name in ("aiohttp", "httpx2", "google.genai"):
        import_module(name)


def _connector(connect: float) -> "aiohttp.TCPConnector":
    """Return a connector that gives up after `connect` seconds: the SDK has no such setting."""
    import aiohttp

    class Connector(aiohttp.TCPConnector):
        async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
            return await super().connect(req, traces, aiohttp.ClientTimeout(connect=connect, sock_connect=connect))

    return Connector(limit=_CONNECTIONS)


async def _post(client: "genai.Client", path: str, body: dict[str, Any]) -> Any:
    # Not `generate_content_stream`: building typed objects takes ten times the rest of a token's time, and by itself
    # it calls functions and asks for more.
    api = client._api_client
    return await api._async_request(api._build_request("post", path, body), None, stream=True)


async def _get(client: "genai.Client", path: str) -> Any:
    api = client._api_client
    return (await api._async_request(api._build_request("get", path, {}), None)).json


def _bytes(stream: Any) -> AsyncIterator[bytes]:
    """Return the bytes of an answer as either of the two HTTP clients brings them."""
    return stream.aiter_bytes() if hasattr(stream, "aiter_bytes") else stream.content.iter_any()  # type: ignore[no-any-return]


async def _close(carrier: Any) -> None:
    """Close what one of the two HTTP clients opened: theirs are named differently."""
    closing = carrier.aclose() if hasattr(carrier, "aclose") else carrier.close()
    if closing is not None:
        await closing

"""People's words go to the provider that was chosen and to no other, whatever happens, and are stored by none."""

import ast
import asyncio
import json
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

import core.providers
from core.providers.anthropic import AnthropicModel
from core.providers.catalogue import Catalogue
from core.providers.google import GoogleModel
from core.providers.openai import OpenAIModel
from core.providers.port import Message, ModelError, ModelRequest, Picture, Timeouts, ToolCall, ToolDefinition
from core.providers.retry import ask
from storage.clock import SystemClock
from tests.servers.anthropic import FakeAnthropic
from tests.servers.google import FakeGoogle
from tests.servers.openai import FakeOpenAI

CHOSEN = ("openai:gpt-5.4-mini", "anthropic:claude-haiku-5-5", "google:gemini-3.8-flash")
WORDS = "words for one provider alone"


class Town:
    """Three providers, all of them set up, and what was sent to each."""

    def __init__(self, servers: dict[str, Any], called: list[tuple[str, int]]) -> None:
        self.servers = servers
        self.called = called
        self.catalogue = Catalogue(
            openai_key="k1",
            openai_base_url=servers["openai"].url,
            anthropic_key="k2",
            anthropic_base_url=servers["anthropic"].url,
            google_key="k3",
            google_base_url=servers["google"].url,
            timeouts=Timeouts(first_token=1, silence=0.5),
        )

    @property
    def reached(self) -> set[str]:
        """The providers to which a connection was made, or that were asked something."""
        ports = {address[1]: address for address in self.called}
        by_wire = {name for name, server in self.servers.items() if server.port in ports}
        return by_wire | {name for name, server in self.servers.items() if server.journal}

    @property
    def elsewhere(self) -> set[tuple[str, int]]:
        """The addresses that were connected to and are none of the three."""
        ours = {server.port for server in self.servers.values()}
        return {address for address in self.called if address[1] not in ours}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every address that anything in this process connects to, below all clients."""
    seen: list[tuple[str, int]] = []
    connect = BaseSelectorEventLoop.sock_connect

    async def recording(self: Any, sock: Any, address: Any) -> None:
        seen.append(tuple(address[:2]))
        await connect(self, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", recording)
    return seen


@pytest.fixture
async def town(called: list[tuple[str, int]]) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        servers: dict[str, Any] = {
            "openai": await stack.enter_async_context(FakeOpenAI()),
            "anthropic": await stack.enter_async_context(FakeAnthropic()),
            "google": await stack.enter_async_context(FakeGoogle()),
        }
        town = Town(servers, called)
        stack.push_async_callback(town.catalogue.close)
        yield town


async def at_once(seconds: float) -> None:
    await asyncio.sleep(0)


def request(name: str, wish: str = "") -> ModelRequest:
    history = (Message("user", "hello"), Message("assistant", "Hello!"))
    seen = Message("user", f"{WORDS} {wish}", (Picture("image/png", b"png"), Picture("application/pdf", b"%PDF")))
    return ModelRequest(name, "Be brief.", (*history, seen), (ToolDefinition("clock", "Time.", {}),), {}, "person-1")


@pytest.mark.parametrize("chosen", CHOSEN)
@pytest.mark.parametrize(
    "wish",
    ["", "[[filter]]", "[[status=401]]", "[[status=404]]", "[[status=429]]", "[[status=500]]", "[[status=503]]",
     "[[hang]]", "[[tokens=9 hang=3]]", "[[cut=3]]", "[[malformed=2]]", "[[error=2]]"],
)  # fmt: skip
async def test_only_the_chosen_provider_gets_bytes(town: Town, chosen: str, wish: str) -> None:
    model, name = town.catalogue.get(chosen)
    with suppress(ModelError):
        async for _ in ask(model, request(name, wish), SystemClock(), attempts=2, sleep=at_once):
            pass
    provider = chosen.partition(":")[0]
    assert town.reached == {provider}
    assert not town.elsewhere
    assert ("127.0.0.1", town.servers[provider].port) in town.called
    assert WORDS in json.dumps(town.servers[provider].journal[-1].body)


@pytest.mark.parametrize("chosen", CHOSEN)
async def test_no_other_provider_steps_in_for_one_that_is_gone(town: Town, chosen: str) -> None:
    provider = chosen.partition(":")[0]
    await town.servers[provider].__aexit__()
    model, name = town.catalogue.get(chosen)
    with pytest.raises(ModelError):
        async for _ in ask(model, request(name), SystemClock(), attempts=2, sleep=at_once):
            pass
    assert town.reached == {provider}
    assert not any(server.journal for server in town.servers.values())


async def test_lists_of_models_are_asked_for_without_anybodys_words(town: Town) -> None:
    listed = await town.catalogue.models()
    assert set(listed) == {"openai", "anthropic", "google", "offline"}
    for server in town.servers.values():
        assert all("models" in asked.path and not asked.body for asked in server.journal)
    assert not town.elsewhere


def test_the_recorder_sees_a_connection_that_should_not_be() -> None:
    town = Town({"openai": FakeOpenAI(port=1), "anthropic": FakeAnthropic(port=2), "google": FakeGoogle(port=3)}, [])
    assert town.reached == set()
    town.called += [("127.0.0.1", 2), ("10.0.0.1", 443)]
    assert town.reached == {"anthropic"}
    assert town.elsewhere == {("10.0.0.1", 443)}


class Recorder(httpx2.AsyncBaseTransport):
    """Stands for the network: every request ends here."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        self.requests.append(request)
        return httpx2.Response(400, content=b"{}")


def requests(name: str) -> list[ModelRequest]:
    """Return a request of every kind that there is."""
    calls = (ToolCall("a", "clock", "{}"),)
    rounds = (Message("user", "go"), Message("assistant", "", calls=calls), Message("tool", "noon", call_id="a"))
    settings = {"store": True, "temperature": 0.5, "max_output_tokens": 9, "thinking": "on", "metadata": {"x": "y"}}
    plain = (Message("user", "hi"),)
    return [
        request(name),
        ModelRequest(name, "", plain),
        ModelRequest(name, "", plain, settings=settings),
        ModelRequest(name, "Be brief.", rounds, (ToolDefinition("clock", "Time.", {}),)),
    ]


async def recorded(model: Any, name: str) -> list[httpx2.Request]:
    recorder: Recorder = model._transport
    for each in requests(name):
        with pytest.raises(ModelError):
            async for _ in model.stream(each):
                pass
    for asked in (model.check, model.models):
        with pytest.raises(ModelError):
            await asked()
    await model.close()
    assert len(recorder.requests) == len(requests(name)) + 2
    return recorder.requests


async def test_every_call_to_openai_itself_says_that_nothing_is_to_be_stored() -> None:
    sent = await recorded(OpenAIModel("k", None, transport=Recorder()), "gpt-5.4")
    asked = [each for each in sent if each.method == "POST"]
    assert len(asked) == len(requests(""))
    assert {str(each.url) for each in asked} == {"https://api.openai.com/v1/chat/completions"}
    assert [json.loads(each.content)["store"] for each in asked] == [False] * len(asked)
    assert {str(each.url) for each in sent if each.method != "POST"} == {"https://api.openai.com/v1/models"}


async def test_anthropic_itself_is_asked_for_messages_and_nothing_else() -> None:
    sent = await recorded(AnthropicModel("k", None, transport=Recorder()), "claude-haiku-5-5")
    assert {(each.method, each.url.host, each.url.path) for each in sent} == {
        ("POST", "api.anthropic.com", "/v1/messages"),
        ("GET", "api.anthropic.com", "/v1/models"),
    }
    assert not any("store" in json.loads(each.content or b"{}") for each in sent)


async def test_google_itself_is_asked_to_generate_and_nothing_else() -> None:
    sent = await recorded(GoogleModel("k", None, transport=Recorder()), "gemini-3.8-flash")
    assert {each.url.host for each in sent} == {"generativelanguage.googleapis.com"}
    assert {(each.method, each.url.path.rpartition("/")[2]) for each in sent} == {
        ("POST", "gemini-3.8-flash:streamGenerateContent"),
        ("GET", "models"),
    }


_KEPT_THERE = {"files", "batches", "fine_tuning", "tunings", "assistants", "vector_stores", "conversations", "caches",
               "responses", "threads", "uploads", "evals", "containers", "interactions"}  # fmt: skip
"""Parts of the SDKs that leave something with the provider."""


def test_no_adapter_touches_what_a_provider_would_keep() -> None:
    for path in Path(core.providers.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in _KEPT_THERE, f"{path.name}:{node.lineno}"

"""Finding a model by its name, and the one that answers when nobody chose."""

import asyncio
import subprocess
import sys

import pytest

from core.providers.anthropic import AnthropicModel
from core.providers.catalogue import LISTED_SECONDS, UNLISTED_SECONDS, Catalogue
from core.providers.google import GoogleModel
from core.providers.openai import OpenAIModel
from core.providers.port import LanguageModel, Message, ModelRefused, ModelRequest, TextDelta
from tests.clock import FakeClock
from tests.servers.anthropic import FakeAnthropic
from tests.servers.google import FakeGoogle
from tests.servers.openai import FakeOpenAI


def test_without_any_key_the_offline_model_answers() -> None:
    catalogue = Catalogue(openai_key=None, openai_base_url=None, default_model=None)
    assert catalogue.default == "offline:handbook"
    assert catalogue.usable == ["offline"]


def test_a_key_makes_openai_the_default() -> None:
    assert Catalogue(openai_key="sk-1").default == "openai:gpt-5.4-mini"
    assert Catalogue(openai_key="sk-1", openai_base_url="https://api.openai.com/v1").default == "openai:gpt-5.4-mini"


def test_the_default_is_looked_for_in_order() -> None:
    keys = {"openai_key": "sk-1", "anthropic_key": "sk-ant-1", "google_key": "AIza-1"}
    assert Catalogue(**keys).usable == ["openai", "anthropic", "google", "offline"]
    assert Catalogue(**keys).default == "openai:gpt-5.4-mini"
    del keys["openai_key"]
    assert Catalogue(**keys).default == "anthropic:claude-haiku-5-5"
    del keys["anthropic_key"]
    assert Catalogue(**keys).default.startswith("google:gemini-")


def test_an_address_alone_makes_no_provider_usable_that_needs_a_key() -> None:
    assert Catalogue(anthropic_base_url="http://x.invalid", google_base_url="http://x.invalid").usable == ["offline"]


async def test_anthropic_answers_through_the_catalogue() -> None:
    async with FakeAnthropic(key="sk-ant-1") as server:
        catalogue = Catalogue(anthropic_key="sk-ant-1", anthropic_base_url=server.url)
        model, name = catalogue.get("anthropic")
        assert isinstance(model, AnthropicModel)
        assert await said(model, name) == "echo: hi"
        assert server.journal[-1].body["model"] == "claude-haiku-5-5"
        await catalogue.close()


async def test_google_answers_through_the_catalogue() -> None:
    async with FakeGoogle(key="AIza-1") as server:
        catalogue = Catalogue(google_key="AIza-1", google_base_url=server.url)
        model, name = catalogue.get("google")
        assert isinstance(model, GoogleModel)
        assert await said(model, name) == "echo: hi"
        await catalogue.close()


async def said(model: LanguageModel, name: str) -> str:
    request = ModelRequest(name, "", (Message("user", "hi"),))
    return "".join([event.text async for event in model.stream(request) if isinstance(event, TextDelta)])


async def test_each_usable_provider_lists_its_models_once_an_hour() -> None:
    clock = FakeClock()
    async with FakeOpenAI(models=("llama3.2", "qwen3")) as openai, FakeAnthropic(models=("claude-opus-5-5",)) as claude:
        catalogue = Catalogue(openai_base_url=openai.url, anthropic_key="k", anthropic_base_url=claude.url, clock=clock)
        listed = {"openai": ["llama3.2", "qwen3"], "anthropic": ["claude-opus-5-5"], "offline": ["handbook"]}
        assert await catalogue.models() == listed
        assert list(await catalogue.models()) == ["openai", "anthropic", "offline"]
        clock.advance(LISTED_SECONDS - 1)
        assert await catalogue.models() == listed
        assert (len(openai.journal), len(claude.journal)) == (1, 1)
        clock.advance(1)
        openai.models = ("qwen4",)
        assert await catalogue.models() == listed | {"openai": ["qwen4"]}
        assert (len(openai.journal), len(claude.journal)) == (2, 2)
        await catalogue.close()


async def test_a_provider_that_fails_has_its_default_alone_and_is_asked_again_after_a_minute() -> None:
    clock = FakeClock()
    async with FakeAnthropic(key="right") as server:
        catalogue = Catalogue(anthropic_key="wrong", anthropic_base_url=server.url, clock=clock)
        for _ in range(2):
            assert await catalogue.models() == {"anthropic": ["claude-haiku-5-5"], "offline": ["handbook"]}
        assert len(server.journal) == 1
        server.key = "wrong"
        clock.advance(UNLISTED_SECONDS)
        assert len((await catalogue.models())["anthropic"]) > 3
        await catalogue.close()


async def test_many_who_ask_at_once_wait_for_one_list() -> None:
    async with FakeAnthropic() as server:
        catalogue = Catalogue(anthropic_key="k", anthropic_base_url=server.url)
        answers = await asyncio.gather(*(catalogue.models() for _ in range(5)))
        assert answers == [answers[0]] * 5
        assert len(server.journal) == 1
        await catalogue.close()


async def test_what_a_list_is_changed_to_outside_does_not_change_the_next() -> None:
    catalogue = Catalogue()
    (await catalogue.models())["offline"].clear()
    assert await catalogue.models() == {"offline": ["handbook"]}


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("openai:gpt-5.4", {"temperature", "reasoning_effort", "max_output_tokens"}),
        ("anthropic:claude-opus-5-5", {"thinking", "effort", "max_output_tokens"}),
        ("anthropic", {"thinking", "effort", "max_output_tokens"}),
        ("google:gemini", {"temperature", "thinking", "max_output_tokens"}),
    ],
)
def test_each_provider_says_which_settings_its_models_have(model: str, names: set[str]) -> None:
    assert names <= {setting.name for setting in Catalogue().settings_of(model)}


def test_a_model_without_settings_and_an_unknown_one_have_none() -> None:
    assert Catalogue().settings_of("offline:handbook") == Catalogue().settings_of("nobody:x") == ()


def test_what_is_set_wins() -> None:
    assert Catalogue(openai_key="sk-1", default_model="openai:gpt-5.4").default == "openai:gpt-5.4"
    assert Catalogue(openai_key="sk-1", default_model="offline").default == "offline:handbook"


async def test_a_compatible_server_answers_without_a_models_name() -> None:
    async with FakeOpenAI(models=("llama3.2",)) as server:
        catalogue = Catalogue(openai_base_url=server.url)
        model, name = catalogue.get(catalogue.default)
        request = ModelRequest(name, "", (Message("user", "hi"),))
        text = "".join([event.text async for event in model.stream(request) if isinstance(event, TextDelta)])
        await catalogue.close()
    assert text == "echo: hi"


async def test_a_provider_is_opened_once_and_names_may_hold_colons() -> None:
    catalogue = Catalogue(openai_base_url="http://127.0.0.1:1/v1")
    first, name = catalogue.get("openai:llama3.2:3b")
    second, default = catalogue.get("openai")
    assert isinstance(first, OpenAIModel)
    assert first is second
    assert (name, default) == ("llama3.2:3b", "auto")
    await catalogue.close()
    await catalogue.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("openai:gpt-5", "OPENAI_API_KEY"),
        ("anthropic:claude", "ANTHROPIC_API_KEY"),
        ("google:gemini", "GEMINI_API_KEY"),
        ("gpt-5", "provider:name"),
        ("", "openai, anthropic, google, offline"),
    ],
)
def test_a_model_that_can_not_be_had_says_what_to_set(name: str, says: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        Catalogue().get(name)
    assert says in raised.value.reason


def test_no_sdk_is_imported_until_a_model_is_asked() -> None:
    program = (
        "import sys; from core.providers.catalogue import Catalogue;"
        "keys = {'openai_key': 'k', 'anthropic_key': 'k', 'google_key': 'k'};"
        "[Catalogue(**keys).get(name) for name in ('openai:x', 'anthropic:x', 'google:x')];"
        "sys.exit(any(name in sys.modules for name in ('openai', 'httpx2', 'aiohttp', 'anthropic', 'google.genai')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

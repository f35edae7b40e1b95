"""Finding a model by its name, and the one that answers when nobody chose."""

import subprocess
import sys

import pytest

from core.providers.catalogue import Catalogue
from core.providers.openai import OpenAIModel
from core.providers.port import Message, ModelRefused, ModelRequest, TextDelta
from tests.servers.openai import FakeOpenAI


def test_without_any_key_the_offline_model_answers() -> None:
    catalogue = Catalogue(openai_key=None, openai_base_url=None, default_model=None)
    assert catalogue.default == "offline:handbook"
    assert catalogue.usable == ["offline"]


def test_a_key_makes_openai_the_default() -> None:
    assert Catalogue(openai_key="sk-1").default == "openai:gpt-5.4-mini"
    assert Catalogue(openai_key="sk-1", openai_base_url="https://api.openai.com/v1").default == "openai:gpt-5.4-mini"


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
    ("name", "says"), [("openai:gpt-5", "OPENAI_API_KEY"), ("gpt-5", "provider:name"), ("", "openai, offline")]
)
def test_a_model_that_can_not_be_had_says_what_to_set(name: str, says: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        Catalogue().get(name)
    assert says in raised.value.reason


def test_no_sdk_is_imported_until_a_model_is_asked() -> None:
    program = (
        "import sys; from core.providers.catalogue import Catalogue; Catalogue(openai_key='k').get('openai:x');"
        "sys.exit(any(name in sys.modules for name in ('openai', 'httpx2', 'aiohttp', 'anthropic')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

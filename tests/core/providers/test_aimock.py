"""The providers against somebody else's fake: `@copilotkit/aimock`, which speaks all three providers' protocols.

Where Node is at hand, `make` puts it into `.venv`. `PROWEX_AIMOCK` names another `llmock` script.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from core.providers.anthropic import AnthropicModel
from core.providers.google import GoogleModel
from core.providers.openai import OpenAIModel
from core.providers.port import (
    End,
    Keep,
    LanguageModel,
    Message,
    ModelBusy,
    ModelEvent,
    ModelRequest,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)

ANSWER = "Tea is made by pouring hot water over leaves. " * 5
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "input_tokens": 11, "output_tokens": 7}
FIXTURES = [
    {"match": {"userMessage": "tea"}, "response": {"content": ANSWER, "usage": USAGE}},
    {
        "match": {"userMessage": "weather", "hasToolResult": False},
        "response": {
            "toolCalls": [
                {"id": "call_1", "name": "weather", "arguments": {"city": "Łódź"}},
                {"id": "call_2", "name": "clock", "arguments": {"zone": "UTC"}},
            ]
        },
    },
    {
        "match": {"userMessage": "weather", "hasToolResult": True, "toolResultContains": "noon"},
        "response": {"content": "It rains at noon."},
    },
]
PROVIDERS: dict[str, tuple[Callable[[str], LanguageModel], str, str]] = {
    "openai": (lambda url: OpenAIModel("sk-test", f"{url}/v1"), "gpt-5.4-mini", "/v1/chat/completions"),
    "anthropic": (lambda url: AnthropicModel("sk-test", url), "claude-haiku-4-5", "/v1/messages"),
    "google": (lambda url: GoogleModel("test", url), "gemini-3.8-flash", ":streamGenerateContent"),
}
Opened = tuple[LanguageModel, str, str]


def llmock() -> str:
    """Return where aimock's `llmock` script is, empty if it is nowhere at hand."""
    named = os.environ.get("PROWEX_AIMOCK", "")
    installed = Path(sys.prefix, "node_modules", ".bin", "llmock")
    return next((str(path) for path in (Path(named), installed) if path.is_file()), "")


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    node, script = shutil.which("node"), llmock()
    if not node or not script:
        pytest.skip("needs Node and npm, with which make installs @copilotkit/aimock")
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": FIXTURES}))
    command = [node, script, "-p", "0", "-f", str(folder), "--strict"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        said = ""
        for said in process.stdout:
            if "listening on" in said:
                break
        try:
            assert "listening on" in said
            yield said.split()[-1]
        finally:
            process.kill()


@pytest.fixture(params=PROVIDERS)
async def opened(request: pytest.FixtureRequest, aimock: str) -> AsyncIterator[Opened]:
    make, name, path = PROVIDERS[request.param]
    model = make(aimock)
    yield model, name, path
    await model.close()


async def events_of(opened: Opened, *said: Message, tools: tuple[ToolDefinition, ...] = ()) -> list[ModelEvent]:
    model, name, _ = opened
    request = ModelRequest(name, "You are kind.", said, tools, {"max_output_tokens": 500})
    return [event async for event in model.stream(request)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def journal(url: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient() as client:
        entries: list[dict[str, Any]] = (await client.get(f"{url}/__aimock/journal")).json()
    return entries


async def test_a_text_answer_arrives_whole_with_its_usage(opened: Opened, aimock: str) -> None:
    events = await events_of(opened, Message("user", "How do I make tea?"))
    assert text_of(events) == ANSWER
    assert len([event for event in events if isinstance(event, TextDelta)]) > 3
    assert events[-2:] == [TokenUsage(11, 7), End("stop")]
    assert (await journal(aimock))[-1]["path"].partition("?")[0].endswith(opened[2])


async def test_two_parallel_calls_are_made_and_their_results_answered(opened: Opened) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tools = (ToolDefinition("weather", "Weather.", schema), ToolDefinition("clock", "Time.", {"type": "object"}))
    question = Message("user", "What is the weather?")
    events = await events_of(opened, question, tools=tools)
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("weather", {"city": "Łódź"}),
        ("clock", {"zone": "UTC"}),
    ]
    assert events[-1] == End("tools")
    kept = "".join(event.data for event in events if isinstance(event, Keep))
    answer = Message("assistant", text_of(events), calls=calls, kept=kept)
    results = [Message("tool", text, call_id=call.id) for call, text in zip(calls, ("rain", "noon"), strict=True)]
    events = await events_of(opened, question, answer, *results, tools=tools)
    assert text_of(events) == "It rains at noon."
    assert events[-1] == End("stop")


async def test_a_question_it_does_not_know_is_an_error(opened: Opened) -> None:
    with pytest.raises(ModelBusy):
        await events_of(opened, Message("user", "What is love?"))

"""The fake OpenAI server under the real SDK: what it must be true to, since other tests lean on it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest

from tests.servers.openai import FakeOpenAI
from tests.servers.openai_script import Call, Plan


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(key="sk-1", flavour="openai") as running:
        yield running


@pytest.fixture
async def client(server: FakeOpenAI) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="sk-1", base_url=server.url, max_retries=0) as opened:
        yield opened


def asking(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5-mini", "messages": [{"role": "user", "content": text}], **more}


async def test_streamed_or_not_the_answer_is_the_same(client: openai.AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**asking("[[tokens=20]]"))
    streamed, usage = "", None
    options = {"include_usage": True}
    async for chunk in await client.chat.completions.create(
        **asking("[[tokens=20]]", stream=True, stream_options=options)
    ):
        streamed += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    assert whole.choices[0].message.content == streamed
    assert whole.choices[0].finish_reason == "stop"
    assert usage == whole.usage
    assert usage is not None
    assert usage.completion_tokens == 20


async def test_it_lists_its_models(client: openai.AsyncOpenAI) -> None:
    assert "gpt-5.4-mini" in [model.id async for model in await client.models.list()]


async def test_a_wrong_key_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as raised:
        await client.with_options(api_key="sk-2").models.list()
    assert raised.value.code == "invalid_api_key"


async def test_a_failure_with_times_goes_away(client: openai.AsyncOpenAI) -> None:
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(**asking("hi [[status=429 retry_after=2 times=2]]"))
        assert raised.value.response.headers["retry-after"] == "2"
    answer = await client.chat.completions.create(**asking("hi [[status=429 retry_after=2 times=2]]"))
    assert answer.choices[0].message.content == "echo: hi"


async def test_a_rule_comes_before_directives(server: FakeOpenAI, client: openai.AsyncOpenAI) -> None:
    server.rules.append(lambda body: Plan("ruled", (Call("f", "{}"),)) if body["model"] == "gpt-5-mini" else None)
    choice = (await client.chat.completions.create(**asking("[[empty]]"))).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("ruled", "tool_calls")


_CALLED = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "type": "function", "function": {}}]}
_PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,!!"}}


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "hi"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [_PICTURE]}]},
        {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
        {"messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]},
        {"messages": [_CALLED, {"role": "user", "content": "and?"}]},
        {"messages": [_CALLED]},
        {"stream_options": {"include_usage": True}},
        {"temperature": 3},
        {"max_tokens": 5},
        {"colour": "red"},
        {"tools": [{"type": "function", "function": {"name": "a.b"}}]},
    ],
)
async def test_it_refuses_what_openai_refuses(server: FakeOpenAI, change: dict[str, Any]) -> None:
    headers = {"Authorization": "Bearer sk-1"}
    async with httpx2.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{server.url}/chat/completions", json=asking("hi") | change)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert server.journal[-1].outcome == "refused"


async def test_it_runs_alone_and_tells_what_it_was_asked() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.openai", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        control = url.replace("/v1", "/_control")
        async with httpx2.AsyncClient() as client:
            await client.post(f"{url}/chat/completions", json=asking("hi"))
            journal = (await client.get(f"{control}/journal")).json()
            stats = (await client.get(f"{control}/stats")).json()
            await client.post(f"{control}/reset")
            emptied = (await client.get(f"{control}/journal")).json()
    finally:
        process.terminate()
        await process.wait()
    assert [entry["outcome"] for entry in journal] == ["answered"]
    assert json.dumps(journal).count("hi") == 1
    assert stats == {"asked": 1, "answered": 1, "running": 0}
    assert emptied == []

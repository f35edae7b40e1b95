"""The fake Anthropic server under the real SDK: what it must be true to, since other tests lean on it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import pytest

from tests.servers.anthropic import FakeAnthropic
from tests.servers.openai_script import Call, Plan


@pytest.fixture
async def server() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key="sk-ant-1") as running:
        yield running


@pytest.fixture
async def client(server: FakeAnthropic) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="sk-ant-1", base_url=server.url, max_retries=0) as opened:
        yield opened


def asking(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": "claude-haiku-5-5", "max_tokens": 2000, "messages": messages, **more}


async def test_streamed_or_not_the_answer_is_the_same(client: anthropic.AsyncAnthropic) -> None:
    whole = await client.messages.create(**asking("[[tokens=20]]"))
    async with client.messages.stream(**asking("[[tokens=20]]")) as stream:
        streamed = await stream.get_final_message()
    assert whole.content[0].text == streamed.content[0].text
    assert (whole.stop_reason, whole.usage.output_tokens) == ("end_turn", 20)
    assert streamed.usage.output_tokens == 20


async def test_it_lists_its_models_on_pages(client: anthropic.AsyncAnthropic, server: FakeAnthropic) -> None:
    assert [model.id async for model in await client.models.list(limit=2)] == list(server.models)
    assert len(server.journal) > 2


async def test_a_wrong_key_is_refused(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        await client.with_options(api_key="sk-ant-2").models.list()


async def test_a_failure_with_times_goes_away(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.OverloadedError):
        await client.messages.create(**asking("hi [[status=529 times=1]]"))
    answer = await client.messages.create(**asking("hi [[status=529 times=1]]"))
    assert answer.content[0].text == "echo: hi"


async def test_a_marked_beginning_that_was_seen_before_is_read_from_the_cache(client: anthropic.AsyncAnthropic) -> None:
    async def used(words: int, text: str, *, mark: bool = True) -> tuple[int, int]:
        block: dict[str, Any] = {"type": "text", "text": "word " * words}
        if mark:
            block["cache_control"] = {"type": "ephemeral"}
        usage = (await client.messages.create(**asking(text, system=[block]))).usage
        return usage.cache_creation_input_tokens, usage.cache_read_input_tokens

    written, read = await used(600, "one")
    assert written > 700
    assert read == 0
    assert await used(600, "two") == (0, written)
    assert await used(601, "two") != (0, written)
    assert await used(50, "one") == await used(50, "one") == (0, 0)
    assert await used(900, "one", mark=False) == await used(900, "one", mark=False) == (0, 0)


async def test_signed_thinking_is_taken_back_only_as_it_was_and_where_it_was(server: FakeAnthropic) -> None:
    server.rules.append(lambda body: Plan("hm", (Call("f", "{}", "a"),), thinking="deep thoughts"))
    headers = {"Authorization": "Bearer sk-ant-1", "anthropic-version": "2026-10-21"}
    async with httpx2.AsyncClient(headers=headers) as client:

        async def status(body: dict[str, Any]) -> int:
            return (await client.post(f"{server.url}/v1/messages", json=body)).status_code

        first = asking("go", thinking={"type": "adaptive", "display": "summarized"})
        answer = (await client.post(f"{server.url}/v1/messages", json=first)).json()
        thought, *rest = answer["content"]
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done"}]}

        def again(thought: dict[str, Any], **more: Any) -> dict[str, Any]:
            said = [*first["messages"], {"role": "assistant", "content": [thought, *rest]}, result]
            return {**first, "messages": said, **more}

        assert await status(again(thought)) == 200
        assert await status(again(thought | {"thinking": "other thoughts"})) == 400
        assert await status(again(thought | {"signature": "forged"})) == 400
        assert await status(again(thought, system="Be brief.")) == 400


_CALL = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
_RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
_MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
_TOOL = {"name": "f", "description": "", "input_schema": {"type": "object"}}


def said(*messages: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


_HI = ("user", [{"type": "text", "text": "hi"}])


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"max_tokens": None},
        {"max_tokens": 200_000},
        {"temperature": 1},
        {"top_k": 5},
        {"colour": "red"},
        {"stop_sequences": [" "]},
        {"tools": [{**_TOOL, "name": "a.b"}]},
        {"tools": [_TOOL, _TOOL]},
        {"tools": [{**_TOOL, "input_schema": {}}]},
        {"system": [{"type": "text", "text": ""}]},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {"thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}},
        {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
        {"model": "claude-opus-5-5", "thinking": {"type": "disabled"}},
        {"model": "claude-sonnet-5-5", "thinking": {"type": "disabled"}},
        {"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}},
        {"model": "claude-haiku-4-5", "output_config": {"effort": "low"}},
        {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 2000}},
        said(("robot", [{"type": "text", "text": "hi"}])),
        said(("system", [{"type": "text", "text": "hi"}])),
        said(("assistant", [{"type": "text", "text": "hi"}]), _HI),
        said(_HI, ("assistant", [{"type": "text", "text": "hi"}])),
        said(("user", [])),
        said(("user", [{"type": "text", "text": " "}])),
        said(("user", [{"type": "smell"}])),
        said(("user", [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "!!"}}])),
        said(("user", [{"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "cG5n"}}])),
        said(_HI, ("assistant", [_CALL]), _HI),
        said(_HI, ("assistant", [_CALL])),
        said(_HI, ("assistant", [_CALL]), ("user", [_HI[1][0], _RESULT])),
        said(_HI, ("assistant", [_CALL, _CALL]), ("user", [_RESULT])),
        said(("user", [_RESULT])),
        said(_HI, ("assistant", [{**_CALL, "input": "{}"}]), ("user", [_RESULT])),
        said(_HI, ("assistant", [{"type": "thinking", "thinking": "x", "signature": "forged"}]), _HI),
        said(("user", [_MARKED] * 5)),
    ],
)
async def test_it_refuses_what_anthropic_refuses(server: FakeAnthropic, change: dict[str, Any]) -> None:
    headers = {"Authorization": "Bearer sk-ant-1", "anthropic-version": "2026-10-21"}
    async with httpx2.AsyncClient(headers=headers) as client:
        answer = await client.post(f"{server.url}/v1/messages", json=asking("hi") | change)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert server.journal[-1].outcome == "refused"


async def test_it_runs_alone_and_tells_what_it_was_asked() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.anthropic", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        headers = {"x-api-key": "any", "anthropic-version": "2026-10-21"}
        async with httpx2.AsyncClient(headers=headers) as client:
            await client.post(f"{url}/v1/messages", json=asking("hi"))
            journal = (await client.get(f"{url}/_control/journal")).json()
            stats = (await client.get(f"{url}/_control/stats")).json()
            await client.post(f"{url}/_control/reset")
            emptied = (await client.get(f"{url}/_control/journal")).json()
    finally:
        process.terminate()
        await process.wait()
    assert [entry["outcome"] for entry in journal] == ["answered"]
    assert json.dumps(journal).count("hi") == 1
    assert stats == {"asked": 1, "answered": 1, "running": 0}
    assert emptied == []

"""The fake Gemini API under the real SDK: what it must be true to, since other tests lean on it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from tests.servers.google import FakeGoogle
from tests.servers.google_rules import SKIP, signature_of
from tests.servers.openai_script import Call, Plan

MODEL = "gemini-3.8-flash"


@pytest.fixture
async def server() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle(key="k-1") as running:
        yield running


@pytest.fixture
async def client(server: FakeGoogle) -> AsyncIterator[genai.Client]:
    options = types.HttpOptions(base_url=server.url, api_version="v1beta")
    async with genai.Client(enterprise=False, api_key="k-1", http_options=options).aio as opened:
        yield opened


async def streamed(client: Any, contents: Any, **config: Any) -> list[types.GenerateContentResponse]:
    given = types.GenerateContentConfig(**config)
    chunks = await client.models.generate_content_stream(model=MODEL, contents=contents, config=given)
    return [chunk async for chunk in chunks]


async def test_the_sdk_reads_text_thoughts_and_usage(client: Any) -> None:
    chunks = await streamed(client, "[[tokens=20 thinking cached=2]]")
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
    assert len([part for part in parts if part.text and not part.thought]) == 20
    assert parts[0].thought
    assert parts[-1].thought_signature
    usage = chunks[-1].usage_metadata
    assert (usage.candidates_token_count, usage.thoughts_token_count, usage.cached_content_token_count) == (20, 12, 2)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


async def test_a_turn_with_signed_calls_goes_through_the_sdk(server: FakeGoogle, client: Any) -> None:
    calls = (Call("f", '{"x": 1}'), Call("g", "{}"))
    server.rules.append(lambda body: Plan(calls=calls) if len(body["contents"]) == 1 else None)
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name=name) for name in ("f", "g")])
    asked = types.Content(role="user", parts=[types.Part(text="go")])
    config = {"tools": [tool], "automatic_function_calling": {"disable": True}}
    said = next(c for c in await streamed(client, [asked], **config) if c.function_calls).candidates[0].content
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "y"}))
        for call in (part.function_call for part in said.parts)
    ]
    chunks = await streamed(client, [asked, said, types.Content(role="user", parts=results)], **config)
    assert "".join(chunk.text or "" for chunk in chunks) == "echo: go"


async def test_the_list_of_models_comes_in_pages(server: FakeGoogle, client: Any) -> None:
    names = [model.name async for model in await client.models.list()]
    assert names == [f"models/{name}" for name in server.models]
    assert len(server.journal) == 3


async def test_a_wrong_key_is_refused_as_google_does(server: FakeGoogle) -> None:
    options = types.HttpOptions(base_url=server.url, api_version="v1beta")
    async with genai.Client(enterprise=False, api_key="k-2", http_options=options).aio as client:
        with pytest.raises(errors.ClientError) as raised:
            await client.models.list()
    assert raised.value.code == 400
    assert raised.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"


async def test_a_failure_with_times_goes_away_and_says_when(client: Any) -> None:
    for _ in range(2):
        with pytest.raises(errors.ClientError) as raised:
            await streamed(client, "hi [[status=429 retry_after=2 times=2]]")
        assert raised.value.details["error"]["details"][0]["retryDelay"] == "2s"
    assert (await streamed(client, "hi [[status=429 retry_after=2 times=2]]"))[0].text == "echo:"


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts)}


def called(signature: str | None = SKIP, **more: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": "f", "args": {}} | more}
    return said("model", part | ({"thoughtSignature": signature} if signature else {}))


def answered(**more: Any) -> dict[str, Any]:
    return said("user", {"functionResponse": {"name": "f", "response": {"output": "x"}} | more})


HI = said("user", {"text": "hi"})
SIGNED = signature_of(MODEL, {"name": "f", "args": {}})


@pytest.mark.parametrize(
    "change",
    [
        {"contents": [HI, called(SIGNED), answered()]},
        {"contents": [HI, called(id="a"), answered(id="a")]},
        {"contents": [HI, called(None), answered(), said("model", {"text": "so"}), HI]},
        {"contents": [HI, HI]},
        {"generationConfig": {"temperature": 2, "thinkingConfig": {"thinkingLevel": "LOW"}}, "store": False},
        {"tools": [{"functionDeclarations": [{"name": "a.b-c:d", "parametersJsonSchema": {"type": "object"}}]}]},
    ],
)
async def test_it_takes_what_gemini_takes(server: FakeGoogle, change: dict[str, Any]) -> None:
    answer = await post(server, {"contents": [HI]} | change)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"contents": []},
        {"contents": [said("user")]},
        {"contents": [said("robot", {"text": "hi"})]},
        {"contents": [said("user", {"text": ""})]},
        {"contents": [said("user", {"text": "a", "inlineData": {}})]},
        {"contents": [said("user", {"inlineData": {"mimeType": "image/gif", "data": "aGk="}})]},
        {"contents": [said("user", {"inlineData": {"mimeType": "image/png", "data": "!!"}})]},
        {"contents": [HI, said("model", {"text": "hello"})]},
        {"contents": [HI, called(None), answered()]},
        {"contents": [HI, called("c29tZXRoaW5nIGVsc2U="), answered()]},
        {"contents": [HI, called(), HI]},
        {"contents": [HI, called(), answered(id="a")]},
        {"contents": [HI, called(), answered(name="g")]},
        {"contents": [HI, called(), answered(response="x")]},
        {"contents": [HI, called(), said("user", *answered()["parts"], {"text": "and?"})]},
        {"contents": [HI, answered()]},
        {"generationConfig": {"temperature": 3}},
        {"generationConfig": {"maxOutputTokens": 1.5}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}},
        {"tools": [{"functionDeclarations": [{"name": "a b"}]}]},
        {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "a"}]}]},
        {"colour": "red"},
    ],
)
async def test_it_refuses_what_gemini_refuses(server: FakeGoogle, change: dict[str, Any]) -> None:
    answer = await post(server, {"contents": [HI]} | change)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert server.journal[-1].outcome == "refused"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("v1beta/models/gemini-99:streamGenerateContent?alt=sse", 404),
        ("v1/models/gemini-flash-latest:streamGenerateContent?alt=sse", 404),
        (f"v1beta/models/{MODEL}:streamGenerateContent", 404),
        (f"v1beta/models/{MODEL}:streamGenerateContent?alt=sse&key=k-1", 400),
        (f"v1/models/{MODEL}:streamGenerateContent?alt=sse", 200),
    ],
)
async def test_it_is_asked_at_the_right_address_only(server: FakeGoogle, path: str, status: int) -> None:
    assert (await post(server, {"contents": [HI]}, path)).status_code == status


async def post(server: FakeGoogle, body: dict[str, Any], path: str = "") -> httpx2.Response:
    async with httpx2.AsyncClient(headers={"x-goog-api-key": "k-1"}) as client:
        address = path or f"v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
        return await client.post(f"{server.url}/{address}", json=body)


async def test_it_runs_alone_and_tells_what_it_was_asked() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.google", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().split()[-1]
        async with httpx2.AsyncClient(headers={"x-goog-api-key": "any"}) as client:
            address = f"{url}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
            await client.post(address, json={"contents": [HI]})
            journal = (await client.get(f"{url}/_control/journal")).json()
            stats = (await client.get(f"{url}/_control/stats")).json()
            await client.post(f"{url}/_control/reset")
            emptied = (await client.get(f"{url}/_control/journal")).json()
    finally:
        process.terminate()
        await process.wait()
    assert [entry["outcome"] for entry in journal] == ["answered"]
    assert json.dumps(journal).count('"hi"') == 1
    assert stats == {"asked": 1, "answered": 1, "running": 0}
    assert emptied == []

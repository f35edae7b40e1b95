"""OpenAI's adapter: the real SDK against a fake server on loopback, or a recorder in place of the network."""

import json
import logging
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from core.providers import openai_wire
from core.providers.openai import OpenAIModel
from core.providers.port import (
    End,
    Message,
    ModelBusy,
    ModelError,
    ModelEvent,
    ModelRefused,
    ModelRequest,
    ModelTooLong,
    Picture,
    TextDelta,
    ThinkingDelta,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from tests.ports import free_port
from tests.servers.openai import FakeOpenAI
from tests.servers.openai_script import Call, Plan

KEY = "sk-secret-4711"
PROMPT = "the prompt that nobody may see"


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(key=KEY) as running:
        yield running


@pytest.fixture
async def model(server: FakeOpenAI) -> AsyncIterator[OpenAIModel]:
    opened = OpenAIModel(KEY, server.url)
    yield opened
    await opened.close()


def asking(*messages: Message | str, **more: Any) -> ModelRequest:
    said = tuple(Message("user", message) if isinstance(message, str) else message for message in messages)
    return ModelRequest("gpt-5.4-mini", "Be brief.", said, **more)


async def events_of(model: OpenAIModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def failure_of(model: OpenAIModel, request: ModelRequest) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await events_of(model, request)
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY not in shown
    assert PROMPT not in shown
    return raised.value


async def test_long_texts_arrive_whole(model: OpenAIModel) -> None:
    for wish in ("[[len=12000]]", "[[table]]", "[[big=9000]]", "👩‍👩‍👧 שלום <script> `x` **", "[[tokens=200]]"):
        assert text_of(await events_of(model, asking(wish)))
    assert len(text_of(await events_of(model, asking("[[len=12000]]")))) == 12_000
    assert text_of(await events_of(model, asking("👩‍👩‍👧 שלום"))) == "echo: 👩‍👩‍👧 שלום"


async def test_usage_counts_cached_tokens_too(model: OpenAIModel) -> None:
    usage = [e for e in await events_of(model, asking("[[tokens=7 cached=64]]")) if isinstance(e, TokenUsage)]
    assert len(usage) == 1
    assert (usage[0].output_tokens, usage[0].cached_tokens) == (7, 64)
    assert usage[0].input_tokens > 0


async def test_a_server_that_counts_nothing_still_answers(model: OpenAIModel) -> None:
    events = await events_of(model, asking("hi [[nousage nodone]]"))
    assert [type(event) for event in events[-2:]] == [TextDelta, End]


async def test_thinking_is_told_apart_from_the_answer(model: OpenAIModel) -> None:
    events = await events_of(model, asking("why [[thinking]]"))
    assert isinstance(events[0], ThinkingDelta)
    assert text_of(events) == "echo: why"


async def test_content_in_parts_is_thinking_and_text() -> None:
    """Source: https://docs.mistral.ai/capabilities/reasoning"""
    answer = openai_wire.Answer(asking("hi"))
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, {"type": "text", "text": "Yes"}]
    told = [*answer.read({"choices": [{"delta": {"content": parts}}]})]
    told += answer.read({"choices": [{"delta": {"content": ", sure."}, "finish_reason": "stop"}]})
    assert [*told, *answer.end()] == [ThinkingDelta("Hm."), TextDelta("Yes"), TextDelta(", sure."), End("stop")]


@pytest.mark.parametrize(
    ("wish", "reason"), [("[[filter]]", "filtered"), ("[[long]]", "length"), ("[[empty]]", "stop")]
)
async def test_why_it_stopped_is_passed_on(model: OpenAIModel, wish: str, reason: str) -> None:
    assert (await events_of(model, asking(wish)))[-1] == End(reason)


async def test_two_parallel_tool_calls_are_put_together_from_their_fragments(
    server: FakeOpenAI, model: OpenAIModel
) -> None:
    weather = Call("weather_of", '{"city": "Łódź", "days": 3}', "call_a")
    server.rules.append(lambda body: Plan(calls=(weather, Call("clock", '{"zone": "UTC"}', "call_b"))))
    tools = (ToolDefinition("weather.of", "Weather.", {"type": "object"}), ToolDefinition("clock", "Time.", {}))
    events = await events_of(model, asking("weather?", tools=tools))
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("call_a", "weather.of", '{"city": "Łódź", "days": 3}'),
        ToolCall("call_b", "clock", '{"zone": "UTC"}'),
    ]
    assert [type(event) for event in events[-2:]] == [TokenUsage, End]
    assert events[-1] == End("tools")


async def test_tool_results_and_what_tools_saw_go_back(server: FakeOpenAI, model: OpenAIModel) -> None:
    calls = (ToolCall("a", "look.at", "{}"), ToolCall("b", "clock", "{}"))
    request = asking(
        "look",
        Message("assistant", "", calls=calls),
        Message("tool", "a picture", (Picture("image/png", b"png"),), call_id="a"),
        Message("tool", "noon", call_id="b"),
    )
    assert (await events_of(model, request))[-1] == End("stop")
    sent = server.journal[-1].body["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert sent[2]["tool_calls"][0]["function"]["name"] == "look_at"
    assert sent[5]["content"][1]["image_url"]["url"] == "data:image/png;base64,cG5n"


async def test_a_compatible_server_gets_classic_fields_only(server: FakeOpenAI, model: OpenAIModel) -> None:
    pdf = Message("user", "read", (Picture("application/pdf", b"%PDF", "a.pdf"), Picture("image/png", b"png")))
    settings = {"max_output_tokens": 99, "temperature": 0.5, "top_p": None, "colour": "red"}
    assert text_of(await events_of(model, asking(pdf, settings=settings, person="p-1"))).startswith("echo: read")
    body = server.journal[-1].body
    assert body["max_tokens"] == 99
    assert body["user"] == "p-1"
    assert body["temperature"] == 0.5
    assert not body.keys() & {"store", "safety_identifier", "max_completion_tokens", "top_p", "colour"}
    assert [part["type"] for part in body["messages"][1]["content"]] == ["text", "text", "image_url"]


class Recorder(httpx2.AsyncBaseTransport):
    """Answers every request itself, so that none reaches the network."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.requests: list[httpx2.Request] = []
        self.status, self.headers, self.content = status, headers or {}, content

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.content or self.status != 200:
            return httpx2.Response(self.status, headers=self.headers, content=self.content)
        chunk = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
        lines = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode()
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=lines)


async def recorded(request: ModelRequest, base_url: str | None = None) -> tuple[httpx2.Request, dict[str, Any]]:
    recorder = Recorder()
    model = OpenAIModel(KEY, base_url, transport=recorder)
    assert text_of(await events_of(model, request)) == "hi"
    await model.close()
    assert len(recorder.requests) == 1
    return recorder.requests[0], json.loads(recorder.requests[0].content)


async def test_openai_itself_is_told_to_store_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://elsewhere.invalid/v1")
    for base_url in (None, "https://api.openai.com/v1", "https://API.openai.com/v1/"):
        pdf = Message("user", "read", (Picture("application/pdf", b"%PDF"),))
        sent, body = await recorded(asking(pdf, settings={"max_output_tokens": 9}, person="p-1"), base_url)
        assert sent.url.host == "api.openai.com"
        assert sent.url.path == "/v1/chat/completions"
        assert sent.headers["authorization"] == f"Bearer {KEY}"
        assert body["store"] is False
        assert body["max_completion_tokens"] == 9
        assert body["safety_identifier"] == "p-1"
        assert body["stream_options"] == {"include_usage": True}
        assert body["messages"][1]["content"][1]["type"] == "file"
        assert not body.keys() & {"temperature", "max_tokens", "user"}


async def test_what_openai_itself_is_sent_is_what_it_takes() -> None:
    pdf = Message("user", "read", (Picture("application/pdf", b"%PDF"), Picture("image/png", b"png")))
    body = openai_wire.body(asking(pdf, person="p", settings={"max_output_tokens": 9}), "gpt-5", openai_itself=True)
    async with FakeOpenAI(flavour="openai", models=()) as strict, httpx2.AsyncClient() as client:
        answer = await client.post(f"{strict.url}/chat/completions", json=body)
    assert answer.status_code == 200


async def test_only_the_named_server_ever_sees_the_words(server: FakeOpenAI) -> None:
    recorder = Recorder(307, {"location": f"{server.url}/chat/completions"})
    model = OpenAIModel(KEY, "http://first.invalid/v1", transport=recorder)
    assert isinstance(await failure_of(model, asking(PROMPT)), ModelRefused)
    assert len(recorder.requests) == 1
    assert not server.journal


async def test_a_server_without_keys_needs_none() -> None:
    async with FakeOpenAI() as keyless:
        model = OpenAIModel("", keyless.url)
        assert text_of(await events_of(model, asking("hi"))) == "echo: hi"
        await model.close()


async def test_auto_is_the_first_model_that_can_chat() -> None:
    async with FakeOpenAI(models=("nomic-embed-text", "llama3.2", "qwen3")) as compatible:
        model = OpenAIModel("", compatible.url)
        for _ in range(2):
            request = ModelRequest("auto", "", (Message("user", "hi"),))
            assert text_of(await events_of(model, request)) == "echo: hi"
        asked = [(entry.path, (entry.body or {}).get("model")) for entry in compatible.journal]
        await model.close()
    chats = [("/v1/chat/completions", "llama3.2")] * 2
    assert asked == [("/v1/models", None), *chats]


@pytest.mark.parametrize(
    ("wish", "kind", "reason", "wait"),
    [
        ("[[status=429 retry_after=2]]", ModelBusy, "(429)", 2),
        ("[[status=429 code=insufficient_quota]]", ModelRefused, "no credit", 0),
        ("[[status=408]]", ModelBusy, "(408)", 0),
        ("[[status=409]]", ModelBusy, "(409)", 0),
        ("[[status=500]]", ModelBusy, "(500)", 0),
        ("[[status=503 retry_after=0.5]]", ModelBusy, "(503)", 0.5),
        ("[[status=529]]", ModelBusy, "(529)", 0),
        ("[[status=400]]", ModelRefused, "did not accept the request (400)", 0),
        ("[[status=400 code=unsupported_value]]", ModelRefused, "(400, unsupported_value)", 0),
        ("[[status=400 code=context_length_exceeded]]", ModelTooLong, "too long", 0),
        ("[[status=413]]", ModelTooLong, "too long", 0),
        ("[[status=400 code=content_policy_violation]]", ModelRefused, "safety rules", 0),
        ("[[status=401]]", ModelRefused, "refused the key (401)", 0),
        ("[[status=403]]", ModelRefused, "(403)", 0),
        ("[[status=404]]", ModelRefused, "(404)", 0),
        ("[[status=422]]", ModelRefused, "(422)", 0),
        ("[[cut=5]]", ModelBusy, "broke", 0),
        ("[[cut=0]]", ModelBusy, "broke", 0),
        ("[[nofinish]]", ModelBusy, "broke off", 0),
        ("[[malformed=2]]", ModelBusy, "unreadable", 0),
        ("[[error=2]]", ModelBusy, "while answering", 0),
        ("[[error=0 code=context_length_exceeded]]", ModelTooLong, "too long", 0),
    ],
)
async def test_each_failure_has_its_kind_and_a_clause_for_a_person(
    model: OpenAIModel, wish: str, kind: type[ModelError], reason: str, wait: float
) -> None:
    error = await failure_of(model, asking(f"{PROMPT} and more words {wish}"))
    assert type(error) is kind
    assert reason in error.reason
    assert getattr(error, "retry_after", 0) == wait


async def test_a_wrong_key_is_refused_without_being_repeated(server: FakeOpenAI) -> None:
    model = OpenAIModel("sk-wrong-0815", server.url)
    error = await failure_of(model, asking("hi"))
    assert "refused the key (401)" in error.reason
    assert "0815" not in "".join(traceback.format_exception(error))
    with pytest.raises(ModelRefused, match="refused the key"):
        await model.check()
    await model.close()


async def test_an_unknown_model_is_refused(model: OpenAIModel) -> None:
    with pytest.raises(ModelRefused, match="404"):
        await events_of(model, ModelRequest("gpt-99", "", (Message("user", "hi"),)))


async def test_a_server_that_is_not_there_could_not_be_reached() -> None:
    model = OpenAIModel("", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(ModelBusy, match="could not be reached"):
        await events_of(model, asking("hi"))
    with pytest.raises(ModelBusy, match="could not be reached"):
        await model.check()
    await model.close()


async def test_a_slow_answer_is_not_silence(model: OpenAIModel) -> None:
    assert len(text_of(await events_of(model, asking("[[tokens=12 delay=0.1]]"))).split()) == 12


async def test_a_date_says_when_to_come_back() -> None:
    dates = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}
    for headers, wait in ((dates, 30), ({"retry-after-ms": "1500"}, 1.5), ({"retry-after": "soon"}, 0),
                          ({"retry-after": "nan"}, 0), ({"retry-after": "-5"}, 0)):  # fmt: skip
        model = OpenAIModel(KEY, "http://x.invalid/v1", transport=Recorder(429, headers, b"{}"))
        error = await failure_of(model, asking("hi"))
        assert isinstance(error, ModelBusy)
        assert error.retry_after == wait


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html"])
async def test_hostile_bodies_become_plain_errors(status: int, kind: str) -> None:
    bodies = [
        b"\x00\xff\xfe" * 100,
        b"[" * 100_000,
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: " + b"1" * 6_000 + b"\n\n",
        b"data: 17\n\ndata: null\n\n",
        b'data: {"choices": 5}\n\ndata: [DONE]\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": [{"index": [], "id": {}}]}}]}\n\n',
        b'data: {"choices": [{"delta": {}, "finish_reason": {"a": 1}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": [{}]}, "finish_reason": "tool_calls"}]}\n\n',
        b"data: \xff\xff\n\n",
        b'{"error": ' + json.dumps(f"{KEY} {PROMPT}").encode() + b"}",
        b'{"error": {"message": null, "code": 7, "type": []}}',
        b"<html>" + PROMPT.encode() + b"</html>",
        b"x" * 10 * 2**20,
    ]
    for body in bodies:
        transport = Recorder(status, {"content-type": kind}, body)
        model = OpenAIModel(KEY, "http://x.invalid/v1", transport=transport)
        error = await failure_of(model, asking(PROMPT))
        assert len(error.reason) < 120


async def test_an_endless_answer_is_cut_at_the_limit(server: FakeOpenAI) -> None:
    model = OpenAIModel(KEY, server.url)
    events = await events_of(model, asking(f"[[big={10 * 2**20}]]"))
    assert len(text_of(events)) == openai_wire.ANSWER_LIMIT
    assert events[-1] == End("length")
    await model.close()


async def test_calls_of_servers_that_number_them_badly_are_told_apart() -> None:
    fragments = [
        {"index": 0, "id": "a", "function": {"name": "one", "arguments": '{"x":'}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 0, "id": "b", "function": {"name": "two", "arguments": "{}"}},
        {"id": "c", "function": {"name": "three"}},
    ]
    answer = openai_wire.Answer(asking("hi"))
    for fragment in fragments:
        assert not list(answer.read({"choices": [{"delta": {"tool_calls": [fragment]}}]}))
    list(answer.read({"choices": [{"delta": {}, "finish_reason": "stop"}]}))
    assert list(answer.end()) == [
        ToolCall("a", "one", '{"x":1}'),
        ToolCall("b", "two", "{}"),
        ToolCall("c", "three", "{}"),
        End("tools"),
    ]


async def test_check_says_whether_the_model_is_there(server: FakeOpenAI) -> None:
    for name, line in (("", "The model's server answers; it offers 6 models"),
                       ("gpt-5.4", "The model's server answers; model gpt-5.4 is available")):  # fmt: skip
        model = OpenAIModel(KEY, server.url, model=name)
        assert await model.check() == line
        await model.close()
    model = OpenAIModel(KEY, server.url, model="gpt-99")
    with pytest.raises(ModelRefused, match="does not offer the model gpt-99"):
        await model.check()
    await model.close()
    model = OpenAIModel(KEY, None, transport=Recorder(content=b"{}"))
    with pytest.raises(ModelRefused, match="OpenAI does not list"):
        await model.check()


async def test_no_log_holds_the_key_or_what_was_said(model: OpenAIModel, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("openai").setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    await events_of(model, asking(PROMPT))
    await failure_of(model, asking(f"{PROMPT} [[status=400]]"))
    assert PROMPT not in caplog.text
    assert KEY not in caplog.text


_HTTPX_AS_IT_IS_ONCE_OPENED = """
import asyncio, sys
from core.providers.openai import OpenAIModel

asyncio.run(OpenAIModel("key", "http://127.0.0.1:1/v1")._client())
print(sys.modules["httpx"].Response.__name__)
"""


def test_the_sdk_never_sees_a_half_imported_httpx() -> None:
    command = [sys.executable, "-c", _HTTPX_AS_IT_IS_ONCE_OPENED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Response"]

"""Google's adapter: the real SDK against a fake Gemini API on loopback, or a recorder in place of the network."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core.providers import event_stream, google_answer, google_wire
from core.providers.google import DEFAULT_MODEL, GoogleModel
from core.providers.port import (
    End,
    Keep,
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
    Timeouts,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from tests.ports import free_port
from tests.servers.google import FakeGoogle
from tests.servers.google_rules import SKIP
from tests.servers.openai_script import Call, Plan

KEY = "AIzaSecret4711"
PROMPT = "the prompt that nobody may see"
TOOLS = (
    ToolDefinition("weather.of", "Weather.", {"$schema": "x", "type": "object", "properties": {"city": {}}}),
    ToolDefinition("clock", "Time.", {}),
)
CALLS = (Call("weather_of", '{"city": "Łódź", "days": 3}'), Call("clock", '{"zone": "UTC"}'))


@pytest.fixture
async def server() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle(key=KEY) as running:
        yield running


@pytest.fixture
async def model(server: FakeGoogle) -> AsyncIterator[GoogleModel]:
    opened = GoogleModel(KEY, server.url)
    await opened.check()  # the SDK's import is no part of what is timed
    yield opened
    await opened.close()


def asking(*messages: Message | str, model: str = DEFAULT_MODEL, **more: Any) -> ModelRequest:
    said = tuple(Message("user", message) if isinstance(message, str) else message for message in messages)
    return ModelRequest(model, "Be brief.", said, **more)


async def events_of(model: GoogleModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def written(events: list[ModelEvent]) -> Message:
    """The message that these events make, as the agent loop keeps it."""
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    kept = "".join(event.data for event in events if isinstance(event, Keep))
    return Message("assistant", text_of(events), calls=calls, kept=kept)


async def failure_of(model: GoogleModel, request: ModelRequest) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await events_of(model, request)
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY not in shown
    assert PROMPT not in shown
    return raised.value


def sent(server: FakeGoogle) -> dict[str, Any]:
    body: dict[str, Any] = server.journal[-1].body
    return body


async def test_long_texts_arrive_whole(server: FakeGoogle) -> None:
    model = GoogleModel(KEY, server.url)
    assert len(text_of(await events_of(model, asking("[[len=12000]]")))) == 12_000
    for text in ("👩‍👩‍👧 שלום <script> `x` **", "a\u2028b\u0085c\rd"):
        assert text_of(await events_of(model, asking(text))) == f"echo: {text}"
    assert len(text_of(await events_of(model, asking("[[big=900000]]")))) == 900_000
    await model.close()


async def test_usage_counts_thoughts_and_cached_tokens_too(model: GoogleModel) -> None:
    events = await events_of(model, asking("[[tokens=7 cached=4 thinking]]"))
    usage = [event for event in events if isinstance(event, TokenUsage)]
    assert len(usage) == 1
    assert (usage[0].output_tokens, usage[0].cached_tokens) == (7 + 12, 4)
    assert usage[0].input_tokens > 0


async def test_a_server_that_counts_nothing_gets_its_last_count(model: GoogleModel) -> None:
    events = await events_of(model, asking("hi [[nousage]]"))
    assert [type(event) for event in events[-2:]] == [TokenUsage, End]


async def test_thinking_is_told_apart_from_the_answer(model: GoogleModel) -> None:
    events = await events_of(model, asking("why [[thinking]]"))
    assert isinstance(events[0], ThinkingDelta)
    assert text_of(events) == "echo: why"
    assert not [event for event in events if isinstance(event, Keep)]


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ("[[filter]]", "filtered"),
        ("[[code=RECITATION]]", "filtered"),
        ("[[code=PROHIBITED_CONTENT]]", "filtered"),
        ("[[code=SPII]]", "filtered"),
        ("[[long]]", "length"),
        ("[[code=CONTINUATION]]", "length"),
        ("[[code=SOMETHING_NEW]]", "stop"),
        ("[[empty]]", "stop"),
    ],
)
async def test_why_it_stopped_is_passed_on(model: GoogleModel, wish: str, reason: str) -> None:
    assert (await events_of(model, asking(wish)))[-1] == End(reason)


async def test_two_parallel_calls_and_their_results_make_a_whole_turn(server: FakeGoogle, model: GoogleModel) -> None:
    server.rules.append(lambda body: Plan("Let me look.", CALLS) if len(body["contents"]) == 1 else None)
    question = Message("user", "weather?")
    events = await events_of(model, asking(question, tools=TOOLS))
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [
        ("weather.of", '{"city": "Łódź", "days": 3}'),
        ("clock", '{"zone": "UTC"}'),
    ]
    assert [type(event) for event in events[-3:]] == [Keep, TokenUsage, End]
    assert events[-1] == End("tools")
    declared = sent(server)["tools"][0]["functionDeclarations"]
    assert [one["name"] for one in declared] == ["weather_of", "clock"]
    assert [one["parametersJsonSchema"]["type"] for one in declared] == ["object", "object"]

    results = (Message("tool", "rain", call_id=calls[0].id), Message("tool", "noon", call_id=calls[1].id))
    events = await events_of(model, asking(question, written(events), *results, tools=TOOLS))
    assert events[-1] == End("stop")
    contents = sent(server)["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[1]["parts"][0] == {"text": "Let me look."}
    assert contents[1]["parts"][1]["thoughtSignature"]
    assert [part["functionResponse"]["name"] for part in contents[2]["parts"]] == ["weather_of", "clock"]
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"output": "rain"}


async def test_signatures_of_earlier_rounds_of_the_turn_come_back_too(server: FakeGoogle, model: GoogleModel) -> None:
    server.rules.append(lambda body: Plan(calls=CALLS[:1]) if len(body["contents"]) < 7 else None)
    said: list[Message | str] = ["weather?"]
    for _ in range(3):
        answer = written(await events_of(model, asking(*said, tools=TOOLS)))
        said += [answer, Message("tool", "rain", call_id=answer.calls[0].id)]
    assert (await events_of(model, asking(*said, tools=TOOLS)))[-1] == End("stop")
    signed = [part for content in sent(server)["contents"] for part in content["parts"] if "thoughtSignature" in part]
    assert len(signed) == 3
    assert len({message.call_id for message in said if isinstance(message, Message) and message.call_id}) == 3


@pytest.mark.parametrize("changed", ["another model", "another provider", "a call left out", "nothing kept"])
async def test_calls_that_this_model_did_not_sign_are_taken_all_the_same(
    server: FakeGoogle, model: GoogleModel, changed: str
) -> None:
    server.rules.append(lambda body: Plan(calls=CALLS) if len(body["contents"]) == 1 else None)
    first = written(await events_of(model, asking("weather?", tools=TOOLS)))
    calls, kept = first.calls, first.kept
    if changed == "a call left out":
        calls = calls[1:]
    elif changed == "another provider":
        kept = '{"thinking": [{"signature": "abc"}]}'
    elif changed == "nothing kept":
        kept = ""
    results = [Message("tool", "rain", call_id=call.id) for call in calls]
    said = (Message("user", "weather?"), Message("assistant", "", calls=calls, kept=kept), *results)
    name = "gemini-4-argon" if changed == "another model" else DEFAULT_MODEL
    assert (await events_of(model, asking(*said, model=name, tools=TOOLS)))[-1] == End("stop")
    assert sent(server)["contents"][1]["parts"][0]["thoughtSignature"] == SKIP


async def test_a_model_that_numbers_no_calls_gets_no_numbers_back(model: GoogleModel) -> None:
    async with FakeGoogle(ids=False) as nameless:
        older = GoogleModel(KEY, nameless.url)
        nameless.rules.append(
            lambda body: Plan(calls=(CALLS[0], CALLS[0])) if len(body["contents"]) in (1, 3) else None
        )
        said: list[Message | str] = ["weather?"]
        for _ in range(2):
            answer = written(await events_of(older, asking(*said, model="gemini-2.5-flash", tools=TOOLS)))
            assert not answer.kept
            said += [answer, *(Message("tool", "rain", call_id=call.id) for call in answer.calls)]
        made_up = [call.id for message in said if isinstance(message, Message) for call in message.calls]
        assert len(set(made_up)) == 4
        assert (await events_of(older, asking(*said, model="gemini-2.5-flash", tools=TOOLS)))[-1] == End("stop")
        assert google_wire.MADE_UP not in json.dumps(sent(nameless))
        await older.close()


@pytest.mark.parametrize("name", ["gemini-2.5-flash", DEFAULT_MODEL])
async def test_what_tools_saw_goes_back(server: FakeGoogle, model: GoogleModel, name: str) -> None:
    calls = (ToolCall("a", "look.at", "{}"), ToolCall("b", "clock", "[1"))
    request = asking(
        "look",
        Message("assistant", "", calls=calls),
        Message(
            "tool", "a picture", (Picture("image/png", b"png"), Picture("image/gif", b"gif", "b.gif")), call_id="a"
        ),
        Message("tool", "noon", call_id="b"),
        "and?",
        model=name,
    )
    assert (await events_of(model, request))[-1] == End("stop")
    contents = sent(server)["contents"]
    assert contents[1]["parts"][1]["functionCall"] == {"id": "b", "name": "clock", "args": {"unreadable": "[1"}}
    picture = {"inlineData": {"mimeType": "image/png", "data": "cG5n"}}
    if name == DEFAULT_MODEL:
        assert contents[2]["parts"][0]["functionResponse"]["parts"] == [picture]
        assert contents[3]["parts"] == [{"text": "and?"}]
    else:
        assert contents[3]["parts"][1] == picture
        assert contents[3]["parts"][-1] == {"text": "and?"}


async def test_files_instructions_and_settings_are_translated(server: FakeGoogle, model: GoogleModel) -> None:
    files = (Picture("application/pdf", b"%PDF", "a.pdf"), Picture("image/webp", b"webp"), Picture("image/gif", b"gif"))
    settings = {"max_output_tokens": 99, "temperature": 0.5, "top_p": None, "top_k": 40, "seed": 7, "stop": "END",
                "thinking": "low", "colour": "red", "frequency_penalty": 1}  # fmt: skip
    request = asking("first", Message("user", "read", files), "", settings=settings, person="p-1")
    assert text_of(await events_of(model, request)).startswith("echo: first\nread")
    body = sent(server)
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["generationConfig"] == {
        "maxOutputTokens": 99, "temperature": 0.5, "topK": 40, "seed": 7, "stopSequences": ["END"],
        "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
    }  # fmt: skip
    assert len(body["contents"]) == 1
    parts = body["contents"][0]["parts"]
    assert [next(iter(part)) for part in parts] == ["text", "text", "inlineData", "inlineData", "text", "text"]
    assert parts[2]["inlineData"] == {"mimeType": "application/pdf", "data": "JVBERg=="}
    assert parts[4] == {"text": "[a file: this model can't read it]"}
    assert "p-1" not in json.dumps(body)


async def test_nothing_is_stored_for_logs(server: FakeGoogle, model: GoogleModel) -> None:
    await events_of(model, asking("hi"))
    assert sent(server)["store"] is False


@pytest.mark.parametrize(
    ("name", "wanted", "config"),
    [
        ("gemini-4-argon", "high", {"includeThoughts": True, "thinkingLevel": "HIGH"}),
        ("gemini-flash-latest", "medium", {"includeThoughts": True, "thinkingLevel": "MEDIUM"}),
        ("gemini-2.5-flash", "medium", {"includeThoughts": True, "thinkingBudget": 8192}),
        ("gemini-2.5-flash", 512, {"includeThoughts": True, "thinkingBudget": 512}),
        ("gemini-2.5-flash", "wildly", {"includeThoughts": True}),
        ("gemini-3.8-flash", None, {"includeThoughts": True}),
        ("gemini-2.0-flash", "high", None),
        ("gemini-3.8-flash-tts", "high", None),
        ("gemma-4-31b-it", "high", None),
    ],
)
def test_each_model_is_told_to_think_in_its_own_way(name: str, wanted: object, config: object) -> None:
    body = google_wire.body(asking("hi", model=name, settings={"thinking": wanted}))
    assert body.get("generationConfig", {}).get("thinkingConfig") == config


def test_names_of_tools_are_made_to_fit() -> None:
    assert google_wire.tool_name("weather.of") == "weather_of"
    assert google_wire.tool_name("2nd") == "_2nd"
    assert len(google_wire.tool_name("x" * 99)) == 64


class Recorder(httpx2.AsyncBaseTransport):
    """Answers every request itself, so that none reaches the network."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.requests: list[httpx2.Request] = []
        self.status, self.headers, self.content = status, headers or {}, content

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if self.content or self.status != 200:
            return httpx2.Response(self.status, headers=self.headers, content=self.content)
        chunk = {"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP"}]}
        return httpx2.Response(
            200, headers={"content-type": "text/event-stream"}, content=f"data: {json.dumps(chunk)}\n\n".encode()
        )


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        (None, "https://generativelanguage.googleapis.com/v1beta"),
        ("https://generativelanguage.googleapis.com/", "https://generativelanguage.googleapis.com/v1beta"),
        ("https://gateway.invalid/gemini/v1", "https://gateway.invalid/gemini/v1"),
        ("https://gateway.invalid/v1alpha/", "https://gateway.invalid/v1alpha"),
    ],
)
async def test_the_key_goes_to_the_named_server_only_and_in_a_header(
    monkeypatch: pytest.MonkeyPatch, base_url: str | None, address: str
) -> None:
    for name, value in {
        "GOOGLE_API_KEY": "another", "GEMINI_API_KEY": "third", "GOOGLE_GEMINI_BASE_URL": "http://elsewhere.invalid",
        "GOOGLE_GENAI_USE_VERTEXAI": "true", "GOOGLE_GENAI_USE_ENTERPRISE": "true", "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_GENAI_API_VERSION": "v9", "GOOGLE_GENAI_HTTP_CLIENT": "httpx",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    recorder = Recorder()
    model = GoogleModel(KEY, base_url, transport=recorder)
    assert text_of(await events_of(model, asking("hi"))) == "hi"
    await model.close()
    assert len(recorder.requests) == 1
    request = recorder.requests[0]
    assert str(request.url) == f"{address}/models/{DEFAULT_MODEL}:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == KEY
    assert KEY not in str(request.url)
    assert json.loads(request.content)["store"] is False


@pytest.mark.parametrize("status", [301, 307, 308])
async def test_only_the_named_server_ever_sees_the_words(server: FakeGoogle, status: int) -> None:
    recorder = Recorder(status, {"location": f"{server.url}/v1beta/models/x:streamGenerateContent"})
    model = GoogleModel(KEY, "http://first.invalid", transport=recorder)
    assert isinstance(await failure_of(model, asking(PROMPT)), ModelRefused)
    assert len(recorder.requests) == 1
    await model.close()


async def test_over_the_network_too_nobody_is_sent_elsewhere(server: FakeGoogle) -> None:
    from aiohttp import web

    async def elsewhere(request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{server.url}{request.path_qs}")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", elsewhere)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model = GoogleModel(KEY, f"http://127.0.0.1:{runner.addresses[0][1]}")
    error = await failure_of(model, asking(PROMPT))
    assert "answers from another address (307)" in error.reason
    with pytest.raises(ModelRefused, match="another address"):
        await model.check()
    assert not server.journal
    await model.close()
    await runner.cleanup()


@pytest.mark.parametrize(
    ("wish", "kind", "reason", "wait"),
    [
        ("[[status=429 retry_after=2]]", ModelBusy, "more requests than it takes (429)", 2),
        ("[[status=429 code=day retry_after=37000]]", ModelBusy, "the day's requests", 37000),
        ("[[status=429 code=none retry_after=9]]", ModelRefused, "does not include the model (429)", 0),
        ("[[status=408]]", ModelBusy, "(408)", 0),
        ("[[status=499]]", ModelBusy, "(499)", 0),
        ("[[status=500]]", ModelBusy, "(500)", 0),
        ("[[status=503 retry_after=0.5]]", ModelBusy, "(503)", 0.5),
        ("[[status=504]]", ModelBusy, "(504)", 0),
        ("[[status=400]]", ModelRefused, "did not accept the request (400, INVALID_ARGUMENT)", 0),
        ("[[status=400 code=API_KEY_INVALID]]", ModelRefused, "refused the key (400)", 0),
        ("[[status=400 code=FAILED_PRECONDITION]]", ModelRefused, "wants billing set up", 0),
        ("[[status=400 code=long]]", ModelTooLong, "too long", 0),
        ("[[status=413]]", ModelTooLong, "too long", 0),
        ("[[status=401]]", ModelRefused, "refused the key (401)", 0),
        ("[[status=403]]", ModelRefused, "does not allow it (403)", 0),
        ("[[status=404]]", ModelRefused, "does not know this model", 0),
        ("[[code=blocked]]", ModelRefused, "its safety rules refused this", 0),
        ("[[code=MALFORMED_FUNCTION_CALL]]", ModelBusy, "unreadable", 0),
        ("[[code=OTHER]]", ModelBusy, "did not say why", 0),
        ("[[code=MISSING_THOUGHT_SIGNATURE]]", ModelRefused, "earlier thoughts", 0),
        ("[[code=PUP_LIMITED_DISABLED]]", ModelRefused, "limited this account", 0),
        ("[[cut=5]]", ModelBusy, "broke", 0),
        ("[[cut=0]]", ModelBusy, "broke", 0),
        ("[[nofinish]]", ModelBusy, "broke off", 0),
        ("[[malformed=2]]", ModelBusy, "unreadable", 0),
        ("[[error=2]]", ModelBusy, "while answering", 3),
    ],
)
async def test_each_failure_has_its_kind_and_a_clause_for_a_person(
    server: FakeGoogle, model: GoogleModel, wish: str, kind: type[ModelError], reason: str, wait: float
) -> None:
    before = len(server.journal)
    error = await failure_of(model, asking(f"{PROMPT} and more words {wish}"))
    assert type(error) is kind
    assert reason in error.reason
    assert getattr(error, "retry_after", 0) == wait
    assert len(server.journal) == before + 1


async def test_a_wrong_key_is_refused_without_being_repeated(server: FakeGoogle) -> None:
    model = GoogleModel("AIzaWrong0815", server.url)
    error = await failure_of(model, asking("hi"))
    assert "refused the key (400)" in error.reason
    assert "0815" not in "".join(traceback.format_exception(error))
    with pytest.raises(ModelRefused, match="refused the key"):
        await model.check()
    await model.close()


async def test_without_a_key_the_environment_is_not_asked(server: FakeGoogle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    model = GoogleModel("", server.url)
    with pytest.raises(ModelRefused, match="refused the key"):
        await model.check()
    await model.close()


@pytest.mark.parametrize("name", ["gemini-99", "x/../../files", "x?key=1#", "ü 1"])
async def test_an_unknown_model_is_refused(server: FakeGoogle, model: GoogleModel, name: str) -> None:
    with pytest.raises(ModelRefused, match="404"):
        await events_of(model, asking("hi", model=name))
    assert server.journal[-1].path.startswith("/v1beta/models/")
    assert server.journal[-1].path.endswith(":streamGenerateContent?alt=sse")


async def test_a_server_that_is_not_there_could_not_be_reached_and_is_not_tried_again() -> None:
    model = GoogleModel("", f"http://127.0.0.1:{free_port()}")
    async with asyncio.timeout(5):
        with pytest.raises(ModelBusy, match="could not be reached"):
            await events_of(model, asking("hi"))
        with pytest.raises(ModelBusy, match="could not be reached"):
            await model.check()
    await model.close()


async def test_a_server_that_accepts_nobody_is_given_up_in_time() -> None:
    import socket

    with socket.socket() as full:  # a queue of none, filled: further connections wait for ever
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        model = GoogleModel("", f"http://127.0.0.1:{full.getsockname()[1]}", Timeouts(connect=0.2, first_token=30))
        async with asyncio.timeout(10):
            with pytest.raises(ModelBusy, match=r"could not be reached within 0\.2 s"):
                await events_of(model, asking("hi"))
        await model.close()
        for one in waiting:
            one.close()


async def test_an_address_that_is_none_is_said_to_be_so() -> None:
    for address in ("ftp://x.invalid", "http://"):
        model = GoogleModel(KEY, address)
        with pytest.raises(ModelError, match="GOOGLE_BASE_URL is no address"):
            await events_of(model, asking("hi"))
        await model.close()


async def test_a_slow_answer_is_not_silence(model: GoogleModel) -> None:
    assert len(text_of(await events_of(model, asking("[[tokens=12 delay=0.1]]"))).split()) == 12


async def test_a_gateways_date_to_wait_for_is_understood() -> None:
    dates = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}
    model = GoogleModel(KEY, transport=Recorder(503, dates))
    assert getattr(await failure_of(model, asking("hi")), "retry_after", 0) == 30
    await model.close()


async def test_a_gateways_keep_alives_and_fields_are_no_part_of_the_answer() -> None:
    """Source of the forms: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream"""
    first = json.dumps({"candidates": [{"content": {"parts": [{"text": "Grüße, "}]}}]}, ensure_ascii=False)
    last = json.dumps({"candidates": [{"content": {"parts": [{"text": "日本"}]}, "finishReason": "STOP"}]}, indent=1)
    lines = [
        ": keep-alive", "", "", "event: message", "id: 1", "retry: 3000", f"data:{first}", "", ": keep-alive",
        *(f"data: {line}" for line in last.splitlines()), ": keep-alive", "", "",
    ]  # fmt: skip
    for end in ("\n", "\r\n"):
        body = end.join(lines).encode()

        async def answer(_: web.Request, body: bytes = body) -> web.Response:
            return web.Response(body=body, content_type="text/event-stream")

        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        async with TestServer(app) as gateway:
            there = GoogleModel(KEY, str(gateway.make_url("/")))
            carried = GoogleModel(KEY, transport=Recorder(content=body))
            for model in (there, carried):
                assert await events_of(model, asking("hi")) == [TextDelta("Grüße, "), TextDelta("日本"), End("stop")]
                await model.close()


async def test_a_stream_in_single_bytes_is_read_like_any_other() -> None:
    async def bytes_of(text: str) -> AsyncIterator[bytes]:
        for byte in text.encode():
            yield bytes([byte])

    stream = bytes_of(': ü\r\ndata: "日本"\r\n\r\ndata: [1,\ndata:2]\n\n{"error":\n{}}\ndata: 7')
    assert [value async for value in event_stream.values(stream)] == ["日本", [1, 2], 7, {"error": {}}]


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html"])
async def test_hostile_bodies_become_plain_errors(status: int, kind: str) -> None:
    bodies = [
        b"\x00\xff\xfe" * 100,
        b"[" * 100_000,
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: " + b"1" * 6_000 + b"\n\n",
        b"data: 17\n\ndata: null\n\n",
        b'data: {"candidates": 5}\n\n',
        b'data: {"candidates": [{"content": {"parts": [{"functionCall": {"args": 5}}]}}]}\n\n',
        b'data: {"candidates": [{"content": [], "finishReason": {"a": 1}}], "usageMetadata": 7}\n\n',
        b'data: {"error": 7}\n\n',
        b'data: {"error": {"code": "x", "message": 5, "details": [{"@type": "google.rpc.QuotaFailure"}, 5]}}\n\n',
        b"data: \xff\xff\n\n",
        b'{"error": ' + json.dumps(f"{KEY} {PROMPT}").encode() + b"}",
        b'[{"error": {"code": 400, "message": ' + json.dumps(f"{KEY} {PROMPT}").encode() + b', "status": 9}}]',
        b'{"error": {"message": null, "status": "' + PROMPT.encode() + b'", "details": [{"retryDelay": 5}]}}',
        b"<html>" + PROMPT.encode() + b"</html>",
        b"x" * 10 * 2**20,
    ]
    recorder = Recorder(status, {"content-type": kind})
    model = GoogleModel(KEY, "http://x.invalid", transport=recorder)
    for recorder.content in bodies:
        error = await failure_of(model, asking(PROMPT))
        assert len(error.reason) < 120
        with pytest.raises(ModelError):
            await model.check()
    await model.close()


async def test_over_the_network_hostile_errors_are_plain_errors_too(server: FakeGoogle, model: GoogleModel) -> None:
    bodies = [b"\xff\xfe" * 50, b"{" * 9, b"", f"<html>{KEY} {PROMPT}</html>".encode()]
    for body in bodies:
        server.rules[:] = [lambda _, body=body: Plan(status=502, body=body)]
        assert isinstance(await failure_of(model, asking(PROMPT)), ModelBusy)


async def test_an_endless_answer_is_cut_at_the_limit(server: FakeGoogle) -> None:
    model = GoogleModel(KEY, server.url)
    events = await events_of(model, asking(f"[[big={10 * 2**20}]]"))
    assert len(text_of(events)) == google_answer.ANSWER_LIMIT
    assert events[-1] == End("length")
    await model.close()


async def test_check_says_whether_the_model_is_there(server: FakeGoogle) -> None:
    there = "The model's server answers; model gemini-flash-latest is available"
    for name, line in (("", "The model's server answers; it offers 6 models"), ("gemini-flash-latest", there)):
        model = GoogleModel(KEY, server.url, model=name)
        assert await model.check() == line
        await model.close()
    model = GoogleModel(KEY, server.url, model="gemini-99")
    with pytest.raises(ModelRefused, match="does not offer the model gemini-99"):
        await model.check()
    await model.close()
    model = GoogleModel(KEY, None, transport=Recorder(content=b"[]"))
    with pytest.raises(ModelRefused, match="Google does not list"):
        await model.check()
    await model.close()


async def test_the_models_of_every_page_that_chat_are_listed(server: FakeGoogle, model: GoogleModel) -> None:
    assert await model.models() == [
        "gemini-3.8-flash", "gemini-4-argon", "gemini-3.5-flash-lite", "gemini-2.5-flash", "gemini-flash-latest",
    ]  # fmt: skip
    assert [entry.path.partition("Token=")[2] for entry in server.journal][-3:] == ["", "3", "6"]


async def test_a_list_that_never_ends_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    page = {"models": [{"name": "models/m", "supportedGenerationMethods": ["generateContent"]}], "nextPageToken": "a&b"}
    recorder = Recorder(content=json.dumps(page).encode())
    model = GoogleModel(KEY, transport=recorder)
    assert set(await model.models()) == {"m"}
    assert len(recorder.requests) < 100
    assert recorder.requests[-1].url.params["pageToken"] == "a&b"
    await model.close()


async def test_many_at_once_share_one_client(server: FakeGoogle) -> None:
    model = GoogleModel(KEY, server.url)
    answers = await asyncio.gather(*(events_of(model, asking(f"hi {number}")) for number in range(30)))
    assert [text_of(events) for events in answers] == [f"echo: hi {number}" for number in range(30)]
    await model.close()
    assert text_of(await events_of(model, asking("again"))) == "echo: again"
    await model.close()


async def test_no_log_holds_the_key_or_what_was_said(model: GoogleModel, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await events_of(model, asking(PROMPT))
    await failure_of(model, asking(f"{PROMPT} [[status=400]]"))
    await failure_of(model, asking(f"{PROMPT} [[malformed=1]]"))
    assert PROMPT not in caplog.text
    assert KEY not in caplog.text

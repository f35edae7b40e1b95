"""Anthropic's adapter: the real SDK against a fake server on loopback, or a recorder in place of the network."""

import json
import logging
import traceback
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from core.providers import anthropic_wire
from core.providers.anthropic import DEFAULT_MODEL, AnthropicModel
from core.providers.anthropic_answer import Answer
from core.providers.openai_wire import ANSWER_LIMIT
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
    TokenUsage,
    ToolCall,
    ToolDefinition,
)
from tests.ports import free_port
from tests.servers.anthropic import FakeAnthropic
from tests.servers.openai_script import Call, Plan

KEY = "sk-ant-secret-4711"
PROMPT = "the prompt that nobody may see"
TOOLS = (ToolDefinition("weather.of", "Weather.", {"type": "object"}), ToolDefinition("clock", "Time.", {}))


@pytest.fixture
async def server() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(key=KEY) as running:
        yield running


@pytest.fixture
async def model(server: FakeAnthropic) -> AsyncIterator[AnthropicModel]:
    opened = AnthropicModel(KEY, server.url)
    yield opened
    await opened.close()


def asking(*messages: Message | str, model: str = DEFAULT_MODEL, **more: Any) -> ModelRequest:
    said = tuple(Message("user", message) if isinstance(message, str) else message for message in messages)
    return ModelRequest(model, more.pop("instructions", "Be brief."), said, **more)


async def events_of(model: AnthropicModel, request: ModelRequest) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought_in(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ThinkingDelta))


def usage_in(events: list[ModelEvent]) -> TokenUsage:
    [usage] = [event for event in events if isinstance(event, TokenUsage)]
    return usage


def assistant(events: list[ModelEvent]) -> Message:
    """Return the message that the loop makes of an answer."""
    kept = "".join(event.data for event in events if isinstance(event, Keep))
    calls = tuple(event for event in events if isinstance(event, ToolCall))
    return Message("assistant", text_of(events), calls=calls, kept=kept)


async def failure_of(model: AnthropicModel, request: ModelRequest) -> ModelError:
    with pytest.raises(ModelError) as raised:
        await events_of(model, request)
    shown = "".join(traceback.format_exception(raised.value))
    assert KEY not in shown
    assert PROMPT not in shown
    return raised.value


async def test_long_texts_arrive_whole(model: AnthropicModel) -> None:
    for wish in ("[[table]]", "[[big=9000]]", "[[tokens=200]]"):
        assert text_of(await events_of(model, asking(wish)))
    assert len(text_of(await events_of(model, asking("[[len=12000]]")))) == 12_000
    assert text_of(await events_of(model, asking("👩‍👩‍👧 שלום <script> `x` **"))) == "echo: 👩‍👩‍👧 שלום <script> `x` **"


async def test_a_request_says_what_the_port_says(server: FakeAnthropic, model: AnthropicModel) -> None:
    settings = {"max_output_tokens": 99, "temperature": 0.5, "top_p": 1, "stop": "END", "colour": "red"}
    await events_of(model, asking("hi", settings=settings, person="p-1", tools=TOOLS))
    asked = server.journal[-1]
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.body["system"][0]["text"] == "Be brief."
    assert asked.body["metadata"] == {"user_id": "p-1"}
    assert (asked.body["max_tokens"], asked.body["stop_sequences"]) == (99, ["END"])
    assert [tool["name"] for tool in asked.body["tools"]] == ["weather_of", "clock"]
    assert not asked.body.keys() & {"temperature", "top_p", "colour", "stop"}


async def test_what_is_read_from_the_cache_is_counted_and_what_is_written_too(
    server: FakeAnthropic, model: AnthropicModel
) -> None:
    first = asking("hi", instructions="Be brief. " * 400, tools=TOOLS)
    before = usage_in(await events_of(model, first))
    assert before.cached_tokens == 0
    assert before.input_tokens > 1000
    again = usage_in(await events_of(model, first))
    assert again == TokenUsage(before.input_tokens, again.output_tokens, before.input_tokens)
    other_person = usage_in(await events_of(model, asking("hello", instructions=first.instructions, tools=TOOLS)))
    assert 1000 < other_person.cached_tokens < other_person.input_tokens


async def test_a_conversation_reads_all_that_was_said_before_from_the_cache(
    server: FakeAnthropic, model: AnthropicModel
) -> None:
    said: list[Message | str] = []
    last = TokenUsage(0, 0)
    for number in range(5):
        said.append(f"line {number} " * 300)
        events = await events_of(model, asking(*said))
        usage = usage_in(events)
        assert usage.cached_tokens >= last.input_tokens - 1
        said.append(assistant(events))
        last = usage
    marks = json.dumps(server.journal[-1].body).count("cache_control")
    assert marks == 2


async def test_many_parallel_calls_do_not_lose_the_cache(server: FakeAnthropic, model: AnthropicModel) -> None:
    calls = tuple(Call("clock", "{}", f"call_{number}") for number in range(30))
    server.rules.append(lambda body: Plan(calls=calls) if len(body["messages"]) == 1 else None)
    first = asking("word " * 1000, tools=TOOLS)
    events = await events_of(model, first)
    results = [Message("tool", "noon", call_id=call.id) for call in assistant(events).calls]
    second = asking(*first.messages, assistant(events), *results, tools=TOOLS)
    assert usage_in(await events_of(model, second)).cached_tokens == usage_in(events).input_tokens


async def test_a_short_request_is_not_marked(server: FakeAnthropic, model: AnthropicModel) -> None:
    await events_of(model, asking("hi"))
    assert "cache_control" not in json.dumps(server.journal[-1].body)


async def test_a_server_that_counts_nothing_still_answers(model: AnthropicModel) -> None:
    events = await events_of(model, asking("hi [[nousage]]"))
    assert [type(event) for event in events[-2:]] == [TextDelta, End]


@pytest.mark.parametrize(
    ("name", "settings", "thinking", "effort"),
    [
        ("claude-haiku-5-5", {}, {"type": "adaptive", "display": "summarized"}, None),
        ("claude-haiku-5-5", {"thinking": "off", "effort": "max"}, {"type": "disabled"}, "high"),
        ("claude-sonnet-5-5", {"thinking": "off"}, {"type": "between_tools"}, None),
        ("claude-opus-5-5", {"thinking": "off"}, {"type": "adaptive", "display": "omitted"}, "low"),
        ("claude-fable-5-2", {"effort": "low"}, {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-opus-5", {"thinking": "off"}, {"type": "disabled"}, None),
        ("claude-opus-4-8", {}, None, None),
        ("claude-opus-4-8", {"thinking": "on"}, {"type": "adaptive", "display": "summarized"}, None),
        ("claude-sonnet-4-6", {"thinking": "off", "effort": "high"}, None, "high"),
        ("claude-haiku-4-5", {"effort": "high"}, None, None),
        ("claude-haiku-4-5", {"thinking": "on", "effort": "low"}, {"type": "enabled", "budget_tokens": 2048}, None),
        ("claude-haiku-4-5-20251001", {"thinking": "on", "max_output_tokens": 4000},
         {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-haiku-4-5", {"thinking": "on", "max_output_tokens": 500}, None, None),
    ],
)  # fmt: skip
async def test_each_model_is_told_to_think_as_it_takes_it(
    server: FakeAnthropic, model: AnthropicModel, name: str, settings: dict[str, Any], thinking: Any, effort: Any
) -> None:
    await events_of(model, asking("why", model=name, settings=settings))
    body = server.journal[-1].body
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


async def test_an_unknown_model_is_told_nothing_that_is_not_set(server: FakeAnthropic, model: AnthropicModel) -> None:
    server.models = ("llama3.2",)
    await events_of(model, asking("hi", model="llama3.2"))
    assert not server.journal[-1].body.keys() & {"thinking", "output_config"}


async def test_thinking_is_told_apart_from_the_answer(model: AnthropicModel) -> None:
    events = await events_of(model, asking("why [[thinking]]"))
    assert isinstance(events[0], ThinkingDelta)
    assert text_of(events) == "echo: why"
    silent = await events_of(model, asking("why [[thinking]]", settings={"thinking": "off"}))
    assert not thought_in(silent)


async def test_long_thinking_that_is_not_shown_is_not_silence(server: FakeAnthropic) -> None:
    answer = Answer(asking("hi"))
    opened = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    assert list(answer.read(opened)) == []
    assert answer.thinking
    shown = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}
    assert list(answer.read(shown)) == [ThinkingDelta("hm")]
    assert not answer.thinking


@pytest.mark.parametrize("name", ["claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5", "claude-opus-4-8"])
async def test_signed_thinking_goes_back_in_the_rounds_of_a_turn(
    server: FakeAnthropic, model: AnthropicModel, name: str
) -> None:
    said = [Message("user", "What is the weather?")]
    for number in range(3):
        plan = Plan("Let me see.", (Call("weather_of", '{"city": "Łódź"}', f"c{number}"),), thinking=f"hm {number}")
        server.rules[:] = [lambda body, plan=plan: plan]
        events = await events_of(model, asking(*said, model=name, tools=TOOLS, settings={"thinking": "on"}))
        assert thought_in(events) == f"hm {number}"
        assert [type(event) for event in events[-4:]] == [ToolCall, Keep, TokenUsage, End]
        said += [assistant(events), Message("tool", "Rain.", call_id=f"c{number}")]
    sent = [message["content"][0] for message in server.journal[-1].body["messages"] if message["role"] == "assistant"]
    assert [block["thinking"] for block in sent] == ["hm 0", "hm 1"]
    assert all(block["signature"] for block in sent)


async def test_thinking_that_no_longer_fits_is_left_behind(server: FakeAnthropic, model: AnthropicModel) -> None:
    server.rules.append(lambda body: Plan(calls=(Call("clock", "{}", "a"),), thinking="hm"))
    first = asking("What is the time?", tools=TOOLS)
    answer = assistant(await events_of(model, first))
    later = asking(
        *first.messages, answer, Message("tool", "noon", call_id="a"), instructions="It is tomorrow.", tools=TOOLS
    )
    assert assistant(await events_of(model, later)).calls
    assert server.journal[-1].headers["anthropic-beta"]


@pytest.mark.parametrize("kept", ["", "no json", "[" * 100_000, '{"google": []}', '{"anthropic": [{"type": "text"}]}'])
async def test_what_another_provider_kept_is_not_sent(server: FakeAnthropic, model: AnthropicModel, kept: str) -> None:
    called = Message("assistant", "", calls=(ToolCall("call|1", "look.at", '{"x": 1}'),), kept=kept)
    request = asking("look", called, Message("tool", "", call_id="call|1"), model="claude-haiku-4-5",
                     settings={"thinking": "on"})  # fmt: skip
    assert (await events_of(model, request))[-1] == End("stop")
    assert server.journal[-1].body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "look_at", "input": {"x": 1}}
    ]


@pytest.mark.parametrize(
    ("wish", "reason"), [("[[filter]]", "filtered"), ("[[long]]", "length"), ("[[empty]]", "stop")]
)
async def test_why_it_stopped_is_passed_on(model: AnthropicModel, wish: str, reason: str) -> None:
    assert (await events_of(model, asking(wish)))[-1] == End(reason)


async def test_two_parallel_tool_calls_are_put_together_from_their_fragments(
    server: FakeAnthropic, model: AnthropicModel
) -> None:
    weather = Call("weather_of", '{"city": "Łódź", "days": 3}', "call_a")
    server.rules.append(lambda body: Plan("Wait.", (weather, Call("clock", "", "call_b"))))
    events = await events_of(model, asking("weather?", tools=TOOLS))
    assert [event for event in events if isinstance(event, ToolCall)] == [
        ToolCall("call_a", "weather.of", '{"city": "Łódź", "days": 3}'),
        ToolCall("call_b", "clock", "{}"),
    ]
    assert text_of(events) == "Wait."
    assert [type(event) for event in events[-2:]] == [TokenUsage, End]
    assert events[-1] == End("tools")


async def test_tool_results_and_what_tools_saw_go_back_in_one_message(
    server: FakeAnthropic, model: AnthropicModel
) -> None:
    calls = (ToolCall("a", "look.at", "not json"), ToolCall("b", "clock", "{}"))
    request = asking(
        "look",
        Message("assistant", "Wait.", calls=calls),
        Message("tool", "a picture", (Picture("image/png", b"png"),), call_id="a"),
        Message("tool", "noon", call_id="b"),
        "and?",
    )
    assert (await events_of(model, request))[-1] == End("stop")
    sent = server.journal[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert [block["type"] for block in sent[2]["content"]] == ["tool_result", "tool_result", "text"]
    assert sent[2]["content"][0]["content"][1]["source"]["data"] == "cG5n"


async def test_any_history_becomes_one_that_the_api_takes(model: AnthropicModel) -> None:
    for said in (
        [Message("assistant", "Good morning!"), Message("user", "hi")],
        [Message("user", "hi"), Message("assistant", "hello")],
        [Message("user", "one"), Message("user", "two"), Message("assistant", " "), Message("user", "three")],
        [Message("user", "")],
        [Message("user", "hi"), Message("assistant", ""), Message("user", "\n\t")],
        [],
    ):
        assert (await events_of(model, asking(*said, instructions=" ")))[-1] == End("stop")


async def test_pictures_and_documents_are_shown_and_other_files_named(
    server: FakeAnthropic, model: AnthropicModel
) -> None:
    kinds = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "audio/ogg"]
    seen = Message("user", "read", tuple(Picture(kind, b"data", f"file {kind}") for kind in kinds))
    await events_of(model, asking(seen))
    content = server.journal[-1].body["messages"][0]["content"]
    assert [block["type"] for block in content] == ["text", *["image"] * 4, "document", "text"]
    assert content[5]["title"] == "file application/pdf"
    assert content[6]["text"] == "[file audio/ogg: this model can't read it]"


class Recorder(httpx2.AsyncBaseTransport):
    """Answers every request itself, so that none reaches the network."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, content: bytes = b"") -> None:
        self.requests: list[httpx2.Request] = []
        self.status, self.headers, self.content = status, headers or {}, content

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(self.status, headers=self.headers, content=self.content)


async def test_only_the_messages_of_anthropic_itself_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://elsewhere.invalid")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another-token")
    for base_url in (None, "https://api.anthropic.com", "https://api.anthropic.com/v1/"):
        recorder = Recorder(400, {}, b"{}")
        model = AnthropicModel(KEY, base_url, transport=recorder)
        assert "Anthropic did not accept" in (await failure_of(model, asking(PROMPT))).reason
        [sent] = recorder.requests
        assert str(sent.url) == "https://api.anthropic.com/v1/messages"
        assert sent.headers["authorization"] == f"Bearer {KEY}"
        await model.close()


async def test_only_the_named_server_ever_sees_the_words(server: FakeAnthropic) -> None:
    recorder = Recorder(307, {"location": f"{server.url}/v1/messages"})
    model = AnthropicModel(KEY, "http://first.invalid", transport=recorder)
    assert isinstance(await failure_of(model, asking(PROMPT)), ModelRefused)
    assert len(recorder.requests) == 1
    assert not server.journal


@pytest.mark.parametrize(
    ("wish", "kind", "reason", "wait"),
    [
        ("[[status=429 retry_after=2]]", ModelBusy, "(429)", 2),
        ("[[status=408]]", ModelBusy, "(408)", 0),
        ("[[status=409]]", ModelBusy, "(409)", 0),
        ("[[status=500]]", ModelBusy, "(500)", 0),
        ("[[status=503 retry_after=0.5]]", ModelBusy, "(503)", 0.5),
        ("[[status=504]]", ModelBusy, "(504)", 0),
        ("[[status=529 retry_after=3]]", ModelBusy, "overloaded (529)", 3),
        ("[[status=400]]", ModelRefused, "did not accept the request (400)", 0),
        ("[[status=400 code=file_expired]]", ModelRefused, "(400, file_expired)", 0),
        ("[[status=400 code=too_long]]", ModelTooLong, "too long", 0),
        ("[[status=400 code=no_credit]]", ModelRefused, "no credit", 0),
        ("[[status=400 code=spent]]", ModelRefused, "spending limit", 0),
        ("[[status=400 code=bad_picture]]", ModelRefused, "can't read one of the pictures", 0),
        ("[[status=402]]", ModelRefused, "no credit", 0),
        ("[[status=413]]", ModelTooLong, "too long", 0),
        ("[[status=401]]", ModelRefused, "refused the key (401)", 0),
        ("[[status=403]]", ModelRefused, "(403)", 0),
        ("[[status=404]]", ModelRefused, "(404)", 0),
        ("[[cut=5]]", ModelBusy, "broke", 0),
        ("[[cut=0]]", ModelBusy, "broke", 0),
        ("[[nofinish]]", ModelBusy, "broke off", 0),
        ("[[malformed=2]]", ModelBusy, "unreadable", 0),
        ("[[error=2]]", ModelBusy, "while answering", 0),
        ("[[error=2 code=overloaded_error]]", ModelBusy, "overloaded while answering", 0),
        ("[[error=0 code=too_long]]", ModelTooLong, "too long", 0),
    ],
)
async def test_each_failure_has_its_kind_and_a_clause_for_a_person(
    model: AnthropicModel, wish: str, kind: type[ModelError], reason: str, wait: float
) -> None:
    error = await failure_of(model, asking(f"{PROMPT} and more words {wish}"))
    assert type(error) is kind
    assert reason in error.reason
    assert getattr(error, "retry_after", 0) == wait


async def test_a_setting_that_a_model_does_not_take_is_named(model: AnthropicModel) -> None:
    for settings, name in (({"max_output_tokens": 200_000}, "max_output_tokens"), ({"effort": "huge"}, "effort")):
        error = await failure_of(model, asking("hi", settings=settings))
        assert error.reason == f"this model does not take the setting {name} as it is (400)"


async def test_a_wrong_key_is_refused_without_being_repeated(server: FakeAnthropic) -> None:
    model = AnthropicModel("sk-ant-wrong-0815", server.url)
    error = await failure_of(model, asking("hi"))
    assert "refused the key (401)" in error.reason
    assert "0815" not in "".join(traceback.format_exception(error))
    with pytest.raises(ModelRefused, match="refused the key"):
        await model.check()
    await model.close()


async def test_an_unknown_model_is_refused(model: AnthropicModel) -> None:
    with pytest.raises(ModelRefused, match="404"):
        await events_of(model, asking("hi", model="claude-99"))


async def test_a_server_that_is_not_there_could_not_be_reached() -> None:
    model = AnthropicModel(KEY, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ModelBusy, match="could not be reached"):
        await events_of(model, asking("hi"))
    with pytest.raises(ModelBusy, match="could not be reached"):
        await model.check()
    await model.close()


async def test_a_slow_answer_is_not_silence(model: AnthropicModel) -> None:
    assert len(text_of(await events_of(model, asking("[[tokens=12 delay=0.1]]"))).split()) == 12


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("kind", ["text/event-stream", "application/json", "text/html"])
async def test_hostile_bodies_become_plain_errors(status: int, kind: str) -> None:
    def event(name: str, data: str) -> bytes:
        return f"event: {name}\ndata: {data}\n\n".encode()

    tool = '{"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": 7, "name": []}}'
    stop = event("message_delta", '{"type": "message_delta", "delta": {"stop_reason": "tool_use"}}')
    bodies = [
        b"\x00\xff\xfe" * 100,
        b"[" * 100_000,
        event("message_start", "[" * 100_000),
        event("message_start", "1" * 6_000),
        event("message_start", "17") + event("message_delta", "null"),
        event("message_start", '{"type": "message_start", "message": {"usage": {"input_tokens": NaN}}}'),
        event("content_block_delta", '{"type": "content_block_delta", "index": [], "delta": {"type": {}, "text": 5}}'),
        event("message_delta", '{"type": "message_delta", "delta": {"stop_reason": {"a": 1}}}'),
        event("content_block_start", tool) + stop,
        event("error", f'{{"error": "{KEY} {PROMPT}"}}'),
        event("error", f"{KEY} {PROMPT}"),
        b"event: x\ndata: \xff\xff\n\n",
        b'{"error": ' + json.dumps(f"{KEY} {PROMPT}").encode() + b"}",
        b'{"error": {"message": null, "type": [], "details": {"error_code": "' + KEY.encode() + b'"}}}',
        b"<html>" + PROMPT.encode() + b"</html>",
        b"x" * 10 * 2**20,
    ]
    for body in bodies:
        model = AnthropicModel(KEY, "http://x.invalid", transport=Recorder(status, {"content-type": kind}, body))
        error = await failure_of(model, asking(PROMPT))
        assert len(error.reason) < 120


async def test_an_endless_answer_is_cut_at_the_limit(server: FakeAnthropic) -> None:
    model = AnthropicModel(KEY, server.url)
    events = await events_of(model, asking(f"[[big={10 * 2**20}]]"))
    assert len(text_of(events)) == ANSWER_LIMIT
    assert events[-1] == End("length")
    await model.close()


async def test_kinds_of_events_and_blocks_that_nobody_knows_yet_are_passed_over() -> None:
    answer = Answer(asking("hi"))
    events: list[ModelEvent] = []
    for sent in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 3, "cache_read_input_tokens": None}}},
        {"type": "dream"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "dream", "text": "z"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "dream_delta", "dream": "z"}},
        {"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    ):
        events += answer.read(sent)
    assert text_of([*events, *answer.end()]).endswith("hi")
    assert [*answer.end()] == [TokenUsage(3, 2, 0), End("stop")]


async def test_every_page_of_models_is_read_and_dated_names_count(server: FakeAnthropic) -> None:
    server.models = tuple(f"claude-{number}" for number in range(2500))
    model = AnthropicModel(KEY, server.url)
    assert await model.models() == list(server.models)
    assert len(server.journal) == 3
    assert await model.check() == "The model's server answers; it offers 2500 models"
    await model.close()
    server.models = ("claude-haiku-4-5-20251001",)
    named = AnthropicModel(KEY, server.url, model="claude-haiku-4-5")
    assert await named.check() == "The model's server answers; model claude-haiku-4-5 is available"
    await named.close()
    other = AnthropicModel(KEY, server.url, model="claude-99")
    with pytest.raises(ModelRefused, match="does not offer the model claude-99"):
        await other.check()
    await other.close()
    empty = AnthropicModel(KEY, None, transport=Recorder(content=b"{}"))
    with pytest.raises(ModelRefused, match="Anthropic does not list"):
        await empty.check()


async def test_no_log_holds_the_key_or_what_was_said(model: AnthropicModel, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("anthropic").setLevel(logging.DEBUG)
    caplog.set_level(logging.DEBUG)
    await events_of(model, asking(PROMPT))
    await failure_of(model, asking(f"{PROMPT} [[status=400]]"))
    assert PROMPT not in caplog.text
    assert KEY not in caplog.text


def test_a_calls_arguments_are_an_object_or_nothing() -> None:
    assert anthropic_wire.as_input('{"a": 1}') == {"a": 1}
    for arguments in ("", "[1]", "{", "[" * 100_000):
        assert anthropic_wire.as_input(arguments) == {}

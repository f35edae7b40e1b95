"""The model that needs no key and no network: it answers from the bundled handbook by quoting it."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence

from core.providers.handbook import Handbook, Section
from core.providers.port import (
    End,
    ModelEvent,
    ModelRequest,
    Setting,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolDefinition,
)

MODEL_NAME = "handbook"

_CONTEXT = re.compile(r"^\[[^\]\n]*:\]\n(?:> .*\n?)*", re.MULTILINE)
_SPEAKER = re.compile(r"^[^\n:]{1,60}: ")
_WORDS = re.compile(r"\S+\s*|\s+")
_ALSO = 0.7
_LONGEST_PHRASE = 100

_WHAT_I_CAN = (
    "I am the **offline model**: I answer questions about Prowex by quoting its handbook, and tell you which command "
    "does what. I can't write, calculate or translate."
)
_SET_A_KEY = (
    "For a real model, put `OPENAI_API_KEY=…`, `ANTHROPIC_API_KEY=…` or `GEMINI_API_KEY=…` into `.env`, or run "
    "`prowex init`, which asks for them, and start Prowex again."
)
_SMALL_TALK = (
    (r"hi|hello|hey|hallo|good (?:morning|afternoon|evening|day)|greetings|howdy|hola|bonjour|servus",
     f"Hello! {_WHAT_I_CAN} What would you like to know?"),
    (r"thanks?|thank you|many thanks|thx|ty|cheers|merci|danke|great|cool|nice|ok|okay|perfect|well done",
     "You are welcome! Ask me anything else about Prowex."),
    (r"bye|goodbye|good night|see you(?: later)?|cu|ciao", "Goodbye! Write again whenever you like."),
    (r"how are you(?: doing)?|how do you do|how is it going|what'?s up",
     "I am well, thank you: I need no network and no key. What would you like to know about Prowex?"),
    (r"(?:who|what) are you|what is your name|are you (?:an? )?(?:ai|bot|robot|human|real|person|model|chatgpt|gpt)",
     f"{_WHAT_I_CAN}\n\n{_SET_A_KEY}"),
    (r"what (?:can|do) you do|what can i (?:do|ask|say)(?: here)?|what do you know|how can you help(?: me)?",
     f"{_WHAT_I_CAN}\n\nTry: *How do I connect Telegram?*, *How are messages kept?* or *How do I make a backup?* "
     f"`/help` lists the commands.\n\n{_SET_A_KEY}"),
)  # fmt: skip
_COMMANDS = (
    (r"(?:start|begin|open|make|create|have)\b.*\b(?:new|fresh|another) (?:conversation|chat|topic)|new (?:conversation"
     r"|chat|topic)|start (?:over|again|afresh)|reset|forget (?:everything|all|it|this|that|what|our)\b.*",
     "Write `/new` to start a new conversation.", "Starting anew"),
    (r"(?:stop|cancel|abort|halt|enough|be quiet)(?: (?:it|that|this|now|answering|writing|talking|the answer))?",
     "Write `/stop` to stop the answer that is being written.", "Stopping an answer"),
    (r"retry|(?:try|answer|do (?:it|that)|say (?:it|that)|write (?:it|that))(?: once)? (?:again|anew)|regenerate|repeat"
     r"(?: (?:it|that|the answer))?|again", "Write `/retry` to have the last answer written again.", "Trying again"),
    (r".*\b(?:what|which)\b.*\bmodel\b.*\b(?:is|are|answers?|do you|does|am)\b.*|(?:what|which) model|.*\bmodel "
     r"(?:is|are) (?:this|you)\b.*",
     "The **offline model**, `offline:handbook`, answers here. `/status` says so at any time.", "Choosing the model"),
    (r"(?:invite|add|let in)\b.*|.*\b(?:can|do|could|should|want to|like to) (?:i |we )?(?:invite|add|let in) "
     r"(?:some|any|a|an|my|another|more|new|people|friend|colleague|person|other)\w*\b.*",
     "Write `/invite` to invite somebody; it makes a code for one person.", "Inviting somebody"),
    (r"who am i|what do you know about me|my account|show my account",
     "Write `/whoami` to see who you are to me.", "Who is who"),
    (r"status|show (?:me )?(?:the )?status|what is going on|are you (?:busy|working|there)",
     "Write `/status` to see who answers, what runs and what waits.", "Finding what is wrong"),
    (r"help|help me|i need help|show (?:me )?(?:the |all )?(?:commands|help)|(?:what|which) commands (?:are there|exist"
     r"|do you (?:have|know))|(?:list|the|all) commands|commands",
     "Write `/help` to see what you can do here.", "In a chat"),
    (r"(?:what(?:'s| is)|tell me about|explain|about)? ?prowex", "", "In short"),
)  # fmt: skip


class OfflineModel:
    """A `LanguageModel` that quotes the handbook. The same question always gets the same answer.

    Args:
        pause: seconds before each word.
    """

    name = "offline"
    settings: tuple[Setting, ...] = ()

    def __init__(self, *, pause: float = 0.0) -> None:
        self._handbook = Handbook()
        self._pause = pause
        self._small_talk = [(_whole(pattern), reply) for pattern, reply in _SMALL_TALK]
        self._commands = [(_whole(pattern), reply, section) for pattern, reply, section in _COMMANDS]

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer the last message, word by word, or use the tool that it asks for. No tokens are used."""
        last = request.messages[-1] if request.messages else None
        message = next((message for message in reversed(request.messages) if message.role == "user"), None)
        if last is not None and last.role == "tool":
            text = _ON_A_TOOL if last.text.startswith("The person is asked") else last.text
        elif (call := _call(message.text if message else "", request.tools)) is not None:
            yield call
            yield TokenUsage(0, 0)
            yield End("tools")
            return
        else:
            text = self.answer(message.text if message else "", pictures=bool(message and message.pictures))
        for word in _WORDS.findall(text):
            await asyncio.sleep(self._pause)
            yield TextDelta(word)
        yield TokenUsage(0, 0)
        yield End("stop")

    async def check(self) -> str:
        """Count the handbook's sections."""
        return f"The offline model is ready; it quotes {len(self._handbook.sections)} sections of the handbook"

    async def models(self) -> list[str]:
        """Return its only name."""
        return [MODEL_NAME]

    async def close(self) -> None:
        """Close nothing: nothing is open."""

    def answer(self, text: str, *, pictures: bool = False) -> str:
        """Return the answer to `text`, in Markdown."""
        asked = _CONTEXT.sub("", text).strip()
        without_name = _SPEAKER.sub("", asked, count=1)
        for candidate in dict.fromkeys((asked, without_name)):
            reply = self._known(candidate)
            if reply is not None:
                return reply
        found = self._handbook.search(without_name)
        if found:
            return _quote([section for score, section in found[:2] if score >= _ALSO * found[0][0]])
        if pictures:
            return f"I can't see pictures or files: I am the offline model.\n\n{_SET_A_KEY}"
        return f"I found nothing about that in the handbook. {_WHAT_I_CAN}\n\n{_SET_A_KEY}"

    def _known(self, text: str) -> str | None:
        """Return the answer to a greeting, a common question, or a command said in plain words."""
        if len(text) > _LONGEST_PHRASE:
            return None
        plain = " ".join(re.sub(r"[^\w\s']", " ", text.lower().replace("’", "'")).split())
        for pattern, reply in self._small_talk:
            if pattern.fullmatch(plain):
                return reply
        for pattern, reply, title in self._commands:
            if pattern.fullmatch(plain):
                return f"{reply}\n\n{_quote([self._handbook.section(title)])}".lstrip()
        return None


_ON_A_TOOL = "I can do that for you:"
_AGENT = re.compile(
    r"(?:please |can you |could you |i (?:want|need|would like) you to |i (?:want|would like) to )*"
    r"(?:make|create|build|set up|add|i need|i want|i would like)(?: me| us)?"
    r" (?:a |an )?(?:new )?(?:agent|assistant|bot|helper)"
    r"(?: (?:called|named) [\"“']?(?P<name>[^\"”',.;:]{1,40}?)[\"”']?)?"
    r"(?:,? ?(?P<task>(?:that|which|who|to|for) .+?))?[.!?]*",
    re.IGNORECASE | re.DOTALL,
)
_LIST_AGENTS = re.compile(
    r"(?:please )?(?:list|show)(?: me)?(?: all)?(?: my| the| our)? (?:agents|assistants|bots)[.!]?"
    r"|(?:which|what) (?:agents|assistants|bots) (?:are there|do (?:i|we|you) have)\??",
    re.IGNORECASE,
)
_SKIPPED = {"my", "the", "a", "an", "our", "all", "your", "me"}


def _call(text: str, tools: Sequence[ToolDefinition]) -> ToolCall | None:
    """Return the tool call that a message asks for in plain words."""
    offered, said = {tool.name for tool in tools}, _CONTEXT.sub("", text).strip()
    if "agents.list" in offered and _LIST_AGENTS.fullmatch(said):
        return ToolCall("call_0", "agents.list", "{}")
    wanted = _AGENT.fullmatch(said)
    if wanted is None or "agents.create" not in offered or not (wanted["task"] or wanted["name"]):
        return None
    task = " ".join((wanted["task"] or "").split())
    words = [word for word in re.findall(r"[^\W_]+", task)[1:] if word.lower() not in _SKIPPED]
    name = wanted["name"] or " ".join(words[:2]).capitalize()
    instructions = f"You are an assistant {task}." if task else f"You are {name}, an assistant."
    values = {"name": name.strip(), "instructions": instructions}
    return ToolCall("call_0", "agents.create", json.dumps(values, ensure_ascii=False))


def _whole(pattern: str) -> re.Pattern[str]:
    """Compile `pattern` with the courtesies that people put around it."""
    before = (
        r"(?:(?:hi|hello|hey|please|ok|okay|so|well|and|can you|could you|would you|how (?:do|can) (?:i|we)|i want to"
    )
    after = (
        r"(?:(?:please|now|again|there|all|everybody|everyone|bot|assistant|prowex|very much|so much|a lot|then) ?)*"
    )
    return re.compile(rf"{before}|i would like to|let's) )*(?:{pattern}) ?{after}")


def _quote(sections: list[Section]) -> str:
    first, *others = sections
    quoted = f"{first.text}\n\n— *Handbook: {first.name}*"
    return quoted + "".join(f"\n\nSee also *{other.name}*." for other in others)

"""What the fake OpenAI server answers: plans, the `[[directives]]` that make them, and texts that never vary.

Directives stand anywhere in the last user message, `[[name=value name=value]]`, a name alone meaning yes:

    tokens=200        so many words              delay=0.05     seconds before each token
    len=12000         so many characters         first=5        seconds before the first token
    table             a Markdown table           empty          no text at all
    big=10485760      one huge token             thinking       some reasoning first
    status=429        an error instead           code=…  retry_after=2 (with status)
    cut=20            the connection breaks after 20 tokens
    hang              no answer at all           hang=5         silence after 5 tokens
    hold              no token until the test says `go_on`      hold=5,9  waits after 5 and 9
    malformed=3       a broken chunk after 3     error=3        an error event after 3 (code=…)
    nofinish          no finish_reason           nodone         no [DONE]
    nousage           no usage                   cached=64      cached prompt tokens
    filter            finish_reason is content_filter           long    finish_reason is length
    times=2           only the first 2 requests with this message go wrong (status, cut, hang, malformed, error,
                      nofinish, filter, empty); later ones are answered. Without it, all of them do.
"""

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

_DIRECTIVES = re.compile(r"\[\[([^\[\]]*)\]\]")
_TOKENS = re.compile(r"\s*\S{1,24}|\s+")
_WORDS = [
    "amber", "brook", "candle", "delta", "ember", "field", "garden", "harbour", "island", "jasper", "kettle",
    "lantern", "meadow", "needle", "orchard", "pebble", "quarry", "river", "saddle", "timber", "umbrella", "valley",
    "window", "yellow", "zephyr", "anchor", "basket", "copper", "dapple", "engine",
]  # fmt: skip
_FAULTS = ("status", "cut", "hang", "malformed", "error", "nofinish", "filter", "empty")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call the fake model makes. `arguments` is streamed in fragments as it stands."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one request is answered. Counts are tokens sent before the event; None means that it does not happen."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    thinking: str = ""
    delay: float = 0
    first: float = 0
    status: int = 0
    code: str = ""
    retry_after: float | None = None
    body: bytes | None = None
    cut: int | None = None
    silent: int | None = None
    held: tuple[int, ...] = ()
    malformed: int | None = None
    error: int | None = None
    finish: str | None = "stop"
    done: bool = True
    usage: bool = True
    cached: int = 0


Rule = Callable[[dict[str, Any]], Plan | None]


def tokens(text: str) -> list[str]:
    """Cut `text` into what the fake counts as tokens; joined they are `text` again."""
    if len(text) > 1_000_000:
        return [text]
    return _TOKENS.findall(text)


def words(count: int, seed: str = "") -> str:
    """Return `count` words in sentences, always the same for the same seed."""
    chosen = random.Random(zlib.crc32(seed.encode())).choices(_WORDS, k=count)
    return " ".join(word + ("." if number % 11 == 10 else "") for number, word in enumerate(chosen))


def paragraphs(length: int, seed: str = "") -> str:
    """Return exactly `length` characters of text in paragraphs, always the same for the same seed."""
    parts = [words(60, f"{seed}{number}") for number in range(length // 200 + 1)]
    return "\n\n".join(parts)[:length].rstrip().ljust(length, ".")


def table(rows: int = 6) -> str:
    """Return a Markdown table."""
    lines = ["| Number | Word | Square |", "| ---: | :--- | ---: |"]
    lines += [f"| {number} | {_WORDS[number % len(_WORDS)]} | {number * number} |" for number in range(1, rows + 1)]
    return "\n".join(lines)


def last_user_text(body: dict[str, Any]) -> str:
    """Return the text of the request's last user message, without its pictures."""
    for message in reversed(body["messages"]):
        if message["role"] == "user":
            content = message.get("content") or ""
            if isinstance(content, str):
                return content
            return "\n".join(part["text"] for part in content if part["type"] == "text")
    return ""


def directives(text: str) -> dict[str, str]:
    """Return every directive in `text`."""
    found: dict[str, str] = {}
    for block in _DIRECTIVES.findall(text):
        for item in block.split():
            name, _, value = item.partition("=")
            found[name] = value
    return found


def plan_for(text: str, seen: int) -> Plan:
    """Return the plan that `text` asks for. `seen`: how many requests with this very text came before."""
    wanted = directives(text)
    if "times" in wanted and seen >= int(wanted["times"]):
        for name in _FAULTS:
            wanted.pop(name, None)
    said = _DIRECTIVES.sub("", text).strip()
    plan = Plan(
        text=_text(wanted, said),
        thinking=words(12, said) if "thinking" in wanted else "",
        delay=float(wanted.get("delay", 0)),
        first=float(wanted.get("first", 0)),
        cached=int(wanted.get("cached", 0)),
        usage="nousage" not in wanted,
        done="nodone" not in wanted,
    )
    return _with_faults(plan, wanted)


def _text(wanted: dict[str, str], said: str) -> str:
    if "empty" in wanted:
        return ""
    if "big" in wanted:
        return "x" * int(wanted["big"])
    if "len" in wanted:
        return paragraphs(int(wanted["len"]), said)
    if "tokens" in wanted:
        return words(int(wanted["tokens"]), said)
    if "table" in wanted:
        return table()
    return f"echo: {said}"


def _with_faults(plan: Plan, wanted: dict[str, str]) -> Plan:
    def after(name: str) -> int | None:
        return int(wanted[name] or 0) if name in wanted else None

    finish: str | None = "stop"
    if "nofinish" in wanted:
        finish = None
    elif "filter" in wanted:
        finish = "content_filter"
    elif "long" in wanted:
        finish = "length"
    return replace(
        plan,
        status=int(wanted.get("status", 0)),
        code=wanted.get("code", ""),
        retry_after=float(wanted["retry_after"]) if "retry_after" in wanted else None,
        cut=after("cut"),
        silent=-1 if wanted.get("hang") == "" else after("hang"),
        held=tuple(int(count or 0) for count in wanted["hold"].split(",")) if "hold" in wanted else (),
        malformed=after("malformed"),
        error=after("error"),
        finish=finish,
    )

"""The model that the crash suite talks to, and the marks by which its answers are recognised in a chat.

Each message that a person sends carries a token of its own. The model repeats the tokens of the last user message in
every paragraph of its answer, and puts each paragraph between a begin and an end mark that name the call, the
paragraph and their number. So a reader of the chat knows whether an answer is whole, and whom it answers, without
looking at anything but the chat.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.openai_script import Call, Plan, directives, last_user_text, words

TOKEN = re.compile(r"zq[0-9a-f]{12}")
_OVERHEARD = re.compile(r"^\[Said before in this thread:\]\n(?:>.*\n?)*", re.MULTILINE)
_TO_SUMMARISE = "[The conversation:]\n"
_MARK = re.compile(r"q(\d+)([be])(\d+)of(\d+)q")
_PARAGRAPH_WORDS = 36
_PARAGRAPH_LENGTH = 300


def new_token() -> str:
    """Return a word that nobody ever wrote before."""
    return f"zq{secrets.token_hex(6)}"


class Echo:
    """A rule for the fake model server. `calls` lists the tokens that each call was asked about.

    Directives in a message: `[[len=12000]]` for so many characters, `[[slow=2]]` to take so many seconds,
    `[[propose=Name]]` to propose an agent of that name. What was said around a message is not answered.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.failing: Plan | None = None

    def __call__(self, body: dict[str, Any]) -> Plan | None:
        """Plan the answer to a request."""
        if self.failing is not None:
            return self.failing
        if _TO_SUMMARISE in last_user_text(body):
            return Plan(text="People said hello and were answered.")
        text = _OVERHEARD.sub("", last_user_text(body))
        number = len(self.calls)
        self.calls.append(tuple(dict.fromkeys(TOKEN.findall(text))))
        wanted = directives(text)
        if "propose" in wanted and body["messages"][-1]["role"] != "tool":
            values = {"name": wanted["propose"], "instructions": "You check what you are told."}
            return Plan(calls=(Call("agents_create", json.dumps(values)),))
        paragraphs = max(1, int(wanted.get("len", 1)) // _PARAGRAPH_LENGTH)
        answer = self._answer(number, paragraphs)
        pieces = len(re.findall(r"\S+", answer))
        return Plan(text=answer, delay=float(wanted.get("slow", 0)) / pieces)

    def _answer(self, number: int, count: int) -> str:
        said = " ".join(self.calls[number]) or "nothing"
        filler = words(_PARAGRAPH_WORDS if count > 1 else 3, str(number))
        return "\n\n".join(
            f"q{number}b{each}of{count}q {said} {filler} q{number}e{each}of{count}q" for each in range(1, count + 1)
        )


@dataclass(frozen=True, slots=True)
class Read:
    """An answer of the model as it stands in a chat.

    Args:
        call: the number of the model call that it came from.
        place: the index of the message that it begins in.
        whole: every paragraph is there once, in order.
        after: what stands behind its last mark, up to the next answer.
    """

    call: int
    place: int
    whole: bool
    after: str


def read_answers(texts: Sequence[str]) -> list[Read]:
    """Return the answers that stand in these messages, in the order in which they begin."""
    marks: dict[int, list[tuple[str, int, int]]] = {}
    places: dict[int, int] = {}
    after: dict[int, str] = {}
    for place, text in enumerate(texts):
        found = list(_MARK.finditer(text))
        for index, mark in enumerate(found):
            call, kind, paragraph, count = int(mark[1]), mark[2], int(mark[3]), int(mark[4])
            marks.setdefault(call, []).append((kind, paragraph, count))
            places.setdefault(call, place)
            end = found[index + 1].start() if index + 1 < len(found) else len(text)
            after[call] = text[mark.end() : end]
    answers = []
    for call, seen in marks.items():
        count = seen[0][2]
        wanted = [(kind, paragraph, count) for paragraph in range(1, count + 1) for kind in "be"]
        answers.append(Read(call, places[call], seen == wanted, after[call]))
    return answers

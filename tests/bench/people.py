"""The people of a bench: they write to a bot through the fake chat platform, wait for the answer, and read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from tests.bench.platforms import SLACK
from tests.bench.processes import Fakes
from tests.servers.openai_script import words

PATIENCE = 90.0


@dataclass(frozen=True, slots=True)
class Question:
    """What a person writes, and the answer that the fake model gives to it.

    Args:
        delay: seconds that the model takes for each token.
    """

    topic: str
    tokens: int
    delay: float = 0.0

    @property
    def text(self) -> str:
        """Return what the person writes."""
        return f"{self.topic} [[tokens={self.tokens} delay={self.delay}]]"

    @property
    def answer(self) -> str:
        """Return what the model answers."""
        return words(self.tokens, self.topic)


@dataclass(frozen=True, slots=True)
class Answered:
    """A question and when it was written and its whole answer shown, in the fake platform's own time."""

    asked_at: datetime
    shown_at: datetime

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.shown_at - self.asked_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Seconds from the sending of each envelope to its acknowledgement.

    Args:
        people: of what people wrote. `all`: of what the bot itself did, too.
        repeated: how many envelopes had to be sent again so far.
    """

    people: list[float]
    all: list[float]
    repeated: int


class People:
    """Everybody who writes to the bot, each in a direct chat of their own, which has a number.

    Args:
        lost: what went wrong so far: questions that were not answered, or not once.
    """

    def __init__(self, http: aiohttp.ClientSession, fakes: Fakes) -> None:
        self._http = http
        self._chats = f"{fakes.chats.url}/_control"
        self._model = f"{fakes.model.url.removesuffix('/v1')}/_control"
        self._asked: dict[int, list[Question]] = {}
        self.lost: list[str] = []

    def _where(self, chat: int) -> dict[str, Any]:
        """Return how the fake platform names a chat."""
        return {"chat": chat}

    async def write(self, questions: Sequence[tuple[int, Question]]) -> None:
        """Write to the bot, each question in its chat, all at the same moment."""
        said = await self._post("say", [{**self._where(chat), "text": question.text} for chat, question in questions])
        for (chat, question), message in zip(questions, said, strict=True):
            self._asked.setdefault(chat, []).append(question)
            self._learn(chat, message)

    def _learn(self, chat: int, message: Any) -> None:
        """Take in what the fake platform says to a message that was written in `chat`."""

    async def read(self, chat: int) -> bool:
        """Wait until the newest question of `chat` is answered; return whether it is."""
        asked = self._asked[chat]
        query = {**self._where(chat), "count": len(asked), "contains": asked[-1].answer, "timeout": PATIENCE}
        async with self._http.get(f"{self._chats}/wait", params=query) as response:
            return response.status == 200

    async def ask(self, chat: int, question: Question) -> bool:
        """Write, and wait for the answer."""
        await self.write([(chat, question)])
        return await self.read(chat)

    async def times(self, chat: int) -> list[Answered]:
        """Return when each question of `chat` was written and its answer shown; unanswered ones are left out."""
        shown = await self._get(f"{self._chats}/visible", **self._where(chat))
        written = [message for message in shown if not message["from_bot"]]
        times = []
        for question, message in zip(self._asked[chat], written, strict=True):
            moments = [
                version["at"]
                for answer in shown
                if answer["from_bot"]
                for version in answer["versions"]
                if version["text"] == question.answer
            ]
            if moments:
                asked_at = datetime.fromisoformat(message["sent_at"])
                times.append(Answered(asked_at, datetime.fromisoformat(min(moments))))
        return times

    async def model_seconds(self) -> list[float]:
        """Return how long the model took for each request since `forget_model`."""
        asked = await self._get(f"{self._model}/journal")
        return [one["ended"] - one["at"] for one in asked if one["outcome"] == "answered" and one["body"]]

    async def forget_model(self) -> None:
        """Empty the model's journal."""
        async with self._http.post(f"{self._model}/reset") as response:
            response.raise_for_status()

    async def check(self, bot: str) -> None:
        """Look at every chat as a person does, and note in `lost` what is not answered, once and in order."""
        for chat, asked in self._asked.items():
            texts: list[str] = await self._get(f"{self._chats}/texts", **self._where(chat))
            expected = [question.answer for question in asked]
            if texts == expected:
                continue
            missing = [question.topic for question in asked if question.answer not in texts]
            if missing:
                self.lost.append(f"{bot}, chat {chat}: no answer to {', '.join(missing)}")
            else:
                strange = [text for text in texts if text not in expected]
                what = f"{strange[0][:80]!r} among them" if strange else "none of them strange"
                self.lost.append(
                    f"{bot}, chat {chat}: {len(texts)} messages instead of {len(expected)} answers in order, {what}"
                )

    async def _get(self, url: str, **query: Any) -> Any:
        async with self._http.get(url, params=query) as response:
            response.raise_for_status()
            return await response.json()

    async def _post(self, what: str, body: Any) -> Any:
        async with self._http.post(f"{self._chats}/{what}", json=body) as response:
            response.raise_for_status()
            return await response.json()


class SlackPeople(People):
    """Everybody on Slack, who also see how long their messages waited to be acknowledged."""

    def __init__(self, http: aiohttp.ClientSession, fakes: Fakes) -> None:
        super().__init__(http, fakes)
        self._channels: dict[int, str] = {}

    def _where(self, chat: int) -> dict[str, Any]:
        return {"channel": self._channels.get(chat, f"@Person {chat}")}

    def _learn(self, chat: int, message: Any) -> None:
        self._channels[chat] = message["channel"]

    async def acknowledged(self) -> Acknowledged:
        """Return how long the acknowledgements took since this was last asked."""
        taken, stats = await self._get(f"{self._chats}/acks"), await self._get(f"{self._chats}/stats")
        await self._post("forget_acks", {})
        return Acknowledged(taken["people"], taken["all"], stats["deliveries"].get("repeated", 0))


def people_of(http: aiohttp.ClientSession, fakes: Fakes) -> People:
    """Return the people on the platform."""
    return (SlackPeople if fakes.kind is SLACK else People)(http, fakes)

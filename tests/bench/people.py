"""The people of a bench: they write to a bot through the fake Telegram, wait for the answer, and read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp

from tests.bench.processes import Platforms
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
    """A question and when it was written and its whole answer shown, in the fake Telegram's own time."""

    asked_at: datetime
    shown_at: datetime

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return (self.shown_at - self.asked_at).total_seconds()


class People:
    """Everybody who writes to the bot.

    Args:
        lost: what went wrong so far: questions that were not answered, or not once.
    """

    def __init__(self, http: aiohttp.ClientSession, platforms: Platforms) -> None:
        self._http = http
        self._telegram = f"{platforms.telegram}/_control"
        self._openai = f"{platforms.openai.removesuffix('/v1')}/_control"
        self._asked: dict[int, list[Question]] = {}
        self.lost: list[str] = []

    async def write(self, questions: Sequence[tuple[int, Question]]) -> None:
        """Write to the bot, each question in its chat, all at the same moment."""
        says = [{"chat": chat, "text": question.text} for chat, question in questions]
        async with self._http.post(f"{self._telegram}/say", json=says) as response:
            response.raise_for_status()
        for chat, question in questions:
            self._asked.setdefault(chat, []).append(question)

    async def read(self, chat: int) -> bool:
        """Wait until the newest question of `chat` is answered; return whether it is."""
        asked = self._asked[chat]
        query = {"chat": chat, "count": len(asked), "contains": asked[-1].answer, "timeout": PATIENCE}
        async with self._http.get(f"{self._telegram}/wait", params=query) as response:
            return response.status == 200

    async def ask(self, chat: int, question: Question) -> bool:
        """Write, and wait for the answer."""
        await self.write([(chat, question)])
        return await self.read(chat)

    async def times(self, chat: int) -> list[Answered]:
        """Return when each question of `chat` was written and its answer shown; unanswered ones are left out."""
        shown = await self._get(f"{self._telegram}/visible", chat=chat)
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
        asked = await self._get(f"{self._openai}/journal")
        return [one["ended"] - one["at"] for one in asked if one["outcome"] == "answered" and one["body"]]

    async def forget_model(self) -> None:
        """Empty the model's journal."""
        async with self._http.post(f"{self._openai}/reset") as response:
            response.raise_for_status()

    async def check(self, bot: str) -> None:
        """Look at every chat as a person does, and note in `lost` what is not answered, once and in order."""
        for chat, asked in self._asked.items():
            texts: list[str] = await self._get(f"{self._telegram}/texts", chat=chat)
            expected = [question.answer for question in asked]
            if texts == expected:
                continue
            missing = [question.topic for question in asked if question.answer not in texts]
            if missing:
                self.lost.append(f"{bot}, chat {chat}: no answer to {', '.join(missing)}")
            else:
                self.lost.append(
                    f"{bot}, chat {chat}: {len(texts)} messages instead of {len(expected)} answers in order"
                )

    async def _get(self, url: str, **query: Any) -> Any:
        async with self._http.get(url, params=query) as response:
            response.raise_for_status()
            return await response.json()

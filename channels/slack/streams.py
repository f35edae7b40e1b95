"""Answers that grow as Slack's own streams, in the threads of direct chats.

A stream can only be appended to, takes Markdown and carries no metadata, and Slack ends it after about five minutes. So
it shows a text only while that grows: whoever stops it puts the rendered message in its place by `chat.update`, which
may be repeated, and that is also how an answer goes on whose stream broke.

Sources: https://docs.slack.dev/reference/methods/chat.startStream, chat.appendStream and chat.stopStream (20, 100 and
20 calls a minute and workspace); https://github.com/slackapi/python-slack-sdk/issues/1859 (the five minutes).
"""

import contextlib
import logging
import re
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import STILL_STREAMING, code_of, translated
from channels.slack.inbound import Me, position_of
from channels.text.plain import clean
from core.channel import Gone, Refused, TryLater, Unsure
from core.envelopes import Body, Piece, Place, Target
from storage.clock import Clock

log = logging.getLogger("prowex.slack")

MOST_STARTS, MOST_RUNNING = 12, 8
"""Streams that may begin in a minute, and run at once: together, no more than may be stopped in a minute."""
LIFE_SECONDS = 300.0
MOST_APPENDED = 10_000
MOST_KEPT = 10_000
_MINUTE = 60.0
_SOURCE = "growing"
_PLACEHOLDER = Piece("…")
_THINKING = "💭 "
_START, _APPEND, _STOP = "start", "append", "stop"
_JOINER = "\u2060"
_RISKY = re.compile(r"<|(?<=[<;])[!@#]|(?<=\])\(")


def harmless(markdown: str) -> str:
    """Return `markdown` so that a stream of it mentions nobody and hides no address behind words.

    Slack reads `<…>` in Markdown as its own mentions and links, shows the escaped `&lt;` as it is and does not read it
    again; should it ever do so, an invisible character keeps what follows from being a mention. Only characters before
    a place decide what comes of it, so a text that grows becomes one that grows.
    """
    return _RISKY.sub(lambda found: "&lt;" if found[0] == "<" else f"{_JOINER}{found[0]}", markdown)


def marked(pieces: tuple[Piece, ...], body: Body) -> tuple[Piece, ...]:
    """Return a growing text's pieces; its Markdown goes with it as long as it is one piece, which a stream can show."""
    if len(pieces) > 1 or body != Body(body.text):
        return pieces
    return (replace(pieces[0], format=(*pieces[0].format, {_SOURCE: clean(body.text).rstrip()})),)


def unmarked(piece: Piece) -> tuple[Piece, str]:
    """Return what goes to Slack of a piece, and the Markdown that went with it; empty if none did."""
    mark = next((extra for extra in piece.format if _SOURCE in extra), None)
    if mark is None:
        return piece, ""
    return replace(piece, format=tuple(one for one in piece.format if one is not mark)), str(mark[_SOURCE])


@dataclass(slots=True)
class _Stream:
    """A message that is streamed.

    Args:
        sent: what was appended.
        broken: nothing more can be appended, or nobody knows what was; `ended`: it was stopped.
    """

    key: str
    began: float
    sent: str = ""
    broken: bool = False
    ended: bool = False


class Streams:
    """The streams of this process, each under its channel and time stamp.

    Args:
        wanted: whether any are to begin; becomes False for good where Slack refuses them.
    """

    def __init__(self, client: AsyncWebClient, me: Me, clock: Clock, *, wanted: bool) -> None:
        self.wanted = wanted
        self._client = client
        self._me = me
        self._clock = clock
        self._running: dict[tuple[str, str], _Stream] = {}
        self._beginning = 0
        self._answered: OrderedDict[str, str] = OrderedDict()
        self._recipients: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._starts: deque[float] = deque()
        self._paused: dict[str, float] = {}
        self._doubts: OrderedDict[str, str] = OrderedDict()
        self._lost: OrderedDict[str, None] = OrderedDict()

    # beginning

    async def begin(self, target: Target, piece: Piece, key: str) -> str | None:
        """Begin a stream if `piece` is the placeholder of an answer that can be streamed; None says to post it.

        Raises:
            TryLater, Unsure.
        """
        if not self._may_begin(target, piece):
            return None
        channel = target.chat.partition("/")[0]
        self._beginning += 1
        try:
            async with translated(posting=True):
                answer = await self._start(target)
        except TryLater as later:
            if not later.flood:
                raise
            self._pause(_START, later)
            return None
        except Unsure:
            _keep(self._lost, key, None)
            raise
        except (Refused, Gone) as refused:
            _keep(self._doubts, key, refused.reason if isinstance(refused, Refused) else "gone")
            return None
        finally:
            self._beginning -= 1
        self._running[channel, str(answer["ts"])] = _Stream(key, self._clock.monotonic())
        return str(answer["ts"])

    def _may_begin(self, target: Target, piece: Piece) -> bool:
        """Tell whether `piece` is the first placeholder for a question in a thread of a direct chat, and may go now."""
        if not self.wanted or piece != _PLACEHOLDER or not _takes_streams(target) or not target.answers:
            return False
        if self._answered.get(target.chat) == target.answers:
            return False
        _keep(self._answered, target.chat, target.answers)
        now = self._clock.monotonic()
        self._running = {place: one for place, one in self._running.items() if now - one.began < LIFE_SECONDS}
        while self._starts and now - self._starts[0] > _MINUTE:
            self._starts.popleft()
        running = self._beginning + sum(not one.ended for one in self._running.values())
        return running < MOST_RUNNING and len(self._starts) < MOST_STARTS and not self._pause_of(_START)

    async def _start(self, target: Target) -> Any:
        """Begin a stream, to the person by name where Slack wants that."""
        channel, _, thread = target.chat.partition("/")
        recipient = self._recipients.get(channel)
        try:
            return await self._start_for(channel, thread, recipient)
        except SlackApiError as error:
            if recipient or not code_of(error).startswith("missing_recipient_"):
                raise
            async with translated(posting=False):
                recipient = await self._asker(channel, thread, target.answers)
            if recipient is None:
                raise
        _keep(self._recipients, channel, recipient)
        return await self._start_for(channel, thread, recipient)

    async def _start_for(self, channel: str, thread: str, recipient: tuple[str, str] | None) -> Any:
        self._starts.append(self._clock.monotonic())
        team, user = recipient or (None, None)
        return await self._client.chat_startStream(
            channel=channel, thread_ts=thread, recipient_team_id=team, recipient_user_id=user
        )

    async def _asker(self, channel: str, thread: str, answers: str) -> tuple[str, str] | None:
        """Return the workspace and id of the person who asked, None if their message is not there."""
        page = await self._client.conversations_replies(
            channel=channel, ts=thread, oldest=answers, latest=answers, inclusive=True, limit=2
        )
        asked = next((one for one in page.get("messages") or () if one.get("ts") == answers and one.get("user")), None)
        if asked is None:
            return None
        team = asked.get("user_team") or asked.get("source_team") or asked.get("team") or self._me.team
        return str(team), str(asked["user"])

    def posted_instead(self, key: str) -> None:
        """Learn that a message could be posted: if Slack refused to stream it, it is streams that it refuses."""
        if (reason := self._doubts.pop(key, None)) is not None and self.wanted:
            self.wanted = False
            log.warning("Slack refuses native streams: answers grow by edits from now on", extra={"reason": reason})

    # growing

    async def grow(self, channel: str, ts: str, source: str) -> str | None:
        """Append what is new in `source`; return what the stream shows, None if the message can't go on as a stream.

        A text that does not go on as it began waits for its end, and so does thinking: a stream takes nothing back.

        Raises:
            TryLater: nothing was appended.
            Gone.
        """
        stream = self._running.get((channel, ts))
        if stream is None or not source or stream.broken or stream.ended:
            return None
        text = harmless(source)
        more = text[len(stream.sent) :][:MOST_APPENDED]
        if source.startswith(_THINKING) or not more or not text.startswith(stream.sent) or self._pause_of(_APPEND):
            return stream.sent
        try:
            async with translated(posting=True):
                await self._client.chat_appendStream(channel=channel, ts=ts, markdown_text=more)
        except TryLater as later:
            if not later.flood:
                raise
            self._pause(_APPEND, later)
        except (Refused, Unsure):
            stream.broken = True
            return None
        else:
            stream.sent += more
        return stream.sent

    # ending

    async def replace(self, channel: str, ts: str, change: Callable[[], Awaitable[Any]]) -> None:
        """Change or delete a message as a whole; its stream, whoever began it, is stopped first.

        Raises:
            SlackApiError: of `change`.
            TryLater.
        """
        stream = self._running.get((channel, ts))
        if stream is not None:
            await self._stop(channel, ts, stream)
        try:
            await change()
        except SlackApiError as error:
            if code_of(error) == STILL_STREAMING:
                await self._stop(channel, ts, None)
            raise
        self._running.pop((channel, ts), None)

    async def delete(self, target: Target, ts: str, change: Callable[[], Awaitable[Any]]) -> None:
        """As `replace`, also stopping what may be the stream of a process that is no more."""
        channel = target.chat.partition("/")[0]
        if self.wanted and _takes_streams(target) and (channel, ts) not in self._running:
            with contextlib.suppress(TryLater):
                await self._stop(channel, ts, None)
        await self.replace(channel, ts, change)

    async def _stop(self, channel: str, ts: str, stream: _Stream | None) -> None:
        """Stop a stream; one that is stopped already, or not there, is a success."""
        if stream is not None and stream.ended:
            return
        if seconds := self._pause_of(_STOP):
            raise TryLater(seconds)
        text = None if stream is not None and stream.sent else _PLACEHOLDER.text  # Slack stops no empty one
        try:
            async with translated(posting=False):
                await self._client.chat_stopStream(channel=channel, ts=ts, markdown_text=text)
        except TryLater as later:
            if later.flood:
                self._pause(_STOP, later)
            raise
        except (Refused, Gone):
            log.debug("there was no stream to stop")
        if stream is not None:
            stream.ended = True

    # what is known of them

    def key(self, channel: str, ts: str) -> str:
        """Return the key of a message that was streamed and not changed as a whole yet, empty for others."""
        stream = self._running.get((channel, ts))
        return stream.key if stream is not None else ""

    def may_be(self, target: Target, key: str, message: dict[str, Any]) -> bool:
        """Tell whether a message of ours without metadata may be the stream that was begun with `key`."""
        ts = str(message.get("ts") or "")
        if key not in self._lost or (target.chat.partition("/")[0], ts) in self._running:
            return False
        return position_of(ts) > position_of(target.answers)

    # Slack's pauses, which count for all calls of a method

    def _pause(self, method: str, later: TryLater) -> None:
        self._paused[method] = self._clock.monotonic() + later.retry_after

    def _pause_of(self, method: str) -> float:
        return max(0.0, self._paused.get(method, 0.0) - self._clock.monotonic())


def _takes_streams(target: Target) -> bool:
    return target.place is Place.PRIVATE and "/" in target.chat


def _keep(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)

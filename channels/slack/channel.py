"""A rendered piece becomes a Web API call, or a part of a stream."""

import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import NOT_HERE, code_of, translated
from channels.slack.files import SENT_FILE, Files
from channels.slack.history import History, metadata_of
from channels.slack.inbound import Me
from channels.slack.responses import Responses
from channels.slack.streams import Streams, marked, unmarked
from channels.slack.surroundings import Names, around
from channels.slack.wording import worded
from channels.text import slack as text
from core.channel import Budget, Budgets, FormStyle, Gone, Refused, Surroundings, TryLater, Unsure
from core.envelopes import Attachment, Body, Piece, Place, Target
from storage.clock import Clock

log = logging.getLogger("prowex.slack")

EPHEMERAL = "ephemeral:"
"""Begins the id of a message that one person saw: it can't be changed or found again."""
_REFUSED_BLOCKS = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})

_Send = Callable[[str, list[dict[str, Any]]], Awaitable[Any]]


def budgets(per_second: float, edits_per_minute: float) -> Budgets:
    """Return Slack's limits with a little room: what the server counts is later than what we count.

    Source: https://docs.slack.dev/apis/web-api/rate-limits (a message a second and channel, several hundred a minute
    and workspace; edits share the limit of their method).
    """
    return Budgets(
        private=Budget(per_second * 0.95, 2),
        group=Budget(per_second * 0.95, 3),
        whole=Budget(per_second * 5, max(1.0, per_second * 5)),
        interval=1.5,
        growing=Budget(edits_per_minute * 0.7 / 60, max(1.0, edits_per_minute * 0.1)),
    )


class SlackChannel:
    """Shows replies in Slack.

    Args:
        responses: where answers go that Slack takes only under the address that came with a command.
        native_streams: let answers in threads of direct chats grow as Slack's own streams.
    """

    name = "slack"
    form_style = FormStyle.OPENED

    def __init__(
        self,
        client: AsyncWebClient,
        me: Me,
        limits: Budgets,
        files: Files,
        responses: Responses,
        clock: Clock,
        *,
        native_streams: bool = False,
    ) -> None:
        self.budgets = limits
        self._client = client
        self._me = me
        self._files = files
        self._responses = responses
        self._names = Names(client, clock)
        self._streams = Streams(client, me, clock, wanted=native_streams)
        self._history = History(client, me, self._streams.may_be)
        self._status: set[str] = set()

    def render(self, body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
        """Cut the reply into messages within Slack's limits on blocks and characters; files follow, one each."""
        pieces = text.render(body, growing=growing)
        return marked(pieces, body) if growing and self._streams.wanted else pieces

    async def post(self, target: Target, piece: Piece, key: str) -> str:
        """Send a message; it carries `key`, by which it can be found again."""
        channel, thread = _place(target)
        if piece.file is not None:
            async with translated(posting=False):
                if _is_for_one(target):
                    channel, thread = await self._direct(target), ""
            return await self._files.send(channel, thread, piece.file, piece.text)
        piece = worded(piece, thread=bool(thread))
        if _is_for_one(target):
            return await self._show_one(target, piece)
        if (stream := await self._streams.begin(target, piece, key)) is not None:
            self._status.discard(target.chat)
            return stream
        async with translated(posting=True):
            try:
                answer = await self._post(channel, thread, piece, key)
            except SlackApiError as error:
                if target.place is Place.PRIVATE and code_of(error) in NOT_HERE:
                    return await self._answer_elsewhere(target, piece, error)
                raise
        self._status.discard(target.chat)
        self._streams.posted_instead(key)
        return str(answer["ts"])

    async def edit(self, target: Target, message_id: str, piece: Piece) -> None:
        """Change a message's text, blocks and buttons; no change is a success."""
        if piece.file is not None or message_id.startswith((EPHEMERAL, SENT_FILE)):
            raise Refused("it can't be changed once it is shown")
        channel, _ = _place(target)
        piece, source = unmarked(piece)
        shown = await self._streams.grow(channel, message_id, source)
        if shown is None:
            await self._update(target, message_id, piece)
        if shown != "":
            await self._end_status(target)

    async def delete(self, target: Target, message_id: str) -> None:
        """Delete a message; one that is not there is a success."""
        if message_id.startswith(EPHEMERAL):
            return
        channel, _ = _place(target)
        try:
            if message_id.startswith(SENT_FILE):
                await self._files.take_away(message_id)
                return
            async with translated(posting=False):
                await self._streams.delete(
                    target, message_id, lambda: self._client.chat_delete(channel=channel, ts=message_id)
                )
        except Gone:
            return

    async def find(self, target: Target, key: str) -> str | None:
        """Look for the message with `key` among those after the one that was answered."""
        if _is_for_one(target):
            raise Unsure
        return await self._history.find(target, key)

    async def typing(self, target: Target) -> None:
        """Show the assistant's status, which Slack has in the threads of a direct chat only."""
        channel, thread = _place(target)
        if target.place is Place.PRIVATE and thread:
            self._status.add(target.chat)
            await self._set_status(channel, thread, "is thinking…")

    async def surroundings(
        self, target: Target, *, people: Sequence[str], texts: Sequence[str], known: Collection[str]
    ) -> Surroundings:
        """Return names from the workspace's directory, and what was said in the thread."""
        names, said = await around(self._client, self._me, self._names, target, people, texts, known)
        return Surroundings(names, said)

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download a file that a person sent."""
        return await self._files.fetch(attachment)

    async def _post(self, channel: str, thread: str, piece: Piece, key: str) -> Any:
        async def send(words: str, blocks: list[dict[str, Any]]) -> Any:
            return await self._client.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                text=words,
                blocks=blocks or None,
                metadata=metadata_of(key),
                unfurl_links=False,
                unfurl_media=False,
            )

        return await _formatted(piece, send)

    async def _update(self, target: Target, ts: str, piece: Piece) -> None:
        channel, _ = _place(target)
        key = self._streams.key(channel, ts)

        async def send(words: str, blocks: list[dict[str, Any]]) -> Any:
            metadata = metadata_of(key) if key else None
            return await self._client.chat_update(channel=channel, ts=ts, text=words, blocks=blocks, metadata=metadata)

        try:
            async with translated(posting=False):
                await self._streams.replace(channel, ts, lambda: _formatted(piece, send))
        except Gone:
            with suppress(Refused):  # it may be there, closed to edits: nothing is to stand beside what takes its place
                await self.delete(target, ts)
            raise

    # what one person alone is shown

    async def _show_one(self, target: Target, piece: Piece) -> str:
        channel, thread = _place(target)

        async def send(words: str, blocks: list[dict[str, Any]]) -> Any:
            return await self._client.chat_postEphemeral(
                channel=channel, user=_user(target), thread_ts=thread or None, text=words, blocks=blocks or None
            )

        async with translated(posting=True):
            try:
                answer = await _formatted(piece, send)
            except SlackApiError as error:
                if code_of(error) not in NOT_HERE:
                    raise
                return await self._show_from_outside(target, piece)
        return f"{EPHEMERAL}{answer['message_ts']}"

    async def _show_from_outside(self, target: Target, piece: Piece) -> str:
        """Answer in a channel that we are not in as Slack allows it, else in the person's direct chat."""
        channel, thread = _place(target)
        invite = f"I am not in this channel. To talk with me here, write `/invite @{self._me.name}`."
        there = {"thread_ts": thread} if thread else {}
        if await self._responses.answer(channel, target.only_for, {**_message(piece, invite), **there}):
            return f"{EPHEMERAL}{channel}"
        direct = await self._direct(target)
        message = _message(piece, f"You asked this in <#{channel}>. {invite.replace('this', 'that')}")
        await self._client.chat_postMessage(channel=direct, unfurl_links=False, unfurl_media=False, **message)
        return f"{EPHEMERAL}{direct}"

    async def _answer_elsewhere(self, target: Target, piece: Piece, error: SlackApiError) -> str:
        """Answer a command that was used in a direct chat between others."""
        hint = f"I am not part of this conversation; write to me directly: @{self._me.name}."
        if await self._responses.answer(target.chat, "", _message(piece, hint)):
            return f"{EPHEMERAL}{target.chat}"
        raise error

    async def _direct(self, target: Target) -> str:
        answer = await self._client.conversations_open(users=_user(target))
        return str((answer["channel"] or {})["id"])

    # the assistant's status

    async def _end_status(self, target: Target) -> None:
        """Take the status away: Slack does it when we post, not when we edit."""
        if target.chat in self._status:
            self._status.discard(target.chat)
            await self._set_status(*_place(target), "")

    async def _set_status(self, channel: str, thread: str, status: str) -> None:
        try:
            async with translated(posting=False):
                await self._client.assistant_threads_setStatus(channel_id=channel, thread_ts=thread, status=status)
        except (TryLater, Refused, Gone):
            log.debug("a status could not be set")


def _place(target: Target) -> tuple[str, str]:
    channel, _, thread = target.chat.partition("/")
    return channel, thread


def _is_for_one(target: Target) -> bool:
    return target.place is Place.GROUP and bool(target.only_for)


def _user(target: Target) -> str:
    return target.only_for.rpartition(":")[2]


def _blocks(piece: Piece) -> list[dict[str, Any]]:
    return [*piece.format, *text.actions(piece.buttons)]


def _message(piece: Piece, remark: str) -> dict[str, Any]:
    """Return a message with one more line under it."""
    blocks = [*_blocks(piece), {"type": "context", "elements": [{"type": "mrkdwn", "text": remark}]}]
    return {"text": piece.text, "blocks": blocks[: text.MOST_BLOCKS]}


async def _formatted(piece: Piece, send: _Send) -> Any:
    """Send with blocks; should the server refuse them, send the words that stand for them."""
    try:
        return await send(piece.text, _blocks(piece))
    except SlackApiError as error:
        if not piece.format or code_of(error) not in _REFUSED_BLOCKS:
            raise
        log.warning("the platform refused a text's blocks", extra={"reason": code_of(error)})
        return await send(piece.text, [])

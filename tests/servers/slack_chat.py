"""The Web API's `chat.*`: posting, changing and deleting, ephemeral messages, and streams.

Sources: https://docs.slack.dev/reference/methods/chat.postMessage and its siblings. Two limits are not on those pages
but in reports of what Slack does: the text of an edit has at most 4,000 bytes, counted after escaping; a text of more
than 4,000 characters without blocks is shown as several messages.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.servers.slack_blocks import check_blocks
from tests.servers.slack_errors import ApiError
from tests.servers.slack_events import Events
from tests.servers.slack_request import Request
from tests.servers.slack_world import JSON, Channel, Message, Person, World

MOST_TEXT = 40_000
MOST_SHOWN = 4_000
MOST_EDITED_BYTES = 4_000
MOST_MARKDOWN = 12_000
MOST_METADATA = 16_384
STREAM_SECONDS = 300.0
_BARE = re.compile(r"&(?!(?:amp|lt|gt);)")


class Chat:
    """Answers `chat.*` for our bot."""

    def __init__(self, world: World, events: Events) -> None:
        self._world = world
        self._events = events
        self.methods: dict[str, Callable[[Request], JSON]] = {
            "chat.postMessage": self._post_message,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "chat.startStream": self._start_stream,
            "chat.appendStream": self._append_stream,
            "chat.stopStream": self._stop_stream,
        }

    def place(self, reference: str, *, writing: bool = True) -> Channel:
        """Return the conversation that a request names, by its id, its `#name` or (to write to) a person's id.

        Raises:
            ApiError: our bot can't see it, isn't in it, or it is archived.
        """
        world = self._world
        channel = world.channels.get(reference)
        if channel is None and writing:
            if person := world.people.get(reference):
                channel = None if person is world.bot else world.im(person)
            else:
                names = (one for one in world.channels.values() if one.kind in ("channel", "group"))
                channel = next((one for one in names if one.name == reference.removeprefix("#")), None)
        if channel is None or (channel.kind != "channel" and world.bot not in channel.members):
            raise ApiError("channel_not_found")
        if world.bot not in channel.members:
            raise ApiError("not_in_channel")
        if channel.archived and writing:
            raise ApiError("is_archived")
        return channel

    def show(self, channel: Channel, author: Person, **fields: Any) -> Message:
        """Post a message and tell the app; a text that is too long for one message goes on in further ones."""
        text = fields.pop("text", "")[:MOST_TEXT]
        cut = len(text) > MOST_SHOWN and not fields.get("blocks")
        parts = [text[at : at + MOST_SHOWN] for at in range(0, len(text), MOST_SHOWN)] if cut else [text]
        first = self._world.post(channel, author, text=parts[0], **fields)
        self._events.posted(first)
        fields.pop("metadata", None)
        for part in parts[1:]:
            self._events.posted(self._world.post(channel, author, text=part, **fields))
        return first

    def change(self, message: Message, by: str, **fields: Any) -> None:
        """Change a message and tell the app."""
        before = self._events.wire(message)
        for name, value in fields.items():
            setattr(message, name, value)
        message.edited_by, message.edited_ts = by, self._world.ts()
        message.remember(self._world.clock.now())
        self._events.changed(message, before)
        self._world.changed(message.channel)

    def content(self, request: Request) -> JSON:
        """Return the fields of a message to show, checked."""
        text, blocks = request.text("text"), request.value("blocks", list, "invalid_blocks_format")
        attachments = request.value("attachments", list, "invalid_attachments") or []
        markdown = request.text("markdown_text")
        if markdown:
            if text or blocks:
                raise ApiError("markdown_text_conflict")
            if len(markdown) > MOST_MARKDOWN:
                raise ApiError("msg_too_long")
            blocks, text = [{"type": "markdown", "text": markdown}], markdown
        if not text and not blocks and not attachments:
            raise ApiError("no_text")
        if not all(isinstance(one, dict) for one in attachments):
            raise ApiError("invalid_attachments")
        for at, attachment in enumerate(attachments):
            if attachment.get("blocks"):
                attachment["blocks"] = check_blocks(attachment["blocks"], where=f"/attachments/{at}/blocks")
        return {"text": text, "blocks": check_blocks(blocks or []), "attachments": attachments}

    def metadata(self, request: Request) -> JSON | None:
        """Return the metadata to keep with a message, checked; empty for none, None if it isn't given."""
        given: JSON | None = request.value("metadata", dict, "invalid_metadata_format")
        if not given:
            return given
        if not isinstance(given.get("event_type"), str) or not isinstance(given.get("event_payload"), dict):
            raise ApiError("invalid_metadata_format")
        if len(json.dumps(given)) > MOST_METADATA:
            raise ApiError("metadata_too_large")
        return {"event_type": given["event_type"], "event_payload": given["event_payload"]}

    def thread(self, request: Request, channel: Channel) -> str:
        """Return the thread to answer in, empty for none."""
        thread_ts = request.ts("thread_ts", "invalid_thread_ts")
        if thread_ts and thread_ts not in channel.messages:
            raise ApiError("thread_not_found")
        return thread_ts

    def own(self, request: Request, refusal: str) -> Message:
        """Return our bot's message that a request names."""
        channel = self.place(request.wanted("channel"), writing=False)
        request.wanted("ts")
        message = channel.messages.get(request.ts("ts", "message_not_found"))
        if message is None or message.deleted_at:
            raise ApiError("message_not_found")
        if message.author is not self._world.bot or message.subtype == "assistant_app_thread":
            raise ApiError(refusal)
        return message

    def _answer(self, message: Message) -> JSON:
        wire = self._events.wire(message, metadata=True)
        return {"channel": message.channel.id, "ts": message.ts, "message": wire}

    def _post_message(self, request: Request) -> JSON:
        channel = self.place(request.wanted("channel"))
        fields = {**self.content(request), "metadata": self.metadata(request) or None}
        thread_ts = self.thread(request, channel)
        broadcast = bool(thread_ts) and request.flag("reply_broadcast")
        plain = request.params.get("mrkdwn") in (False, "false", "0", 0)
        message = self.show(channel, self._world.bot, thread_ts=thread_ts, broadcast=broadcast, plain=plain, **fields)
        self._idle(channel, thread_ts)
        return self._answer(message)

    def _post_ephemeral(self, request: Request) -> JSON:
        channel = self.place(request.wanted("channel"))
        fields, thread_ts = self.content(request), self.thread(request, channel)
        person = self._world.people.get(request.wanted("user"))
        if person is None or person not in channel.members:
            raise ApiError("user_not_in_channel")
        message = self.show(channel, self._world.bot, thread_ts=thread_ts, only_for=person, **fields)
        return {"message_ts": message.ts}

    def _update(self, request: Request) -> JSON:
        message = self.own(request, "cant_update_message")
        if message.channel.archived:
            raise ApiError("is_inactive")
        if message.streaming == "in_progress" and not self._is_stale(message):
            raise ApiError("streaming_state_conflict")
        fields, metadata = self.content(request), self.metadata(request)
        if len(_counted(fields["text"]).encode()) > MOST_EDITED_BYTES and not request.text("markdown_text"):
            raise ApiError("msg_too_long")
        for name in ("blocks", "attachments"):
            if request.params.get(name) is None and not request.text("markdown_text"):
                fields[name] = getattr(message, name)
        if request.params.get("text") is None and not request.text("markdown_text"):
            fields["text"] = message.text
        if metadata is not None:
            fields["metadata"] = metadata or None
        if request.flag("reply_broadcast"):
            fields["broadcast"] = True
        self.change(message, self._world.bot.id, streaming="", **fields)
        answer = self._answer(message)
        return {**answer, "text": message.text}

    def _delete(self, request: Request) -> JSON:
        message = self.own(request, "cant_delete_message")
        self.remove(message)
        return {"channel": message.channel.id, "ts": message.ts}

    def remove(self, message: Message) -> None:
        """Take a message away and tell the app."""
        before = self._events.wire(message)
        message.deleted_at = self._world.clock.now()
        self._events.deleted(message, before)
        self._world.changed(message.channel)

    def _start_stream(self, request: Request) -> JSON:
        channel = self.place(request.wanted("channel"))
        if not request.text("thread_ts"):
            raise ApiError("invalid_thread_ts")
        thread_ts = self.thread(request, channel)
        if channel.kind != "im":
            for name in ("user", "team"):
                if not request.text(f"recipient_{name}_id"):
                    raise ApiError(f"missing_recipient_{name}_id")
            if request.text("recipient_user_id") not in self._world.people:
                raise ApiError("user_not_found")
        text = self._streamed(request)
        now = self._world.clock.monotonic()
        message = self._world.post(channel, self._world.bot, thread_ts=thread_ts, streaming="in_progress")
        self._grow(message, text, now)
        self._events.posted(message)
        self._idle(channel, thread_ts)
        return {"channel": channel.id, "ts": message.ts}

    def _append_stream(self, request: Request) -> JSON:
        message = self._stream(request)
        text = self._streamed(request)
        if not text:
            raise ApiError("no_text")
        self._grow(message, text, self._world.clock.monotonic())
        return {"channel": message.channel.id, "ts": message.ts}

    def _stop_stream(self, request: Request) -> JSON:
        message = self._stream(request)
        text, metadata = self._streamed(request), self.metadata(request)
        blocks = check_blocks(request.value("blocks", list, "invalid_blocks_format") or [])
        self._grow(message, text, self._world.clock.monotonic())
        if not message.text and not blocks:
            raise ApiError("no_text")
        fields = {"metadata": metadata or None, "blocks": [*message.blocks, *blocks]}
        self.change(message, self._world.bot.id, streaming="completed", **fields)
        return self._answer(message)

    def _stream(self, request: Request) -> Message:
        message = self.own(request, "message_not_owned_by_app")
        if message.streaming != "in_progress" or self._is_stale(message):
            raise ApiError("message_not_in_streaming_state")
        return message

    def _is_stale(self, message: Message) -> bool:
        return self._world.clock.monotonic() - message.streamed_at > STREAM_SECONDS

    def _streamed(self, request: Request) -> str:
        """Return the text that a request adds; tasks and plans of `chunks` become lines."""
        text = request.text("markdown_text")
        if len(text) > MOST_MARKDOWN:
            raise ApiError("msg_too_long")
        for chunk in request.value("chunks", list, "invalid_chunks") or []:
            kind = chunk.get("type") if isinstance(chunk, dict) else ""
            if kind == "markdown_text":
                text += str(chunk.get("text", ""))
            elif kind in ("task_update", "plan_update"):
                text += f"\n[{chunk.get('status', 'plan')}] {chunk.get('title', '')}\n"
            elif kind != "blocks":
                raise ApiError("invalid_chunks")
        return text

    def _grow(self, message: Message, text: str, now: float) -> None:
        message.text += text
        message.blocks = [{"type": "markdown", "text": message.text}] if message.text else []
        message.streamed_at = now
        message.remember(self._world.clock.now())
        self._world.changed(message.channel)

    def _idle(self, channel: Channel, thread_ts: str) -> None:
        """An answer in a thread takes the assistant's status away."""
        last = next((one for one in reversed(channel.statuses) if one[1] == thread_ts), None)
        if thread_ts and last and last[2]:
            channel.statuses.append((self._world.clock.now(), thread_ts, ""))


def _counted(text: str) -> str:
    """Return a text as Slack counts it: escaped."""
    text = _BARE.sub("&amp;", text)
    return re.sub(r"<(?![@#!]|https?:|mailto:)", "&lt;", text)

"""What travels between the hops: frozen, without any SDK's types, times in UTC, ids as text."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Place(StrEnum):
    """What sort of chat something happened in."""

    PRIVATE = "private"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a thing came from: our account on a channel, the chat, the person.

    Args:
        channel: `telegram`, `slack`, `web` or `console`.
        account: our own account there, such as `telegram:<bot id>`.
        chat: the chat's id as the platform knows it; a topic or thread is its own chat (`<chat>/<topic>`).
        place: a direct chat or a group.
        person: the person's id on the channel, never a name; empty when the platform does not say who.
        name: how the person calls themselves there.
    """

    channel: str
    account: str
    chat: str
    place: Place
    person: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message.

    Args:
        reference: where to fetch it: the platform's file id, or `stored:<id>` once it is kept.
        size: bytes, 0 if the platform does not say.
    """

    reference: str
    name: str
    media_type: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Context:
    """Words that a message refers to: what it replies to, quotes or forwards.

    Args:
        kind: `reply`, `quote` or `forward`.
        author: who said it, as a person would name them.
    """

    kind: str
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing a person did in a chat: wrote, sent a file, pressed a button.

    Args:
        event_id: the platform's id of the event, the same when it is delivered again.
        fingerprint: what else identifies it, since a platform may reuse ids after a long time.
        position: order within the chat.
        message_id: the platform's id of the message, to reply to.
        addressed: it is meant for us (always so in a direct chat; a mention or a reply to us in a group).
        more_follows: the client may have split it (a very long text, an album): its rest is still on the way.
        group: ties an album's messages together.
        button: a press: `text` is the command that the button carries.
    """

    origin: Origin
    event_id: str
    fingerprint: str
    position: int
    received_at: datetime
    text: str = ""
    message_id: str = ""
    contexts: tuple[Context, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    addressed: bool = True
    more_follows: bool = False
    group: str = ""
    button: bool = False


@dataclass(frozen=True, slots=True)
class Button:
    """A labelled button; pressing it sends `command` (at most 64 bytes) as the person who pressed."""

    label: str
    command: str


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file to show.

    Args:
        file_id: the stored file's id.
    """

    file_id: str
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Body:
    """What a reply says, before a channel renders it. `text` is Markdown."""

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    files: tuple[OutgoingFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a part of a reply goes.

    Args:
        answers: the message it answers; shown as a reply in groups.
    """

    channel: str
    account: str
    chat: str
    place: Place
    answers: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One platform message, ready for its channel.

    Args:
        text: plain text as the platform counts it.
        format: what the channel needs besides (Telegram's entities, Slack's blocks, HTML), as JSON values.
        buttons: shown under this message.
        file: sent instead of a text message, `text` being its caption.
    """

    text: str
    format: tuple[dict[str, object], ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    file: OutgoingFile | None = field(default=None)

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
class Submission:
    """A filled-in form: the operation's full name, and its fields as text."""

    operation: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Inbound:
    """One thing a person did in a chat: wrote, sent a file, pressed a button.

    Args:
        event_id: the platform's id of the event, the same when it is delivered again.
        fingerprint: what else identifies it, since a platform may reuse ids after a long time.
        position: order within the chat.
        message_id: the platform's id of the message, to reply to.
        addressed: it is meant for us (always so in a direct chat; a mention or a reply to us in a group).
        unseen: nobody but us sees what was written, not even in a group (a slash command).
        more_follows: the client may have split it (a very long text, an album): its rest is still on the way.
        group: ties an album's messages together.
        button: a press: `text` is the command that the button carries.
        submission: a form that was filled in; `text` is empty then.
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
    unseen: bool = False
    more_follows: bool = False
    group: str = ""
    button: bool = False
    submission: Submission | None = None


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
class Table:
    """Rows and columns to show; every row is as long as the header. The cells are plain text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is: `done` is 0 to 1; `label` says what, in a few words of plain text."""

    done: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values a field may have, and how it is called."""

    value: str
    label: str


class FieldKind(StrEnum):
    """What a field of a form takes."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class FormField:
    """One field to fill in.

    Args:
        name: the operation's own name for it.
        label: a few words; `hint`: a sentence that says what to write.
        value: what it holds now, as text; of a choice the choice's value.
        problem: what is wrong with `value`, as a sentence; empty if nothing is.
        most: characters it may have, 0 for any number.
    """

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    hint: str = ""
    required: bool = False
    value: str = ""
    choices: tuple[Choice, ...] = ()
    problem: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class FormView:
    """A form to fill in, as a channel shows it: a modal, an HTML form, or one question after the other.

    Args:
        operation: the operation that the values are for, by its full name.
        fixed: fields that are given already and not asked for, such as whom it is about.
        problem: what is wrong with the whole, as a sentence; empty if nothing is.
    """

    operation: str
    title: str
    fields: tuple[FormField, ...]
    submit: str = "Save"
    fixed: tuple[tuple[str, str], ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """What a reply says, before a channel renders it.

    A channel that has no way of its own to show a title, fields, a table or progress shows `markdown()`.

    Args:
        text: Markdown.
        title: plain text; stands first.
        fields: label (plain text) and value (Markdown within a line), in order; stand after the text.
        table: stands after the fields; `progress` after the table.
        buttons: rows of buttons, under everything.
        files: shown as pictures where they are, else to download.
        form: to fill in at once, on channels that can (`Channel.form_style`).
    """

    text: str
    buttons: tuple[tuple[Button, ...], ...] = ()
    files: tuple[OutgoingFile, ...] = ()
    title: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    table: Table | None = None
    progress: Progress | None = None
    form: FormView | None = None

    def markdown(self) -> str:
        """Return everything but buttons, files and the form as Markdown."""
        blocks = [f"**{self.title}**"] if self.title else []
        if self.text:
            blocks.append(self.text)
        if self.fields:
            blocks.append("\n".join(f"- **{label}:** {value}" for label, value in self.fields))
        if self.table is not None:
            blocks.append(_table_lines(self.table))
        if self.progress is not None:
            blocks.append(_bar(self.progress))
        return "\n\n".join(blocks)


def _table_lines(table: Table) -> str:
    rows = [table.header, tuple("---" for _ in table.header), *table.rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def _bar(progress: Progress) -> str:
    done = min(1.0, max(0.0, progress.done))
    full = round(done * 10)
    return f"{'▓' * full}{'░' * (10 - full)} {done:.0%} {progress.label}".rstrip()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a part of a reply goes.

    Args:
        answers: the message it answers; shown as a reply in groups.
        only_for: the one person who is to see it, by their id on the channel, in a chat of many; empty for everybody.
            A channel that can't do that shows it to everybody.
    """

    channel: str
    account: str
    chat: str
    place: Place
    answers: str = ""
    only_for: str = ""


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

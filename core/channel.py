"""The port every channel implements, the budgets it must keep, and how a call to it may fail."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from core.envelopes import Attachment, Body, Context, Piece, Target


class TryLater(Exception):
    """Nothing was shown or changed. Try again in `retry_after` seconds.

    Args:
        flood: the platform asked for the pause: nothing at all may be sent to this chat until it is over.
    """

    def __init__(self, retry_after: float, *, flood: bool = False) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after
        self.flood = flood


class Refused(Exception):
    """The platform will never accept it; `reason` is fit for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unsure(Exception):
    """The platform may or may not have done it: the answer was lost."""


class Gone(Exception):
    """The message to edit is not there any more."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How often messages (edits count) may be shown in one chat: `rate` per second, `burst` at once."""

    rate: float
    burst: float


@dataclass(frozen=True, slots=True)
class Budgets:
    """A channel's limits.

    Args:
        interval: at least so many seconds between two edits of a growing text.
        growing: edits of growing texts in all chats together; None for what one process can carry.
    """

    private: Budget
    group: Budget
    whole: Budget
    interval: float
    growing: Budget | None = None


class FormStyle(StrEnum):
    """How a channel asks for an operation's fields.

    One question after the other, as a form within the message, or as a form that opens when a button is pressed.
    """

    QUESTIONS = "questions"
    SHOWN = "shown"
    OPENED = "opened"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What inbounds can't carry and is asked for when they are answered.

    Args:
        names: how people call themselves, by their id on the channel, and by what stands for them in a text (a
            platform's mention).
        said: what others said in the same thread and was never given to us, oldest first.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    said: tuple[Context, ...] = ()


class Channel(Protocol):
    """A place where people talk to us. All calls are made under the chat's lane, one at a time per chat."""

    name: str
    budgets: Budgets
    form_style: FormStyle

    def render(self, body: Body, *, growing: bool = False) -> tuple[Piece, ...]:
        """Cut `body` into pieces that each fit one platform message; at least one, and no character is lost.

        Args:
            growing: the text is still being written: no buttons or files, and unfinished Markdown is expected.
        """

    async def post(self, target: Target, piece: Piece, key: str) -> str:
        """Show a new message and return the platform's id of it. `key` is ours and stays the same on a repeat.

        Raises:
            TryLater, Refused, Unsure.
        """

    async def edit(self, target: Target, message_id: str, piece: Piece) -> None:
        """Change a message to `piece`; may be repeated. No change is a success.

        Raises:
            TryLater, Refused, Gone.
        """

    async def delete(self, target: Target, message_id: str) -> None:
        """Take a message away; a message that is not there is a success.

        Raises:
            TryLater, Refused.
        """

    async def find(self, target: Target, key: str) -> str | None:
        """Return the id of the message that was posted with `key`, None if it was not.

        Raises:
            TryLater: it can't be known yet.
            Unsure: the platform gives no way to know.
        """

    async def typing(self, target: Target) -> None:
        """Show that an answer is on its way. Best effort: never raises but for cancellation."""

    async def surroundings(
        self, target: Target, *, people: Sequence[str], texts: Sequence[str], known: Collection[str]
    ) -> Surroundings:
        """Return who `people` are and whom `texts` mention, and what was said in the thread besides `known`.

        Best effort: what can't be had now is left out. Never raises but for cancellation.

        Args:
            known: the platform's ids of messages that the agent knows already.
        """

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return an attachment's bytes.

        Raises:
            TryLater, Refused.
        """

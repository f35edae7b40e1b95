"""What the web needs from the rest of the product, so that it can be served and tested on its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from aiohttp import web

from channels.web import Hub
from core.envelopes import Body, FormView, Inbound, Submission
from storage.clock import Clock

Who = Literal["person", "agent"]
State = Literal["waiting", "growing", "final", "failed"]
Hook = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a chat, as a person reads it.

    Args:
        id: the channel's id of the message; the same in every reading, and the same that the hub publishes.
        body: what it says; of a person's message the text is plain.
        state: a person's message is `waiting` until it was taken up; an agent's is `growing` until it is whole.
        sent: what the person filled in, once the form of the message was sent.
    """

    id: str
    who: Who
    body: Body
    state: State
    at: datetime
    sent: Submission | None = None


class Accept(Protocol):
    """Where a person's messages go."""

    async def accept(self, inbounds: Sequence[Inbound]) -> None:
        """Return when `inbounds` are stored, each once however often it is given.

        Raises:
            Busy: nothing was stored (`core.inbox`).
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """A form that a message shows, and the id of the message that it was sent as; empty while it was not."""

    form: FormView
    sent_as: str = ""


class Transcript(Protocol):
    """What was said in a chat, from the database."""

    async def entries(self, account: str, chat: str, *, limit: int = 100, before: str | None = None) -> list[Entry]:
        """Return the last `limit` entries, oldest first; those before the entry `before` if it is given."""

    async def form(self, account: str, chat: str, message_id: str) -> Asked | None:
        """Return the form that a message shows in the chat, None if it shows none."""

    async def shows_file(self, account: str, chat: str, file_id: str) -> bool:
        """Tell whether an answer that the chat shows has the file."""


@dataclass(frozen=True, slots=True)
class Download:
    """A stored file with its bytes."""

    name: str
    media_type: str
    data: bytes


class Files(Protocol):
    """Where files are kept, sealed."""

    async def put(self, owner_user_id: str, name: str, media_type: str, data: bytes) -> str:
        """Store a file that a user sent and return its id."""

    async def get(self, file_id: str, user_id: str) -> Download | None:
        """Return a file of the user's own; None if there is none, whoever else may have it."""

    async def shown(self, file_id: str) -> Download | None:
        """Return a file whoever it belongs to: only for those to whom an answer shows it (`Transcript.shows_file`)."""


@dataclass(frozen=True, slots=True)
class WebDependencies:
    """Everything the web is given.

    Args:
        hmac: `(purpose, value) -> hex digest`, from the key ring.
        hub: the one that the `WebChannel` publishes to.
        ready: what must be well for the process to serve, each with a sentence if it is not, else with "".
        metrics: returns Prometheus text.
        host: the address listened on.
        public_url: the address people use, without a trailing slash; "" if there is none.
        hooks: POST handlers by path for other services; they check who is calling by themselves.
        link_command: what an operator types for a new one-time link.
    """

    clock: Clock
    hmac: Callable[[str, str], str]
    accept: Accept
    transcript: Transcript
    files: Files
    hub: Hub
    ready: Callable[[], Awaitable[Mapping[str, str]]]
    metrics: Callable[[], Awaitable[str]]
    host: str = "127.0.0.1"
    public_url: str = ""
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    link_command: str = "prowex call web.link"
    suggestions: tuple[str, ...] = ("What can you do?", "How do I connect Telegram?", "How are messages kept?")

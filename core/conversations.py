"""The conversations of a chat: found again, named, gone on with, and erased."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tortoise.expressions import Q
from tortoise.functions import Count, Max
from tortoise.queryset import QuerySet

from core.directory import KnownChat, whole_group
from core.wire import Kept
from storage.queries import ids_of
from storage.sealing import DataKeyHandle, Sealer
from storage.tables import (
    Approval,
    Chat,
    ChatKind,
    Conversation,
    InboundState,
    InboxEntry,
    Lane,
    Part,
    Reply,
    ReplyState,
    StoredFile,
    Summary,
    Turn,
    TurnState,
    TurnStep,
)

MOST_TITLE = 100
"""Characters that a title may have."""
MOST_LISTED = 1_000
_TITLE = "conversations.title"
_FIRST_WORDS = 40
_AT_ONCE = 500
_FINAL = (InboundState.DONE, InboundState.DEAD, InboundState.REFUSED, InboundState.IGNORED)
_SHOWN = (ReplyState.DELIVERED, ReplyState.DEAD)


def ref_of(row_id: UUID) -> str:
    """Return twelve characters that stand for a row in a button."""
    return row_id.hex[-12:]


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation and what is told of it.

    Args:
        messages: what people wrote and what was answered.
        last: when something was last said in it, or when it began.
        present: it goes on in the chat that asks.
    """

    row: Conversation
    messages: int
    last: datetime
    present: bool

    @property
    def ref(self) -> str:
        """Return what a button carries."""
        return ref_of(self.row.id)


def chats_of(chat: KnownChat) -> QuerySet[Chat]:
    """Return the query for the chats whose conversations are at hand in `chat`.

    In a direct chat these are its person's, with its topics and threads; in a group it is that chat alone.
    """
    if chat.kind is not ChatKind.PRIVATE:
        return Chat.filter(id=chat.id)
    return whole_group(chat.account, chat.external_id).filter(kind=ChatKind.PRIVATE)


async def listed(chat: KnownChat) -> list[Listed]:
    """Return the conversations at hand in `chat` in which something was said, and the present one; latest first."""
    present = {row.id: row.conversation_id for row in await chats_of(chat)}
    rows = await Conversation.filter(chat_id__in=list(present)).order_by("-id").limit(MOST_LISTED)
    ids = [row.id for row in rows]
    asked = InboxEntry.filter(conversation_id__in=ids, body__isnull=False)
    answers = Reply.filter(conversation_id__in=ids, body__isnull=False, turn_id__isnull=False)
    said: dict[UUID, tuple[int, datetime]] = {}
    for query, when in ((asked, "received_at"), (answers, "created_at")):
        counted = query.annotate(number=Count("id"), last=Max(when)).group_by("conversation_id")
        for conversation_id, number, last in await counted.values_list("conversation_id", "number", "last"):
            before, latest = said.get(conversation_id, (0, last))
            said[conversation_id] = (before + number, max(latest, last))
    found = []
    for row in rows:
        number, last = said.get(row.id, (0, row.started_at))
        is_present = row.chat_id == chat.id and present[chat.id] == row.id
        if number or is_present:
            found.append(Listed(row, number, last, is_present))
    return sorted(found, key=lambda one: (one.last, one.row.id), reverse=True)


async def titles(sealer: Sealer, conversations: Sequence[Listed]) -> list[str]:
    """Return what each is called: as somebody named it, else by the first words that were said in it."""
    return [await title_of(sealer, one.row) for one in conversations]


async def title_of(sealer: Sealer, row: Conversation) -> str:
    """Return what a conversation is called."""
    if row.title is not None:
        return await sealer.unseal(_TITLE, row.id, row.title)
    entries = InboxEntry.filter(conversation_id=row.id, body__isnull=False)
    first = await entries.order_by("position", "id").first()
    if first is None or first.body is None:
        return "(nothing said yet)"
    kept = Kept(await sealer.unseal("inbox.body", first.id, first.body))
    words = kept.text or " ".join(context.text for context in kept.contexts)
    files = ", ".join(attachment.name or attachment.media_type for attachment in kept.attachments)
    return first_words(words) or first_words(files) or "(no words)"


def first_words(text: str) -> str:
    """Return the beginning of `text` on one line, cut between words where that can be."""
    line = " ".join(text.split())
    if len(line) <= _FIRST_WORDS:
        return line
    head, space, _ = line[: _FIRST_WORDS + 1].rpartition(" ")
    return f"{head if space and len(head) > _FIRST_WORDS // 2 else line[:_FIRST_WORDS]}…"


async def find(sealer: Sealer, conversations: Sequence[Listed], which: str) -> list[Listed]:
    """Return those that `which` may mean: a button's reference, the number in the list, or a title or its beginning."""
    wanted = " ".join(which.split()).casefold()
    if found := [one for one in conversations if one.ref == wanted]:
        return found
    if wanted.isdecimal() and len(wanted) < 5 and 0 < int(wanted) <= len(conversations):
        return [conversations[int(wanted) - 1]]
    wanted = wanted.rstrip("…").rstrip()
    if not wanted:
        return []
    called = [title.casefold() for title in await titles(sealer, conversations)]
    exact = [one for one, title in zip(conversations, called, strict=True) if title.rstrip("…") == wanted]
    return exact or [one for one, title in zip(conversations, called, strict=True) if title.startswith(wanted)]


async def is_busy(conversation_id: UUID) -> bool:
    """Tell whether an answer is being written in a conversation, or shown."""
    answers = Reply.filter(conversation_id=conversation_id, turn_id__isnull=False)
    return (
        await Turn.filter(conversation_id=conversation_id, state=TurnState.RUNNING).exists()
        or await answers.filter(state__in=[ReplyState.OPEN, ReplyState.FINAL]).exists()
    )


async def name(key: DataKeyHandle, conversation_id: UUID, title: str) -> None:
    """Give a conversation a title, in the caller's transaction."""
    await Conversation.filter(id=conversation_id).update(title=key.seal(_TITLE, conversation_id, title))


async def reopen(chat_id: UUID, conversation_id: UUID, now: datetime) -> None:
    """Make a conversation the present one of a chat, in the caller's transaction; it may have been another chat's."""
    await Chat.filter(conversation_id=conversation_id).exclude(id=chat_id).update(conversation_id=None)
    await Conversation.filter(chat_id=chat_id, ended_at__isnull=True).update(ended_at=now)
    await Conversation.filter(id=conversation_id).update(chat_id=chat_id, ended_at=None)
    await Chat.filter(id=chat_id).update(conversation_id=conversation_id)


async def erase(row: Conversation, now: datetime) -> list[UUID]:
    """Forget a conversation with all that was said in it, in the caller's transaction; return its files.

    Their bytes are to be removed once the transaction holds (`FileStore.remove`).

    Commands that were given in its chat while it went on, and what they were answered, go with it. Of what people
    wrote, only what tells a message that is delivered again from a new one stays.
    """
    lanes = await ids_of(Lane.filter(chat_id=row.chat_id))
    until = row.ended_at or now
    turns = await ids_of(Turn.filter(conversation_id=row.id))
    beside = Q(lane_id__in=lanes, turn_id__isnull=True, conversation_id__isnull=True)
    commands = InboxEntry.filter(beside, state__in=_FINAL, received_at__gte=row.started_at, received_at__lte=until)
    cards = Reply.filter(beside, state__in=_SHOWN, created_at__gte=row.started_at, created_at__lte=until)
    told = await ids_of(Reply.filter(conversation_id=row.id)) + await ids_of(cards)
    written = await ids_of(InboxEntry.filter(conversation_id=row.id)) + await ids_of(commands)
    for some in _some(told):
        await Part.filter(reply_id__in=some).delete()
        await Reply.filter(id__in=some).delete()
    for some in _some(turns):
        await Approval.filter(turn_id__in=some).delete()
        await TurnStep.filter(turn_id__in=some).delete()
    for some in _some(written):
        await InboxEntry.filter(id__in=some).update(body=None, message_id="", turn_id=None, conversation_id=None)
    await Summary.filter(conversation_id=row.id).delete()
    await Turn.filter(conversation_id=row.id).delete()
    files = await ids_of(StoredFile.filter(conversation_id=row.id))
    await StoredFile.filter(conversation_id=row.id).delete()
    await Chat.filter(conversation_id=row.id).update(conversation_id=None)
    await Conversation.filter(id=row.id).delete()
    return files


def _some(ids: Collection[UUID]) -> list[list[UUID]]:
    every = list(ids)
    return [every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE)]

"""A chat as its people see it, read from the database."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tortoise.expressions import Q

from core import replies
from core.envelopes import Body, FormView, OutgoingFile, Submission
from core.wire import Kept
from storage.queries import ids_of
from storage.sealing import Sealer
from storage.tables import InboundState, InboxEntry, Lane, Part, PartState, Reply, ReplyState, StoredFile


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a chat.

    Args:
        id: the channel's id of the message.
        by_person: a person wrote it, and `body` has plain text and files; else an agent.
        state: `waiting` until it was taken up, `growing` while an answer is written, `final`, or `failed`.
    """

    id: str
    by_person: bool
    body: Body
    state: str
    at: datetime

    @property
    def text(self) -> str:
        """Return the body's text."""
        return self.body.text


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was filled in and sent as the message `message_id`."""

    message_id: str
    submission: Submission


_SHOWN = (PartState.RESERVED, PartState.SENT, PartState.SENDING, PartState.MAYBE_SENT)
_PERSON_STATES = {InboundState.NEW: "waiting", InboundState.DEAD: "failed"}
_KEPT = (InboundState.NEW, InboundState.RUNNING, InboundState.DONE)
_SKEW = timedelta(minutes=5)
_AT_ONCE = 100


class Transcripts:
    """Reads chats."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def lines(self, account: str, chat: str, *, limit: int = 100, before: str | None = None) -> list[Line]:
        """Return the chat's last `limit` messages, oldest first; only those before the message `before` if given."""
        lanes = await _lanes(account, chat)
        if not lanes:
            return []
        until = await self._moment(lanes, before) if before else None
        lines = await self._people(lanes, limit, until) + await self._agent(lanes, limit, until)
        return sorted(lines, key=lambda line: (line.at, not line.by_person))[-limit:]

    async def form(self, account: str, chat: str, message_id: str) -> FormView | None:
        """Return the form that a message shows in the chat now, None if it shows none."""
        lanes = await _lanes(account, chat)
        named = Q(message_id=message_id)
        if (part_id := _uuid(message_id)) is not None:  # an id of ours stands for the message until it has its own
            named |= Q(id=part_id)
        shown = Part.filter(named, reply__lane_id__in=lanes, state__in=_SHOWN, number=0)
        part = await shown.first().prefetch_related("reply")
        if part is None or part.reply.body is None:
            return None
        return (await replies.body_of(self._sealer, part.reply)).form

    async def sent(self, account: str, chat: str, fingerprints: Collection[str]) -> dict[str, Sent]:
        """Return the forms that were sent, by the fingerprint they came with; those that came to nothing are left out.

        Args:
            fingerprints: the inbounds' (`Inbound.fingerprint`), one for each form that is asked about.
        """
        lanes = await _lanes(account, chat)
        found = InboxEntry.filter(lane_id__in=lanes, fingerprint__in=list(fingerprints), body__isnull=False)
        entries = await found.filter(state__in=_KEPT).order_by("id")
        texts = await self._sealer.unseal_many("inbox.body", [(e.id, e.body) for e in entries if e.body is not None])
        kept = [(entry, Kept(text).submission) for entry, text in zip(entries, texts, strict=True)]
        return {
            entry.fingerprint: Sent(entry.message_id, submission)
            for entry, submission in kept
            if submission is not None
        }

    async def shows_file(self, account: str, chat: str, file_id: UUID) -> bool:
        """Tell whether a reply that the chat shows has the file."""
        file = await StoredFile.get_or_none(id=file_id)
        lanes = await _lanes(account, chat)
        if file is None or not lanes:
            return False
        # A reply is whole only after its files were stored: the one that is looked for is most likely the first.
        since, wanted = file.created_at - _SKEW, str(file_id)
        query = Reply.filter(lane_id__in=lanes, body__isnull=False, final_at__gte=since).order_by("final_at", "id")
        start = 0
        while rows := await query.offset(start).limit(_AT_ONCE):
            bodies = await replies.bodies_of(self._sealer, [(r.id, r.body) for r in rows if r.body is not None])
            having = [r.id for r, b in zip(rows, bodies, strict=True) if any(f.file_id == wanted for f in b.files)]
            if having and await Part.filter(reply_id__in=having, state__in=_SHOWN, number=0).exists():
                return True
            start += _AT_ONCE
        return False

    async def _moment(self, lanes: list[UUID], message_id: str) -> datetime | None:
        entry = await InboxEntry.filter(lane_id__in=lanes, message_id=message_id).first()
        if entry is not None:
            return entry.received_at
        part = await Part.filter(reply__lane_id__in=lanes, message_id=message_id).first()
        return part.created_at if part is not None else None

    async def _people(self, lanes: list[UUID], limit: int, until: datetime | None) -> list[Line]:
        query = InboxEntry.filter(lane_id__in=lanes, body__isnull=False)
        if until is not None:
            query = query.filter(received_at__lt=until)
        entries = await query.order_by("-id").limit(limit)
        texts = await self._sealer.unseal_many("inbox.body", [(e.id, e.body) for e in entries if e.body is not None])
        lines = []
        for entry, text in zip(entries, texts, strict=True):
            kept = Kept(text)
            if kept.button:
                continue
            files = tuple(
                OutgoingFile(a.reference.removeprefix("stored:"), a.name, a.media_type)
                for a in kept.attachments
                if a.reference.startswith("stored:")
            )
            state = _PERSON_STATES.get(entry.state, "final")
            body = Body(kept.text if kept.submission is None else _said_by(kept), files=files)
            lines.append(Line(entry.message_id, True, body, state, entry.received_at))
        return lines

    async def _agent(self, lanes: list[UUID], limit: int, until: datetime | None) -> list[Line]:
        query = Reply.filter(lane_id__in=lanes)
        if until is not None:
            query = query.filter(created_at__lt=until)
        rows = await query.order_by("-id").limit(limit)
        finished = [(row.id, row.body) for row in rows if row.body is not None]
        bodies = dict(zip([r[0] for r in finished], await replies.bodies_of(self._sealer, finished), strict=True))
        shown: dict[UUID, str] = {}
        parts = Part.filter(reply_id__in=[row.id for row in rows], state__in=_SHOWN, number=0)
        for part in await parts.order_by("id"):
            shown[part.reply_id] = part.message_id or str(part.id)
        lines = []
        for row in rows:
            if row.id not in shown:
                continue
            body = bodies.get(row.id)
            if body is None:
                if row.state is ReplyState.OPEN:
                    lines.append(Line(shown[row.id], False, Body(""), "growing", row.created_at))
                continue
            state = "failed" if row.state is ReplyState.DEAD else "final"
            lines.append(Line(shown[row.id], False, body, state, row.created_at))
        return lines


async def _lanes(account: str, chat: str) -> list[UUID]:
    return await ids_of(Lane.filter(chat__account=account, chat__external_id=chat))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _said_by(kept: Kept) -> str:
    """Return a submission as a short line: the title of the form that it answers, never what was filled in."""
    assert kept.submission is not None
    return f"{kept.contexts[0].text if kept.contexts else kept.submission.operation}: sent"

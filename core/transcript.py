"""A chat as its people see it, read from the database."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core import replies
from core.envelopes import Button, OutgoingFile
from core.wire import Kept
from storage.queries import ids_of
from storage.sealing import Sealer
from storage.tables import Chat, InboundState, InboxEntry, Lane, Part, PartState, Reply, ReplyState


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a chat.

    Args:
        id: the channel's id of the message.
        by_person: a person wrote it; else an agent, and `text` is Markdown.
        state: `waiting` until it was taken up, `growing` while an answer is written, `final`, or `failed`.
    """

    id: str
    by_person: bool
    text: str
    state: str
    at: datetime
    buttons: tuple[tuple[Button, ...], ...] = ()
    files: tuple[OutgoingFile, ...] = ()


_SHOWN = (PartState.RESERVED, PartState.SENT, PartState.SENDING, PartState.MAYBE_SENT)
_PERSON_STATES = {InboundState.NEW: "waiting", InboundState.DEAD: "failed"}


class Transcripts:
    """Reads chats."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def lines(self, account: str, chat: str, *, limit: int = 100, before: str | None = None) -> list[Line]:
        """Return the chat's last `limit` messages, oldest first; only those before the message `before` if given."""
        row = await Chat.get_or_none(account=account, external_id=chat)
        if row is None:
            return []
        lanes = await ids_of(Lane.filter(chat_id=row.id))
        until = await self._moment(lanes, before) if before else None
        lines = await self._people(lanes, limit, until) + await self._agent(lanes, limit, until)
        return sorted(lines, key=lambda line: (line.at, not line.by_person))[-limit:]

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
            lines.append(Line(entry.message_id, True, kept.text, state, entry.received_at, files=files))
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
                    lines.append(Line(shown[row.id], False, "", "growing", row.created_at))
                continue
            state = "failed" if row.state is ReplyState.DEAD else "final"
            lines.append(Line(shown[row.id], False, body.markdown(), state, row.created_at, body.buttons, body.files))
        return lines

"""What the model is shown: what was said before in the conversation, and the words of the present turn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from core import replies
from core.envelopes import Attachment, Context
from core.providers.port import Message, Picture
from core.wire import Kept
from storage.sealing import Sealer
from storage.tables import InboundState, InboxEntry, Reply, ReplyState, Turn, TurnState

MOST_TURNS = 40
CONTEXT_CHARACTERS = 60_000
"""Characters of history that are shown to a model at most: about 15,000 tokens."""

_KINDS = {"reply": "In reply to", "quote": "Quoting", "forward": "Forwarded from"}


@dataclass(slots=True)
class Said:
    """One exchange of the past: what people wrote and sent, and what the agent answered.

    Args:
        pictures: those of the files that the model looks at again.
    """

    person: str = ""
    agent: str = ""
    files: list[Attachment] = field(default_factory=list)
    pictures: tuple[Picture, ...] = ()


async def recall(sealer: Sealer, conversation_id: UUID, *, before: UUID, group: bool = False) -> list[Said]:
    """Return the conversation's exchanges before the turn `before`, oldest first, the latest `MOST_TURNS`."""
    turns = Turn.filter(conversation_id=conversation_id, superseded=False, id__lt=before)
    recent = dict(await turns.order_by("-id").limit(MOST_TURNS).values_list("id", "state"))
    if not recent:
        return []
    said: dict[UUID | None, Said] = {turn_id: Said() for turn_id in sorted(recent)}
    entries = InboxEntry.filter(turn_id__in=list(said), state=InboundState.DONE, body__isnull=False)
    rows = await entries.order_by("position", "id").values_list("turn_id", "id", "body")
    texts = await sealer.unseal_many("inbox.body", [(row[1], bytes(row[2] or b"")) for row in rows])
    for row, text in zip(rows, texts, strict=True):
        exchange, kept = said[row[0]], Kept(text)
        exchange.person = join_texts([exchange.person, as_read(kept, group=group)])
        if recent[row[0]] != TurnState.FAILED:  # perhaps because of them
            exchange.files += kept.attachments
    answers = Reply.filter(turn_id__in=list(said), state__in=[ReplyState.FINAL, ReplyState.DELIVERED])
    rows = await answers.values_list("turn_id", "id", "body")
    bodies = await replies.bodies_of(sealer, [(row[1], bytes(row[2] or b"")) for row in rows])
    for row, body in zip(rows, bodies, strict=True):
        said[row[0]].agent = body.markdown()
    return list(said.values())


def as_read(kept: Kept, *, group: bool = False) -> str:
    """Return an inbound as the model reads it: contexts with who said what, the words, the names of files."""
    lines = [_context_line(context) for context in kept.contexts]
    words = f"{kept.name}: {kept.text}" if group and kept.name and kept.text else kept.text
    if words:
        lines.append(words)
    lines += [f"[file: {attachment.name or attachment.media_type}]" for attachment in kept.attachments]
    return "\n".join(lines)


def _context_line(context: Context) -> str:
    quoted = context.text.strip().replace("\n", "\n> ")
    return f"[{_KINDS.get(context.kind, context.kind)} {context.author or 'somebody'}:]\n> {quoted}"


def join_texts(texts: Iterable[str]) -> str:
    """Join the parts of one thing said; a text that the client cut at its limit goes on without a break."""
    joined = ""
    for text in texts:
        if not text:
            continue
        if not joined:
            joined = text
        elif len(joined.encode("utf-16-le")) // 2 % 4096 == 0:
            joined += text
        else:
            joined = f"{joined}\n\n{text}"
    return joined


def as_messages(said: Sequence[Said], present: str, pictures: tuple[Picture, ...], characters: int) -> list[Message]:
    """Return the messages to send: as many of the latest exchanges as fit in `characters`, then the present words."""
    left = characters - len(present)
    kept: list[Said] = []
    for exchange in reversed(said):
        left -= len(exchange.person) + len(exchange.agent)
        if left < 0:
            break
        kept.append(exchange)
    messages = []
    for exchange in reversed(kept):
        if exchange.person:
            messages.append(Message("user", exchange.person, exchange.pictures))
        if exchange.agent:
            messages.append(Message("assistant", exchange.agent))
    messages.append(Message("user", present, pictures))
    return messages

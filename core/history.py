"""What the model is shown: what was said before in the conversation, and the words of the present turn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tortoise.queryset import QuerySet

from core import replies
from core.envelopes import Attachment, Context
from core.providers.port import Message, Picture
from core.wire import Kept
from storage.sealing import Sealer
from storage.tables import InboundState, InboxEntry, Reply, ReplyState, Summary, Turn, TurnState

MOST_TURNS = 40
CONTEXT_CHARACTERS = 60_000
"""Characters of history that are shown to a model at most: about 15,000 tokens."""

FULL = CONTEXT_CHARACTERS * 3 // 4
"""Characters of past from which on it is summarised: the rest is for what is being said now."""
LEAST_TURNS = 4
"""A conversation of so few exchanges has a summary only if it has more than `FULL` characters."""
SUMMARY = "summaries.text"

_KINDS = {"reply": "In reply to", "quote": "Quoting", "forward": "Forwarded from"}


@dataclass(slots=True)
class Said:
    """One exchange of the past: what people wrote and sent, and what the agent answered.

    Args:
        pictures: those of the files that the model looks at again.
        messages: how many messages it was.
        summary: it stands for what was said earlier, and is shown to a model before anything else.
    """

    person: str = ""
    agent: str = ""
    files: list[Attachment] = field(default_factory=list)
    pictures: tuple[Picture, ...] = ()
    messages: int = 0
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Past:
    """What was said in a conversation.

    Args:
        summary: what stands for its earlier part, if anything does; `text` is what it says.
        turns: the latest after that, oldest first, with how they ended; `said` is what was said in each.
        more: there are others between the summary and these.
    """

    summary: Summary | None
    text: str
    turns: Mapping[UUID, TurnState]
    said: Sequence[Said]
    more: bool

    def shown(self) -> list[Said]:
        """Return what a model is shown."""
        if self.summary is None:
            return list(self.said)
        earlier = Said(f"[Summary of what was said before:]\n{self.text}", summary=True)
        return [earlier, *self.said]


async def recall(sealer: Sealer, conversation_id: UUID, *, before: UUID, group: bool = False) -> list[Said]:
    """Return what was said before the turn `before`, oldest first: the summary, then the latest `MOST_TURNS`."""
    return (await past_of(sealer, conversation_id, before=before, group=group)).shown()


async def past_of(sealer: Sealer, conversation_id: UUID, *, before: UUID, group: bool = False) -> Past:
    """Return the past as it counts before the turn `before`; a summary that was undone does not."""
    counted = turns_of(conversation_id, before=before)
    latest = await counted.order_by("-id").limit(MOST_TURNS + 1).values_list("id", "state")
    if len(latest) <= LEAST_TURNS:
        few = dict(sorted(latest))
        said = await exchanges(sealer, few, group=group)
        if size_of(said) <= FULL:
            return Past(None, "", few, said, more=False)
    summary = await newest_summary(conversation_id)
    since = sorted((turn, state) for turn, state in latest if summary is None or turn > summary.until_turn)
    turns = dict(since[-MOST_TURNS:])
    text = await sealer.unseal(SUMMARY, summary.id, summary.text) if summary is not None else ""
    said = await exchanges(sealer, turns, group=group)
    return Past(summary, text, turns, said, len(since) > MOST_TURNS)


def turns_of(conversation_id: UUID, *, before: UUID, after: UUID | None = None) -> QuerySet[Turn]:
    """Return the query for the turns of a conversation that count: not those whose answer was written again."""
    turns = Turn.filter(conversation_id=conversation_id, superseded=False, id__lt=before)
    return turns.filter(id__gt=after) if after is not None else turns


async def newest_summary(conversation_id: UUID) -> Summary | None:
    """Return the summary that stands for the conversation's earlier part."""
    return await Summary.filter(conversation_id=conversation_id, undone_at__isnull=True).order_by("-id").first()


def size_of(said: Iterable[Said]) -> int:
    """Return how many characters were said."""
    return sum(len(one.person) + len(one.agent) for one in said)


async def exchanges(sealer: Sealer, turns: Mapping[UUID, TurnState], *, group: bool = False) -> list[Said]:
    """Return what was said in each of `turns`, in their order; nothing where that may only be kept."""
    if not turns:
        return []
    said: dict[UUID | None, Said] = {turn_id: Said() for turn_id in turns}
    told = set(turns) - (await _kept_alone(turns) if group else set())
    entries = InboxEntry.filter(turn_id__in=list(told), state=InboundState.DONE, body__isnull=False)
    rows = await entries.order_by("position", "id").values_list("turn_id", "id", "body")
    texts = await sealer.unseal_many("inbox.body", [(row[1], bytes(row[2] or b"")) for row in rows])
    for row, text in zip(rows, texts, strict=True):
        exchange, kept = said[row[0]], Kept(text)
        exchange.person = join_texts([exchange.person, as_read(kept, group=group)])
        exchange.messages += 1
        if turns[row[0]] != TurnState.FAILED:  # perhaps because of them
            exchange.files += kept.attachments
    answers = Reply.filter(turn_id__in=list(told), state__in=[ReplyState.FINAL, ReplyState.DELIVERED])
    rows = await answers.values_list("turn_id", "id", "body")
    bodies = await replies.bodies_of(sealer, [(row[1], bytes(row[2] or b"")) for row in rows])
    for row, body in zip(rows, bodies, strict=True):
        said[row[0]].agent = body.markdown()
        said[row[0]].messages += 1
    return list(said.values())


async def _kept_alone(turns: Iterable[UUID]) -> set[UUID]:
    """Return those of `turns` that were for people whose data may only be kept since."""
    theirs = InboxEntry.filter(turn_id__in=list(turns), identity__user__restricted_at__isnull=False)
    return {row[0] for row in await theirs.values_list("turn_id")}


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
    """Return the messages to send: as many of the latest exchanges as fit in `characters`, then the present words.

    A summary of what was said earlier is the last thing to be left out.
    """
    left = characters - len(present)
    summaries = [one for one in said if one.summary and len(one.person) <= left]
    left -= sum(len(one.person) for one in summaries)
    kept: list[Said] = []
    for exchange in reversed([one for one in said if not one.summary]):
        left -= len(exchange.person) + len(exchange.agent)
        if left < 0:
            break
        kept.append(exchange)
    messages = []
    for exchange in [*summaries, *reversed(kept)]:
        if exchange.person:
            messages.append(Message("user", exchange.person, exchange.pictures))
        if exchange.agent:
            messages.append(Message("assistant", exchange.agent))
    messages.append(Message("user", present, pictures))
    return messages

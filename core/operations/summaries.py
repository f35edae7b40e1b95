"""Operations on a conversation's summary: make one on request, and take one back."""

from pydantic import Field

from core.access import Standing
from core.compaction import body_of
from core.conversations import ref_of
from core.envelopes import Button
from core.operations.card import Card
from core.operations.form import Form, NoFields
from core.operations.registry import Call, Effect, NotPossible, operation
from core.summaries import NoSummary
from storage.tables import Chat, ChatKind, Summary


@operation("conversations.compact", "Summarise the conversation so far", standing=Standing.GUEST,
           effect=Effect.EXTERNAL, alias="compact")  # fmt: skip
async def compact(call: Call, form: NoFields) -> Card:
    """Put a summary in place of all but the last few exchanges, and show it."""
    chat = await Chat.get(id=call.in_chat().id)
    services = call.services
    if chat.conversation_id is None:
        raise NotPossible("There is nothing to summarise yet.")
    answering = await services.agents.of_chat(chat)
    try:
        made = await services.compaction.on_request(
            chat.conversation_id,
            answering,
            group=chat.kind is ChatKind.GROUP,
            person_id=call.person.identity_id if call.person is not None else None,
        )
    except NoSummary as none:
        raise NotPossible(f"I could not summarise it: {none}. Nothing has changed.") from none
    if made is None:
        raise NotPossible("There is too little to summarise: I still look back at every word.")
    summary, text = made
    body = body_of(summary.messages, text, summary.id)
    return Card(text=body.text, buttons=body.buttons, data=(("summary", str(summary.id)),))


class UndoForm(Form):
    """Which summary."""

    summary: str = Field(description="The last twelve characters of the summary's id.")


@operation("conversations.undo_summary", "Look back at every word again", standing=Standing.GUEST, effect=Effect.WRITE,
           hidden=True)  # fmt: skip
async def undo_summary(call: Call, form: UndoForm) -> Card:
    """Take a summary back: what it stands for counts again, as far as it fits."""
    chat = await Chat.get(id=call.in_chat().id)
    standing = Summary.filter(conversation_id=chat.conversation_id, undone_at__isnull=True).order_by("-id")
    summaries = await standing if chat.conversation_id is not None else []
    position = next((n for n, one in enumerate(summaries) if ref_of(one.id) == form.summary), None)
    if position is None:
        raise NotPossible("That summary does not count any more.")
    if position > 0:
        later = Button("Undo the later one", f"/conversations undo_summary {ref_of(summaries[0].id)}")
        raise NotPossible("A later summary took this one up. Undo that first.", later)
    await Summary.filter(id=summaries[0].id).update(undone_at=call.services.clock.now())
    earlier = "the summary before it and " if len(summaries) > 1 else ""
    return Card(
        text=f"Undone. I look back at {earlier}the messages themselves again; where they are too many, the oldest are "
        "left out. I summarise no more by myself until there is as much again. /compact does it when you want."
    )

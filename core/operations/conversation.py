"""Operations on the talk itself: start, help, new, stop, retry, status, settings, show again."""

from uuid import UUID

from pydantic import Field

from core import agents, replies
from core.access import Standing
from core.directory import KnownChat
from core.envelopes import Button
from core.operations.card import Card
from core.operations.form import Form, NoFields
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation, operation
from storage.tables import Chat, InboundState, InboxEntry, Lane, OpenForm, Reply, Turn, TurnState

_KEPT = (
    "I keep what we write to each other, sealed, so that I can look back at it; only the model that answers sees it. "
    "/privacy shows what is kept, /new starts afresh, /help shows what I can do."
)


@operation("chat.start", "Who you are talking to, and what is kept", standing=Standing.GUEST, effect=Effect.READ,
           alias="start", restricted=True)  # fmt: skip
async def start(call: Call, form: NoFields) -> Card:
    """Introduce the agent."""
    answering, model = await _who_answers(call)
    text = f"Hello! I am **{answering}**, an AI assistant, answered by `{model}`. Just write to me.\n\n{_KEPT}"
    return Card(text=text, buttons=((Button("What can you do?", "/help"),),))


@operation("chat.help", "What you can do here", standing=Standing.GUEST, effect=Effect.READ, alias="help",
           restricted=True)  # fmt: skip
async def help_(call: Call, form: NoFields) -> Card:
    """List the commands that the caller may use."""
    lines = [f"- /{o.alias} – {o.title}" for o in _for(call)]
    text = "Write to me as you would to a person; send pictures and files too.\n\n" + "\n".join(lines)
    return Card(title="What you can do here", text=text)


def _for(call: Call) -> list[Operation]:
    return [
        o
        for o in OPERATIONS.values()
        if o.alias and not o.hidden and o.standing <= call.standing and (not o.surfaces or call.surface in o.surfaces)
    ]


@operation("chat.new", "Start a new conversation", standing=Standing.GUEST, effect=Effect.WRITE, alias="new")
async def new(call: Call, form: NoFields) -> Card:
    """Begin a new conversation in this chat."""
    chat = await Chat.get(id=call.in_chat().id)
    answering = await call.services.agents.of_chat(chat)
    kept = chat.conversation_id is not None and await Turn.exists(conversation_id=chat.conversation_id)
    await agents.begin_conversation(chat.id, answering.agent_id, call.services.clock)
    if call.person is not None:  # what is written next is meant for the agent
        await OpenForm.filter(chat_id=chat.id, identity_id=call.person.identity_id).delete()
    text = "A new conversation. I no longer look back at what we said before."
    return Card(text=f"{text} That is kept: /conversations lists it." if kept else text)


@operation("chat.stop", "Stop the answer that is being written", standing=Standing.GUEST, effect=Effect.WRITE,
           alias="stop", urgent=True, restricted=True)  # fmt: skip
async def stop(call: Call, form: NoFields) -> Card:
    """End the running turn; what was said so far stays."""
    chat = call.in_chat()
    turn = await Turn.filter(lane_id=chat.lane_id, state=TurnState.RUNNING).first()
    waiting = await InboxEntry.filter(lane_id=chat.lane_id, state=InboundState.NEW).count()
    next_up = f" {_messages(waiting)} waiting and come{'s' if waiting == 1 else ''} next." if waiting else ""
    if turn is None:
        return Card(text=f"Nothing is running.{next_up}")
    turn_id = turn.id
    await Turn.filter(id=turn_id, state=TurnState.RUNNING).update(stop_requested_at=call.services.clock.now())
    call.after_commit.append(lambda: call.services.lanes.request_stop(turn_id))
    return Card(text=f"Stopped. What was said so far stays.{next_up}")


def _messages(count: int) -> str:
    return "1 message is" if count == 1 else f"{count} messages are"


class RetryForm(Form):
    """Which answer to write again."""

    turn: UUID | None = Field(None, description="The turn to repeat; the latest if empty.")


@operation("chat.retry", "Write the last answer again", standing=Standing.GUEST, effect=Effect.WRITE, alias="retry")
async def retry(call: Call, form: RetryForm) -> Card:
    """Answer the latest message anew; the former answer no longer counts."""
    chat = call.in_chat()
    latest = await _latest_turn(chat)
    if latest is None or not await InboxEntry.exists(turn_id=latest.id):
        raise NotPossible("There is nothing to repeat yet: write to me first.")
    if form.turn is not None and form.turn != latest.id:
        raise NotPossible("That answer is no longer the latest one. Use /retry to repeat the latest.")
    if latest.lane_id != chat.lane_id:
        raise NotPossible("That was answered elsewhere, before the conversation went on here. Write it again here.")
    if latest.state is TurnState.RUNNING:
        raise NotPossible("That answer is still being written. /stop ends it.")
    await Turn.filter(id=latest.id).update(superseded=True)
    authors = await InboxEntry.filter(turn_id=latest.id).values_list("identity_id", flat=True)
    await OpenForm.filter(chat_id=chat.id, identity_id__in=list(authors)).delete()  # it would take the words
    await InboxEntry.filter(turn_id=latest.id).update(state=InboundState.NEW, turn_id=None, conversation_id=None)
    await Lane.filter(id=chat.lane_id).update(due_at=call.services.clock.now())
    call.after_commit.append(lambda: call.services.lanes.wake([chat.lane_id]))
    return Card(quiet=True)


async def _latest_turn(chat: KnownChat) -> Turn | None:
    """Return the latest turn of the present conversation; before anything is said in it, of the one before it here."""
    present = (await Chat.get(id=chat.id)).conversation_id
    latest = await Turn.filter(conversation_id=present).order_by("-id").first() if present is not None else None
    return latest or await Turn.filter(lane_id=chat.lane_id, conversation__chat_id=chat.id).order_by("-id").first()


@operation("chat.status", "What is going on", standing=Standing.GUEST, effect=Effect.READ, alias="status", urgent=True,
           restricted=True)  # fmt: skip
async def status(call: Call, form: NoFields) -> Card:
    """Say who answers, what runs and what waits."""
    name, model = await _who_answers(call)
    fields = [("Agent", name), ("Model", f"`{model}`")]
    if call.chat is not None:
        turn = await Turn.filter(lane_id=call.chat.lane_id, state=TurnState.RUNNING).first()
        if turn is None:
            fields.append(("Now", "ready"))
        else:
            seconds = int((call.services.clock.now() - turn.started_at).total_seconds())
            fields.append(("Now", f"writing an answer, for {seconds} s; /stop ends it"))
        waiting = await InboxEntry.filter(lane_id=call.chat.lane_id, state=InboundState.NEW).count()
        fields.append(("Waiting", _messages(waiting).rsplit(" ", 1)[0]))
    return Card(title="Status", fields=tuple(fields))


async def _who_answers(call: Call) -> tuple[str, str]:
    services = call.services
    if call.chat is not None:
        answering = await services.agents.of_chat(await Chat.get(id=call.chat.id))
    else:
        answering = await services.agents.default()
    return answering.name, answering.plan.model or services.catalogue.default


_SETTINGS = (
    ("agents.here", "Who answers here", "which agent answers here"),
    ("agents.model", "Model", "which model the agent uses"),
    ("agents.list", "Agents", "make and change agents"),
    ("conversations.list", "Conversations", "go back to an older conversation, rename or delete it"),
    ("conversations.compact", "Summarise", "have me summarise this conversation, so that I keep up"),
    ("privacy.show", "Privacy", "what is kept about you"),
    ("people.whoami", "Who am I", "what you are to me"),
    ("people.invite", "Invite", "let somebody in"),
    ("people.access", "Workspace", "let a whole workspace in"),
)
"""What there is to set, each by the operation that sets it."""
_ALONE = ("privacy.show", "people.invite")
"""Those that answer only in a direct message."""


@operation("settings.show", "What you can set here", standing=Standing.GUEST, effect=Effect.READ, alias="settings",
           restricted=True)  # fmt: skip
async def settings(call: Call, form: NoFields) -> Card:
    """Say who answers and with which model, and offer what the caller may set."""
    name, model = await _who_answers(call)
    in_group = call.chat is not None and call.chat.kind != "private"
    offered = [
        (OPERATIONS[operation], label, what)
        for operation, label, what in _SETTINGS
        if operation in OPERATIONS
        and OPERATIONS[operation].standing <= call.standing
        and not (in_group and operation in _ALONE)
        and (operation != "people.access" or workspace_of(call))
    ]
    lines = [f"- `{operation.command}` – {what}" for operation, _, what in offered]
    buttons = [Button(label, operation.command) for operation, label, _ in offered]
    rows = tuple(tuple(buttons[start : start + 2]) for start in range(0, len(buttons), 2))
    fields = (("Agent", name), ("Model", f"`{model}`"))
    return Card(title="Settings", text="\n".join(lines), fields=fields, buttons=rows)


def workspace_of(call: Call) -> str:
    """Return the id of the workspace that the chat and the caller are of; empty on channels that have none."""
    workspace = call.chat.account.partition(":")[2] if call.chat is not None else ""
    return workspace if workspace and call.external_id.startswith(f"{workspace}:") else ""


class ShowForm(Form):
    """Which reply to show."""

    reply: UUID = Field(description="The reply's id.")


@operation("chat.show", "Show an answer again", standing=Standing.GUEST, effect=Effect.READ, alias="show", hidden=True)
async def show(call: Call, form: ShowForm) -> Card:
    """Show a reply of this chat again."""
    chat = call.in_chat()
    reply = await Reply.get_or_none(id=form.reply)
    if (
        reply is None
        or reply.body is None
        or reply.lane_id not in (chat.lane_id, chat.urgent_lane_id)
        or reply.only_for not in ("", call.external_id)
    ):
        raise NotPossible("That answer is no longer kept.")
    body = await replies.body_of(call.services.sealer, reply)
    return Card(text=body.markdown(), buttons=body.buttons)


def private_only(call: Call, command: str) -> None:
    """Make sure that the answer is not read by a whole group.

    Raises:
        NotPossible: the call was made in a group.
    """
    if call.chat is not None and call.chat.kind != "private":
        raise NotPossible(f"Write {command} to me in a direct message: its answer is for you alone.")

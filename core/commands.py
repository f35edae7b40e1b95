"""A command runs its operation in the transaction that finishes its inbound, so no crash can run it twice.

Commands, filled-in forms and answers to a form's questions come here. What must be asked or called outside happens
before that transaction, and is repeated after a crash.
"""

from dataclasses import dataclass

from core import open_forms, replies
from core.access import Verdict, code_in
from core.attachments import Attachments
from core.callers import Callers
from core.channel import FormStyle, Refused
from core.envelopes import Button, Place, Target
from core.history import join_texts
from core.lanes import Held
from core.open_forms import Open, OpenForms
from core.operations import asking
from core.operations.card import Card
from core.operations.form import asking as asking_of
from core.operations.form_operations import AnswerForm
from core.operations.gateway import MISSING, audit, invoke, read
from core.operations.registry import OPERATIONS, Call, Effect, NotPossible, Operation, Services
from core.operations.typed import Command
from core.outbox import Outbox, Then, target_of
from core.rates import Rates
from core.waiting import Waiting, command_of, wait_in_turn, with_words
from storage.faults import Step
from storage.sealing import Owner
from storage.tables import Chat, InboundState, InboxEntry


@dataclass(slots=True)
class _Plan:
    """What is to be done about one inbound.

    Args:
        card: what is answered, if that is known before the transaction.
        keep: the form to keep open; `close`: the open form has ended.
    """

    operation: Operation | None
    values: dict[str, str]
    card: Card | None = None
    keep: Open | None = None
    close: bool = False
    refused: bool = False


class Commands:
    """Runs what people asked for by command, form or button."""

    def __init__(
        self, services: Services, callers: Callers, outbox: Outbox, attachments: Attachments, rates: Rates
    ) -> None:
        self._services = services
        self._callers = callers
        self._clock = services.clock
        self._outbox = outbox
        self._attachments = attachments
        self._rates = rates
        self._forms = OpenForms(services.sealer, services.clock)

    async def run(self, held: Held, chat: Chat, batch: list[Waiting], *, then: Then) -> None:
        """Do what a person asked for in the transaction that finishes the inbound and writes down its answer.

        Args:
            batch: one message, or the parts of one that the client split.
            then: runs in the transaction that writes down that the answer was shown.
        """
        waiting, entry = batch[0], batch[0].entry
        self._rates.count(entry.identity_id, held.chat_id, 0 if held.urgent else 1)
        call = await self._callers.of(held, chat, waiting, named=True)
        person = call.person
        assert person is not None
        target = target_of(held, chat, entry.message_id)
        only_for = call.external_id if target.place is Place.GROUP else ""
        plan = await self._plan(held, target, call, batch)
        key = await self._services.sealer.key(Owner("team", self._services.team_id))
        mine = await self._services.sealer.key(person.owner)
        async with held.commit(Step.COMMAND):
            card = await self._carry_out(call, plan)
            if plan.keep is not None:
                await self._forms.keep_open(mine, held.chat_id, person, plan.keep)
            elif plan.close:
                await self._forms.shut(held.chat_id, person)
            pending = None
            if not card.quiet:
                pending = await replies.create_once(
                    key, held.id, card.body(), self._clock.now(), answers=entry.message_id, only_for=only_for
                )
            kept = {} if entry.reason != Verdict.CODE else {"body": None}
            await InboxEntry.filter(id__in=[w.entry.id for w in batch]).update(state=InboundState.DONE, **kept)
            if held.urgent:
                await self._make_the_rest_wait(held, call)
        for action in call.after_commit:
            action()
        if pending is not None:
            shown_to = target_of(held, chat, entry.message_id, only_for)
            await self._outbox.deliver(held, shown_to, pending, card.body(), key, then=then)

    async def _carry_out(self, call: Call, plan: _Plan) -> Card:
        """Run, in the caller's transaction, what was not run before it."""
        if plan.operation is not None and (plan.refused or plan.operation.effect is Effect.EXTERNAL):
            await audit(call, plan.operation, "refused" if plan.refused else "done")
        if plan.card is not None:
            return plan.card
        assert plan.operation is not None
        try:
            return await invoke(call, plan.operation, plan.values)
        except NotPossible as refusal:
            return refusal_card(refusal)

    async def _make_the_rest_wait(self, held: Held, call: Call) -> None:
        """Have what the person wrote meanwhile wait its turn, before what comes next, once no form asks for it."""
        assert call.person is not None
        written = InboxEntry.filter(lane_id=held.id, state=InboundState.NEW, identity_id=call.person.identity_id)
        if not await written.exists() or await self._forms.is_open(held.chat_id, call.person):
            return
        rest = await with_words(await written.order_by("position", "id"), self._services.sealer)
        words = [w.entry for w in rest if command_of(w) is None and w.kept.submission is None]
        if words:
            main_id = await wait_in_turn(words, held.chat_id, self._clock)
            call.after_commit.append(lambda: self._services.lanes.wake([main_id]))

    # before the transaction

    async def _plan(self, held: Held, target: Target, call: Call, batch: list[Waiting]) -> _Plan:
        """Find out what is wanted, ask for what is missing, and run what calls outside."""
        plan = _Plan(None, {})
        try:
            await self._want(held, target, call, batch, plan)
            if plan.card is None and plan.operation is not None and plan.operation.effect is Effect.EXTERNAL:
                plan.card = await invoke(call, plan.operation, plan.values)
        except NotPossible as refusal:
            plan.card, plan.refused, plan.keep = refusal_card(refusal), plan.operation is not None, None
        return plan

    async def _want(self, held: Held, target: Target, call: Call, batch: list[Waiting], plan: _Plan) -> None:
        submission, command = batch[0].kept.submission, command_of(batch[0])
        if submission is not None:
            plan.operation, plan.values = _known(f"/{submission.operation}"), dict(submission.values)
            await self._ask_if_unfit(target, call, plan, whole=True)
            return
        if command is None:
            await self._answer(call, plan, await self._words(held, target, batch))
            return
        command = _as_invitation(call, command) or command
        plan.operation = command.operation
        if plan.operation is None:
            raise NotPossible(_unknown(command))
        plan.values = command.values()
        if plan.operation.name == "forms.answer":
            await self._answer_by_button(call, plan)
            return
        taker = next((n for n, info in plan.operation.form.model_fields.items() if asking_of(info).file), None)
        if taker is not None and batch[0].kept.attachments:
            plan.values[taker] = await self._words(held, target, batch)
        await self._ask_if_unfit(target, call, plan, whole=False, pressed=batch[0].kept.button)

    async def _words(self, held: Held, target: Target, batch: list[Waiting]) -> str:
        """Return what was written, or what stands in the file that was sent."""
        first = batch[0]
        if not first.kept.attachments:
            return join_texts(waiting.kept.text for waiting in batch)
        try:
            return await self._attachments.text_of(held, target, first.entry, first.kept)
        except Refused as refused:
            raise NotPossible(f"I can't use that file: {refused.reason}.") from refused

    async def _ask_if_unfit(
        self, target: Target, call: Call, plan: _Plan, *, whole: bool, pressed: bool = False
    ) -> None:
        """Make the plan's card the question for what is missing or wrong, in the channel's own way.

        An old button whose subject is gone asks nothing: no form would take what the person writes next.
        """
        operation = plan.operation
        assert operation is not None
        problems = await asking.problems(call, operation, plan.values)
        if problems is None:
            return
        if pressed:
            asking.refuse_if_gone(operation, {n: text for n, text in problems.items() if n in plan.values})
        style = self._outbox.channel(target).form_style
        if not asking.can_be_asked(operation, problems):
            await invoke(call, operation, plan.values)  # says what is wrong
        elif style is FormStyle.QUESTIONS:
            form = open_forms.fresh(operation.name, dict(plan.values))
            plan.card = await asking.next_question(call, operation, form.so_far, problems, form.tag)
            plan.keep = form if plan.card is not None else None
        else:
            view = await asking.view(call, operation, plan.values, problems, tried=whole)
            if style is FormStyle.SHOWN:
                plan.card = Card(title=operation.title, form=view)
                return
            told = [text for text in problems.values() if whole or text != MISSING]
            command = " ".join([f"/{operation.name}", *(f'{n}="{v}"' for n, v in _short(plan.values).items())])
            text = "\n".join(["Open the form to fill it in.", *told])
            plan.card = Card(title=operation.title, text=text, buttons=((Button("Open the form", command),),))

    # answers to questions

    async def _answer_by_button(self, call: Call, plan: _Plan) -> None:
        form, pressed = await self._open_form(call), await read(call, OPERATIONS["forms.answer"], plan.values)
        assert isinstance(pressed, AnswerForm)
        picked = None
        if form is not None and pressed.form == form.tag:
            picked = form.so_far.picked(pressed.step, pressed.choice)
        if picked is None:
            raise NotPossible("That question is no longer open.")
        await self._answer(call, plan, picked)

    async def _answer(self, call: Call, plan: _Plan, words: str) -> None:
        """Take words as the answer to the open question: ask the next one, or have the operation run."""
        form = await self._open_form(call)
        if form is None:
            raise NotPossible("That form is no longer open. Begin again with its command.")
        so_far = form.so_far
        plan.close = True  # whatever makes it impossible now
        plan.operation = operation = _known(f"/{so_far.operation}")
        so_far.values[so_far.asking] = words.strip()
        problems = await asking.problems(call, operation, so_far.values) or {}
        wrong = {name: text for name, text in problems.items() if name in so_far.values}
        asking.refuse_if_gone(operation, wrong, so_far.asking)
        plan.card = await asking.next_question(call, operation, so_far, wrong, form.tag)
        plan.keep = form if plan.card is not None else None
        plan.values, plan.close = so_far.values, plan.card is None

    async def _open_form(self, call: Call) -> Open | None:
        assert call.person is not None
        return await self._forms.find(call.in_chat().id, call.person)


def refusal_card(refusal: NotPossible) -> Card:
    """Return what a person is told who can't have what they asked for."""
    return Card(text=str(refusal), buttons=(refusal.buttons,) if refusal.buttons else ())


def _known(command: str) -> Operation:
    operation = OPERATIONS.get(command.removeprefix("/"))
    if operation is None:
        raise NotPossible("What that form was for doesn't exist any more.")
    return operation


def _unknown(command: Command) -> str:
    nearest = command.nearest()
    hint = f" Did you mean /{nearest}?" if nearest else ""
    return f"I don't know /{command.word}.{hint} /help lists what you can do."


def _short(values: dict[str, str]) -> dict[str, str]:
    """Return the values that a button can carry."""
    return {name: value for name, value in values.items() if len(value) <= 100 and '"' not in value}


def _as_invitation(call: Call, command: Command) -> Command | None:
    """Return the redeeming of the code that a guest's `/start CODE` carries."""
    if call.person is None or call.person.user_id is not None or command.word != "start":
        return None
    code = code_in(command.rest)
    return Command("join", code) if code is not None else None

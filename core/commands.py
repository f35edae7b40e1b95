"""A command runs its operation in the transaction that finishes its inbound, so no crash can run it twice."""

from core import replies
from core.access import Verdict, code_in, standing
from core.directory import Person, known_chat
from core.lanes import Held
from core.operations.card import Card
from core.operations.gateway import invoke
from core.operations.registry import Call, Command, NotPossible, Services
from core.outbox import Outbox, Then, target_of
from core.rates import Rates
from core.waiting import Waiting
from storage.faults import Step
from storage.sealing import Owner
from storage.tables import Chat, Identity, InboundState, InboxEntry


class Commands:
    """Runs commands that people wrote or pressed."""

    def __init__(self, services: Services, outbox: Outbox, rates: Rates) -> None:
        self._services = services
        self._clock = services.clock
        self._outbox = outbox
        self._rates = rates

    async def run(self, held: Held, chat: Chat, waiting: Waiting, command: Command, *, then: Then) -> None:
        """Run a command in the transaction that finishes its inbound and writes down its answer; then show that.

        Args:
            then: runs in the transaction that writes down that it was shown.
        """
        entry = waiting.entry
        self._rates.count(entry.identity_id, held.chat_id, 0 if held.urgent else 1)
        identity = await Identity.get(id=entry.identity_id)
        call = await self._call(held, chat, identity, waiting.kept.name)
        command = _as_invitation(call, command) or command
        key = await self._services.sealer.key(Owner("team", self._services.team_id))
        async with held.commit(Step.COMMAND):
            card = await self._answer_command(call, command)
            now = self._clock.now()
            pending = None
            if not card.quiet:
                pending = await replies.create_once(key, held.id, card.body(), now, answers=entry.message_id)
            keep = {} if entry.reason != Verdict.CODE else {"body": None}
            await InboxEntry.filter(id=entry.id).update(state=InboundState.DONE, **keep)
        for action in call.after_commit:
            action()
        if pending is not None:
            target = target_of(held, chat, entry.message_id)
            await self._outbox.deliver(held, target, pending, card.body(), key, then=then)

    async def _answer_command(self, call: Call, command: Command) -> Card:
        operation = command.operation
        try:
            if operation is None:
                nearest = command.nearest()
                hint = f" Did you mean /{nearest}?" if nearest else ""
                raise NotPossible(f"I don't know /{command.word}.{hint} /help lists what you can do.")
            return await invoke(call, operation, command.values(operation.form))
        except NotPossible as refusal:
            return Card(text=str(refusal))

    async def _call(self, held: Held, chat: Chat, identity: Identity, name: str) -> Call:
        services = self._services
        stands = await standing(identity.user_id, services.team_id, mode=services.mode)
        return Call(
            services=services,
            surface="web" if held.channel == "web" else "chat",
            standing=stands,
            person=Person(identity.id, identity.user_id),
            chat=await known_chat(chat),
            channel=held.channel,
            external_id=identity.external_id,
            name=name,
        )


def _as_invitation(call: Call, command: Command) -> Command | None:
    """Return the redeeming of the code that a guest's `/start CODE` carries."""
    if call.person is None or call.person.user_id is not None or command.word != "start":
        return None
    code = code_in(command.rest)
    return Command("join", code) if code is not None else None

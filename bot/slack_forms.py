"""What a command still needs, asked of the core before anything is accepted: Slack opens forms only at once."""

from collections.abc import Mapping

from core.access import Door, Verdict
from core.callers import call_of
from core.envelopes import FormView, Inbound
from core.operations import asking
from core.operations.form import is_asked
from core.operations.registry import OPERATIONS, Call, NotPossible, Operation, Services
from core.operations.typed import command_in


class ChatForms:
    """The forms of commands that people give in chats. What is refused has no form: its answer says why."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = Door(services.mode)

    async def wanted(self, inbound: Inbound) -> FormView | None:
        """Return the form for a command that lacks fields; None if it can run as it is, or must not."""
        command = command_in(inbound.text)
        if command is None or command.operation is None:
            return None
        return await self._form(inbound, command.operation, command.values(), tried=False)

    async def checked(self, inbound: Inbound) -> FormView | None:
        """Return a submitted form with what is wrong or still missing; None if it can be accepted."""
        submission = inbound.submission
        operation = OPERATIONS.get(submission.operation) if submission is not None else None
        if submission is None or operation is None:
            return None
        return await self._form(inbound, operation, dict(submission.values), tried=True)

    async def _form(
        self, inbound: Inbound, operation: Operation, values: Mapping[str, str], *, tried: bool
    ) -> FormView | None:
        call = await self._call(inbound)
        if call is None:
            return None
        try:
            problems = await asking.problems(call, operation, values, whole=tried)
            if problems is None or any(not is_asked(operation.form, name) for name in problems):
                return None
            return await asking.view(call, operation, values, problems, tried=tried)
        except NotPossible:
            return None

    async def _call(self, inbound: Inbound) -> Call | None:
        """Return who calls from where; None for people who are not let in."""
        directory, origin = self._services.directory, inbound.origin
        person, chat = await directory.person(origin), await directory.chat(origin)
        if self._door.verdict(inbound, person, chat) is not Verdict.LET_IN:
            return None
        return await call_of(
            self._services,
            person=person,
            chat=chat,
            channel=origin.channel,
            external_id=origin.person,
            name=origin.name,
            message_id=inbound.message_id,
        )

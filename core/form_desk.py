"""Forms for channels that open them at once, before anything is accepted: what a command lacks, what is wrong."""

from core.access import Door, Verdict
from core.callers import call_of
from core.directory import Directory
from core.envelopes import FormView, Inbound
from core.operations import asking
from core.operations.registry import OPERATIONS, Call, NotPossible, Operation, Services
from core.operations.typed import command_in


class FormDesk:
    """Answers a channel's questions about forms, quickly: it has three seconds.

    What the person may not do, or can't be asked for, is none of its business: such an inbound is accepted as it is,
    and refused like any other.
    """

    def __init__(self, services: Services, directory: Directory, door: Door) -> None:
        self._services = services
        self._directory = directory
        self._door = door

    async def wanted(self, inbound: Inbound) -> FormView | None:
        """Return the form to open for a command that lacks fields; None if it can be accepted as it is."""
        command = command_in(inbound.text)
        operation = command.operation if command is not None else None
        if command is None or operation is None:
            return None
        return await self._view(inbound, operation, command.values(), whole=False)

    async def checked(self, inbound: Inbound) -> FormView | None:
        """Return the form again, with what is wrong in it, or the next one; None if the submission can be accepted."""
        assert inbound.submission is not None
        operation = OPERATIONS.get(inbound.submission.operation)
        if operation is None:
            return None
        return await self._view(inbound, operation, dict(inbound.submission.values), whole=True)

    async def _view(
        self, inbound: Inbound, operation: Operation, values: dict[str, str], *, whole: bool
    ) -> FormView | None:
        call = await self._call(inbound)
        if call is None:
            return None
        try:
            problems = await asking.problems(call, operation, values)
            if problems is None or not asking.can_be_asked(operation, problems):
                return None
            if inbound.button:
                asking.refuse_if_gone(operation, {name: text for name, text in problems.items() if name in values})
            return await asking.view(call, operation, values, problems, tried=whole)
        except NotPossible:
            return None

    async def _call(self, inbound: Inbound) -> Call | None:
        chat = await self._directory.chat(inbound.origin)
        person = await self._directory.person(inbound.origin)
        if self._door.verdict(inbound, person, chat) is not Verdict.LET_IN:
            return None
        origin = inbound.origin
        return await call_of(
            self._services,
            person=person,
            chat=chat,
            channel=origin.channel,
            external_id=origin.person,
            name=origin.name,
            message_id=inbound.message_id,
        )

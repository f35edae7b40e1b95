"""Half-filled forms that are asked for question by question: one for each person and chat, kept sealed."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from core.directory import Person
from core.operations.asking import OPEN_FOR, Questions
from storage.clock import Clock
from storage.ids import new_id
from storage.sealing import DataKeyHandle, Sealer
from storage.tables import OpenForm

_WHERE = "open_forms.state"


@dataclass(slots=True)
class Open:
    """An open form and its row's id. `tag` is what its buttons carry."""

    id: UUID
    so_far: Questions

    @property
    def tag(self) -> str:
        """Return twelve characters that tell this form from others."""
        return self.id.hex[-12:]


class OpenForms:
    """Finds and keeps open forms."""

    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def find(self, chat_id: UUID, person: Person) -> Open | None:
        """Return the form that the person is asked to fill in in the chat."""
        row = await OpenForm.get_or_none(chat_id=chat_id, identity_id=person.identity_id)
        if row is None or row.expires_at <= self._clock.now():
            return None
        return Open(row.id, Questions.from_json(await self._sealer.unseal(_WHERE, row.id, row.state)))

    async def is_open(self, chat_id: UUID, person: Person) -> bool:
        """Tell whether the person is asked to fill in a form in the chat."""
        return (chat_id, person.identity_id) in await open_for([chat_id], self._clock)

    async def people(self, chat_id: UUID) -> set[UUID]:
        """Return the identities that have an open form in the chat."""
        return {identity for _, identity in await open_for([chat_id], self._clock)}

    async def keep_open(self, key: DataKeyHandle, chat_id: UUID, person: Person, form: Open) -> None:
        """Keep a form's state in the caller's transaction, in place of any other that the person has open here.

        Args:
            key: of the person.
        """
        await self.shut(chat_id, person)
        await OpenForm.create(
            id=form.id,
            chat_id=chat_id,
            identity_id=person.identity_id,
            operation=form.so_far.operation,
            state=key.seal(_WHERE, form.id, form.so_far.to_json()),
            expires_at=self._clock.now() + OPEN_FOR,
        )

    async def shut(self, chat_id: UUID, person: Person) -> bool:
        """Forget the person's form in the caller's transaction; return whether there was one."""
        return bool(await OpenForm.filter(chat_id=chat_id, identity_id=person.identity_id).delete())


def fresh(operation: str, values: dict[str, str]) -> Open:
    """Return a form of which nothing was asked yet."""
    return Open(new_id(), Questions(operation, values))


async def open_for(chats: Collection[UUID], clock: Clock) -> set[tuple[UUID, UUID]]:
    """Return chat and identity of every form that is open in one of `chats`."""
    if not chats:
        return set()
    rows = OpenForm.filter(chat_id__in=list(chats), expires_at__gt=clock.now())
    return set(await rows.values_list("chat_id", "identity_id"))

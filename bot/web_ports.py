"""What the web is given of the core: a chat's transcript and its files."""

from typing import cast
from uuid import UUID

from bot.web.ports import Asked, Download, Entry, State
from channels.web import fingerprint
from core.transcript import Transcripts
from storage.files import FileStore
from storage.sealing import Owner
from storage.tables import StoredFile


class WebTranscript:
    """The web's view of a chat."""

    def __init__(self, transcripts: Transcripts) -> None:
        self._transcripts = transcripts

    async def entries(self, account: str, chat: str, *, limit: int = 100, before: str | None = None) -> list[Entry]:
        """Return the chat's last entries."""
        lines = await self._transcripts.lines(account, chat, limit=limit, before=before)
        forms = {fingerprint(chat, line.id): line.id for line in lines if line.body.form is not None}
        found = await self._transcripts.sent(account, chat, forms) if forms else {}
        sent = {forms[print_]: each.submission for print_, each in found.items()}
        return [
            Entry(
                id=line.id,
                who="person" if line.by_person else "agent",
                body=line.body,
                state=cast(State, line.state),
                at=line.at,
                sent=sent.get(line.id),
            )
            for line in lines
        ]

    async def form(self, account: str, chat: str, message_id: str) -> Asked | None:
        """Return the form that a message shows."""
        form = await self._transcripts.form(account, chat, message_id)
        if form is None:
            return None
        sent = (await self._transcripts.sent(account, chat, [fingerprint(chat, message_id)])).values()
        return Asked(form, next((each.message_id for each in sent), ""))

    async def shows_file(self, account: str, chat: str, file_id: str) -> bool:
        """Tell whether an answer in the chat has the file."""
        return await self._transcripts.shows_file(account, chat, UUID(file_id))


class WebFiles:
    """The web's view of the stored files: a user's own, and what answers show."""

    def __init__(self, files: FileStore) -> None:
        self._files = files

    async def put(self, owner_user_id: str, name: str, media_type: str, data: bytes) -> str:
        """Store a file that a user sent."""
        stored = await self._files.put(Owner("user", UUID(owner_user_id)), name, media_type, data)
        return str(stored.id)

    async def get(self, file_id: str, user_id: str) -> Download | None:
        """Return a user's own file."""
        row = await StoredFile.get_or_none(id=UUID(file_id), owner_kind="user", owner_id=UUID(user_id))
        return await self._read(row)

    async def shown(self, file_id: str) -> Download | None:
        """Return a file that an answer shows to whoever asks for it."""
        return await self._read(await StoredFile.get_or_none(id=UUID(file_id)))

    async def _read(self, row: StoredFile | None) -> Download | None:
        if row is None:
            return None
        try:
            _, name, data = await self._files.get(row.id)
        except FileNotFoundError:
            return None
        return Download(name, row.media_type, data)

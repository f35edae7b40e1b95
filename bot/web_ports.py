"""What the web is given of the core: a chat's transcript and its files."""

from typing import cast
from uuid import UUID

from bot.web.ports import Download, Entry, State
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
        return [
            Entry(
                id=line.id,
                who="person" if line.by_person else "agent",
                text=line.text,
                state=cast(State, line.state),
                at=line.at,
                buttons=line.buttons,
                files=line.files,
            )
            for line in lines
        ]


class WebFiles:
    """The web's view of the stored files: a user's own, and what agents made in the user's chats."""

    def __init__(self, files: FileStore) -> None:
        self._files = files

    async def put(self, owner_user_id: str, name: str, media_type: str, data: bytes) -> str:
        """Store a file that a user sent."""
        stored = await self._files.put(Owner("user", UUID(owner_user_id)), name, media_type, data)
        return str(stored.id)

    async def get(self, file_id: str, user_id: str) -> Download | None:
        """Return a user's own file."""
        try:
            row = await StoredFile.get_or_none(id=UUID(file_id), owner_kind="user", owner_id=UUID(user_id))
        except ValueError:
            return None
        if row is None:
            return None
        _, name, data = await self._files.get(row.id)
        return Download(name, row.media_type, data)

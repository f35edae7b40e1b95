"""Files that people send: fetched once, kept sealed, and shown to a model that can use them."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.channel import Channel, Refused, TryLater
from core.directory import Person
from core.envelopes import Attachment, Target
from core.history import Said
from core.lanes import Held
from core.outbox import Outbox
from core.providers.port import Picture
from core.wire import Kept, kept_to_json
from storage.faults import Step, calling
from storage.files import FileStore
from storage.sealing import Sealer
from storage.tables import Chat, Identity, InboxEntry, StoredFile

log = logging.getLogger("prowex.attachments")

MOST_BYTES = 20 * 1024 * 1024
MOST_TEXT = 40_000
MOST_PICTURES = 8
"""Pictures of earlier exchanges that a model looks at again."""
STORED = "stored:"
FETCH_ATTEMPTS = 4

_PICTURES = {"image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"}


@dataclass(slots=True)
class ForModel:
    """What a model gets of a turn's files.

    Args:
        remarks: text files' content.
        unusable: a sentence for each file that can't be used.
    """

    pictures: list[Picture]
    remarks: list[str]
    unusable: list[str]


class Attachments:
    """Fetches, keeps and reads files."""

    def __init__(self, outbox: Outbox, files: FileStore, sealer: Sealer) -> None:
        self._outbox = outbox
        self._files = files
        self._sealer = sealer

    async def for_model(
        self, held: Held, target: Target, conversation_id: UUID, entries: Sequence[tuple[InboxEntry, Kept]]
    ) -> ForModel:
        """Return what the model can be shown of the entries' files; each is fetched and stored at most once."""
        found = ForModel([], [], [])
        for entry, kept in entries:
            for index in range(len(kept.attachments)):
                await self._add(found, held, target, conversation_id, entry, kept, index)
        return found

    async def look_back(self, said: Sequence[Said]) -> None:
        """Show files of earlier exchanges again, the latest first, as many as a model is shown at most."""
        pictures, room, letters = MOST_PICTURES, MOST_BYTES // 2, MOST_TEXT
        for exchange in reversed(said):
            for attachment in exchange.files:
                picture = attachment.media_type in _PICTURES
                if not attachment.reference.startswith(STORED) or (
                    picture and (not pictures or attachment.size > room)
                ):
                    continue
                try:
                    _, _, data = await self._files.get(UUID(attachment.reference.removeprefix(STORED)))
                except FileNotFoundError:
                    continue
                if picture:
                    exchange.pictures += (Picture(attachment.media_type, data, attachment.name),)
                    pictures, room = pictures - 1, room - len(data)
                elif (text := _text_of(attachment, data)) is not None and len(text) <= letters:
                    exchange.person += f"\n{_content_of(attachment, text)}"
                    letters -= len(text)

    async def text_of(self, held: Held, target: Target, entry: InboxEntry, kept: Kept) -> str:
        """Return the words in the first file of a message; it is fetched and stored at most once.

        Raises:
            Refused: it can't be had, or is no text.
        """
        chat = await Chat.get(id=held.chat_id)
        data = await self._bytes(held, target, chat.conversation_id, entry, kept, 0)
        text = _text_of(kept.attachments[0], data)
        if text is None:
            raise Refused("it is no text")
        return text

    async def _add(
        self,
        found: ForModel,
        held: Held,
        target: Target,
        conversation_id: UUID | None,
        entry: InboxEntry,
        kept: Kept,
        index: int,
    ) -> None:
        attachment = kept.attachments[index]
        name = _name(attachment)
        try:
            data = await self._bytes(held, target, conversation_id, entry, kept, index)
        except Refused as refused:
            found.unusable.append(f"I can't use {name}: {refused.reason}.")
            return
        if attachment.media_type in _PICTURES:
            found.pictures.append(Picture(attachment.media_type, data, attachment.name))
        elif (text := _text_of(attachment, data)) is not None:
            found.remarks.append(_content_of(attachment, text))
        else:
            found.unusable.append(_unusable(attachment))

    async def _bytes(
        self, held: Held, target: Target, conversation_id: UUID | None, entry: InboxEntry, kept: Kept, index: int
    ) -> bytes:
        attachment = kept.attachments[index]
        if attachment.reference.startswith(STORED):
            try:
                row, _, data = await self._files.get(UUID(attachment.reference.removeprefix(STORED)))
            except FileNotFoundError as error:
                raise Refused("it is no longer kept") from error
            if conversation_id not in (None, row.conversation_id):  # it goes when the conversation does
                async with held.commit(Step.FILE_KEPT):
                    await StoredFile.filter(id=row.id).update(conversation_id=conversation_id)
            return data
        if attachment.size > MOST_BYTES:
            raise Refused(f"it is larger than {MOST_BYTES >> 20} MB")
        data = await self._fetch(self._outbox.channel(target), attachment)
        if len(data) > MOST_BYTES:
            raise Refused(f"it is larger than {MOST_BYTES >> 20} MB")
        await self._keep(held, conversation_id, entry, kept, index, data)
        return data

    async def _fetch(self, channel: Channel, attachment: Attachment) -> bytes:
        for attempt in range(FETCH_ATTEMPTS):
            try:
                async with calling(Step.CALL_FETCH):
                    return await channel.fetch(attachment)
            except TryLater as later:
                await asyncio.sleep(max(later.retry_after, 0.5 * 2**attempt))
        raise Refused("it could not be fetched; please send it again")

    async def _keep(
        self, held: Held, conversation_id: UUID | None, entry: InboxEntry, kept: Kept, index: int, data: bytes
    ) -> None:
        """Store the bytes, and write into the inbound where they are, so that a restart need not fetch them again."""
        attachment = kept.attachments[index]
        identity = await Identity.get(id=entry.identity_id)
        owner = Person(identity.id, identity.user_id).owner
        stored = await self._files.put(
            owner, attachment.name, attachment.media_type, data, conversation_id=conversation_id
        )
        kept.attachments = (
            *kept.attachments[:index],
            replace(attachment, reference=f"{STORED}{stored.id}", size=len(data)),
            *kept.attachments[index + 1 :],
        )
        key = await self._sealer.key(owner)
        async with held.commit(Step.FILE_KEPT):
            body = key.seal("inbox.body", entry.id, kept_to_json(kept))
            await InboxEntry.filter(id=entry.id).update(body=body)


def _content_of(attachment: Attachment, text: str) -> str:
    return f"[content of {attachment.name or attachment.media_type}:]\n{text}"


def _name(attachment: Attachment) -> str:
    """Return what a person would call it: a file by its name, anything else by what it is."""
    name = attachment.name or attachment.media_type
    return f"“{name}”" if "." in name else f"the {name}"


def _unusable(attachment: Attachment) -> str:
    kind = attachment.media_type.partition("/")[0]
    name, can = _name(attachment), "I read text, pictures and PDF"
    if kind in ("audio", "video"):
        return f"I can't {'listen to' if kind == 'audio' else 'watch'} {name}: {can}."
    return f"I can't read {name}: {can}, not {attachment.media_type}."


def _text_of(attachment: Attachment, data: bytes) -> str | None:
    """Return the words of a text, whatever it says that it is; None if it is none."""
    kind = attachment.media_type.partition("/")[0]
    if kind in ("audio", "video", "font"):
        return None
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        if kind != "text":
            return None
        text = data.decode("cp1252", "replace")
    if "\0" in text:
        return None
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}\n[cut: the file goes on]"

"""Files both ways: fetched with the token from Slack's own hosts only, shown by an upload that Slack shares."""

from collections.abc import Awaitable, Callable
from urllib.parse import urljoin, urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from channels.slack.client import translated
from channels.slack.inbound import FILE
from core.attachments import MOST_BYTES
from core.channel import Refused, TryLater
from core.envelopes import Attachment, OutgoingFile

SENT_FILE = "file:"
"""Begins the id of a message that is a file: it can be taken away, and not be changed."""
_MOST_HOPS = 3
_PIECE = 64 * 1024
_PICTURES = "image/"


class Files:
    """Moves files.

    Args:
        host: the one host files may come from; empty for Slack's own.
        read_file: returns a stored file's bytes.
    """

    def __init__(self, client: AsyncWebClient, host: str, read_file: Callable[[str], Awaitable[bytes]]) -> None:
        assert client.session is not None
        self._client = client
        self._session = client.session
        self._host = host
        self._read_file = read_file

    async def send(self, channel: str, thread: str, file: OutgoingFile, caption: str) -> str:
        """Upload a file and share it; return the id of what is shown.

        Raises:
            TryLater, Refused, Unsure.
        """
        data = await self._read_file(file.file_id)
        alt = file.name if file.media_type.startswith(_PICTURES) else None
        async with translated(posting=False):
            place = await self._client.files_getUploadURLExternal(filename=file.name, length=len(data), alt_txt=alt)
            async with self._session.post(str(place["upload_url"]), data=data, allow_redirects=False) as response:
                if response.status != 200:
                    raise TryLater(1)
        async with translated(posting=True):
            await self._client.files_completeUploadExternal(
                files=[{"id": str(place["file_id"]), "title": file.name}],
                channel_id=channel,
                thread_ts=thread or None,
                initial_comment=caption or None,
            )
        return f"{SENT_FILE}{place['file_id']}"

    async def take_away(self, message_id: str) -> None:
        """Delete a file that was shown.

        Raises:
            TryLater, Refused.
        """
        async with translated(posting=False):
            await self._client.files_delete(file=message_id.removeprefix(SENT_FILE))

    async def fetch(self, attachment: Attachment) -> bytes:
        """Return the bytes of a file that a person sent.

        Raises:
            TryLater, Refused.
        """
        async with translated(posting=False):
            url = await self._address(attachment.reference)
            for _ in range(_MOST_HOPS):
                if not self._is_slacks(url):
                    raise Refused("it is not kept at Slack")
                headers = {"Authorization": f"Bearer {self._client.token}"}
                async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        url = urljoin(url, response.headers.get("Location", ""))
                        continue
                    return await _read(response, attachment)
        raise Refused("Slack does not hand it out")

    async def _address(self, reference: str) -> str:
        if not reference.startswith(FILE):
            return reference
        answer = await self._client.files_info(file=reference.removeprefix(FILE))
        file = answer["file"] or {}
        return str(file.get("url_private_download") or file.get("url_private") or "")

    def _is_slacks(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return False
        if parts.username is not None or parts.password is not None:
            return False
        if self._host:
            return parts.netloc == self._host
        return parts.scheme == "https" and port in (None, 443) and (host == "slack.com" or host.endswith(".slack.com"))


async def _read(response: aiohttp.ClientResponse, attachment: Attachment) -> bytes:
    if response.status == 429 or response.status >= 500:
        raise TryLater(1)
    if response.status != 200:
        raise Refused("Slack does not hand it out")
    if response.content_type == "text/html" and attachment.media_type != "text/html":
        raise Refused("Slack shows a login page in its place; the app may lack the permission `files:read`")
    data = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        data += piece
        if len(data) > MOST_BYTES:
            raise Refused(f"it is larger than {MOST_BYTES >> 20} MB")
    return bytes(data)

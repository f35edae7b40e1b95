"""Files both ways: the Web API's `files.*`, the upload URLs, and downloads that need the bot's token.

Source: https://docs.slack.dev/messaging/working-with-files.
"""

from collections.abc import Callable

from aiohttp import BodyPartReader, web

from tests.servers.slack_blocks import check_blocks
from tests.servers.slack_chat import Chat
from tests.servers.slack_errors import ApiError
from tests.servers.slack_events import Events
from tests.servers.slack_request import Request
from tests.servers.slack_world import JSON, TEAM, File, World

MOST_BYTES = 1024 * 1024 * 1024
TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "pdf": "application/pdf", "txt": "text/plain"}


class Files:
    """Answers `files.*` for our bot."""

    def __init__(self, world: World, events: Events, chat: Chat) -> None:
        self._world = world
        self._events = events
        self._chat = chat
        self.methods: dict[str, Callable[[Request], JSON]] = {
            "files.getUploadURLExternal": self._get_url,
            "files.completeUploadExternal": self._complete,
            "files.info": self._info,
            "files.delete": self._delete,
        }

    async def upload(self, http: web.BaseRequest, number: str) -> web.Response:
        """Take the bytes that are posted to an upload URL, as they are or as a form's `file`."""
        file = self._world.files.get(number)
        if file is None or file.done:
            return web.Response(status=404, text="not found")
        file.data = await _posted(http)
        if len(file.data) != file.length:
            file.data = b""
            return web.Response(status=400, text="the length is not the one that was announced")
        file.uploaded = True
        return web.Response(text=f"OK - {len(file.data)}")

    def download(self, http: web.BaseRequest, place: str, token: str) -> web.Response:
        """Return a file's bytes; without the bot's token, the page to sign in, as Slack does."""
        number = place.partition("/")[0].removeprefix(f"{TEAM}-")
        file = self._world.files.get(number)
        if http.headers.get("Authorization", "") != f"Bearer {token}":
            page = "<!DOCTYPE html><html><title>Sign in to Slack</title></html>"
            return web.Response(text=page, content_type="text/html")
        if file is None or not file.done:
            return web.Response(status=404, text="<html>file not found</html>", content_type="text/html")
        return web.Response(body=file.data, headers={"Content-Type": file.media_type})

    def _get_url(self, request: Request) -> JSON:
        name = request.wanted("filename")
        request.wanted("length")
        length = request.number("length", 1, 10 * MOST_BYTES)
        if length > MOST_BYTES:
            raise ApiError("file_upload_size_restricted")
        number = self._world.new_id("F")
        kind = TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
        created = int(self._world.clock.now().timestamp())
        self._world.files[number] = File(number, name, kind, b"", name, self._world.bot, created, length)
        return {"upload_url": f"{self._events.files_url}/upload/{number}", "file_id": number}

    def _complete(self, request: Request) -> JSON:
        found = []
        for one in request.value("files", list, "invalid_arguments") or []:
            file = self._world.files.get(str(one.get("id"))) if isinstance(one, dict) else None
            if file is None or not file.uploaded or file.done:
                raise ApiError("file_not_found")
            found.append((file, str(one.get("title") or file.name)))
        if not found:
            raise ApiError("invalid_arguments", ["[ERROR] missing required field: files"])
        where = request.text("channel_id")
        channel = self._chat.place(where) if where else None
        thread_ts = self._chat.thread(request, channel) if channel else ""
        blocks = check_blocks(request.value("blocks", list, "invalid_blocks_format") or [])
        for file, title in found:
            file.done, file.title = True, title
        answer = {"files": [self._events.file(file) for file, _ in found]}
        if channel:
            kept = [file for file, _ in found]
            fields: JSON = {"text": request.text("initial_comment"), "blocks": blocks, "files": kept}
            self._chat.show(channel, self._world.bot, **fields, thread_ts=thread_ts, subtype="file_share")
        return answer

    def _file(self, request: Request) -> File:
        file = self._world.files.get(request.wanted("file"))
        if file is None or not file.done:
            raise ApiError("file_not_found")
        return file

    def _info(self, request: Request) -> JSON:
        file = self._file(request)
        shares: dict[str, dict[str, list[JSON]]] = {}
        for message in file.shares:
            if not message.deleted_at:
                kind = "public" if message.channel.kind == "channel" else "private"
                share = {"ts": message.ts, **({"thread_ts": message.thread_ts} if message.thread_ts else {})}
                shares.setdefault(kind, {}).setdefault(message.channel.id, []).append(share)
        places = [place for kind in shares.values() for place in kind]
        return {"file": {**self._events.file(file), "shares": shares, "channels": places}, "comments": []}

    def _delete(self, request: Request) -> JSON:
        file = self._file(request)
        if file.owner is not self._world.bot:
            raise ApiError("cant_delete_file")
        del self._world.files[file.id]
        return {}


async def _posted(http: web.BaseRequest) -> bytes:
    if http.content_type != "multipart/form-data":
        return await http.read()
    async for part in await http.multipart():
        if isinstance(part, BodyPartReader) and part.name in ("file", "filename"):
            return bytes(await part.read(decode=True))
    return b""

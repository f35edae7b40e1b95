"""The static files: read once, served from memory under names that change with their content."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

_FOLDER = Path(__file__).parent / "static"
_PREFIX = "/static/"


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    media_type: str
    tag: str


class Assets:
    """Every file of the static folder."""

    def __init__(self) -> None:
        self._by_name: dict[str, _Asset] = {}
        self._addresses: dict[str, str] = {}
        for path in sorted(_FOLDER.iterdir()):
            body = path.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:16]
            served = f"{path.stem}.{tag}{path.suffix}"
            media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            self._by_name[served] = _Asset(body, media_type, tag)
            self._addresses[path.name] = _PREFIX + served

    def address(self, name: str) -> str:
        """Return the address of the file `name`."""
        return self._addresses[name]

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a request for a static file."""
        asset = self._by_name.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{asset.tag}"'}
        if any(tag.value == asset.tag for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        charset = None if asset.media_type.startswith("image/") else "utf-8"
        return web.Response(body=asset.body, content_type=asset.media_type, charset=charset, headers=headers)
